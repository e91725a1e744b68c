"""A graphical session, from its start to its end: look, plan, act, and clear away."""

import contextlib
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Mapping

from xsession import (
    authority,
    client,
    environment,
    exports,
    graphics,
    logind,
    marks,
    plan,
    process,
    questions,
    record,
    runtime,
    server,
    sessions,
    sockets,
    streak,
    systemd,
    tty,
    variables,
    xorgconf,
)
from xsession.client import Client
from xsession.display import MARK, Display
from xsession.errors import BY_SIGNAL, NOT_FOUND, Failure
from xsession.holder import Cause, Holder, Outcome, take_signals
from xsession.placement import Place
from xsession.plan import Facts, Plan, Request
from xsession.questions import Asked
from xsession.runtime import Folder
from xsession.variables import Variable

MOST_DISPLAYS = 64  # numbers that are tried
SERVER_GONE = 3.0  # seconds that a client has to say so and end, where there is no server
READING_TIME = 30.0  # seconds that a reason stays on the screen before a getty wipes it
SCARCITY = 10.0  # seconds that no program can be run until what is left is left to the next start


# -- look --


def look(request: Request, lost: frozenset[int] = frozenset(), asked: Asked | None = None) -> Facts:
    """See everything that the plan depends on. `lost`: displays that another took meanwhile.
    `asked`: what is under way already, and is taken if nothing has changed since."""
    environ = dict(os.environ)
    folder = environ.get("XDG_RUNTIME_DIR", "")
    kind = server.SERVERS[request.server]
    program = _server_program(request, kind, environ)
    client_ = None if request.listen else _client(request, environ)
    # From here on nothing fails, and we look at the rest while the questions are under way.
    asked = _asked_anew(asked) if asked is None or not asked.hold() else asked
    chosen, complaints = _variables(request, environ)
    of_logind = asked.login if kind.needs_session else None
    login = logind.told(of_logind.answer()) if of_logind else None
    gpus, waited = graphics.look(login.seat, request.wait) if login and login.seat else ((), False)
    if waited:  # meanwhile all may have changed
        asked = _asked_anew(asked)
    running = tuple(it for it in runtime.displays(folder) if _shares(Folder(folder, it)))
    known = systemd.environment_of(_answer(asked.manager.answer())) if folder else None
    graphical = folder != "" and systemd.units_of(asked.graphical.answer())[0].runs
    asked.close()  # that of logind, where a server needs none
    return Facts(
        uid=os.getuid(),
        environ=environ,
        runtime=folder,
        login=login,
        untold=asked.own if of_logind and not login else "",
        vt=tty.vt_of(0),
        text=tty.is_text(0),
        gpus=gpus,
        x11_folder=sockets.folder_objection(),
        taken=_taken(request, lost),
        programs={kind.kind: program},
        setuid=bool(program) and _is_setuid(program),
        client=client_,
        running=running,
        desktop=_desktop(asked.own) if "DISPLAY" in (known or ()) and not running else "",
        units=bool(systemd.unit_file(MARK, environ)),
        variables=chosen,
        complaints=tuple(complaints),
        prepared_by=tuple(
            unit
            for name, unit in client.PREPARATIONS
            if os.path.isfile(os.path.join(environ.get("HOME", "/"), name))
        ),
        chooser=xorgconf.chooser(request.arguments, {gpu.driver for gpu in gpus})
        if len(gpus) > 1 or request.gpu
        else "",
        manager=known,
        graphical=graphical,
    )


def _asked_anew(asked: Asked | None) -> Asked:
    if asked:
        asked.close()
    return questions.ask(os.environ.get("XDG_RUNTIME_DIR", ""))


def _desktop(own: str) -> str:
    """The login session of a desktop of ours that a display manager has begun, say. Without
    graphical-session.target, as many window managers have it, only logind knows of it."""
    with contextlib.suppress(Failure):
        for it in logind.sessions():
            other = it.uid == os.getuid() and it.id != own and not it.closing
            if other and it.type in ("x11", "wayland"):
                return it.id
    return ""


def _answer(completed: process.Completed) -> process.Completed:
    """That of a program that could be run; else it is not the manager that does not answer."""
    if completed.status == NOT_FOUND:
        raise Failure(f"could not ask the user manager: {completed.output}", "look at: ulimit -a")
    return completed


def _variables(request: Request, environ: dict[str, str]) -> tuple[dict[str, Variable], list[str]]:
    """What the manager is to have of the login shell, then of files; and what cannot be had."""
    imported, _ = variables.imported(request.imports, environ)  # the plan complains of all
    chosen = {name: Variable(value, "login shell") for name, value in imported.items()}
    chosen |= {name: Variable(value, "config.toml") for name, value in request.set.items()}
    if request.safe:
        return chosen, []
    read, complaints = variables.read(environ)
    return chosen | read, complaints


def _shares(folder: Folder) -> bool:
    """Whether a session lives there that has the manager's DISPLAY."""
    return os.path.exists(folder.environment) and folder.holder_lives()


def _taken(request: Request, lost: frozenset[int]) -> dict[int, str]:
    """Objections to displays: to the one asked for, or to all up to the first that is free."""
    if request.display is not None:
        numbers: range = range(request.display, request.display + 1)
    else:
        numbers = range(MOST_DISPLAYS)
    own = runtime.displays(os.environ.get("XDG_RUNTIME_DIR", ""))
    taken = {}
    for number in numbers:
        taken[number] = "another has just taken it" if number in lost else ""
        if request.display is None and Display(number) in own:  # it may be about to bind it
            taken[number] = "a session of yours has it"
        taken[number] = taken[number] or sockets.taken(Display(number))
        if not taken[number]:
            break
    return taken


def _server_program(request: Request, kind: server.Server, environ: Mapping[str, str]) -> str:
    """The program of the server that was asked for, or the one that is installed."""
    if not request.program:
        return first_program(kind.programs, environ)
    try:
        path = process.find_program("server", request.program, environ)
    except Failure as failure:  # its status would be taken for the client's
        raise Failure(failure.what, failure.hint) from None
    if not kind.needs_session:
        return path
    if server.is_wrapper(os.path.realpath(path), process.interpreter(path)):
        return first_program(kind.programs, environ)
    if process.interpreter(path):
        hint = f"leave it out, and {kind.title} itself is started"
        raise Failure(f"{path} is a script, and could lose the display's addresses", hint)
    return path


def _is_setuid(path: str) -> bool:
    return bool(os.stat(path).st_mode & stat.S_ISUID)


def first_program(programs: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """The first of a server's programs that is there. Where there are several, a script is a
    wrapper around the other: Xorg's looks for the setuid one first (hw/xfree86/Xorg.sh.in)."""
    for name in programs:
        with contextlib.suppress(OSError):
            path = process.find(name, environ)
            if len(programs) == 1 or not process.interpreter(path):
                return path
    return ""


def _client(request: Request, environ: Mapping[str, str]) -> Client | None:
    """What was asked for, or the first of the defaults that is there."""
    if request.client:
        return sessions.named(request.client, environ)
    return sessions.usual(environ, request.safe)


# -- act --


def start(request: Request, asked: Asked) -> int:
    """Bring a session up, hold it, take it down; its exit status."""
    if os.getsid(0) != os.getpid():  # else it has the login shell's place, and its beginning
        marks.MARKS["process"] = process.began()
    for number in (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN):
        # Who stands still keeps the lock, and a VT that nobody holds.
        signal.signal(number, signal.SIG_IGN)
    terminal = tty.Terminal(0)
    lost: frozenset[int] = frozenset()
    while True:
        process.exit_by_signals()  # nothing is done yet
        with runtime.lock(os.environ.get("XDG_RUNTIME_DIR", "")):
            _clear_dead()
            marks.note("look")
            facts = look(request, lost, asked)
            marks.note("looked")
            plan_ = plan.make(request, facts)
            if request.explain and plan_.graphics:
                print(f"xsession: {plan_.graphics}", file=sys.stderr)
            for complaint in plan_.complaints:
                print(f"xsession: {complaint}", file=sys.stderr, flush=True)
            folder = Folder(plan_.runtime, plan_.display)
            signals = take_signals()
            listener = _prepare(plan_, folder)
            marks.note("prepared")
        begun = time.monotonic()
        outcome = _hold(plan_, folder, listener, terminal, signals)
        if outcome.cause is Cause.ADDRESS and request.display is None:
            lost |= {plan_.display.number}  # between our look and its bind; look again
            continue
        daily = plan_.client and plan_.shared and plan_.place is Place.SESSION
        lasted = time.monotonic() - begun
        if daily and (outcome.cause is not Cause.STOP or lasted >= streak.SHORT):
            streak.note(os.environ, lasted)
        return _conclude(plan_, outcome)


def dry_run(request: Request) -> int:
    """Print the plan, change nothing."""
    tty.say(str(plan.make(request, look(request._replace(wait=0.0)))))
    return 0


def _prepare(plan_: Plan, folder: Folder) -> socket.socket:
    """Make the runtime folder and all that lies in it, and the unit files where they are missing.

    Returns the holder's listener: once that is there, the display has an owner.
    """
    folder.create()
    try:
        with contextlib.suppress(OSError):  # so that a server that writes none has none
            os.replace(folder.log, f"{folder.log}.old")
        cookie = os.urandom(authority.COOKIE_BYTES)
        content = authority.encode(socket.gethostname(), plan_.display.number, cookie)
        folder.write(plan_.authority, content)
        folder.write(folder.record, record.encode(record.of(plan_)))
        if plan_.shared:
            folder.write(folder.environment, environment.encode(plan_.journal))
            folder.write(
                folder.private, environment.file(plan_.login.private if plan_.login else {})
            )
        if plan_.configuration:
            xorgconf.write(plan_.configuration_folder, plan_.configuration)
        if plan_.write_units:
            import json

            from xsession import units

            files = units.at(plan_.runtime)
            folder.write(folder.units, json.dumps(list(files)).encode())
            units.write(files)
            process.run(systemd.daemon_reload())
        try:
            return sockets.listen(folder.holder)
        except OSError as error:
            raise Failure(f"could not listen on {folder.holder}: {error.strerror}") from None
    except BaseException:
        _undo(plan_.runtime, plan_.display)
        raise


def _hold(
    plan_: Plan,
    folder: Folder,
    listener: socket.socket,
    terminal: tty.Terminal,
    signals: process.Signals,
) -> Outcome:
    """From the first unit to the last; whatever happens between, nothing of it stays."""
    with contextlib.ExitStack() as end:  # the last one first, and each whatever another has met
        end.callback(_clear_once_possible, plan_.display)
        end.enter_context(listener)
        holder = Holder(plan_, folder, listener, terminal, signals)
        end.callback(holder.close)
        if plan_.place is Place.SESSION:
            end.callback(terminal.give_back)
        end.callback(_take_down, plan_, folder, holder)
        holder.bring_up(plan_.up)
        if not plan_.client and holder.outcome is None:
            where = f" on {plan_.where}" if plan_.where else ""
            print(
                f"xsession: listening on {plan_.display.name}; the first X program starts"
                f" {plan_.kind.title}{where} (Ctrl-C ends it)",
                flush=True,
            )
        while (outcome := holder.wait()).cause is Cause.RESTART:
            holder.go_back(plan_.back)
            holder.bring_up(plan_.up)
            holder.let_askers_go()
        if outcome.status == BY_SIGNAL + signal.SIGHUP:
            holder.free_terminal()
        if outcome.cause in (Cause.SERVER, Cause.FAILED):
            holder.let_client_end(SERVER_GONE)
    return holder.outcome or outcome  # somebody may have wanted the end meanwhile


def _take_down(plan_: Plan, folder: Folder, holder: Holder) -> None:
    """All but what no program could be run for: then the folder stays, to tell of it."""
    holder.take_down(plan_.down, lambda: _restore(folder))
    if not holder.helpless:
        with runtime.lock(plan_.runtime, ending=True):
            sockets.remove(plan_.display)  # of a user manager that was killed
            _remove(folder)


def _clear_once_possible(display: Display) -> None:
    """What was not taken down, as no program could be run say: the next start would clear it."""
    if not runtime.abandoned(display.number):
        return
    sockets.knock(display)  # the manager may have room: xorg@N.service starts, and clears
    deadline = process.Deadline(SCARCITY)
    while deadline.left and runtime.abandoned(display.number):
        clear(display.number)
        time.sleep(0.2)  # nobody tells when a process may be forked again


def _conclude(plan_: Plan, outcome: Outcome) -> int:
    """The exit status; where something was wrong, a Failure that says it."""
    if outcome.reason:
        unit = plan_.display.service_unit
        if outcome.cause is Cause.FAILED and not plan_.client:
            hint = ""
        else:
            hint = f"the whole story: journalctl --user -b -u {unit} -u {plan_.display.client_unit}"
        raise Failure(outcome.reason, hint, outcome.status)
    return outcome.status


def exec_ed() -> bool:
    """Whether this process is its login's last: it took the login shell's place (`exec`).

    Then its parent is login(1) or the service manager, which are not the user's own.
    """
    try:
        return os.stat(f"/proc/{os.getppid()}").st_uid != os.getuid()
    except OSError:
        return False


def let_read() -> None:
    """Keep a reason on the screen when a getty would wipe it as soon as we end."""
    if tty.vt_of(0) is not None and os.isatty(2) and exec_ed():
        process.exit_by_signals()  # no handler would end the waiting
        print(f"xsession: press a key (or wait {READING_TIME:.0f} s)", file=sys.stderr, flush=True)
        tty.Terminal(0).wait_for_key(READING_TIME)


# -- what is left --


def _restore(folder: Folder) -> bool:
    """The manager's environment becomes what it was; False where no program could be run."""
    with runtime.lock(folder.runtime, ending=True):
        return exports.undo(folder)


def _undo(runtime_folder: str, display: Display, *, reload: bool = True) -> None:
    """Restore the manager's environment, remove our units and the display's folder."""
    folder = Folder(runtime_folder, display)
    if exports.undo(folder):
        _remove(folder, reload=reload)


def _remove(folder: Folder, *, reload: bool = True) -> None:
    """Remove our units and the display's folder."""
    folder.drop_whole()
    if os.path.exists(folder.units):
        _remove_units(folder, reload=reload)
    folder.remove()


def _remove_units(folder: Folder, *, reload: bool) -> None:
    import json

    with contextlib.suppress(OSError, ValueError):
        for path in json.loads(folder.read(folder.units)):
            folder.drop(path)
        if reload:
            process.run(systemd.daemon_reload())


def _clear_dead() -> None:
    """Clear what a holder that was killed has left."""
    runtime_folder = os.environ.get("XDG_RUNTIME_DIR", "")
    for display in runtime.displays(runtime_folder):
        if not Folder(runtime_folder, display).holder_lives():
            _clear(runtime_folder, display)


def _clear(runtime_folder: str, display: Display) -> None:
    folder = Folder(runtime_folder, display)
    names: tuple[str, ...] = (display.client_unit,)
    if os.path.exists(folder.environment):
        names = (*display.session_units, *names)
    with contextlib.suppress(OSError, ValueError):
        names += record.decode(folder.read(folder.record)).units
    for command in (
        systemd.stop(*names),
        systemd.kill(display.client_unit, "SIGKILL"),
        # --no-block: this may be part of that service's own end (ExecStopPost=)
        systemd.stop("--no-block", display.socket_unit, display.service_unit),
        systemd.reset_failed(*names),
    ):
        if process.run(command).status == NOT_FOUND:
            return  # no program can be run; who clears next shall find it all
    # Our socket may still be about to stop, which a manager that has read anew that it has no
    # file could not do in order: the path of the display would stay. Then it forgets it anyway.
    _undo(runtime_folder, display, reload=False)


def clear(number: int) -> int:
    """`xsession clear N`, run when xorg@N.service has ended: nothing to do if the holder lives."""
    runtime_folder = os.environ.get("XDG_RUNTIME_DIR", "")
    with runtime.lock(runtime_folder):
        if runtime.abandoned(number):
            _clear(runtime_folder, Display(number))
    return 0
