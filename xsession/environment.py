"""The environment of a session: who gets which variable, what is set, and how it is undone.

Shared variables are in the user manager and in D-Bus activation; private ones are true of one
login session only, and are given to the client alone and to units that ask for them.

The journal is written before anything is set: name, value before (or null), value set, where it
came from. Whoever cleans up (the holder, the bridge's unit, the next start) reads it. It also has
what the client is given and the manager is not, as many an rc file imports all that it has.
"""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from xsession import variables
from xsession.variables import Variable


def passed(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the client has of the login shell: all that startx would give it. And complaints of
    what no unit can be given."""
    given: dict[str, str] = {}
    complaints = []
    for name, value in environ.items():
        if variables.never(name) in variables.NOT_PASSED:
            continue
        if reason := variables.refusal(name, value):
            complaints.append(f"variable {name!a} is given to nobody: {reason}")
        else:
            given[name] = value
    return given, tuple(complaints)


class Entry(NamedTuple):
    """One line of the journal: a variable, its value before (None: it was not set), and now.

    Without a `source` it was not set, and is undone if the client has imported it.
    """

    name: str
    before: str | None
    value: str
    source: str


def entries(shared: Mapping[str, Variable], manager: Mapping[str, str]) -> list[Entry]:
    """The journal of setting `shared` in a manager that has `manager`."""
    return [
        Entry(name, manager.get(name), variable.value, variable.source)
        for name, variable in shared.items()
    ]


def importable(
    given: Mapping[str, str], shared: Mapping[str, Variable], manager: Mapping[str, str]
) -> list[Entry]:
    """The journal of what a client that has `given` may import, beside `shared`."""
    names = dict.fromkeys((*given, *filter(variables.passing, manager)))
    return [
        Entry(name, manager.get(name), given.get(name, manager.get(name, "")), "")
        for name in names
        if name not in shared
    ]


def amended(journal: Iterable[Entry], more: Iterable[Entry]) -> list[Entry]:
    """The journal with more set. What was there before the first time stays what is restored."""
    merged = {entry.name: entry for entry in journal}
    for entry in more:
        before = merged[entry.name].before if entry.name in merged else entry.before
        merged[entry.name] = entry._replace(before=before)
    return list(merged.values())


def encode(journal: Iterable[Entry]) -> bytes:
    return json.dumps(list(journal), indent=1).encode()


def decode(text: bytes) -> list[Entry]:
    """Raises ValueError for a journal that is not ours or only half there."""
    try:
        journal = [
            Entry(name, before, value, source) for name, before, value, source in json.loads(text)
        ]
    except (TypeError, RecursionError) as error:
        raise ValueError("not a journal of ours") from error
    for name, before, value, source in journal:
        texts = (name, value, source)
        if not all(isinstance(text, str) for text in texts) or not isinstance(before, str | None):
            raise ValueError("not a journal of ours")
    return journal


class Undo(NamedTuple):
    """What restores the manager: variables to set, to unset, and those to leave (changed since)."""

    set: dict[str, str]
    unset: tuple[str, ...]
    left: tuple[str, ...]


def undo(journal: Iterable[Entry], manager: Mapping[str, str], bus: str) -> Undo:
    """How to restore what `journal` tells, in a manager that now has `manager`. `bus`: the address
    of the manager's own bus, which stays, whoever has set it."""
    restore: dict[str, str] = {}
    left: list[str] = []
    known = {entry.name: entry for entry in journal}
    unset = [
        name
        for name, value in manager.items()
        if name not in known and value != bus and variables.passing(name)
    ]
    for entry in known.values():
        now = manager.get(entry.name)
        if now in (entry.before, bus):
            continue
        # Empty: an undoing before this one has told the bus, and could run no program after that.
        ours = now == entry.value or (now == "" and entry.before is None)
        if not ours and (entry.source or not variables.passing(entry.name)):
            left += [entry.name] if entry.source else []
        elif entry.before is None:
            unset.append(entry.name)
        else:
            restore[entry.name] = entry.before
    return Undo(restore, tuple(unset), tuple(left))


def file(private: Mapping[str, str]) -> bytes:
    """An environment file of `private` for units that ask for it (systemd.exec(5))."""
    return "".join(f'{name}="{value}"\n' for name, value in private.items()).encode()
