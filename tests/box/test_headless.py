"""The same door without a VT: `xsession start --server xvfb CLIENT`."""

from machine import Box
from person import shown


def test_from_a_session_without_a_seat(seatless: Box) -> None:
    """As over ssh: the server is in its unit, and answers the client."""
    client = "sh -c 'xdpyinfo >seen; exit 7'"
    done = seatless.run(f"xsession start --server xvfb {client}", "alice", login=True, check=False)
    assert (done.status, done.stderr) == (7, "")
    words = seatless.output("cat seen", "alice")
    assert "name of display:    :0" in words
    assert "vendor string:    The X.Org Foundation" in words


def test_what_runs_where(seatless: Box) -> None:
    seatless.run(
        "systemd-run -q --uid=alice --unit=typed -p PAMName=login"
        " xsession start --server xvfb openbox"
    )
    seatless.wait("systemctl --user is-active xsession@0.target", user="alice")
    for unit in ("xorg@0.socket", "xorg@0.service", "xsession-client@0.service"):
        assert shown(seatless, unit, "ActiveState") == "active", unit
    status = shown(seatless, "xorg@0.service", "StatusText")
    assert status.startswith("X.Org 21.1.")
    assert status.endswith(" on :0, 1280x1024")
    server = seatless.output("pgrep -x Xvfb")
    assert seatless.output(f"ps -o user= -p {server}").strip() == "alice"
    assert seatless.output(f"cat /proc/{server}/cgroup").endswith("/xorg@0.service")
    words = seatless.output(f"tr '\\0' ' ' </proc/{server}/cmdline")
    for option in (" -auth ", " -nolisten tcp ", " -noreset "):
        assert option in words
    seatless.run("xsession stop", "alice")
    seatless.wait("[ $(systemctl is-active typed) = inactive ]")
