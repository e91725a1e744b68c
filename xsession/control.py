"""What is asked of a session that runs: stop, restart, status, edit; and by its own unit, whether
its window manager is there."""

import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator

from xsession import files, process, record, runtime, sockets, systemd, tty
from xsession.display import Display
from xsession.errors import Failure
from xsession.record import Record
from xsession.runtime import Folder

TARGETS = (
    *("xorg.target", "wm.target", "graphical-session-pre.target", "graphical-session.target"),
    "xdg-desktop-autostart.target",
)
LONGEST = 120.0  # seconds that an end or a restart takes at most, beside the client's own time
UNIT_STOPS = 90.0  # seconds; a client that is a unit: DefaultTimeoutStopSec=
KILLED = 5.0  # seconds from SIGKILL to the end
NOT_RUNNING = 3  # exit status of `status`, as systemctl's


def _sessions(number: int | None) -> list[tuple[Folder, Display, Record]]:
    """This user's sessions, or the one on display `:number`. Failure where there is none."""
    runtime_folder, displays = runtime.running()
    found = []
    for display in displays:
        folder = Folder(runtime_folder, display)
        with contextlib.suppress(OSError, ValueError):  # it is ending just now
            if number in (None, display.number):
                found.append((folder, display, record.decode(folder.read(folder.record))))
    if not found:
        which = "" if number is None else f" on :{number}"
        raise Failure(f"no graphical session of this user is running{which}", "xsession status")
    return found


def _one(number: int | None) -> tuple[Folder, Display, Record]:
    """The session that is meant: the one on `:number`, or that which has the manager's DISPLAY."""
    found = _sessions(number)
    shared = [it for it in found if not it[2].private]
    if len(found) > 1 and not shared:
        names = ", ".join(it[1].name for it in found)
        raise Failure(f"several sessions are running ({names}): which?", "name its display")
    return (shared or found)[0]


def _tell_holder(folder: Folder, session: Record, word: str) -> bool:
    """Say it to the holder; return when it is done, or False if that takes longer than it can.

    One that was stopped (SIGSTOP) goes on first, as with all that systemd ends.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(session.holder, signal.SIGCONT)
    try:
        if (line := sockets.connect(folder.holder)) is None:
            return True
        with line, contextlib.suppress(ValueError):
            line.settimeout(LONGEST + 2 * session.stopping)
            sockets.send(line, word)
            while sockets.receive(line) is not None:
                pass  # the holder closes the line when it is done
    except TimeoutError:
        return False
    return True


def stop(number: int | None) -> int:
    """End the session on display `:number`, or all of this user's; return when all is down."""
    for folder, display, session in _sessions(number):
        if not _tell_holder(folder, session, "stop"):
            _kill_holder(display, session)
    return 0


def _kill_holder(display: Display, session: Record) -> None:
    """It hangs. What is left then the bridge clears, or we do."""
    from xsession.session import clear

    with contextlib.suppress(ProcessLookupError):
        os.kill(session.holder, signal.SIGKILL)
        process.wait_for_end(session.holder, KILLED)
    clear(display.number)


def restart(what: str, number: int | None) -> int:
    """A new client on the same display, or a new server and then all that was on it."""
    folder, display, session = _one(number)
    if what == "server":
        if not _tell_holder(folder, session, "restart"):
            what = f"the session on {display.name} did not restart its server"
            raise Failure(f"{what} in {LONGEST:.0f} s", "xsession stop")
        if not folder.holder_lives():
            raise Failure(f"the session on {display.name} was ended meanwhile", "xsession start")
        answer = process.run(systemd.start(display.service_unit), session.managed + 60)
    elif not session.units:
        raise Failure(f"the session on {display.name} has no client", "xsession restart server")
    else:
        with _as_a_whole(folder):
            patience = LONGEST + 2 * session.stopping + UNIT_STOPS
            answer = process.run(systemd.restart(*session.units), patience)
        if not answer.status and not session.private:
            answer = process.run(systemd.restart(display.managed_unit), session.managed + 20)
    if answer.status:
        hint = f"journalctl --user -b -u {display.service_unit} -u {display.client_unit}"
        raise Failure(f"could not restart the {what} of {display.name}: {answer.output}", hint)
    return 0


@contextlib.contextmanager
def _as_a_whole(folder: Folder) -> Iterator[None]:
    """If the client is a desktop's session program: while this lasts, its end is that of all in
    its unit, for the next one starts window manager and panel itself (plan._start_client)."""
    if not os.path.exists(folder.desktop):
        yield
        return
    os.makedirs(os.path.dirname(folder.whole), exist_ok=True)
    with open(folder.whole, "w") as file:
        file.write("[Service]\nKillMode=control-group\n")
    process.run(systemd.daemon_reload())
    try:
        yield
    finally:  # else at the session's end
        folder.drop_whole()
        process.run(systemd.daemon_reload())


# -- status --


def status(as_json: bool) -> int:
    """Print what runs; status 3 if nothing does (as systemctl's)."""
    runtime.running()  # refuses where none can be seen
    try:
        found = _sessions(None)
    except Failure:
        found = []
    told = [_state(display, session) for _, display, session in found]
    if as_json:
        print(json.dumps(told, indent=2))
    elif not told:
        print("no graphical session")
    else:
        tty.say(tty.folded("\n\n".join(_text(state) for state in told)))
    return 0 if told else NOT_RUNNING


def _state(display: Display, session: Record) -> dict[str, object]:
    """All that `status` tells of one session."""
    units = (display.socket_unit, display.service_unit, *session.units)
    targets = () if session.private else (*TARGETS, display.managed_unit)
    return {
        "display": display.name,
        "place": session.place,
        "login": session.login,
        "since": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session.since)),
        "private": session.private,
        "authority": session.authority,
        "server": systemd.status_text(display.service_unit) or session.server,
        "client": list(session.client or session.units),
        "holder": session.holder,
        "units": systemd.active_states(units),
        "targets": systemd.active_states(targets),
        "failed": systemd.failed(),
        "buses": second_buses(),
    }


def _text(state: dict[str, object]) -> str:
    """The same for people: a line for each thing."""

    def listed(name: str) -> str:
        value = state[name]
        if isinstance(value, dict):
            return "\n".join(f"  {unit:34} {active}" for unit, active in value.items())
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    def each(name: str, title: str) -> list[str]:
        value = state[name]
        return [f"  {title}: {it}" for it in value] if isinstance(value, list) else []

    lines = [
        f"{state['display']}  {listed('server')}",
        f"  since {state['since']}"
        + (f", on {state['place']}" if state["place"] else "")
        + (f", login session {state['login']}" if state["login"] else "")
        + (", private" if state["private"] else ""),
        f"  client: {listed('client') or 'none; the first X program starts the server'}",
        listed("units"),
        listed("targets"),
        *each("failed", "failed"),
        *each("buses", "a second user bus"),
    ]
    return "\n".join(line for line in lines if line)


def second_buses() -> list[str]:
    """User buses beside the manager's: what is on one does not see what is on the other."""
    return [
        f"{words} (PID {pid})"
        for pid, words, group in process.of_user(("dbus-daemon", "dbus-broker-lau"))
        if "/dbus" not in group.rpartition("user@")[2]
        and ("--session" in words or "--scope user" in words)  # as the one and the other say it
    ]


# -- edit --


def edit(what: str) -> int:
    """`xsession edit client`: open the drop-in of every client, whether one runs or not."""
    path = f"{files.config_home(os.environ)}/systemd/user/xsession-{what}@.service.d/override.conf"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError), open(path, "x") as file:
            file.write(TEMPLATE)
    except OSError as error:
        raise Failure(f"could not write {path}: {error.strerror}") from None
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "editor"
    code = process.shell(f"{editor} {shlex.quote(path)}")
    text = None  # if the editor has removed it
    with contextlib.suppress(FileNotFoundError), open(path, errors="replace") as file:
        text = file.read()
    if text in (None, TEMPLATE):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))
    process.run(systemd.daemon_reload())
    if code:
        raise Failure(f"{editor} ended with status {code}", "choose another: export EDITOR=nano")
    said = {None: "nothing is set", TEMPLATE: "nothing was changed"}
    print(said.get(text, f"{path}\nIt counts from the next start of the client."))
    return 0


TEMPLATE = """\
# Settings of the client of every display, such as limits: systemd.exec(5),
# systemd.resource-control(5). Only for :0: xsession-client@0.service.d/
[Service]
"""


# -- for xsession-managed@N.service --


def managed(number: int) -> int:
    """`xsession managed N`: until a window manager is there, or its time is up; then the targets.

    A session that is gone before that is no failure.
    """
    try:
        folder, display, session = _one(number)
    except Failure as failure:
        print(failure)
        return 0
    os.environ |= {"DISPLAY": display.name, "XAUTHORITY": folder.authority}
    from xsession import x11

    clients = [int(systemd.property_of(unit, "MainPID") or 0) for unit in session.units]
    status, desktop = x11.managed(session.managed, clients[0] if clients else 0)
    if status:
        return 0
    folder.drop(folder.desktop)
    targets = [display.session_target]
    if desktop or any(map(_whole_desktop, clients)):
        folder.write(folder.desktop, b"")
    else:
        targets.append(display.autostart_target)
    process.run(systemd.start("--no-block", *targets))
    for bus in second_buses():
        print(f"a second user bus: {bus}", file=sys.stderr)
    return 0


# Desktop Menu Specification, appendix "Registered OnlyShowIn Environments": desktops with a session
# program of their own, which does what the Desktop Application Autostart Specification says.
WHOLE_DESKTOPS = {
    *("GNOME", "GNOME-Classic", "GNOME-Flashback", "KDE", "LXDE", "LXQt", "MATE", "Razor", "ROX"),
    *("TDE", "Unity", "XFCE", "EDE", "Cinnamon", "Pantheon", "Budgie", "Enlightenment", "DDE"),
}


def _whole_desktop(client: int) -> bool:
    """Whether the client says of itself that it is one: XDG_CURRENT_DESKTOP of its main process,
    which startxfce4 and the like set before they execute it."""
    with contextlib.suppress(OSError):
        names = process.variable(client, "XDG_CURRENT_DESKTOP")
        return not WHOLE_DESKTOPS.isdisjoint(names.split(":"))
    return False
