"""What is told of an autologin that went wrong."""

import shlex
from collections.abc import Callable

import pytest

from xsession import login, program, xlogin
from xsession.logind import Seat
from xsession.udev import Gpu
from xsession.xlogin import Autologin

GPU = Gpu("card1", "amdgpu", False, "seat1")


def test_crash_loop() -> None:
    shown = {"ExecMainCode": "1", "ExecMainStatus": "3", "NRestarts": "3"}
    said = xlogin.crash(Autologin("alice"), 1000, shown, 4.2, ["no X server", "look at it"])
    lines = said.splitlines()
    assert lines[0] == (
        "alice is not logged in again; it was given up: three sessions in a row failed or"
        " ended within 60 s, the last one with status 3 after 4 s"
    )
    assert lines[1:3] == ["  no X server", "  look at it"]
    assert lines[-1] == "  once more: systemctl start xlogin@alice.service"


def test_one_crash() -> None:
    shown = {"ExecMainCode": "2", "ExecMainStatus": "9"}
    said = xlogin.crash(Autologin("alice", once=True), 1000, shown, 70, [])
    assert said.startswith("the session of alice ended with signal 9 (SIGKILL) after 70 s\n")


@pytest.mark.parametrize(
    ("text", "issue"), [("", ""), ("a\n  b", "a\n  b\n\n"), ("\\n \\l", "\\\\n \\\\l\n\n")]
)
def test_issue(text: str, issue: str) -> None:
    assert xlogin.as_issue(text) == issue


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("", ()), ("i3", ("i3",)), ("i3 -- -dpi 96", ("i3", "--", "-dpi", "96"))],
)
@pytest.mark.parametrize("program", ["/usr/bin/xsession", "/a/python3 -I /b/__main__.py"])
def test_words_of_a_unit(words: str, wanted: tuple[str, ...], program: str) -> None:
    argv = " ".join(filter(None, (f"{program} login", words)))
    shown = f"{{ path=/usr/bin/xsession ; argv[]={argv} ; ignore_errors=no ; pid=0 }}"
    assert xlogin._words_of(shown) == wanted


def test_a_seat_is_waited_for_by_the_events_of_udev(monkeypatch: pytest.MonkeyPatch) -> None:
    """logind, which has none to tell, is not asked before its device is there."""
    asked: list[str] = []

    def wait(enough: Callable[[tuple[Gpu, ...]], bool], seat: str, seconds: float) -> None:
        asked.append(f"udev {seat} {seconds:.0f} {enough(())} {enough((GPU,))}")

    def seats() -> tuple[Seat, ...]:
        asked.append("logind")
        return (Seat("seat1", "", graphical=True, tty=False),)

    monkeypatch.setattr("xsession.udev.wait", wait)
    monkeypatch.setattr("xsession.logind.seats", seats)
    assert xlogin._seat_comes("seat1", 10)
    assert asked == ["udev seat1 10 False True", "logind"]


def test_login_becomes_the_login_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[object] = []
    monkeypatch.setattr("os.environ", {"HOME": "/root", "JOURNAL_STREAM": "8:1", "TERM": "linux"})
    monkeypatch.setattr(
        "xsession.process.become", lambda argv, environ, **_: became.extend((argv, environ))
    )
    login.login(("a client", "--", "-dpi", "96"))
    argv, environ = became
    assert isinstance(argv, tuple)
    assert argv[0].startswith("-")
    ours = program.command()
    command = f"exec {shlex.join(ours)} start 'a client' -- -dpi 96"
    assert argv[-1] == command
    assert shlex.split(command)[len(ours) + 2] == "a client"
    assert environ == {"HOME": "/root", "TERM": "linux", "XSESSION_LOGIN": "1"}
