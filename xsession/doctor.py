"""`xsession doctor`: what could keep a session from starting here, or from being whole.

A table of checks. Each looks at one thing and returns findings: what was seen, whether that is
good, and what to type where it is not. It changes nothing.
"""

import contextlib
import glob
import grp
import json
import os
import pwd
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from xsession import (
    client,
    control,
    files,
    graphics,
    logind,
    program,
    rc,
    runtime,
    seat,
    server,
    session,
    systemd,
    tty,
    units,
)
from xsession.client import Sort
from xsession.display import FOLDER, MARK, Display
from xsession.errors import Failure
from xsession.placement import PLACEMENTS
from xsession.plan import Facts, Request
from xsession.runtime import Folder
from xsession.udev import DEFAULT_SEAT

BAD_STATUS = 1


class Health(Enum):
    """How a thing stands."""

    GOOD = "good"
    ODD = "odd"  # a session starts, but something of it may not be as expected
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What was seen of one thing; `hint`: what to type."""

    thing: str
    health: Health
    seen: str
    hint: str = ""


Check = Callable[[Facts], Iterator[Finding]]


def doctor(usual: Callable[[], Request], as_json: bool) -> int:
    """Print the findings of what would be in the way of `usual`; status 1 if one is bad.

    That this cannot be read, or its client not be found, is a finding as well.
    """
    findings: list[Finding] = []
    checks: tuple[Check, ...] = CHECKS
    try:
        request = usual()
    except Failure as failure:
        findings.append(Finding("configuration", Health.BAD, failure.what, failure.hint))
        request = Request()
    request = request._replace(wait=0.0)
    try:
        facts = session.look(request)
    except Failure as failure:
        findings.append(Finding("client", Health.BAD, failure.what, failure.hint))
        facts = session.look(request._replace(listen=True))
        checks = tuple(it for it in CHECKS if it is not _client)
    findings += [finding for check in checks for finding in check(facts)]
    findings += [
        Finding("server arguments", Health.ODD, it, "what is followed: man xsession-startx")
        for it in request.complaints
    ]
    if as_json:
        print(json.dumps([asdict(it) | {"health": it.health.value} for it in findings], indent=2))
    else:
        tty.say(tty.folded("\n".join(_line(it) for it in findings), 19))
    return BAD_STATUS if any(it.health is Health.BAD for it in findings) else 0


def _line(finding: Finding) -> str:
    mark = {Health.GOOD: "  ", Health.ODD: "? ", Health.BAD: "! "}[finding.health]
    lines = [f"{mark}{finding.thing:16} {finding.seen}"]
    if finding.hint and finding.health is not Health.GOOD:
        lines.append(f"{'':18} {finding.hint}")
    return "\n".join(lines)


# -- where we are --


def _login(facts: Facts) -> Iterator[Finding]:
    login = facts.login
    if facts.untold:
        seen = f"{facts.untold}, and logind does not answer for it"
        hint = "look at it: systemctl status systemd-logind"
        yield Finding("login session", Health.BAD, seen, hint)
        return
    if login is None:
        hint = "log in on a VT: Ctrl-Alt-F1 to F6"
        seen, health = "this process is in none", Health.BAD
        if facts.running:
            seen, health = f"{seen}, as all that the session runs", Health.GOOD
        yield Finding("login session", health, seen, hint)
        return
    place = login.seat or "no seat"
    vt = f", vt{login.vt}" if login.vt else ""
    health = Health.GOOD if login.seat else Health.BAD
    hint = "log in on a VT; this is an ssh login or the like"
    stays = " (it stays so: Xorg 21.1 does not tell logind of X11)" if login.type == "tty" else ""
    seen = f"{login.id}, {place}{vt}, Type={login.type}{stays}"
    yield Finding("login session", health, seen, hint)
    if login.vt and facts.vt is None:
        seen = f"standard input is not tty{login.vt}"
        yield Finding("VT", Health.BAD, seen, "type it at the VT's own prompt, not in tmux")
    elif login.vt and not facts.text:
        hint = f"see what runs there: ps -t tty{login.vt} -o pid,args"
        yield Finding("VT", Health.BAD, f"tty{login.vt} is in graphics mode", hint)
    elif login.vt:
        yield Finding("VT", Health.GOOD, f"tty{login.vt}, in text mode")


def _placements(facts: Facts) -> Iterator[Finding]:
    for kind in server.SERVERS.values():
        if not session.first_program(kind.programs, facts.environ):
            if kind.kind == "xorg":
                hint = f"as root: apt install {kind.package}"
                yield Finding("server", Health.BAD, "Xorg is not installed", hint)
            continue
        objections = [placement.objection(kind, facts) for placement in PLACEMENTS]
        if None in objections:
            place = PLACEMENTS[objections.index(None)].place.value
            yield Finding("server", Health.GOOD, f"{kind.title} can be started, placement {place}")
        else:
            own = objections[0 if kind.needs_session else -1]
            what, hint = own or ("", "")
            health = Health.BAD if kind.kind == "xorg" and not facts.running else Health.GOOD
            yield Finding("server", health, f"{kind.title} cannot be started here: {what}", hint)


def _input(facts: Facts) -> Iterator[Finding]:  # noqa: ARG001
    names = {os.path.basename(it).removesuffix("_drv.so") for it in glob.glob(INPUT)}
    if found := sorted(names - {"inputtest"}):  # the server's own, for its tests
        yield Finding("input", Health.GOOD, f"drivers: {', '.join(found)}")
    elif names:
        seen = "Xorg has no input driver, so neither keyboard nor mouse would do anything"
        hint = "as root: apt install xserver-xorg-input-all"
        yield Finding("input", Health.BAD, seen, hint)


INPUT = "/usr/lib/xorg/modules/input/*_drv.so"


def _graphics(facts: Facts) -> Iterator[Finding]:
    name = facts.login.seat if facts.login and facts.login.seat else "seat0"
    gpus = facts.gpus or graphics.look(name, 0)[0]
    usable = seat.candidates(gpus, name)
    hint = f"loginctl seat-status {name}; is the driver's kernel module there? lspci -k"
    if not usable:
        seen = f"{name} has no graphics device with a driver"
        if name == DEFAULT_SEAT:  # which is there without any: see plan.make
            seen += "; Xorg's own configuration decides"
        health = Health.ODD if name == DEFAULT_SEAT else Health.BAD
        yield Finding("graphics", health, seen, hint)
    for gpu in gpus:
        if gpu.seat != name:
            continue
        odd = gpu not in usable or seat.is_firmware(gpu)
        what = "the framebuffer that firmware left" if seat.is_firmware(gpu) else gpu.driver
        seen = f"{gpu.name} on {name}: {what or 'no driver'}"
        yield Finding("graphics", Health.ODD if odd else Health.GOOD, seen, hint)


# -- the user manager --


def _manager(facts: Facts) -> Iterator[Finding]:
    if facts.manager is None:
        hint = f"systemctl status user@{facts.uid}.service"
        yield Finding("user manager", Health.BAD, "it does not answer", hint)
        return
    yield Finding("user manager", Health.GOOD, "it answers")
    yield from _unit_files(systemd.unit_folders(facts.environ))


# Names of our unit files; a package's lie among those of others.
OURS = re.compile(r"(xorg[@.-].*|xsession[@-].*|wm\.)(service|socket|target)")


def _unit_files(folders: Sequence[str]) -> Iterator[Finding]:
    """Where ours lie, and what the manager reads in their place."""
    packaged = program.command() == (program.INSTALLED,)
    places = [it for it in folders[2:] if not packaged or it.startswith(("/usr/lib/", "/lib/"))]
    own = next((it for it in places if os.path.exists(f"{it}/{MARK}")), "")
    ours = set(filter(OURS.fullmatch, os.listdir(own or units.source())))
    for folder in folders[: folders.index(own)] if own else folders[:2]:
        for path in sorted(glob.glob(f"{glob.escape(folder)}/*")):
            name = os.path.basename(path)
            if name in ours:
                what = "takes the place of xsession's own"
            elif re.fullmatch(r"xsession-client@.*\.service", name):
                what = "is in the way of the client's transient unit"
            else:
                continue
            hint = f"move it away: mv {path} {path}.old; systemctl --user daemon-reload"
            yield Finding("unit files", Health.BAD, f"{path} {what}", hint)
    place = own or "written to the runtime folder at each start"
    yield Finding("unit files", Health.GOOD, place)


def _bus(facts: Facts) -> Iterator[Finding]:
    address = facts.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    expected = f"unix:path={facts.runtime}/bus"
    if not os.path.exists(f"{facts.runtime}/bus"):
        hint = "as root: apt install dbus-user-session"
        yield Finding("user bus", Health.BAD, f"there is none at {facts.runtime}/bus", hint)
    elif address and not address.startswith(expected):
        seen = f"this shell is on another one: {address}"
        hint = "do not start dbus-launch or dbus-run-session in a profile"
        yield Finding("user bus", Health.ODD, seen, hint)
    others = control.second_buses()
    for bus in others:
        hint = "programs on it do not see those of the user manager; who starts it? (rc, profile)"
        yield Finding("user bus", Health.ODD, f"a second one runs: {bus}", hint)
    if not others:
        yield Finding("user bus", Health.GOOD, "one, the user manager's")


def _environment(facts: Facts) -> Iterator[Finding]:
    manager = facts.manager or {}
    left = [name for name in ("DISPLAY", "XAUTHORITY") if name in manager]
    # Another desktop's may be there by right: it has the variables set itself.
    live = facts.running or facts.graphical or facts.desktop or _listens(manager.get("DISPLAY", ""))
    if left and not live:
        yield Finding(
            *("environment", Health.ODD, f"{', '.join(left)} set in the user manager, by nobody"),
            f"systemctl --user unset-environment {' '.join(left)}",
        )
    if vt := manager.get("XDG_VTNR"):
        own = facts.login.vt if facts.login else 0
        if own and vt != str(own):
            hint = "systemctl --user unset-environment XDG_VTNR"
            seen = f"XDG_VTNR is {vt} in the user manager, and this is tty{own}"
            yield Finding("environment", Health.BAD, seen, hint)
    for complaint in facts.complaints:
        yield Finding("environment", Health.ODD, complaint, "the syntax: man environment.d")


def _listens(display: str) -> bool:
    """Whether somebody does on the display of that name."""
    match = re.fullmatch(r":(\d+)(\.\d+)?", display)
    path = f"{FOLDER}/X{match[1]}" if match else ""
    return not _sockets().isdisjoint({path, f"@{path}"})


def _sockets() -> set[str]:
    """The names of all Unix sockets. To connect would start a server that waits for it."""
    with contextlib.suppress(OSError), open("/proc/net/unix", errors="replace") as file:
        return {words[7].rstrip("\n") for line in file if len(words := line.split(None, 7)) > 7}
    return set()


def _running(facts: Facts) -> Iterator[Finding]:
    for display in facts.running:
        seen = f"one runs on {display.name}; another can only be --private"
        yield Finding("session", Health.ODD, seen, "xsession status")
    if facts.graphical and not facts.running:
        seen = "graphical-session.target is active, and not by xsession"
        hint = "systemctl --user list-dependencies --reverse graphical-session.target"
        yield Finding("session", Health.BAD, seen, hint)
    if facts.desktop:
        seen = f"a desktop runs in login session {facts.desktop}, and not by xsession"
        yield Finding("session", Health.BAD, seen, f"loginctl session-status {facts.desktop}")
    for unit in systemd.failed():
        hint = f"systemctl --user status {unit}; then: systemctl --user reset-failed {unit}"
        yield Finding("failed unit", Health.ODD, unit, hint)


def _lingering(facts: Facts) -> Iterator[Finding]:
    if logind.lingers(facts.uid):
        seen = "on: the user manager and its units outlive the last logout"
        yield Finding("lingering", Health.GOOD, seen)


# -- displays --


def _folder(facts: Facts) -> Iterator[Finding]:
    if facts.x11_folder:
        hint = "as root: rm -rf /tmp/.X11-unix; mkdir -m 1777 /tmp/.X11-unix"
        yield Finding("displays", Health.BAD, facts.x11_folder, hint)
    else:
        yield Finding("displays", Health.GOOD, f"{FOLDER} is root's, mode 1777")
    for number, objection in sorted(facts.taken.items()):
        live = Display(number) in facts.running
        if objection and not live:
            hint = f"ss -lxp | grep X11-unix/X{number}; a session takes the next number"
            yield Finding("displays", Health.ODD, f":{number} is taken: {objection}", hint)
    listening = _sockets()
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(FOLDER)):
            yield from _stale(name, listening)
    for path in sorted(glob.glob("/tmp/.X*-lock")):  # noqa: S108
        pid = _pid_in(path)
        if pid and not os.path.exists(f"/proc/{pid}"):
            hint = f"no harm to xsession; startx and sx stumble over it: rm {path}"
            yield Finding("displays", Health.ODD, f"{path} is of a server that is gone", hint)


def _stale(name: str, listening: set[str]) -> Iterator[Finding]:
    path = f"{FOLDER}/{name}"
    number = name.removeprefix("X")
    if number.isdecimal() and path not in listening:
        hint = f"no harm to xsession; as its owner or root: rm {path}"
        yield Finding("displays", Health.ODD, f"nobody listens on {path}", hint)


def _pid_in(path: str) -> int:
    with contextlib.suppress(OSError, ValueError), open(path) as file:
        return int(file.read(32))
    return 0


def _left(facts: Facts) -> Iterator[Finding]:
    for display in runtime.displays(facts.runtime):
        folder = Folder(facts.runtime, display)
        if not folder.holder_lives():
            hint = f"xsession clear {display.number} (the next start does it, too)"
            yield Finding("left behind", Health.ODD, f"{folder.path}, of a killed session", hint)


def _setuid(facts: Facts) -> Iterator[Finding]:  # noqa: ARG001
    for path in ("/usr/lib/xorg/Xorg.wrap", "/usr/lib/Xorg.wrap", "/usr/lib/xorg/Xorg"):
        with contextlib.suppress(OSError):
            if os.stat(path).st_mode & stat.S_ISUID:
                health = Health.GOOD if path.endswith(".wrap") else Health.BAD
                seen = f"{path} has root's rights" + (
                    "; xsession does not use it" if health is Health.GOOD else ""
                )
                yield Finding("setuid", health, seen, f"as root: chmod u-s {path}")
    with contextlib.suppress(OSError), open("/etc/X11/Xwrapper.config") as file:
        if "needs_root_rights=yes" in file.read().replace(" ", ""):
            seen = "/etc/X11/Xwrapper.config gives startx's Xorg root's rights; xsession needs none"
            yield Finding(
                "setuid", Health.ODD, seen, "as root: dpkg-reconfigure xserver-xorg-legacy"
            )


# -- the client --


def _client(facts: Facts) -> Iterator[Finding]:
    chosen = facts.client
    if chosen is None:
        hint = "name one: xsession start PROGRAM; or as root: apt install xterm"
        yield Finding("client", Health.BAD, "no rc file, no window manager, no xterm", hint)
    elif chosen.complaint:
        hint = "another: xsession default NAME; none: xsession default --unset"
        yield Finding("client", Health.ODD, chosen.complaint, hint)
    if chosen and not chosen.objection:
        yield Finding("client", Health.GOOD, " ".join(chosen.argv or chosen.units))
    for candidate in client.defaults(facts.environ, safe=False):
        if candidate.sort is Sort.RC:
            yield from _rc(candidate.name)


def _rc(path: str) -> Iterator[Finding]:
    try:
        if not rc.command(path):
            return
        content = files.read(path, 1 << 16) or b""
    except Failure as failure:
        yield Finding("rc file", Health.BAD, failure.what, failure.hint)
        return
    with contextlib.suppress(OSError):
        status = os.stat(path)
        if status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid):
            hint = f"chmod g-w {path}"
            yield Finding("rc file", Health.ODD, f"{path} can be changed by others", hint)
    lines = [line.split("#")[0] for line in content.decode(errors="replace").splitlines()]
    for word, why in RC_WORDS.items():
        if any(word in line for line in lines):
            seen = f"{path} has {word}: {why}"
            yield Finding("rc file", Health.ODD, seen, "it can be left out")


def _is_private(gid: int) -> bool:
    """Whether a group is the person's alone, as useradd(8) makes one for each account."""
    try:
        name, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}


RC_WORDS = {
    "dbus-launch": "a second user bus; the user manager's is there already",
    "dbus-run-session": "a second user bus; the user manager's is there already",
    "import-environment": "done by xsession already, and undone at the end",
}


def _profile(facts: Facts) -> Iterator[Finding]:
    for name in (".profile", ".bash_profile", ".bash_login", ".zprofile", ".zlogin"):
        path = os.path.join(facts.environ.get("HOME", "/"), name)
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path) as file:
            for line in file:
                words = line.split("#")[0]
                starts = re.search(r"\bxsession start\b", words)
                if starts and not re.search(r"\bexec\s+(\S*/)?xsession start\b", words):
                    seen = f"{path} starts a session without exec"
                    hint = "when X ends, or crashes, an open shell is left: exec xsession start"
                    yield Finding("profile", Health.BAD, seen, hint)


def _tools(facts: Facts) -> Iterator[Finding]:  # noqa: ARG001
    for name, package in (("systemd-run", "systemd"), ("loginctl", "systemd")):
        if not shutil.which(name):
            hint = f"as root: apt install {package}"
            yield Finding("programs", Health.BAD, f"{name} is not installed", hint)
    if not shutil.which("dbus-update-activation-environment"):
        seen = "dbus-update-activation-environment is not installed: D-Bus does not hear of DISPLAY"
        yield Finding("programs", Health.ODD, seen, "as root: apt install dbus-bin")


CHECKS: tuple[Check, ...] = (
    *(_login, _graphics, _input, _placements, _setuid),
    *(_manager, _bus, _environment, _running, _lingering, _tools),
    *(_folder, _left, _client, _profile),
)
