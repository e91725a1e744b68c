"""Where somebody is logged in, the drop-in that says so, and what cannot be."""

import io
import re
from pathlib import Path

import pytest

from xsession import autologin, cli, program, xlogin
from xsession.autologin import FREE, Facts, Wish
from xsession.errors import Failure
from xsession.logind import LoginSession, Seat
from xsession.xlogin import Autologin

UNIT = Path(__file__).resolve().parents[2] / "units" / "system" / "xlogin@.service"

FACTS = Facts(
    uid=1000,
    seats=(
        Seat("seat0", "1", graphical=True, tty=True),
        Seat("seat1", "", graphical=True, tty=False),
        Seat("seat2", "", graphical=False, tty=False),
    ),
    sessions=(
        LoginSession("1", 1000, "seat0", 8, True, "tty"),
        LoginSession("2", 4000000000, "seat0", 9, False, "tty"),
        LoginSession("3", 4000000000, "", 0, False, "tty"),
        LoginSession("4", 4000000000, "seat0", 12, False, "tty", closing=True),
    ),
    others=(Autologin("bob", vt=10), Autologin("eve", seat="seat3", vt=0)),
    gettys=(1, 7),
    automatic=6,
    reserved=6,
    allocated=(1, 2, 8, 9, 11),
)


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        (Wish("alice"), Autologin("alice")),
        (Wish("alice", vt=1), Autologin("alice", vt=1)),  # its getty makes room
        (Wish("alice", vt=8), Autologin("alice", vt=8)),  # she sits there herself
        (Wish("alice", vt=12), Autologin("alice", vt=12)),  # somebody has logged out there
        # 7 has a getty, 9 bob, 10 bob's autologin, 11 something
        (Wish("alice", vt=FREE), Autologin("alice", vt=8)),
        (Wish("alice", seat="seat1"), Autologin("alice", "seat1", 0)),
        (
            Wish("alice", words=("i3", "--", "-dpi", "96"), once=True),
            Autologin("alice", words=("i3", "--", "-dpi", "96"), once=True),
        ),
    ],
)
def test_decide(wish: Wish, wanted: Autologin) -> None:
    assert autologin.decide(wish, FACTS) == wanted


def test_a_vt_that_something_has_is_not_free() -> None:
    facts = Facts(uid=1, seats=FACTS.seats, gettys=(7,), automatic=9, allocated=(10, 11))
    assert autologin.decide(Wish("alice", vt=FREE), facts).vt == 12


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish("alice", seat="seat9"), "there is no seat 'seat9'"),
        (Wish("alice", words=("i3", "--", "-auth", "x")), "server option -auth: the authority is"),
        (Wish("alice", seat="seat2"), "seat2 has no graphics device"),
        (Wish("alice", seat="seat1", vt=7), "seat1 has no VTs"),
        (Wish("alice", seat="seat1", vt=FREE), "seat1 has no VTs"),
        (Wish("alice", vt=6), "VT 6 is kept by logind for a login prompt"),
        (Wish("alice", vt=9), "VT 9 is in use: login session 2 of uid 4000000000 is on"),
        (Wish("alice", vt=10), "VT 10 has an autologin already: bob's"),
    ],
)
def test_refused(wish: Wish, sentence: str) -> None:
    with pytest.raises(Failure) as failure:
        autologin.decide(wish, FACTS)
    assert failure.value.what.startswith(sentence)
    assert failure.value.hint


def test_a_seat_has_one_autologin() -> None:
    facts = Facts(seats=FACTS.seats, others=(Autologin("bob", "seat1", 0),))
    with pytest.raises(Failure, match="seat1 has an autologin already: bob's"):
        autologin.decide(Wish("alice", seat="seat1"), facts)


def test_no_vt_is_free() -> None:
    facts = Facts(seats=FACTS.seats, allocated=range(1, 64))
    with pytest.raises(Failure, match="no VT from 7 to 63 is free"):
        autologin.decide(Wish("alice", vt=FREE), facts)


def test_an_account_that_would_be_refused() -> None:
    facts = Facts(objection=("the password is locked", "usermod --unlock alice"))
    with pytest.raises(Failure, match="alice would not be logged in: the password is locked"):
        autologin.decide(Wish("alice"), facts)


def test_the_unit_as_it_stands_is_the_default() -> None:
    text = UNIT.read_text()
    assert Autologin("alice").drop_in == ""
    assert f"TTYPath=/dev/tty{xlogin.VT}\n" in text
    (variables,) = re.findall("^Environment=(.*)$", text, re.MULTILINE)
    wanted = {f"XDG_SEAT={xlogin.SEAT}", f"XDG_VTNR={xlogin.VT}", *xlogin.ENVIRONMENT}
    assert set(variables.split()) == wanted


def test_drop_in_of_another_vt() -> None:
    assert Autologin("alice", vt=8).drop_in == (
        "[Service]\nEnvironment=XDG_VTNR=8\nTTYPath=/dev/tty8\nUtmpIdentifier=tty8\n"
    )


def test_drop_in_of_a_seat_without_vts() -> None:
    """Nothing of the default VT is left, or the service would reset /dev/console."""
    assert Autologin("bob", "seat1", 0).drop_in == (
        "[Service]\n"
        "Environment=\n"
        "Environment=XDG_SEAT=seat1 XDG_SESSION_TYPE=x11 XDG_SESSION_CLASS=user\n"
        "StandardInput=null\n"
        "TTYPath=\n"
        "TTYReset=no\n"
        "TTYVHangup=no\n"
        "TTYVTDisallocate=no\n"
        "UtmpIdentifier=\n"
    )


def test_drop_in_of_one_login() -> None:
    assert Autologin("alice", once=True).drop_in == (
        "[Unit]\nOnSuccess=xlogin-prompt@alice.service\n\n[Service]\nRestart=no\n"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("i3",), "i3"),
        (("surf", "-F", "https://a.example/?q=%20"), 'surf -F "https://a.example/?q=%%20"'),
        (("sh", "-c", 'echo "$HOME"; x'), 'sh -c "echo \\"$$HOME\\"; x"'),
        (("a", "", "b\\c"), 'a "" "b\\\\c"'),
        (("i3", "--", "-novtswitch"), "i3 -- -novtswitch"),
    ],
)
def test_drop_in_of_a_session(words: tuple[str, ...], line: str) -> None:
    drop_in = Autologin("alice", words=words).drop_in
    ours = " ".join(program.command())
    assert drop_in == f"[Service]\nExecStart=\nExecStart={ours} login {line}\n"


@pytest.mark.parametrize("user", ["../x", "a/b", "a b", "-a", "", ".", "ä", "a\nb"])
def test_names_that_no_unit_can_have(user: str) -> None:
    with pytest.raises(Failure, match="cannot be part of a unit's name"):
        autologin._refuse_name(user)


@pytest.mark.parametrize("user", ["alice", "a.b-c_d", "DOMAIN\\alice", "alice@example.org"])
def test_names_that_a_unit_can_have(user: str) -> None:
    autologin._refuse_name(user)


def test_write_and_remove(tmp_path: Path) -> None:
    path = tmp_path / "xlogin@alice.service.d" / "autologin.conf"
    assert not autologin._remove(path)
    autologin._write(path, "[Service]\n")
    autologin._write(path, "[Unit]\n")
    assert path.read_text() == "[Unit]\n"
    assert autologin._remove(path)
    assert not path.parent.exists()


def test_remove_leaves_what_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "xlogin@alice.service.d" / "autologin.conf"
    autologin._write(path, "")
    (path.parent / "mine.conf").touch()
    assert autologin._remove(path)
    assert [it.name for it in path.parent.iterdir()] == ["mine.conf"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("enable alice --vt 0", "'0' is no VT; they are 1 to 63"),
        ("enable alice --vt 64", "'64' is no VT"),
        ("enable alice --vt -1", "'-1' is no VT"),
        ("enable alice --vt tty7", "'tty7' is no VT"),
        ("enable", "whose autologin is to be enabled?"),
        ("disable", "whose autologin is to be disabled?"),
        ("banish alice", "invalid choice: 'banish'"),
        ("enable alice --session 'x", "--session"),
    ],
)
def test_bad_words(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["autologin", *words.split()]) == 125
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_root_rights_are_asked_for(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["autologin", verb, "alice"]) == 125
    assert f"try: sudo xsession autologin {verb} alice" in capsys.readouterr().err


def test_status_on_a_narrow_terminal_that_knows_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    said = autologin_status(monkeypatch, Autologin("alice", words=("grün -- und mehr",)))
    assert max(map(len, said.splitlines())) <= 20
    assert r"gr\xfcn" in said
    assert "now      active" in said


def autologin_status(monkeypatch: pytest.MonkeyPatch, it: Autologin) -> str:
    """What status prints of an autologin that runs, on 20 columns in ASCII."""
    state = {"ActiveState": "active", "SubState": "running", "DropInPaths": "/etc/a/long.conf"}
    monkeypatch.setattr("xsession.system.show", lambda *_: state)
    monkeypatch.setattr("xsession.system.is_enabled", lambda names: dict.fromkeys(names, True))
    monkeypatch.setattr(xlogin, "of", lambda _: it)
    monkeypatch.setattr("xsession.tty.width", lambda: 20)
    terminal = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert autologin.status(it.user) == 0
    terminal.seek(0)
    return terminal.read()


def test_a_drop_in_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "xlogin@alice.service.d" / "xsession.conf"
    autologin._write(path, "before\n")
    with pytest.raises(Failure, match="not UTF-8"):
        autologin._write(path, "caf\udce9\n")
    assert path.read_text() == "before\n"
