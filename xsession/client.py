"""The client: what the person asked for, or else the first rc file or program that is there."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from xsession import files


class Client(NamedTuple):
    """What the person asked for: a command line, or units (of `target`, if that wants them).

    `script`: it has an interpreter, and is there to run other programs. `desktop`:
    XDG_CURRENT_DESKTOP and the like, where a desktop entry has them. `objection`: why it cannot
    be started, and what to type. `complaint`: what else is to be said of how it was found.
    """

    argv: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    target: str = ""
    script: bool = False
    desktop: Mapping[str, str] = MappingProxyType({})
    objection: tuple[str, str] | None = None
    complaint: str = ""


class Sort(Enum):
    """What a candidate is."""

    PROGRAM = "a program in PATH"
    RC = "a file to run, by sh if it cannot be executed"
    TARGET = "a target; the units that it wants are the client"


class Candidate(NamedTuple):
    """A possible client. `by`: the script that runs this file, where that is there."""

    name: str
    sort: Sort = Sort.PROGRAM
    by: str = ""


# startx(1) on all systems, and what it leads to on Debian: Xsession(5), which reads ~/.xsession.
SYSTEM_RC = "/etc/X11/xinit/xinitrc"
XSESSION = "/etc/X11/Xsession"


def defaults(environ: Mapping[str, str], safe: bool) -> tuple[Candidate, ...]:
    """What is tried when no client is named, in order: files of the person's own, those of the
    system, programs."""
    if safe:
        return (Candidate("xterm"),)
    home = environ.get("HOME", "/")
    config = files.config_home(environ)
    named = environ.get("XINITRC", "")
    return (
        Candidate(f"{config}/xsession/rc", Sort.RC),
        Candidate("wm.target", Sort.TARGET),
        Candidate(f"{config}/sx/sxrc", Sort.RC),
        *((Candidate(named, Sort.RC),) if named.startswith("/") else ()),
        Candidate(f"{home}/.xinitrc", Sort.RC),
        Candidate(f"{home}/.xsession", Sort.RC, XSESSION),
        Candidate(f"{home}/.Xsession", Sort.RC, XSESSION),
        Candidate(SYSTEM_RC, Sort.RC),
        Candidate(XSESSION, Sort.RC),
        Candidate("x-session-manager"),
        Candidate("x-window-manager"),
        Candidate("xterm"),
    )


# What is done before a client that is no script, if the file is there: file, unit. In order: each
# changes what the one before has set.
PREPARATIONS = (
    (".Xresources", "xsession-resources@{number}.service"),
    (".Xkbmap", "xsession-keymap@{number}.service"),
    (".Xmodmap", "xsession-modmap@{number}.service"),
)
