"""The servers: which programs, where they can run, what they are told."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from xsession.display import Display

# The child's descriptors: 0 the VT, 1 and 2 the journal, 3 and 4 the two addresses.
LISTEN_FDS_START, LISTEN_FDS = 3, 2
DISPLAY_FD = 5

FATAL = "Fatal server error:"  # os/log.c: the reason follows
PAUSED = "systemd-logind returned paused fd for drm node"  # xf86platformBus.c: then it fails


class Server(NamedTuple):
    """A kind of server. `programs` are tried in order; one without "/" is looked up in PATH."""

    kind: str
    title: str
    programs: tuple[str, ...]
    package: str
    needs_session: bool = False
    needs_display: bool = False
    options: tuple[str, ...] = ()


# Xorg itself, not the `Xorg` in PATH: that may be a wrapper with root's rights, which
# loses the environment and with it LISTEN_FDS (xorg-wrapper.c).
SERVERS = {
    server.kind: server
    for server in (
        Server(
            "xorg",
            "Xorg",
            ("/usr/lib/xorg/Xorg", "/usr/lib/Xorg", "/usr/libexec/Xorg", "/usr/bin/Xorg", "Xorg"),
            "xserver-xorg",  # the core alone has no input driver
            needs_session=True,
            options=("-verbose", "3"),
        ),
        Server("xvfb", "Xvfb", ("Xvfb",), "xvfb", options=("-screen", "0", "1280x1024x24")),
        Server("xephyr", "Xephyr", ("Xephyr",), "xserver-xephyr", needs_display=True),
        Server("xnest", "Xnest", ("Xnest",), "xnest", needs_display=True),
    )
}

# startx's name for it.
ALIASES = {"X": "xorg"}


def of_program(path: str) -> Server | None:
    """The kind of server that a program is, by its name; None for one that we do not know."""
    name = os.path.basename(path)
    return SERVERS.get(ALIASES.get(name, name.lower() if name[:1] == "X" else ""))


def is_wrapper(path: str, interpreter: str) -> bool:
    """Whether a distribution has it for Xorg: a script that looks for Xorg.wrap, or this itself.

    Either would lose the listening sockets, but who names it means Xorg (Xorg.sh.in).
    """
    packaged = path.startswith("/usr/") and not path.startswith("/usr/local/")
    return packaged and (bool(interpreter) or os.path.basename(path) == "Xorg.wrap")


# What only we may say, and why.
OURS = {
    "-auth": "the authority is written by xsession",
    "-displayfd": "xsession reads the display's number there",
    "-reset": "a reset destroys the display's addresses",
    "-seat": "the seat is the login session's",
    "-sharevts": "the VT is the login session's",
    "-logfile": "it lies in the runtime folder; the journal has it too",
}

WITH_VALUE = ("-auth", "-displayfd", "-seat", "-logfile")  # of these, an argument follows


def objection(arguments: Sequence[str]) -> str:
    """Why the person's own server arguments cannot be passed on, or nothing."""
    for word in arguments:
        if word in OURS:
            return f"server option {word}: {OURS[word]}"
        if re.fullmatch(r":\d+|vt\d+", word):
            return f"'{word}' must stand only once, right after --"
    return ""


def argv(
    server: Server,
    program: str,
    display: Display,
    *,
    authority: str,
    log: str,
    seat: str,
    vt: int,
    arguments: Sequence[str],
    configuration: str = "",
) -> tuple[str, ...]:
    """The server's command line. With -displayfd beside `:N` it makes no lock file.

    -noreset: at a reset the server destroys the listening sockets it was given. -novtswitch: at
    its end it would show the VT that was on the screen when it began (lnx_init.c), which is not
    always its own.
    """
    place: tuple[str, ...] = ()
    if server.needs_session:
        place = (f"vt{vt}", "-keeptty", "-novtswitch") if vt else ("-seat", seat)
        place += ("-logfile", log)
        if configuration:  # an absolute path is allowed to a server without root rights
            place += ("-configdir", configuration)
    return (
        program,
        display.name,
        *place,
        *("-auth", authority, "-nolisten", "tcp", "-noreset", "-displayfd", str(DISPLAY_FD)),
        *server.options,
        *arguments,
    )


def errors(words: str) -> str:
    """What a server said was wrong: a file of its that it cannot read, or else its fatal error, or
    its last (EE) line, or nothing."""
    if PAUSED in words:
        return "it asked for its graphics device before logind saw its VT on the screen"
    if unread := re.search(r"^Parse error on line .*\n?.*", words, re.MULTILINE):
        # hw/xfree86/parser/scan.c says it without "(EE)"; "no screens found" comes of it.
        return _printable(" ".join(unread[0].split()))
    _, fatal, after = words.rpartition(FATAL)
    lines = after.splitlines() if fatal else reversed(words.splitlines())
    # Some messages end without a newline, so the next line's (EE) follows: "no screens found(EE)".
    said = (line.split("(EE)")[1].strip() for line in lines if "(EE)" in line)
    text = next((line for line in said if line), "")
    return _printable(text)


def _printable(text: str) -> str:
    return "".join(it if it.isprintable() else "?" for it in text)  # it will be on a terminal
