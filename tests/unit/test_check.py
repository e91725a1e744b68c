"""`xsession check`: where the login profile starts a session, and what is said where not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xsession import check, plan, session, streak
from xsession.errors import Failure
from xsession.plan import Request


@pytest.fixture(autouse=True)
def a_login_on_vt1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """All is well: what the tests make of it is what they see."""
    monkeypatch.setattr("os.environ", {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
    monkeypatch.setattr(check, "_login_shell", lambda _: True)
    monkeypatch.setattr("xsession.tty.vt_of", lambda _: 1)
    monkeypatch.setattr(session, "look", lambda _: None)
    monkeypatch.setattr(plan, "make", lambda *_: None)
    yield


def verdict(capsys: pytest.CaptureFixture[str], *, verbose: bool = True) -> tuple[int, str]:
    status = check.check(Request(), (1, 2), verbose)
    return status, capsys.readouterr().err


def test_it_would_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(capsys) == (0, "")


def test_another_vt_costs_no_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who mends a graphics driver on tty3 does not wait for it."""
    monkeypatch.setattr("xsession.tty.vt_of", lambda _: 3)
    monkeypatch.setattr(session, "look", lambda _: pytest.fail("it looked"))
    status, said = verdict(capsys)
    assert (status, "this is tty3, and a session is started on tty1, tty2 only" in said) == (
        1,
        True,
    )
    assert verdict(capsys, verbose=False) == (1, "")


def test_within_an_autologin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.environ", {"XSESSION_LOGIN": "1"})
    assert verdict(capsys)[0] == 1


def test_no_login_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "_login_shell", lambda _: False)
    status, said = verdict(capsys)
    assert (status, "this is no login shell" in said) == (1, True)


def test_what_start_would_refuse(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise Failure("a session runs on :0", "xsession stop")

    monkeypatch.setattr(plan, "make", refuse)
    status, said = verdict(capsys)
    assert (status, said) == (1, "xsession: a session runs on :0\n  xsession stop\n")
    assert verdict(capsys, verbose=False) == (1, "")


def test_too_many_short_sessions_are_named_unasked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for _ in range(streak.MOST):
        streak.note({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}, 1.0)
    status, said = verdict(capsys, verbose=False)
    assert (status, "the last 3 sessions lasted less than 10 s each" in said) == (1, True)

    monkeypatch.setattr("xsession.tty.vt_of", lambda _: 3)  # nobody waits for one there
    assert verdict(capsys, verbose=False) == (1, "")


@pytest.mark.parametrize(
    ("argv", "is_one"),
    [
        ("-bash", True),
        ("-sh", True),
        ("bash\0--login", True),
        ("zsh\0-l", True),
        ("bash", False),
        ("bash\0-c\0x", False),
    ],
)
def test_a_login_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: str, is_one: bool
) -> None:
    monkeypatch.undo()
    (tmp_path / "cmdline").write_text(f"{argv}\0")
    real = open
    monkeypatch.setattr("builtins.open", lambda *_, **__: real(tmp_path / "cmdline"))
    assert check._login_shell(1) is is_one
