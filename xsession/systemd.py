"""The user manager: what we say to it and how we read its answers.

We speak through its own programs (systemctl, systemd-run, busctl), so that every
action is a command that a person can repeat; --dry-run prints the very same ones.
"""

import os
import re
import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from xsession import files, process
from xsession.errors import BY_SIGNAL
from xsession.process import Completed

EXIT_EXEC = 203  # the manager could not execute the program: systemd.exec(5)
SYSTEMCTL = ("systemctl", "--user")

# Where the manager looks for unit files: systemd.unit(5), "User Unit Search Path".
UNIT_FOLDERS = (
    "{config}/systemd/user",
    "/etc/systemd/user",
    "{runtime}/systemd/user",
    "/run/systemd/user",
    "{data}/systemd/user",
    "/usr/local/share/systemd/user",
    "/usr/share/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
)


def start(*words: str) -> tuple[str, ...]:
    return (*SYSTEMCTL, "start", *words)


def restart(*units: str) -> tuple[str, ...]:
    return (*SYSTEMCTL, "restart", *units)


def stop(*units: str) -> tuple[str, ...]:
    return (*SYSTEMCTL, "stop", *units)


def cancel(jobs: Iterable[str]) -> tuple[str, ...]:
    """Forget jobs by their numbers. Of none, systemctl cancels all that there are."""
    return (*SYSTEMCTL, "cancel", *jobs)


def hook(unit: str) -> tuple[str, ...]:
    """Have `unit` run now; if it runs already, again, as something has changed meanwhile."""
    return (*SYSTEMCTL, "restart", "--no-block", unit)


def reset_failed(*units: str) -> tuple[str, ...]:
    return (*SYSTEMCTL, "reset-failed", *units)


def system_reload() -> tuple[str, ...]:
    """The system's manager reads its unit files again."""
    return ("systemctl", "daemon-reload")


def daemon_reload() -> tuple[str, ...]:
    return (*SYSTEMCTL, "daemon-reload")


def kill(unit: str, signal: str) -> tuple[str, ...]:
    """Signal all processes of `unit`, those too that outlived its main one (KillMode=process)."""
    return (*SYSTEMCTL, "kill", "--kill-who=all", f"--signal={signal}", unit)


def import_environment(names: Iterable[str]) -> tuple[str, ...]:
    """Set variables to what they are in the command's own environment: others can read argv."""
    return (*SYSTEMCTL, "import-environment", *names)


def activation_environment(names: Iterable[str]) -> tuple[str, ...]:
    """The same for what D-Bus activates (dbus-update-activation-environment(1)).

    dbus-daemon has a copy of its own; dbus-broker passes this on to the manager, which is
    therefore told last.
    """
    return ("dbus-update-activation-environment", *names)


def unset_environment(names: Iterable[str]) -> tuple[str, ...]:
    return (*SYSTEMCTL, "unset-environment", *names)


def unset_by_bus(names: Collection[str]) -> tuple[str, ...]:
    """The same by the bus, and so after what that has told the manager itself: dbus-daemon hands on
    what it is told to set (bus/driver.c), and systemctl has a socket of its own to the manager."""
    return (
        *("busctl", "--user", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
        *("org.freedesktop.systemd1.Manager", "UnsetEnvironment", "as", str(len(names)), *names),
    )


def watch(*units: str) -> tuple[str, ...]:
    """A command that starts `units` if they do not run, and lasts as long as one of them does."""
    return (*SYSTEMCTL, "start", "--wait", *units)


def run_client(
    unit: str,
    argv: Sequence[str],
    *,
    description: str,
    folder: str,
    variables: Iterable[str],
    properties: Iterable[str],
) -> tuple[str, ...]:
    """A command that runs `argv` in the transient service `unit` and lasts as long as it does.

    `variables`: names of those that the service gets from the command's own environment.
    """
    return (
        "systemd-run",
        "--user",
        "--wait",
        f"--unit={unit}",
        f"--description={description}",
        "--slice=session.slice",
        "--service-type=exec",
        f"--property=WorkingDirectory=-{folder}",  # "-": it may be missing
        *(f"--property={it}" for it in properties),
        *(f"--setenv={name}" for name in variables),
        "--",
        argv[0],  # the program's path is taken as it stands
        *(unexpanded(word) for word in argv[1:]),
    )


def run_app(
    unit: str,
    argv: Sequence[str],
    *,
    slice_name: str,
    description: str,
    folder: str = "",
    source: str = "",
    block: bool = True,
) -> tuple[str, ...]:
    """A command that starts an application as the transient service or scope `unit`.

    A service: it returns as soon as the program has been executed, or with `block` false as soon
    as the job is queued. It lasts until its last process ends, as many programs fork themselves
    into the background. A scope: systemd-run becomes `argv`, with our environment and terminal;
    with `block` false at once. The order is that of systemd.special(7),
    "graphical-session.target".
    """
    service = unit.endswith(".service")
    return (
        "systemd-run",
        "--user",
        *(() if service else ("--scope", "--quiet")),
        "--collect",  # also of a failed unit: its name is never used again
        f"--unit={unit}",
        f"--description={description}",
        f"--slice={slice_name}",
        *(("--property=After=graphical-session.target",) if service or block else ()),
        "--property=PartOf=graphical-session.target",
        *((f"--property=SourcePath={source}",) if source else ()),
        *(("--service-type=exec", "--property=ExitType=cgroup") if service else ()),
        *((f"--working-directory={folder}",) if service else ()),
        *(("--no-block",) if service and not block else ()),
        "--",
        argv[0],
        # What a scope is given is not expanded: by 252 never, since 254 only if asked for.
        *(unexpanded(word) if service else word for word in argv[1:]),
    )


def escaped(text: str, most: int) -> str:
    """`text` as a part of a unit's name, as systemd-escape(1) has it, of at most `most` characters.

    Also escaped is what separates: the dashes of a drop-in folder's prefix, the @ of an instance.
    """
    escaped = ""
    for byte in os.fsencode(text):
        character = chr(byte)
        if character == "/":
            character = "-"
        elif not re.match(r"[A-Za-z0-9:_.]", character) or (byte == ord(".") and not escaped):
            character = f"\\x{byte:02x}"
        if len(escaped) + len(character) > most:
            break
        escaped += character
    return escaped


def good_signal(words: str) -> int:
    """128+n if signal n ended the client and the manager counts that as a good end, else 0.

    It does so for SIGHUP, SIGINT, SIGTERM and SIGPIPE, then forgets a transient unit;
    systemd-run exits with 0, and only its last words tell.
    """
    killed = re.search(r"code=killed(?:/status=|, status=\d+/)([A-Z]+)", words)
    return BY_SIGNAL + signal.Signals[f"SIG{killed[1]}"] if killed else 0


def unexpanded(word: str) -> str:
    """`word` as systemd-run must be given it: the manager expands $NAME in a service's arguments.

    systemd-run(1): since 254 --expand-environment=no could be said; `$$` is right for all.
    """
    return word.replace("$", "$$")


ENVIRONMENT = (
    *("busctl", "--user", "--json=short", "get-property", "org.freedesktop.systemd1"),
    *("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "Environment"),
)


def environment() -> dict[str, str] | None:
    """The manager's environment block; None if no manager answers."""
    return environment_of(process.run(ENVIRONMENT))


def environment_of(answer: Completed) -> dict[str, str] | None:
    """The same, of the answer to ENVIRONMENT."""
    import json

    if answer.status:
        return None
    pairs = (entry.partition("=") for entry in json.loads(answer.output)["data"])
    return {name: value for name, _, value in pairs}


SHOW_ENVIRONMENT = (*SYSTEMCTL, "show-environment")


def shown_environment(answer: Completed) -> dict[str, str] | None:
    """The same of the answer to SHOW_ENVIRONMENT, which needs no bus, and quotes as a shell does
    ($'…', systemctl(1)); Python's escapes are those and more."""
    from ast import literal_eval

    if answer.status:
        return None
    pairs = (line.partition("=") for line in answer.output.split("\n"))
    return {n: literal_eval(v[1:]) if v.startswith("$'") else v for n, _, v in pairs}


class Unit(NamedTuple):
    """How a unit stands: its ActiveState, how its main process ended (shell's status), whether
    a job is queued for it, its control group and when it became what it is."""

    active: str
    status: int
    job: bool = False
    group: str = ""
    since: str = ""
    parts: tuple[str, ...] = ()  # what is PartOf= it

    @property
    def runs(self) -> bool:
        return self.job or self.active not in ("inactive", "failed", "")


SHOWN = "ActiveState,ExecMainCode,ExecMainStatus,Job,ControlGroup,StateChangeTimestamp,ConsistsOf"


def show(unit: str) -> Unit:
    """Ask for `unit`. One that ended well and was transient is unloaded: inactive, status 0."""
    return shown(unit)[0]


def shown(*units: str) -> list[Unit]:
    """Ask for several at once."""
    return units_of(process.run(showing(*units)), len(units))


def showing(*units: str) -> tuple[str, ...]:
    return (*SYSTEMCTL, "show", *units, "-p", SHOWN)


def units_of(answer: Completed, number: int = 1) -> list[Unit]:
    """So many units, of the answer to `showing`."""
    blocks = answer.output.split("\n\n") + [""] * number  # none, where nobody answers
    return [_unit(properties(block)) for block in blocks[:number]]


def _unit(values: Mapping[str, str]) -> Unit:
    status = int(values.get("ExecMainStatus", "0") or 0)
    # waitid(2)'s si_code: CLD_KILLED 2, CLD_DUMPED 3
    killed = values.get("ExecMainCode") in ("2", "3")
    return Unit(
        values.get("ActiveState", ""),
        128 + status if killed else status,
        values.get("Job", "") not in ("", "0"),
        values.get("ControlGroup", ""),
        values.get("StateChangeTimestamp", ""),
        tuple(values.get("ConsistsOf", "").split()),
    )


def active_states(units: Sequence[str]) -> dict[str, str]:
    """The ActiveState of each unit."""
    if not units:  # of none, systemctl shows the manager's own properties
        return {}
    answer = process.run((*SYSTEMCTL, "show", *units, "-p", "ActiveState", "--value"))
    states = answer.output.split() if answer.status == 0 else [""] * len(units)
    return dict(zip(units, states, strict=True))


def wanted_by(target: str) -> tuple[str, ...]:
    """The units that are to be started with `target`, without what every target has."""
    answer = process.run((*SYSTEMCTL, "show", target, "-p", "Wants", "--value"))
    return tuple(sorted(answer.output.split())) if answer.status == 0 else ()


def jobs() -> str:
    """The units that the manager is starting or stopping, in a line."""
    lines = process.run((*SYSTEMCTL, "list-jobs", "--plain", "--no-legend")).output.splitlines()
    return ", ".join(" ".join(line.split()[1:3]) for line in lines)


def stopping() -> list[str]:
    """The numbers of the stop jobs that have begun, and do not wait for another."""
    lines = process.run((*SYSTEMCTL, "list-jobs", "--plain", "--no-legend")).output.splitlines()
    jobs = (line.split() for line in lines)
    return [words[0] for words in jobs if words[2:4] == ["stop", "running"]]


def failed() -> list[str]:
    """The units that have failed and were not forgotten."""
    answer = process.run((*SYSTEMCTL, "list-units", "--failed", "--plain", "--no-legend"))
    lines = answer.output.splitlines() if answer.status == 0 else []
    return [line.split()[0] for line in lines if line.strip()]


def property_of(unit: str, name: str) -> str:
    """One property of a unit as systemctl prints it; nothing if there is none."""
    answer = process.run((*SYSTEMCTL, "show", unit, "-p", name, "--value"))
    return answer.output if answer.status == 0 else ""


def status_text(unit: str) -> str:
    """The unit's STATUS= line."""
    return property_of(unit, "StatusText")


def properties(output: str) -> dict[str, str]:
    """The NAME=VALUE lines of `systemctl show` and `loginctl show-…`."""
    return {n: v for n, _, v in (line.partition("=") for line in output.splitlines())}


def unit_file(name: str, environ: Mapping[str, str]) -> str:
    """The path of unit file `name` in the folders that every user manager reads, or nothing."""
    paths = (os.path.join(folder, name) for folder in unit_folders(environ))
    return next(filter(os.path.exists, paths), "")


def unit_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The folders that every user manager reads; a file goes before those of its name after it."""
    home = environ.get("HOME", "")
    places = {
        "config": files.config_home(environ),
        "data": environ.get("XDG_DATA_HOME") or f"{home}/.local/share",
        "runtime": environ.get("XDG_RUNTIME_DIR", ""),
    }
    return tuple(folder.format(**places) for folder in UNIT_FOLDERS)
