"""What startx's rc files did first: resources, keymap, modifiers, as units before the client."""

from collections.abc import Iterator

import pytest
from container.session import ON_DISPLAY, Session, files_of_alice
from machine import Container

FILES = {
    ".Xresources": "xterm*answer: 42\n",
    ".Xkbmap": "-layout de\n",
    ".Xmodmap": "keycode 108 = F13\n",
}


@pytest.fixture(autouse=True)
def files(container: Container) -> Iterator[None]:
    for name, text in FILES.items():
        container.run(f"cat >{name}", "alice", stdin=text)
    yield
    container.run(f"rm {' '.join(FILES)}", "alice")


def said_by(container: Container, command: str) -> str:
    return container.output(f"{ON_DISPLAY} {command}", "alice")


def test_they_are_there_before_the_client(container: Container, home: str) -> None:
    """The keymap before the modifiers, which it would undo."""
    client = f"sh -c 'xrdb -query >{home}/resources; exec sleep infinity'"
    with Session(container, client) as session:
        session.wait_until_up()
        container.wait(f"grep answer {home}/resources", 20)
        assert "layout:     de" in said_by(container, "setxkbmap -query")
        assert "keycode 108 = F13" in said_by(container, "xmodmap -pke")
        assert session.stop().status == 0


UNIT = """[Unit]
After=xorg.target
Requires=xorg.target
[Service]
ExecStart=/bin/sh -c 'xmodmap -pke >%h/test/keys; exec sleep infinity'
"""


def test_before_a_unit_as_the_client(container: Container, home: str) -> None:
    with (
        files_of_alice(container, {"systemd/user/mine.service": UNIT}),
        Session(container, "mine.service") as session,
    ):
        container.wait(f"grep -F 'keycode 108 = F13' {home}/keys", 30)
        assert session.stop().status == 0


def test_one_that_is_masked_is_not_done(container: Container) -> None:
    container.run("systemctl --user mask xsession-modmap@.service", "alice")
    try:
        with Session(container) as session:
            session.wait_until_up()
            assert "layout:     de" in said_by(container, "setxkbmap -query")
            assert "keycode 108 = F13" not in said_by(container, "xmodmap -pke")
            assert session.stop().status == 0
    finally:
        container.run("systemctl --user unmask xsession-modmap@.service", "alice")
