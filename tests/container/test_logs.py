"""`xsession logs`: what server, client and all of a session have said."""

from container.session import Session
from machine import Container

SPEAKS = "sh -c 'while sleep 1; do echo good day; done'"


def logs(container: Container, words: str = "") -> str:
    return container.output(f"journalctl --sync; xsession logs {words} | cat", "alice")


def test_what_each_of_them_said(container: Container) -> None:
    with Session(container, SPEAKS) as session:
        session.wait_until_up()
        container.wait("xsession logs client | grep -F 'good day'", 20, user="alice")
        assert "good day" in logs(container)
        assert "good day" in logs(container, ":0")
        assert "good day" not in logs(container, "server")
        assert "xorg@0.service" in logs(container, "server :0")
        assert "xorg@0.service" not in logs(container, "client")
        assert ":0 is up" in logs(container)
        assert session.stop().status == 0
    assert "good day" in logs(container, "client"), "the session that has ended"


def test_it_goes_on(container: Container) -> None:
    """--follow, where `:N` may stand before or after it."""
    with Session(container, SPEAKS) as session:
        session.wait_until_up()
        for words in ("client -f :0", "-f client", "client :0 --follow"):
            container.wait(
                f"timeout 5 xsession logs {words} | grep -m 1 -F 'good day'", 20, user="alice"
            )
        assert session.stop().status == 0
