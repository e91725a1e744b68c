"""The plan: everything that will be done, decided from the request and the facts, doing nothing.

`make` is a pure function. Looking (session.look) comes before it, acting (holder, bridge) after.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, Never

from xsession import environment, seat, server, systemd, xorgconf
from xsession.client import Client
from xsession.display import Display
from xsession.environment import Entry
from xsession.errors import CANNOT_EXECUTE, Failure
from xsession.logind import LoginSession
from xsession.placement import PLACEMENTS, Place
from xsession.settings import Config
from xsession.udev import Gpu
from xsession.variables import Variable

DEFAULT = Config()
LAST_KEY = 12  # the last VT that a key switches to: Ctrl-Alt-F12
EMPTY: Mapping[str, Never] = MappingProxyType({})


class Request(NamedTuple):
    """What was typed. `listen`: no client, the server starts when the first program connects.

    `program`: the path of the server, if that was typed. `complaints`: what could not be followed
    of what is configured.
    """

    listen: bool = False
    client: tuple[str, ...] = ()
    server: str = "xorg"
    program: str = ""
    arguments: tuple[str, ...] = ()
    display: int | None = None
    vt: int | None = None
    safe: bool = False
    private: bool = False
    timeout: float = DEFAULT.server.timeout
    managed: float = DEFAULT.session.managed_timeout
    stopping: float = DEFAULT.session.stop_timeout
    imports: tuple[str, ...] = ()
    set: Mapping[str, str] = EMPTY
    gpu: str = ""
    wait: float = DEFAULT.hardware.wait
    explain: bool = False
    complaints: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What was seen. `taken`: why a display's number cannot be used, "" where it can.

    `running`: this user's sessions that have the manager's DISPLAY. `variables`: what the manager
    is to have of the login shell and of files. `graphical`: graphical-session.target is active.
    `setuid`: the server's program is. `prepared_by`: client.PREPARATIONS whose files are there.
    `chooser`: what in Xorg's own configuration chooses a graphics device, "" if nothing does.
    `untold`: the id of our login session where logind tells nothing of it. `desktop`: that of
    another one with a desktop that is not xsession's, and has the manager's DISPLAY.
    """

    uid: int
    environ: Mapping[str, str]
    runtime: str
    manager: Mapping[str, str] | None
    login: LoginSession | None
    vt: int | None
    text: bool
    gpus: Sequence[Gpu]
    x11_folder: str
    taken: Mapping[int, str]
    programs: Mapping[str, str]
    client: Client | None
    running: tuple[Display, ...]
    units: bool
    setuid: bool = False
    graphical: bool = False
    variables: Mapping[str, Variable] = EMPTY
    complaints: tuple[str, ...] = ()
    prepared_by: tuple[str, ...] = ()
    chooser: str = ""
    untold: str = ""
    desktop: str = ""


class Kind(Enum):
    """What the end of a step's command means."""

    MUST = "must"  # the next step waits for it; if it fails, so does the start
    MAY = "may"  # the next step waits for it; if it fails, no matter
    PARTS = "parts"  # the same, with all that is part of graphical-session.target
    SERVER = "server"  # lasts until the display answers; if it fails, so does the start
    CLIENT = "client"  # lasts as long as the client does
    END = "end"  # what is left of the client is ended
    LAST = "last"  # nothing else waits for it; if it fails, no matter


class Step(NamedTuple):
    """A command, what its end means, and what it has in its environment that we have not.

    Values are there and not in its arguments, which everybody can read.
    """

    kind: Kind
    argv: tuple[str, ...]
    variables: Mapping[str, str] = EMPTY

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in sorted(self.variables.items())]
        return shlex.join((*(("env", *words) if words else ()), *self.argv))


class Plan(NamedTuple):
    """All that a start does. Nothing is decided after it."""

    display: Display
    kind: server.Server
    place: Place
    login: LoginSession | None
    runtime: str
    folder: str
    authority: str
    server: tuple[str, ...]
    client: Client | None
    home: str
    timeout: float
    managed: float
    stopping: float
    write_units: bool
    private: bool
    shared: Mapping[str, Variable] = EMPTY
    own: Mapping[str, str] = EMPTY
    passed: Mapping[str, str] = EMPTY
    server_environment: Mapping[str, str] = EMPTY
    journal: tuple[Entry, ...] = ()
    preparations: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    gpu: seat.Choice | None = None
    gpus: tuple[Gpu, ...] = ()  # of the seat, `gpu` among them
    configuration: str = ""  # Xorg's section that makes it take `gpu`, where it would not

    @property
    def graphics(self) -> str:
        """What it draws on, in a person's words; nothing for a server that is only memory."""
        if self.place is not Place.SESSION or self.login is None:
            return ""
        none = f"{self.login.seat}: udev knows no graphics device; Xorg's own configuration decides"
        return str(self.gpu or none)

    @property
    def where(self) -> str:
        """The place of the server in a person's words: `seat0, vt1`; nothing for one without."""
        if self.place is not Place.SESSION or self.login is None:
            return ""
        return f"{self.login.seat}, vt{self.login.vt}" if self.login.vt else self.login.seat

    @property
    def configuration_folder(self) -> str:
        """Where Xorg is told to look for `configuration`, or nothing."""
        return xorgconf.folder(self.folder) if self.configuration else ""

    @property
    def client_units(self) -> tuple[str, ...]:
        """The units that are the client."""
        if self.client is None:
            return ()
        return self.client.units or (self.display.client_unit,)

    @property
    def up(self) -> tuple[Step, ...]:
        """The steps that bring the session up, in order. The client need not wait for the server:
        its connection waits in the socket's queue."""
        steps = [Step(Kind.MUST, systemd.start(self.display.socket_unit))]
        if self.client:
            steps.append(Step(Kind.SERVER, systemd.start(self.display.service_unit)))
        if self.shared:  # D-Bus first: dbus-broker hands on to the manager, which has the last word
            values = self._not_ours_already({n: v.value for n, v in self.shared.items()})
            steps += [
                Step(Kind.MAY, systemd.activation_environment(self.shared), values),
                Step(Kind.MUST, systemd.import_environment(self.shared), values),
            ]
        if self.client:
            if self.client.units and self.preparations:  # which those units do not want
                steps.append(Step(Kind.MAY, systemd.start(*self.preparations)))
            steps.append(self._start_client(self.client))
            also = [self.client.target] if self.client.target else []
            if self.client.units and not self.private:  # a unit of ours would want it itself
                also.append(self.display.managed_unit)
            if also:
                steps.append(Step(Kind.MAY, systemd.start("--no-block", *also)))
        return tuple(steps)

    def _start_client(self, client: Client) -> Step:
        if client.units:
            return Step(Kind.CLIENT, systemd.watch(*client.units))
        # They come with the client, and apart from the server: neither waits for the other.
        pre = self.preparations
        wanted = pre
        if not self.private:
            pre = ("graphical-session-pre.target", *pre)
            wanted = (*pre, self.display.managed_unit)
        command = systemd.run_client(
            self.display.client_unit,
            client.argv,
            description=f"Client of {self.display.name}: {os.path.basename(client.argv[0])}",
            folder=self.home,
            variables=sorted({*self.passed, *self.own}),
            properties=(
                *(f"Wants={unit}" for unit in wanted),
                f"After={' '.join((self.display.socket_unit, 'xorg.target', *pre))}",
                "Before=graphical-session.target",
                f"TimeoutStopSec={self.stopping:g}s",
                # A window manager that is restarted leaves the windows that it has started;
                # the helpers of a script would be there twice.
                f"KillMode={'control-group' if client.script else 'process'}",
            ),
        )
        return Step(Kind.CLIENT, command, self._not_ours_already(self.own))

    def _not_ours_already(self, values: Mapping[str, str]) -> dict[str, str]:
        return {n: value for n, value in values.items() if self.passed.get(n) != value}

    @property
    def down_client(self) -> tuple[Step, ...]:
        """The steps that leave the server alone on its display: what needs the session, then the
        client, in one transaction whose order is that of the units."""
        units = (*(() if self.private else self.display.session_units), *self.client_units)
        # systemctl waits for units that it was told, and not for those that stop along with them.
        kind = Kind.MAY if self.private else Kind.PARTS
        return (
            *([Step(kind, systemd.stop(*units))] if units else []),
            *(Step(Kind.END, systemd.kill(unit, "SIGTERM")) for unit in self.client_units),
        )

    @property
    def back(self) -> tuple[Step, ...]:
        """The steps from which `up` can be taken again; the addresses stay ours."""
        server = Step(Kind.MAY, systemd.stop(self.display.service_unit))
        return (*self.down_client, server, *self._forget_client(Kind.MAY))

    @property
    def down(self) -> tuple[Step, ...]:
        """The steps that take all down: client, then server and addresses in one transaction (a
        connection still queued would start the service again)."""
        units = (self.display.socket_unit, self.display.service_unit)
        return (
            *self.down_client,
            Step(Kind.LAST, systemd.stop(*units)),
            *self._forget_client(Kind.LAST),
        )

    def _forget_client(self, kind: Kind) -> tuple[Step, ...]:
        """Where its end was not a good one the manager would keep the unit, and start none anew."""
        return (Step(kind, systemd.reset_failed(*self.client_units)),) if self.client else ()

    def __str__(self) -> str:
        """What `--dry-run` prints: commands that could be typed, and what we do between them."""
        lines = [
            f"# display {self.display.name}, {self.where or 'no seat'};"
            f" the server is forked by {_WHO[self.place]}",
            *([f"# {self.graphics}"] if self.graphics else []),
            f"install -d -m 0700 {self.folder}",
            f"# a new MIT-MAGIC-COOKIE-1 is written to {self.authority}, mode 0600",
        ]
        if self.configuration:
            lines += [f"# written to {self.configuration_folder}, for that graphics device:"]
            lines += [f"# {line}" for line in self.configuration.splitlines()]
        if self.write_units:
            lines += [f"# unit files are written to {self.runtime}/systemd/user"]
            lines += [shlex.join(systemd.daemon_reload())]
        first, *others = self.up
        lines += [
            str(first),
            f"# with both addresses of {self.display.name} as LISTEN_FDS,"
            f" when {self.display.service_unit} asks for it:",
            shlex.join(self.server),
            *map(str, others),
        ]
        if self.client and not self.private:
            targets = (self.display.session_target, self.display.autostart_target)
            then = shlex.join(systemd.start("--no-block", *targets))
            lines += [f"# when a window manager is there: {then}"]
        lines.append("# at the end:" if self.client else "# at the end (Ctrl-C):")
        lines += [str(step) for step in self.down]
        if self.shared:
            lines += [f"# what {', '.join(self.shared)} were in the user manager is restored"]
        lines += [f"rm -r {self.folder}"]
        return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


_WHO = {
    Place.SESSION: "this process, in its login session",
    Place.UNIT: "xorg@.service",
}


def make(request: Request, facts: Facts) -> Plan:
    """Decide. Raises Failure with the way out where it cannot be done."""
    kind = server.SERVERS[request.server]
    manager = _manager(facts)
    if not request.private:
        _refuse_second_session(facts)
    place = _place(kind, facts)
    login = facts.login if place is Place.SESSION else None
    gpu, configuration = None, ""
    if login is not None:
        _refuse_wrong_vt(request, facts, login, manager)
        gpu, configuration = _gpu(request, facts, login)
    elif request.gpu:
        raise Failure(f"{kind.title} has no graphics device, but one was asked for", "leave it out")
    elif request.vt:
        raise Failure(f"{kind.title} has no VT, but VT {request.vt} was asked for", "leave it out")
    if objection := server.objection(request.arguments):
        raise Failure(objection, "leave it out")
    if not facts.programs.get(kind.kind):
        raise Failure(f"{kind.title} is not installed", f"as root: apt install {kind.package}")
    if facts.setuid:
        path = facts.programs[kind.kind]
        hint = f"as root: chmod u-s {path}"
        raise Failure(f"{path} would have root's rights, and needs none", hint)
    if facts.x11_folder:
        raise Failure(
            f"{facts.x11_folder}: a display there would not be safe",
            "as root: rm -rf /tmp/.X11-unix; mkdir -m 1777 /tmp/.X11-unix",
        )
    display = _display(request, facts)
    client = None if request.listen else facts.client
    if not request.listen and client is None:
        raise Failure(
            "no client was named, and there is no rc file and no xterm",
            "try: xsession start PROGRAM, or as root: apt install xterm",
        )
    if client and client.objection:
        raise Failure(*client.objection, CANNOT_EXECUTE)
    complaint = (client.complaint,) if client and client.complaint else ()
    passed, refused = environment.passed(facts.environ)
    folder = f"{facts.runtime}/xsession/{display.number}"
    authority = f"{folder}/authority"
    ours = {"DISPLAY": display.name, "XAUTHORITY": authority, "XDG_SESSION_TYPE": "x11"}
    ours |= client.desktop if client else {}
    shared = {} if request.private else _shared(facts, manager, ours)
    own = {
        **{name: variable.value for name, variable in facts.variables.items()},
        **(login.private if login else {}),
        **ours,
    }
    journal = environment.entries(shared, manager)
    if not request.private:
        given = {**passed, **own} if client else {}
        journal += environment.importable(given, shared, manager)
    return Plan(
        display=display,
        kind=kind,
        place=place,
        login=login,
        runtime=facts.runtime,
        folder=folder,
        authority=authority,
        server=server.argv(
            kind,
            facts.programs[kind.kind],
            display,
            authority=authority,
            log=f"{facts.runtime}/xsession/Xorg.{display.number}.log",
            seat=login.seat if login else "",
            vt=login.vt if login else 0,
            arguments=request.arguments,
            configuration=xorgconf.folder(folder) if configuration else "",
        ),
        client=client,
        home=facts.environ.get("HOME", "/"),
        timeout=request.timeout,
        managed=request.managed,
        stopping=request.stopping,
        write_units=not facts.units,
        private=request.private,
        shared=shared,
        journal=tuple(journal),
        own=own,
        passed=passed,
        server_environment={
            name: facts.environ[name]
            for name in ("DISPLAY", "XAUTHORITY")
            if kind.needs_display and name in facts.environ
        },
        preparations=_preparations(request, facts, client, display),
        complaints=(*request.complaints, *complaint, *refused, *facts.complaints),
        gpu=gpu,
        gpus=seat.candidates(facts.gpus, login.seat) if login else (),
        configuration=configuration,
    )


def _preparations(
    request: Request, facts: Facts, client: Client | None, display: Display
) -> tuple[str, ...]:
    """The units that are to be done before the client."""
    if client is None or client.script or request.safe:
        return ()
    return tuple(it.format(number=display.number) for it in facts.prepared_by)


def _shared(
    facts: Facts, manager: Mapping[str, str], ours: Mapping[str, str]
) -> dict[str, Variable]:
    """What the manager is to have and has not; what is ours always, so that D-Bus hears it too."""
    wanted = {n: v for n, v in facts.variables.items() if manager.get(n) != v.value}
    return wanted | {name: Variable(value, "xsession") for name, value in ours.items()}


def _manager(facts: Facts) -> Mapping[str, str]:
    if not facts.runtime:
        raise Failure(
            "XDG_RUNTIME_DIR is not set, so there is no user manager to start units with",
            "log in on a VT or by ssh (su and sudo do not make a login session)",
        )
    if facts.manager is None:
        raise Failure(
            f"the user manager does not answer (uid {facts.uid}, {facts.runtime})",
            f"look at it: systemctl status user@{facts.uid}.service; if it has failed, log in"
            f" again, or as root: systemctl restart user@{facts.uid}.service",
        )
    return facts.manager


def _refuse_second_session(facts: Facts) -> None:
    if facts.running:
        name = facts.running[0].name
        raise Failure(
            f"a graphical session of this user is running already, on {name}",
            "end it: xsession stop; or a second display, apart from it: xsession start --private",
        )
    if facts.graphical:
        raise Failure(
            "a graphical session of this user is running already: graphical-session.target is"
            " active, and not by xsession",
            "end it, or a second display, apart from it: xsession start --private",
        )
    if facts.desktop:
        raise Failure(
            f"a desktop of this user is running already, in login session {facts.desktop}, and"
            " has DISPLAY in the user manager",
            "log out there, or a second display, apart from it: xsession start --private",
        )


def _place(kind: server.Server, facts: Facts) -> Place:
    objections = []
    for placement in PLACEMENTS:
        objection = placement.objection(kind, facts)
        if objection is None:
            return placement.place
        objections.append(objection)
    what, hint = objections[0] if kind.needs_session else objections[-1]
    raise Failure(f"{kind.title} cannot be started here: {what}", hint)


def _refuse_wrong_vt(
    request: Request, facts: Facts, login: LoginSession, manager: Mapping[str, str]
) -> None:
    asked, own = request.vt, login.vt
    if asked and asked != own:
        raise Failure(
            f"VT {asked} was asked for, but login session {login.id} has"
            f" {f'VT {own}' if own else 'no VT'} and an unprivileged server can use no other",
            _other_vt(asked) if own else "leave it out; only seat0 has VTs",
        )
    told = manager.get("XDG_VTNR", "")
    if own and told and told != str(own):
        raise Failure(
            f"XDG_VTNR is {told} in the user manager, but this login session has VT {own}",
            f"log in on VT {told}, or: systemctl --user unset-environment XDG_VTNR",
        )
    if own and not facts.text:
        raise Failure(
            f"VT {own} is in graphics mode: a server runs on it already",
            f"find it: ps -t tty{own} -o pid,args; or log in on another VT",
        )


def _other_vt(vt: int) -> str:
    """How one comes to a session on another VT."""
    keys = f" (Ctrl-Alt-F{vt})" if vt <= LAST_KEY else ""
    by_root = f"xsession autologin enable USER --vt {vt}"
    return f"log in on VT {vt}{keys} and start it there; or, as root: {by_root}"


def _gpu(request: Request, facts: Facts, login: LoginSession) -> tuple[seat.Choice | None, str]:
    """The graphics device to take, and what Xorg must be told to take it. On seat0, which is there
    without any, Xorg may be configured for what is none (its dummy driver, say)."""
    if login.vt and not request.gpu and not seat.candidates(facts.gpus, login.seat):
        return None, ""
    choice = seat.choose(facts.gpus, login.seat, request.gpu)
    if request.gpu and facts.chooser:
        raise Failure(
            f"graphics device {request.gpu} was asked for, but {facts.chooser} chooses one itself",
            "leave out one of the two",
        )
    if not choice.must_be_told:
        return choice, ""
    if facts.chooser:
        return choice._replace(left_to=facts.chooser), ""
    return choice, xorgconf.device_section(choice.gpu)


def _display(request: Request, facts: Facts) -> Display:
    if request.display is not None:
        objection = facts.taken[request.display]
        if objection:
            raise Failure(
                f"display :{request.display} is taken: {objection}",
                "leave the number out, and a free one is chosen",
            )
        return Display(request.display)
    for number, objection in sorted(facts.taken.items()):
        if not objection:
            return Display(number)
    raise Failure(
        f"all displays from :0 to :{max(facts.taken)} are taken (:0: {facts.taken[0]})",
        "see who has them: ss -lxp | grep X11-unix",
    )
