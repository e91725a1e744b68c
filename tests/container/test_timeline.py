"""`xsession timeline`: the phases of the last start, while the session runs and afterwards."""

import json
import xml.etree.ElementTree as ET

import pytest
from container.session import XVFB, Session, said, start
from machine import Container

from xsession import timeline


def phases(container: Container, words: str = "") -> dict[str, tuple[float, float | None]]:
    """Begin and end of each, in seconds."""
    told = json.loads(container.output(f"xsession timeline --json {words}", "alice"))
    return {it["name"]: (it["begin"], it["end"]) for it in told["phases"]}


def in_order(moments: dict[str, tuple[float, float | None]], *names: str) -> None:
    """Each ends before the next one begins, within a tick of the kernel's."""
    ends = [
        (end, moments[after][0])
        for (_, end), after in zip((moments[name] for name in names), names[1:], strict=False)
    ]
    for end, begin in ends:
        assert end is not None
        assert end <= begin + 0.011, moments


def test_during_and_after_a_session(container: Container) -> None:
    # In a shell's place nobody could tell when the program began.
    with Session(container, "", command=f"sh -c '{XVFB} openbox; true'") as session:
        session.wait_until_managed()
        during = phases(container)
        container.run("xsession restart client", "alice")
        assert phases(container) == during
        session.stop()
    after = phases(container)
    assert after == during
    assert list(after) == [name for name, _, _ in timeline.PHASES]
    in_order(after, "python", "loading", "look", "authority", "addresses", "bridge", "fork")
    in_order(after, "fork", "server", "answers", "managed", "targets")
    in_order(after, "addresses", "environment", "client", "xorg.target")
    assert max(end or 0 for _, end in after.values()) < 30

    drawn = container.output("xsession timeline :0", "alice")
    assert [line.split()[0] for line in drawn.splitlines()[1:]] == list(after)
    assert "█" in drawn
    container.run("xsession timeline --svg /dev/shm/timeline.svg", "alice")
    ET.fromstring(container.output("cat /dev/shm/timeline.svg; rm /dev/shm/timeline.svg"))  # noqa: S314


def test_on_a_terminal(container: Container) -> None:
    assert start(container, "xdpyinfo").status == 0
    for columns in (20, 80):
        for setting, colours in (("", True), ("NO_COLOR=1", False)):
            line = f"stty cols {columns}; TERM=linux {setting} xsession timeline"
            shown = container.output(f"script -qc '{line}' /dev/null </dev/null", "alice")
            assert ("\x1b[34m" in shown) is colours
            if not colours:
                assert max(len(it.rstrip("\r")) for it in shown.splitlines()) <= columns


@pytest.mark.parametrize("server", ["client and server", "server"])
def test_the_last_of_several(container: Container, server: str) -> None:
    """A server that is restarted, or is started by a program, has a timeline of its own."""
    if server == "server":
        with Session(container, "", command="xsession listen --server xvfb") as session:
            address = "DISPLAY=:0 XAUTHORITY=/run/user/1000/xsession/0/authority"
            container.wait("systemctl --user is-active xorg@0.socket", 10, user="alice")
            container.run(f"{address} xdpyinfo", "alice")
            container.wait("systemctl --user is-active xorg@0.service", 10, user="alice")
            seen = phases(container)
            session.stop()
        assert list(seen) == ["bridge", "fork", "server", "answers"]
    else:
        with Session(container, "openbox") as session:
            session.wait_until_managed()
            container.run("xsession restart server", "alice")
            session.wait_until_managed()
            seen = phases(container, ":0")
            session.stop()
        assert list(seen) == [name for name, _, _ in timeline.PHASES[4:]]
        assert max(end or 0 for _, end in seen.values()) < 30


def test_a_client_that_ends_at_once(container: Container) -> None:
    for client in ("true", "xdpyinfo"):
        assert start(container, client).status == 0
        seen = phases(container)
        assert list(seen)[:4] == ["loading", "look", "authority", "addresses"]
        assert "targets" not in seen


@pytest.mark.journal(r"no server on :0|xorg@0\.service")
def test_a_start_that_came_to_nothing(container: Container) -> None:
    assert start(container, "xdpyinfo -- -no-such-option").status == 125
    seen = phases(container)
    assert seen["server"][1] is None
    assert "answers" not in seen


def test_no_start_on_record(container: Container) -> None:
    result = container.run("xsession timeline :97", "alice", check=False)
    assert result.status == 125
    assert said(result) == "the journal has no start on :97 of this user"
    assert "xsession start" in result.stderr
    result = container.run(
        "xsession start --server xvfb true; xsession timeline --svg /no/such", "alice", check=False
    )
    assert (result.status, said(result)) == (
        125,
        "could not write /no/such: No such file or directory",
    )
