"""Applications: programs and desktop entries, each started in a unit of its own.

One that runs wild or out of memory takes nothing else with it, and a drop-in can limit it. Units
are named as https://systemd.io/DESKTOP_ENVIRONMENTS/ has it ("XDG standardization for
applications"), so that other programs can tell from a process which application it belongs to.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from xsession import entry, process, systemd, tty
from xsession.entry import Entry
from xsession.errors import CANNOT_EXECUTE, Failure

SLICES = ("app", "background", "session")
SESSION = "graphical-session.target"
NAME_LENGTH = 200  # a unit's name has 255 characters at most (systemd.unit(5))

# How to run a command in a terminal emulator, the user's own choice first. GLib has
# xdg-terminal-exec first too; x-terminal-emulator is Debian's (policy 11.8.3, for -e).
TERMINALS = (("xdg-terminal-exec",), ("x-terminal-emulator", "-e"), ("xterm", "-e"))


@dataclass(frozen=True)
class App:
    """An application to be started: the name for its unit, how it is run, and where."""

    name: str
    argv: tuple[str, ...]
    description: str
    folder: str
    source: str = ""


def run(words: Sequence[str], slice_name: str, *, scope: bool, dry_run: bool) -> int:
    """`xsession run`: start an application. For a scope it never returns; for a service it does
    when the program runs, or when the manager will start it with the graphical session."""
    environ = dict(os.environ)
    app = look(words, environ)
    if not scope:
        _refuse_what_no_service_can_have(app)
    unit = unit_name(app.name, os.urandom(4).hex(), scope=scope)
    # Who waits for the graphical session may be what that waits for: an rc file before its `exec`.
    block = not systemd.show(SESSION).job
    command = systemd.run_app(
        unit,
        app.argv,
        slice_name=f"{slice_name}.slice",
        description=app.description,
        folder=app.folder,
        source=app.source if _is_text(app.source) else "",
        block=block,
    )
    if dry_run:
        if scope and app.folder != _here():
            tty.say(shlex.join(("cd", app.folder)))
        tty.say(shlex.join(command))
        return 0
    if scope:
        _become(command, app)
    answer = process.run(command)
    if answer.status:
        raise _failure(app, unit, answer.output)
    print(unit)
    return 0


def look(words: Sequence[str], environ: Mapping[str, str]) -> App:
    """What is meant by `words`: ENTRY.desktop[:ACTION] or a command, and its arguments."""
    named = re.fullmatch(r"(.+\.desktop)(?::([A-Za-z0-9-]+))?", words[0], re.DOTALL)
    if named is None:
        program = process.find_program("program", words[0], environ)
        name = os.path.basename(words[0])
        return App(name, (program, *words[1:]), name, _here())
    found = entry.find(named[1], environ)
    argv = entry.command(found, environ, named[2] or "", words[1:])
    if found.terminal:
        argv = (*terminal(environ), *argv)
    return App(
        name=_identifier(named[1]),
        argv=argv,
        description=_description(found, named[2] or ""),
        folder=_folder(found),
        source=found.path,
    )


def _identifier(name: str) -> str:
    """A desktop file ID without its suffix; of a path that of its last part."""
    return os.path.basename(name).removesuffix(entry.SUFFIX)


def _description(found: Entry, action: str) -> str:
    title = found.name or _identifier(found.path)
    if action:
        title += f": {found.group(action).localized('Name', found.locales) or action}"
    return entry.printable(title)


def _folder(found: Entry) -> str:
    """Where the program runs: in the entry's Path, or here."""
    if not found.folder:
        return _here()
    if not os.path.isabs(found.folder) or not os.path.isdir(found.folder):
        raise found.main.bad("Path", f"Path {entry.quoted(found.folder)} is no folder")
    return found.folder


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:
        raise Failure("the folder that you are in has been removed", "type: cd") from None


def terminal(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What stands before a command that needs a terminal."""
    for name, *options in TERMINALS:
        try:
            return (process.find(name, environ), *options)
        except OSError:
            continue
    raise Failure(
        "it needs a terminal, and there is no xdg-terminal-exec, x-terminal-emulator or xterm",
        "as root: apt install xterm",
    )


def unit_name(name: str, random: str, *, scope: bool) -> str:
    """The unit of an application: each start of it has its own."""
    prefix = f"app-xsession-{systemd.escaped(name, NAME_LENGTH)}"
    return f"{prefix}-{random}.scope" if scope else f"{prefix}@{random}.service"


def _refuse_what_no_service_can_have(app: App) -> None:
    """D-Bus carries UTF-8 only: systemd-run would say "Invalid argument", and not which. And
    systemd 257 hands the paths of a service to its executor in lines."""
    for word in (*app.argv, app.folder):
        reason = "" if _is_text(word) else "is not UTF-8"
        if word in (app.argv[0], app.folder) and "\n" in word:
            reason = "has a line break in it"
        if reason:
            what = f"{entry.quoted(entry.printable(word))} {reason}, so no service can have it"
            raise Failure(what, "with --scope the program is given it as it stands")


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _become(command: Sequence[str], app: App) -> NoReturn:
    """Become systemd-run, which becomes the application: the status is then its own."""
    if not os.environ.get("XDG_RUNTIME_DIR"):
        raise _failure(app, "", "XDG_RUNTIME_DIR is not set")
    try:
        os.chdir(app.folder)
    except OSError as error:
        raise Failure(f"{app.folder}: {error.strerror}") from None
    process.become(command)


def _failure(app: App, unit: str, words: str) -> Failure:
    """Why systemd-run has failed, in a line."""
    program = entry.printable(app.argv[0])
    if words.startswith("Job for"):  # the manager has tried: systemd.exec(5), status 203
        hint = f"see: journalctl --user -e -u {shlex.quote(unit)}"
        return Failure(f"{program} could not be executed", hint, CANNOT_EXECUTE)
    reason = entry.printable(words.partition("\n")[0]) or "no reason given"
    uid = os.getuid()
    hint = f"look at the user manager: systemctl status user@{uid}.service"
    return Failure(f"{program} was not started: {reason}", hint)
