"""The server's arguments in xinit's `~/.xserverrc`, read and not run.

Under startx that script becomes the server. Ours is handed listening sockets by the holder and is
no script's to start; so what counts is the line that starts it: `exec X ARG… "$@"`, the last one.
"""

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from xsession import files, server

SYSTEM = "/etc/X11/xinit/xserverrc"
COMMAND = re.compile(r"\s*exec\s+(?P<program>\S+)(?P<arguments>.*)")
# What startx's arguments are put in place of, and the VT, which is the login session's anyway.
OURS = re.compile(r"""(?<!\S)("?\$[@*]"?|\$\{1\+"\$@"\}|"?vt\$(XDG_VTNR|\{XDG_VTNR\})"?)(?!\S)""")
# A word of these is more than itself: sh(1), "Word Expansions", "Control Operators".
MORE = "$`*?[~;&|<>()"
# xsession says the same.
SAID = (("-nolisten", "tcp"), ("-keeptty",), ("-novtswitch",), ("-noreset",))


class Found(NamedTuple):
    """The arguments of a server; its kind, if its program is known. `complaints`: what was left
    out, and why."""

    kind: str = ""
    arguments: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


def read(environ: Mapping[str, str]) -> Found:
    """What the first of the files that is there has. Raises Failure for one we will not read."""
    own = environ.get("XSERVERRC", "")
    for path in (own, f"{environ.get('HOME', '/')}/.xserverrc", SYSTEM):
        content = files.read(path) if path.startswith("/") else None
        if content is not None:
            return parse(content.decode("utf-8", "surrogateescape"), path)
    return Found()


def parse(text: str, path: str) -> Found:
    """The arguments in the last line that starts a server."""
    lines = re.sub(r"\\\r?\n", " ", text).splitlines()
    commands = [found for line in lines if (found := COMMAND.match(line))]
    if not commands:
        bare = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
        reason = f"{path}: no line `exec X ARG…` in it, so it is not followed"
        return Found(complaints=(reason,) if bare else ())
    program, arguments = commands[-1]["program"], commands[-1]["arguments"]
    kind = server.of_program(program.strip("\"'"))
    if kind is None:
        return Found(complaints=(f"{path}: it starts {program}, and is not followed",))
    try:
        words = _words(OURS.sub(" ", arguments))
    except ValueError as error:
        return Found(kind.kind, complaints=(f"{path}: {error}, so no argument of it is taken",))
    taken, left = _sorted(words)
    complaint = f"{path}: left out, as it is xsession's to say: {shlex.join(left)}"
    return Found(kind.kind, tuple(taken), (complaint,) if left else ())


def _words(line: str) -> list[str]:
    """The words of a line. Raises ValueError for one that a shell would make more of."""
    plain = re.sub(r"'[^']*'|\\.", "", line)
    plain = re.sub(r'"([^"]*)"', lambda quoted: re.sub(r"[^$`]", "", quoted[1]), plain)
    plain = re.sub(r"(^|\s)#.*", "", plain)
    if more := next((word for word in plain.split() if set(word) & set(MORE)), ""):
        raise ValueError(f"{more!r} was not understood")
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise ValueError(f"the line was not understood ({str(error).lower()})") from None


def _sorted(words: list[str]) -> tuple[list[str], list[str]]:
    """What is for the server, and what is left out and worth a word."""
    taken: list[str] = []
    left: list[str] = []
    while words:
        word = words.pop(0)
        if words and (word, words[0]) in SAID:
            words.pop(0)
        elif (word,) in SAID:
            pass
        elif word in server.OURS:
            left.append(word)
            left += [words.pop(0)] if word in server.WITH_VALUE and words else []
        elif re.fullmatch(r":\d+|vt\d+", word):
            left.append(word)
        else:
            taken.append(word)
    return taken, left
