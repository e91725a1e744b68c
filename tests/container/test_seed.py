"""What startx-like launchers warn of does not apply here: clients without which a server would
wait for ever, or go too early."""

from container.session import IDLE, Session, files_of_alice, main_pid, start
from machine import Container


def test_a_client_that_never_connects(container: Container) -> None:
    with Session(container, IDLE) as session:
        session.wait_until_up()
        assert session.stop().status == 0
    container.run("! pgrep -x Xvfb")


def test_a_client_that_exits_at_once(container: Container) -> None:
    result = start(container, "true")
    assert (result.status, result.stderr) == (0, "")
    container.run("! pgrep -x Xvfb")


def test_resources_stay_when_xrdb_has_gone(container: Container, home: str) -> None:
    """It is the first client, and the last for a moment; no -retain is needed."""
    script = (
        "#!/bin/sh\necho 'XTerm*answer: 42' | xrdb -merge\nsleep 0.5\n"
        f"xrdb -query >{home}/words\npgrep -x Xvfb >{home}/server\n"
    )
    container.run(f"cat >{home}/rc; chmod +x {home}/rc", "alice", stdin=script)
    result = start(container, f"{home}/rc")
    assert (result.status, result.stderr) == (0, "")
    assert container.output(f"cat {home}/words") == "XTerm*answer:\t42"


MPD = """\
[Unit]
Description=Music Player Daemon

[Service]
ExecStart=/usr/bin/mpd --no-daemon

[Install]
WantedBy=default.target
"""


def test_a_unit_of_every_day_plays_on(container: Container) -> None:
    """What belongs to the user manager, and to no graphical session, is none of our business."""
    container.run("cat >/usr/bin/mpd; chmod +x /usr/bin/mpd", stdin="#!/bin/sh\nexec sleep inf\n")
    try:
        with files_of_alice(container, {"systemd/user/mpd.service": MPD}, enable="mpd.service"):
            container.run("systemctl --user start default.target", "alice")
            pid = main_pid(container, "mpd.service")
            with Session(container, "openbox") as session:
                session.wait_until_managed()
                assert session.stop().status == 0
            assert main_pid(container, "mpd.service") == pid != 0
            container.run("systemctl --user disable --now --quiet mpd.service", "alice")
    finally:
        container.run("rm /usr/bin/mpd")
