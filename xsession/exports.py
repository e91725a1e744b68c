"""What a session has set in the user manager and in D-Bus activation: shown, added to, undone."""

import contextlib
import os
import shlex
import signal
import sys
import syslog
from collections.abc import Iterable, Sequence

from xsession import environment, process, runtime, systemd, tty, variables
from xsession.environment import Entry
from xsession.errors import BY_SIGNAL, NOT_FOUND, Failure
from xsession.process import Question
from xsession.runtime import Folder
from xsession.variables import Variable

SILENT = 5.0  # seconds until a bus that does not answer is gone round
NO_SESSION = "no graphical session of this user is running", "start one: xsession start"
KILLED = BY_SIGNAL + signal.SIGKILL  # as process.run does to what does not end


def undo(folder: Folder) -> bool:
    """Restore what was there before; what somebody else has changed since is left alone.

    False where a program of those that it takes could not be run, or the manager does not answer.
    """
    try:
        journal = environment.decode(folder.read(folder.environment))
    except OSError:
        return True  # nothing was set
    except ValueError:  # it was not all written; or by another version of xsession
        folder.drop(folder.private)
        return True
    answer = process.run(systemd.ENVIRONMENT, SILENT)
    manager = systemd.environment_of(answer)
    hears = manager is not None
    if not hears and answer.status != NOT_FOUND:  # the bus has gone, or hangs
        answer = process.run(systemd.SHOW_ENVIRONMENT)
        manager = systemd.shown_environment(answer)
    if answer.status in (NOT_FOUND, KILLED):
        return False
    bus = f"unix:path={folder.runtime}/bus"  # systemd.socket(5); dbus.socket of the user manager
    manager = manager or {}
    todo = environment.undo(journal, manager, bus)
    # The bus has what we have told it: it hears what others have made of that since.
    gone = [*todo.unset, *(it.name for it in journal if it.source and it.name not in manager)]
    values = todo.set | dict.fromkeys(gone, "")
    values |= {name: manager[name] for name in todo.left if name in manager}
    if values and hears:  # dbus-daemon cannot unset; dbus-broker hands on to the manager
        process.run(systemd.activation_environment(values), variables=values)
    both = []
    if todo.set:
        both.append(Question(systemd.import_environment(todo.set), todo.set))
    if gone:
        unset = systemd.unset_by_bus if hears else systemd.unset_environment
        both.append(Question(unset(gone)))
    if NOT_FOUND in {it.answer().status for it in both}:
        return False
    for name in todo.left:
        syslog.syslog(f"{name} was changed by somebody else; it is left as it is")
    folder.drop(folder.private)
    return True


def _journal() -> tuple[str, Folder, list[Entry]]:
    """The session that has the manager's environment, and its journal."""
    runtime_folder, displays = runtime.running()
    for display in displays:
        folder = Folder(runtime_folder, display)
        with contextlib.suppress(FileNotFoundError, ValueError):
            return runtime_folder, folder, environment.decode(folder.read(folder.environment))
    raise Failure(*NO_SESSION)


def show(shell: bool) -> int:
    """`xsession env`: each variable, its value and where it came from; or lines for a shell."""
    _, _, journal = _journal()
    manager = systemd.environment()
    if manager is None:
        raise Failure("the user manager does not answer", "see: systemctl --user status")
    for entry in sorted((it for it in journal if it.source), key=lambda entry: entry.name):
        value = manager.get(entry.name)
        if shell:
            now = None if value is None else _assign(entry.name, value)
            line = f"export {now}" if now else f"unset {entry.name}"
            # As the manager has it, whatever the locale.
            sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
        elif value is None:
            tty.say(tty.folded(f"{entry.name} is not set any more; {entry.source} had set it"))
        else:
            source = entry.source if value == entry.value else "somebody else, since"
            tty.say(tty.folded(f"{_assign(entry.name, value)}  # {source}"))
    return 0


def _assign(name: str, value: str) -> str:
    return f"{name}={shlex.quote(value)}"


def add(names: Sequence[str]) -> int:
    """`xsession env import NAME…`: set variables to what they are here, until the session ends."""
    chosen = _chosen(names)
    runtime_folder, folder, _ = _journal()
    with runtime.lock(runtime_folder):
        try:
            journal = environment.decode(folder.read(folder.environment))
        except FileNotFoundError:
            raise Failure(*NO_SESSION) from None
        more = environment.entries(chosen, systemd.environment() or {})
        folder.replace(folder.environment, environment.encode(environment.amended(journal, more)))
        process.run(systemd.activation_environment(chosen))
        answer = process.run(systemd.import_environment(chosen))
    if answer.status:
        raise Failure(f"the user manager refused: {answer.output}", "see: systemctl --user status")
    return 0


def _chosen(names: Iterable[str]) -> dict[str, Variable]:
    """The variables that were named, as they are in our environment. Failure for one that cannot
    be had."""
    chosen = {}
    for name in names:
        reason = "it is not set" if name not in os.environ else variables.never(name)
        if reason := reason or variables.refusal(name, os.environ[name]):
            raise Failure(f"could not import {name!a}: {reason}", "nothing was imported")
        chosen[name] = Variable(os.environ[name], f"xsession env import, PID {os.getppid()}")
    return chosen
