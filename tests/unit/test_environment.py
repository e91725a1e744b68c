"""The journal of the user manager's environment: undo restores, and leaves what others changed."""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsession import environment
from xsession.environment import Entry, Undo
from xsession.variables import Variable

names = st.sampled_from(["DISPLAY", "XAUTHORITY", "LANG", "PATH"])
variables = st.dictionaries(names, st.text(max_size=3))


OWN_BUS = "unix:path=/run/user/1000/bus"


def undo_of(journal: Iterable[Entry], manager: Mapping[str, str]) -> Undo:
    return environment.undo(journal, manager, OWN_BUS)


def journal(shared: dict[str, str], before: dict[str, str]) -> list[Entry]:
    told = {name: Variable(value, "xsession") for name, value in shared.items()}
    return environment.decode(environment.encode(environment.entries(told, before)))


def apply(undo: Undo, manager: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in manager.items() if name not in undo.unset}
    return kept | undo.set


@given(before=variables, shared=variables)
def test_undo_after_set_restores(before: dict[str, str], shared: dict[str, str]) -> None:
    undo = undo_of(journal(shared, before), before | shared)
    assert apply(undo, before | shared) == before
    assert undo.left == ()


@given(before=variables, shared=variables)
def test_undo_of_what_was_never_set_does_nothing(
    before: dict[str, str], shared: dict[str, str]
) -> None:
    assert undo_of(journal(shared, before), before) == Undo({}, (), ())


@given(before=variables, shared=variables, name=names)
def test_what_somebody_else_changed_is_left(
    before: dict[str, str], shared: dict[str, str], name: str
) -> None:
    changed = before | shared | {name: "theirs, and longer than any of ours"}
    undo = undo_of(journal(shared, before), changed)
    assert undo.left == ((name,) if name in shared else ())
    assert apply(undo, changed) == before | {name: changed[name]}


@given(before=variables, shared=variables, name=names)
def test_what_somebody_else_unset_stays_unset(
    before: dict[str, str], shared: dict[str, str], name: str
) -> None:
    now = before | shared
    now.pop(name, None)
    undo = undo_of(journal(shared, before), now)
    assert name not in apply(undo, now)


@given(shared=st.dictionaries(names, st.text(alphabet='ä\udcff\n"\\', max_size=4)))
def test_any_value_survives_the_journal(shared: dict[str, str]) -> None:
    undo = undo_of(journal({"DISPLAY": ":0"}, shared), {"DISPLAY": ":0"})
    assert undo.set.get("DISPLAY") == shared.get("DISPLAY")


@given(before=variables, first=variables, second=variables)
def test_what_is_set_twice_is_restored_to_what_was_there_first(
    before: dict[str, str], first: dict[str, str], second: dict[str, str]
) -> None:
    amended = environment.amended(journal(first, before), journal(second, before | first))
    assert apply(undo_of(amended, before | first | second), before | first | second) == before


NOT_OURS = [
    *(b"", b'[["DISPLAY", nul', b"\xff", b'{"A": 1}', b"[[]]", b"[1]", b"[" * 4000),
    *(b'[[["A"], null, "x", "s"]]', b'[["A", [], "x", "s"]]', b'[["A", null, "x", ["s"]]]'),
]


@pytest.mark.parametrize("text", NOT_OURS)
def test_a_journal_that_is_not_whole_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        environment.decode(text)


def test_the_client_has_the_login_shells_but_not_what_is_the_shells_own() -> None:
    login = {"PATH": "/usr/bin", "SHLVL": "1", "TERM": "linux", "XDG_VTNR": "7", "LISTEN_FDS": "1"}
    assert environment.passed(login) == ({"PATH": "/usr/bin"}, ())


def test_what_no_unit_can_be_given_is_refused_by_name() -> None:
    given, complaints = environment.passed({"A": "\udcff", "B": "b"})
    assert given == {"B": "b"}
    assert complaints == ("variable 'A' is given to nobody: its value is not UTF-8",)


def test_the_file_for_units_that_ask_for_the_login_session() -> None:
    assert environment.file({"XDG_SEAT": "seat0", "XDG_VTNR": "1"}) == (
        b'XDG_SEAT="seat0"\nXDG_VTNR="1"\n'
    )


BUS = "DBUS_SESSION_BUS_ADDRESS"


def test_what_an_rc_file_imports_is_undone() -> None:
    manager = {"PATH": "/bin", "LANG": "C", BUS: "unix:path=/run/user/1000/bus", "TERM": "linux"}
    given = {"DISPLAY": ":0", "PATH": "/own:/bin", "LANG": "C", "MAIL": "/m", "XDG_VTNR": "1"}
    shared = {"DISPLAY": Variable(":0", "xsession")}
    journal = environment.entries(shared, manager)
    journal += environment.importable(given, shared, manager)
    assert undo_of(journal, {**manager, "DISPLAY": ":0"}) == Undo({}, ("DISPLAY",), ())
    # `systemctl --user import-environment` of a shell below dbus-launch, and what else was set
    imported = {BUS: "unix:abstract=/tmp/x", "PWD": "/", "SESSION_MANAGER": "x", "MINE": "1"}
    assert undo_of(journal, {**manager, **given, **imported, "TERM": "xterm"}) == Undo(
        {"PATH": "/bin", BUS: manager[BUS], "TERM": "linux"},
        ("PWD", "SESSION_MANAGER", "DISPLAY", "MAIL", "XDG_VTNR"),
        (),
    )
    # of these, only what it has of us
    other = {"DISPLAY": ":0", "PATH": "/sbin", "MAIL": "/n"}
    assert undo_of(journal, {**manager, **other}) == Undo({}, ("DISPLAY",), ())


def test_the_managers_own_bus_stays() -> None:
    """Debian 12's dbus.socket sets it in the manager, be it while the session runs."""
    assert undo_of([], {BUS: OWN_BUS}) == Undo({}, (), ())
    told = environment.importable({BUS: OWN_BUS}, {}, {})
    assert undo_of(told, {BUS: OWN_BUS}) == Undo({}, (), ())
    assert undo_of([], {BUS: "unix:path=/tmp/dbus-x"}) == Undo({}, (BUS,), ())


@pytest.mark.parametrize("name", ["XDG_VTNR", "WAYLAND_DISPLAY", "XDG_SESSION_ID"])
def test_what_tells_of_another_login_session_is_left_alone(name: str) -> None:
    """Set meanwhile by a person, or by a session beside ours that the manager has as well."""
    assert undo_of([], {name: "2"}) == Undo({}, (), ())
    given = environment.importable({name: "1"}, {}, {})
    assert undo_of(given, {name: "2"}) == Undo({}, (), ())
    assert undo_of(given, {name: "1"}) == Undo({}, (name,), ())


def test_an_undoing_that_came_only_as_far_as_the_bus_is_done_again() -> None:
    """dbus-daemon, which cannot unset, has handed on to the manager what it was told."""
    shared = {"DISPLAY": Variable(":0", "xsession"), "LANG": Variable("C", "login shell")}
    journal = environment.entries(shared, {"LANG": "de_DE"})
    assert undo_of(journal, {"DISPLAY": "", "LANG": "de_DE"}) == Undo({}, ("DISPLAY",), ())
    assert undo_of(journal, {"DISPLAY": ":0", "LANG": ""}) == Undo({}, ("DISPLAY",), ("LANG",))
