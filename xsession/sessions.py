"""The sessions that can be started: rc files, the desktop entries in `xsessions/`, the default.

Entries are those that display managers offer: `xsessions/*.desktop` in the folders for data. One
in a folder before hides all of its name in the folders after; Hidden means that there is none.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from xsession import choice, client, entry, process, rc, systemd, tty
from xsession.client import Candidate, Client, Sort
from xsession.entry import SUFFIX, Entry, Finder
from xsession.errors import NOT_FOUND, Failure

FOLDER = "xsessions"


class Kind(Enum):
    """What kind of thing a session's source is."""

    CONFIG = "config"
    RC = "rc"
    UNITS = "units"
    ENTRY = "entry"
    PROGRAM = "program"
    CHOICE = "choice"  # one that was chosen, and is there no more


KINDS = {Sort.RC: Kind.RC, Sort.TARGET: Kind.UNITS, Sort.PROGRAM: Kind.PROGRAM}


class Session(NamedTuple):
    """A session that can be started; or cannot, and `objection` tells why.

    `source`: the file (of the configuration with its line), or the units, for which there is
    then no `argv`.
    """

    name: str
    kind: Kind
    source: str
    argv: tuple[str, ...] = ()
    title: str = ""
    comment: str = ""
    desktop_names: tuple[str, ...] = ()
    folder: str = ""
    objection: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """What a display manager would set for it: DESKTOP_SESSION is the entry's name,
        XDG_CURRENT_DESKTOP (spec, "OnlyShowIn, NotShowIn") its DesktopNames."""
        variables = {"XDG_CURRENT_DESKTOP": ":".join(self.desktop_names)}
        if self.kind is Kind.ENTRY:
            variables["DESKTOP_SESSION"] = self.name
        return {name: value for name, value in variables.items() if value}


# -- one of them --


def find(name: str, environ: Mapping[str, str], arguments: Sequence[str] = ()) -> Session | None:
    """The session that is meant by `i3.desktop`, `i3`, or the path of an entry.

    `arguments` are for its program, as they would be if it were named.

    None if `name` is rather a program. Without the suffix an entry goes before a program in PATH:
    it is the distribution's word for how that session is started (openbox.desktop runs
    openbox-session and thereby the user's autostart, xfce.desktop runs startxfce4), it knows
    XDG_CURRENT_DESKTOP, and a display manager would start the same by that name. Who wants the
    program itself can give its path.

    Raises Failure if there is such an entry and it cannot be started, or if it must be an entry,
    as it ends with `.desktop`, and there is none.
    """
    must = name.endswith(SUFFIX)
    if "/" in name:
        found = _read(os.path.abspath(name), environ) if must else None
        return _session(found, environ, arguments) if found else None
    file = name if must else name + SUFFIX
    for folder in entry.folders(FOLDER, environ):
        path = f"{folder}/{file}"
        if os.path.lexists(path):
            found = _read(path, environ)
            if found.hidden:
                break
            return _session(found, environ, arguments)
    if must:
        raise Failure(f"session {entry.quoted(name)}: not found", "see: xsession list", NOT_FOUND)
    return None


def _read(path: str, environ: Mapping[str, str]) -> Entry:
    return entry.read(path, entry.locales(environ))


def _session(
    found: Entry,
    environ: Mapping[str, str],
    arguments: Sequence[str] = (),
    find_program: Finder = process.find_program,
) -> Session:
    """The session of an entry. Raises Failure if it cannot be started."""
    name = os.path.basename(found.path).removesuffix(SUFFIX)
    return Session(
        name=name,
        kind=Kind.ENTRY,
        source=found.path,
        argv=entry.command(found, environ, "", arguments, find_program),
        title=found.name or name,
        comment=found.comment,
        desktop_names=found.desktop_names,
        folder=found.folder,
    )


def named(words: Sequence[str], environ: Mapping[str, str]) -> Client:
    """The client that is meant by what was typed: a unit, an rc file, a session's name, or a
    command line, its program found. Raises Failure if it cannot be started.

    With arguments it is a command line: openbox.desktop runs openbox-session, and `openbox
    --startup …` is no words for that.
    """
    name, *arguments = words
    if not arguments and name.endswith(".service"):
        return _unit(name)
    path = os.path.abspath(name) if "/" in name else name
    for candidate in client.defaults(environ, safe=False):
        is_it = candidate.name == path and candidate.sort is not Sort.PROGRAM
        if is_it and (found := resolve(candidate, environ, arguments)):
            return found
    if (not arguments or name.endswith(SUFFIX)) and (session := find(name, environ, arguments)):
        return Client(session.argv, desktop=session.variables)
    path = process.find_client(name, environ)
    return Client((path, *arguments), script=bool(process.interpreter(path)))


def _unit(name: str) -> Client:
    """A unit of the person's that is the client."""
    state = systemd.property_of(name, "LoadState")
    if state != "loaded":
        hint = f"look at it: systemctl --user status {name}"
        raise Failure(f"client {name}: no unit that can be started ({state})", hint, NOT_FOUND)
    return Client(units=(name,))


def usual(environ: Mapping[str, str], safe: bool) -> Client | None:
    """The client where none was named: what was chosen, or the first of the defaults that is
    there."""
    if not safe and (name := choice.read(environ)):
        try:
            return named((name,), environ)
        except Failure as failure:
            found = _first(environ, safe)
            return found._replace(complaint=_lost(name, failure)) if found else None
    return _first(environ, safe)


def _lost(name: str, failure: Failure) -> str:
    reason = entry.printable(failure.what)
    return f"the default, {entry.quoted(entry.printable(name))}, is left out: {reason}"


def _first(environ: Mapping[str, str], safe: bool) -> Client | None:
    for candidate in client.defaults(environ, safe):
        try:
            if found := resolve(candidate, environ):
                return found
        except Failure as failure:
            return Client(objection=(failure.what, failure.hint))
    return None


# -- all of them --


# Exec of Debian's lightdm-xsession.desktop; its display managers read it as /etc/X11/Xsession.
DISPLAY_MANAGERS_OWN = "default"


def installed(environ: Mapping[str, str]) -> Iterator[Session]:
    """The sessions of all entries by name, those with an objection too; not what is to be hidden:
    Hidden, NoDisplay, TryExec's program is not there, or only a display manager knows it."""
    paths: dict[str, str] = {}
    for folder in entry.folders(FOLDER, environ):
        with contextlib.suppress(OSError):
            for file in os.listdir(folder):
                if file.endswith(SUFFIX):
                    paths.setdefault(file.removesuffix(SUFFIX), f"{folder}/{file}")
    finder = _remembering()
    locales = entry.locales(environ)
    for name, path in sorted(paths.items()):
        try:
            found = entry.read(path, locales)
            if not found.hidden and not found.no_display and _installed(found, environ, finder):
                yield _session(found, environ, (), finder)
        except entry.BadEntry as bad:
            yield Session(name, Kind.ENTRY, path, objection=bad.reason)


def _installed(found: Entry, environ: Mapping[str, str], finder: Finder) -> bool:
    if found.main.text("Exec") == DISPLAY_MANAGERS_OWN:
        return False
    try:
        return not found.try_exec or bool(finder("TryExec's program", found.try_exec, environ))
    except Failure:
        return False


def _remembering() -> Finder:
    """`process.find_program` that looks for each program once: many entries have the same."""
    known: dict[tuple[str, str], str | Failure] = {}

    def find_program(role: str, name: str, environ: Mapping[str, str]) -> str:
        if (role, name) not in known:
            try:
                known[role, name] = process.find_program(role, name, environ)
            except Failure as failure:
                known[role, name] = failure
        found = known[role, name]
        if isinstance(found, Failure):
            raise found
        return found

    return find_program


def defaults(environ: Mapping[str, str]) -> Iterator[Session]:
    """What `xsession start` alone could start, the first that is there being what it does."""
    from xsession import config

    holds, sources = config.load(environ)
    if named := holds.session.client:
        yield Session(named[0], Kind.CONFIG, sources.get("session.client", "default"), named)
    if name := choice.read(environ):
        yield _chosen(name, environ)
    for candidate in client.defaults(environ, safe=False):
        if found := _candidate(candidate, environ):
            yield found


def _chosen(name: str, environ: Mapping[str, str]) -> Session:
    """The session that was chosen; if it cannot be started any more, the reason."""
    try:
        found = named((name,), environ)
    except Failure as failure:
        return Session(name, Kind.CHOICE, choice.path(environ), objection=_lost(name, failure))
    for candidate in client.defaults(environ, safe=False):
        if candidate.name == name and (session := _candidate(candidate, environ)):
            return session
    if session := find(name, environ):
        return session
    kind = Kind.UNITS if found.units else Kind.PROGRAM
    return Session(os.path.basename(name), kind, "".join(found.units or found.argv), found.argv)


def first(possible: Sequence[Session]) -> Session | None:
    """What `xsession start` alone starts, of `defaults`."""
    return next((session for session in possible if session.kind is not Kind.CHOICE), None)


def _candidate(candidate: Candidate, environ: Mapping[str, str]) -> Session | None:
    """The session of a candidate that is there."""
    name, kind = os.path.basename(candidate.name), KINDS[candidate.sort]
    try:
        found = resolve(candidate, environ)
    except Failure as failure:
        return Session(name, kind, candidate.name, objection=failure.what)
    if found is None:
        return None
    file = candidate.name if candidate.sort is Sort.RC else "".join(found.argv)
    return Session(name, kind, " ".join(found.units) or file, found.argv)


def resolve(
    candidate: Candidate, environ: Mapping[str, str], arguments: Sequence[str] = ()
) -> Client | None:
    """The client that a candidate is; None if it is not there. `arguments` are for a file.

    Raises Failure if it is there and cannot be started.
    """
    match candidate.sort:
        case Sort.RC:
            if argv := rc.command(candidate.name):
                argv = rc.command(candidate.by) or argv if candidate.by else argv
                return Client((*argv, *arguments), script=True)
        case Sort.TARGET:
            if wanted := systemd.wanted_by(candidate.name):
                return Client(units=wanted, target=candidate.name)
        case Sort.PROGRAM:
            with contextlib.suppress(OSError):
                return Client((process.find(candidate.name, environ),))
    return None


def every(environ: Mapping[str, str]) -> tuple[list[Session], Session | None]:
    """All sessions, and the default: files and units, entries, programs; each of them once."""
    possible = list(defaults(environ))
    last = (Kind.ENTRY, Kind.PROGRAM)
    sessions = (
        *(session for session in possible if session.kind not in last),
        *installed(environ),
        *(session for session in possible if session.kind in last),
    )
    return list(dict.fromkeys(sessions)), first(possible)


# -- xsession list --


def show(*, as_json: bool) -> int:
    """`xsession list`: rc files and units, entries, programs. Marked is what `xsession start`
    alone starts."""
    environ = dict(os.environ)
    sessions, default = every(environ)
    if as_json:
        print(json_of(sessions, default))
    else:
        tty.say(table(sessions, default, tty.width(), environ))
    return 0


def json_of(sessions: list[Session], default: Session | None) -> str:
    import json

    return json.dumps(
        [
            {
                "name": session.name,
                "kind": session.kind.value,
                "source": session.source,
                "title": session.title,
                "comment": session.comment,
                "command": session.argv,
                "desktop_names": session.desktop_names,
                "default": session == default,
                "objection": session.objection or None,
            }
            for session in sessions
        ],
        indent=1,
    )


def table(
    sessions: list[Session], default: Session | None, width: int, environ: Mapping[str, str]
) -> str:
    """A line for each session; those that cannot be started come last, with the reason."""
    if not sessions:
        return (
            "no session can be started: no rc file, no desktop entry, no window manager, no xterm"
        )
    good = [session for session in sessions if not session.objection]
    column = min(24, max((len(entry.printable(session.name)) for session in good), default=0))
    lines = []
    for session in good:
        mark = "*" if session == default else " "
        words = f"{mark} {entry.printable(session.name):{column}}  {source(session, environ)}"
        lines.append(f"{words}  {entry.printable(session.title)}".rstrip())
    for session in sessions:
        if session.objection:
            lines.append(f"! {source(session, environ)}: {session.objection}")
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in lines)


def source(session: Session, environ: Mapping[str, str]) -> str:
    """Where it comes from, for a line."""
    home = environ.get("HOME", "")
    inside = home and session.source.startswith(f"{home}/")
    return entry.printable(f"~{session.source[len(home) :]}" if inside else session.source)
