"""A login session's own variables; what loginctl says of all seats and login sessions."""

import pytest

from xsession import logind, process
from xsession.errors import Failure
from xsession.logind import LoginSession
from xsession.process import Completed


@pytest.mark.parametrize(
    ("seat", "vt", "variables"),
    [
        ("seat0", 1, {"XDG_SESSION_ID": "5", "XDG_SEAT": "seat0", "XDG_VTNR": "1"}),
        ("seat1", 0, {"XDG_SESSION_ID": "5", "XDG_SEAT": "seat1"}),
        ("", 0, {"XDG_SESSION_ID": "5"}),
    ],
)
def test_private_variables(seat: str, vt: int, variables: dict[str, str]) -> None:
    login = LoginSession("5", 1000, seat, vt, active=True, type="tty")
    assert login.private == variables


SEATS = """Id=seat0
ActiveSession=3
CanTTY=yes
CanGraphical=yes

Id=seat1
ActiveSession=
CanTTY=no
CanGraphical=no
"""


def test_all_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(argv: tuple[str, ...]) -> Completed:
        ran.append(argv)
        return Completed(0, SEATS if "show-seat" in argv else "seat0\nseat1")

    monkeypatch.setattr(process, "run", run)
    assert logind.seats() == (
        logind.Seat("seat0", "3", graphical=True, tty=True),
        logind.Seat("seat1", "", graphical=False, tty=False),
    )
    assert ran[1][:4] == ("loginctl", "show-seat", "seat0", "seat1")


def test_no_login_session_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda _: Completed(0, ""))
    assert logind.sessions() == ()


def test_logind_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda _: Completed(1, "Failed to list seats: no bus"))
    with pytest.raises(Failure) as failure:
        logind.seats()
    assert str(failure.value) == (
        "logind does not answer: Failed to list seats: no bus\n"
        "  look at it: systemctl status systemd-logind"
    )
    assert logind.gettys() == 0


def test_one_that_goes_while_all_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """loginctl shows none of those after it, so it is asked again."""
    lists = iter(("1 alice\n2 bob\n3 carol", "1 alice\n3 carol"))

    def run(argv: tuple[str, ...]) -> Completed:
        if "list-sessions" in argv:
            return Completed(0, next(lists))
        if "2" in argv:
            return Completed(1, "Id=1")
        return Completed(0, "Id=1\nUser=1000\n\nId=3\nUser=1002")

    monkeypatch.setattr(process, "run", run)
    assert [it.uid for it in logind.sessions()] == [1000, 1002]


ACTIVE, AWAY = (Completed(0, f"Id=5\nActive={it}") for it in ("yes", "no"))
SILENT = Completed(1, "Failed to connect to bus")
DONE, REFUSED = Completed(0, ""), Completed(1, "Access denied")


@pytest.mark.parametrize(
    ("looks", "activated", "why"),
    [
        ((ACTIVE,), (), ""),
        ((AWAY, AWAY, ACTIVE), (DONE,), ""),
        ((SILENT, AWAY, ACTIVE), (DONE,), ""),  # logind was about to start
        ((AWAY,), (REFUSED,), "Access denied"),
        ((SILENT,) * 9, (), "login session 5: logind does not answer within 0 s"),
        ((AWAY,) * 9, (DONE,), "login session 5: it did not become active within 0 s"),
    ],
)
def test_made_active(
    monkeypatch: pytest.MonkeyPatch,
    looks: tuple[Completed, ...],
    activated: tuple[Completed, ...],
    why: str,
) -> None:
    answers = {"show-session": iter(looks), "activate": iter(activated)}
    monkeypatch.setattr(process, "run", lambda argv: next(answers[argv[1]]))
    assert logind.make_active("5", 0.2) == why
    assert next(answers["activate"], None) is None
