"""Completion: what can follow on the command line, told by the parser or seen.

`xsession words KIND` prints what only a look tells; the scripts in shells.py ask for it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from xsession.errors import Failure


class Kind(Enum):
    """Words that are not known before somebody looks."""

    NONE = "none"  # a number, say: there is nothing to choose from
    SESSIONS = "sessions"
    APPLICATIONS = "applications"
    DISPLAYS = "displays"
    SEATS = "seats"
    VARIABLES = "variables"  # each shell knows its own


@dataclass(frozen=True)
class Place:
    """What can stand at one place: these words, or those of a kind."""

    words: tuple[str, ...] = ()
    kind: Kind = Kind.NONE


@dataclass(frozen=True)
class Option:
    """An option, and what its value can be; None if it has none."""

    names: tuple[str, ...]
    help: str
    value: Place | None


@dataclass(frozen=True)
class Verb:
    """A verb and what can follow it.

    `repeats`: the last place does. `command`: what stands there is a program, and what follows
    is its own.
    """

    name: str
    help: str
    options: tuple[Option, ...]
    places: tuple[Place, ...]
    repeats: bool
    command: bool


# For arguments whose words the parser does not list: options by name, others by `dest`.
PLACES = {
    "client": (Place(kind=Kind.SESSIONS),),
    "name": (Place(kind=Kind.SESSIONS),),
    "command": (Place(kind=Kind.APPLICATIONS),),
    "display": (Place(kind=Kind.DISPLAYS),),
    "names": (Place(("import",)), Place(kind=Kind.VARIABLES)),
    "--session": (Place(kind=Kind.SESSIONS),),
    "seat": (Place(kind=Kind.SEATS),),
    "--seat": (Place(kind=Kind.SEATS),),
    "action": (Place(("enable", "disable", "status")),),  # the others are its units'
}


def verbs(parser: argparse.ArgumentParser) -> tuple[Verb, ...]:
    """The verbs that are for people: they have a help. Those of our own units have none."""
    (group,) = (it for it in parser._actions if isinstance(it, argparse._SubParsersAction))
    return tuple(
        _verb(it.dest, it.help, group.choices[it.dest]) for it in group._choices_actions if it.help
    )


def _verb(name: str, told: str, parser: argparse.ArgumentParser) -> Verb:
    arguments = [it for it in parser._actions if not it.option_strings]
    last = arguments[-1].nargs if arguments else None
    return Verb(
        name=name,
        help=told,
        options=options(parser),
        places=tuple(place for it in arguments for place in _places(it)),
        repeats=last in ("*", "+", argparse.REMAINDER),
        command=last == argparse.REMAINDER,
    )


def options(parser: argparse.ArgumentParser) -> tuple[Option, ...]:
    return tuple(
        Option(tuple(it.option_strings), it.help, None if it.nargs == 0 else _places(it)[0])
        for it in parser._actions
        if it.option_strings and it.help and it.help != argparse.SUPPRESS
    )


def _places(action: argparse.Action) -> tuple[Place, ...]:
    told = PLACES.get(action.option_strings[-1] if action.option_strings else action.dest)
    return told or (Place(tuple(map(str, action.choices or ()))),)


# -- what only a look tells --


def words(kind: str) -> int:
    """`xsession words KIND`: one in a line; none if they cannot be had."""
    try:
        found = sorted(set(LOOK[Kind(kind)](os.environ)))
    except (Failure, OSError):
        found = []
    for word in found:
        if word.isprintable():  # a newline would make two of it; who has such a name can type it
            sys.stdout.buffer.write(os.fsencode(f"{word}\n"))
    return 0


def _sessions(environ: Mapping[str, str]) -> Iterable[str]:
    """Installed sessions, and services, which can be clients too: those of the person and the
    administrator, as a package's would bury the sessions."""
    from xsession import sessions, systemd

    yield from (it.name for it in sessions.installed(environ) if not it.objection)
    for folder in systemd.unit_folders(environ):
        if not folder.startswith(("/usr/lib/", "/usr/share/", "/lib/")):
            found = _names(folder, ".service")  # xorg-answers.service is our own
            yield from (name for name in found if "/" not in name and not name.startswith("xorg-"))


def _applications(environ: Mapping[str, str]) -> Iterable[str]:
    from xsession import entry

    for folder in entry.folders("applications", environ):
        for name in _names(folder, entry.SUFFIX):
            yield name.replace("/", "-")  # the desktop file ID


def _names(folder: str, suffix: str) -> Iterable[str]:
    """Files with the suffix, there and below; no templates."""
    for inner, _, names in os.walk(folder):
        for name in names:
            if name.endswith(suffix) and not name.endswith(f"@{suffix}"):
                yield os.path.relpath(f"{inner}/{name}", folder)


def _displays(_: Mapping[str, str]) -> Iterable[str]:
    from xsession import runtime

    return (display.name for display in runtime.running()[1])


def _seats(_: Mapping[str, str]) -> Iterable[str]:
    from xsession import logind

    return (seat.name for seat in logind.seats())


LOOK: dict[Kind, Callable[[Mapping[str, str]], Iterable[str]]] = {
    Kind.SESSIONS: _sessions,
    Kind.APPLICATIONS: _applications,
    Kind.DISPLAYS: _displays,
    Kind.SEATS: _seats,
}
