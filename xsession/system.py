"""The system manager and root's side of logind: what an autologin is made of.

Sources: systemctl(1), systemd.unit(5), logind.conf(5), systemd-analyze(1).
"""

import os
import re
from collections.abc import Iterable, Mapping

from xsession import process, systemd
from xsession.errors import Failure
from xsession.process import Completed

UNITS = "/etc/systemd/system"  # the administrator's, systemd.unit(5)
RESERVED_VT = 6  # logind.conf(5), ReserveVT=
PATIENCE = 90.0  # seconds: enabling a unit reloads the manager, with all its generators


def systemctl(*words: str) -> Completed:
    return process.run(("systemctl", *words), timeout=PATIENCE)


def must(*words: str) -> None:
    """`systemctl`, or a Failure with what it said."""
    answer = systemctl(*words)
    if answer.status:
        raise Failure(f"systemctl {' '.join(words)}: {answer.output}")


def show(unit: str, names: Iterable[str]) -> dict[str, str]:
    """Properties of a unit, with all its drop-ins."""
    return systemd.properties(systemctl("show", unit, "-p", ",".join(names)).output)


def instances(template: str) -> tuple[str, ...]:
    """The instances of template `xlogin@` that are enabled or known to the manager."""
    names = set()
    for folder in _folders(UNITS, ".wants"):
        names |= {name for name in os.listdir(folder) if name.startswith(template)}
    listed = systemctl("list-units", "--all", "--plain", "--no-legend", f"{template}*.service")
    names |= {line.split()[0] for line in listed.output.splitlines() if line.strip()}
    names.discard(f"{template}.service")
    return tuple(sorted(n.removeprefix(template).removesuffix(".service") for n in names))


def _folders(folder: str, end: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder) if entry.name.endswith(end)]
    except OSError:
        return []


def is_enabled(units: Iterable[str]) -> Mapping[str, bool]:
    """Which units are started at boot."""
    names = tuple(units)
    states = systemctl("is-enabled", *names).output.splitlines()
    return {name: state == "enabled" for name, state in zip(names, states, strict=False)}


def reserved_vt() -> int:
    """The VT on which logind starts a getty whatever is there; 0 for none."""
    told = process.run(("systemd-analyze", "cat-config", "systemd/logind.conf")).output
    lines = re.findall(r"^\s*ReserveVT\s*=\s*(\d+)\s*$", told, re.MULTILINE)
    return int(lines[-1]) if lines else RESERVED_VT
