"""What was typed after `start` or `listen`, and the Request that it is with the configuration."""

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xsession.errors import Failure

if TYPE_CHECKING:
    from xsession.plan import Request


class Typed(NamedTuple):
    """The words before a `--`. None: nothing was said of that."""

    verb: str
    client: Sequence[str] = ()
    safe: bool = False
    private: bool = False
    server: str | None = None
    vt: int | None = None
    display: int | None = None
    timeout: float | None = None
    gpu: str | None = None
    wait: float | None = None
    explain: bool = False
    dry_run: bool = False


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and the server's arguments after it.

    Of `run` all words are its own: its command may have a `--` as any other.
    """
    words = list(words)
    if "--" not in words or words[0] == "run":
        return words, []
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


def plain(words: Sequence[str]) -> Typed | None:
    """What was typed, if that is a start without options of its own, as nearly all are: argparse,
    which reads the others, takes longer to import and to set up than we to look at all."""
    match list(words):
        case ["start", *client] if not client or not client[0].startswith("-"):
            return Typed("start", tuple(client))
        case ["listen"]:
            return Typed("listen")
    return None


def usual() -> "Request":
    """The Request of `xsession start` alone."""
    return request(Typed("start"), [])


def request(told: Typed, arguments: list[str]) -> "Request":
    """The Request of `start` and `listen`. A server and `:N` may lead the server's arguments, and
    `vtN` may be among them, as startx(1) has it.

    What was not typed is as the configuration has it, but for its server arguments if another
    kind of server was typed: most of them are known to one kind only. Where it has none, those of
    ~/.xserverrc are taken.
    """
    from xsession import config, server
    from xsession.plan import Request
    from xsession.settings import Config

    holds, sources = (Config(), {}) if told.safe else config.load(os.environ)
    display, vt = told.display, told.vt
    see = f"see: xsession {told.verb} --help"
    kind = told.server or holds.server.kind
    program = ""
    if arguments and arguments[0][:1] in ("/", "."):  # a server, as xinit(1) has it
        program = os.path.abspath(arguments.pop(0))
        kind = _kind(program, told.server, see)
    left: list[str] = []
    try:
        asked: set[str] = set()
        for word in arguments:
            match = re.fullmatch(r"(:|vt)(\d+)", word)
            if not match or (match[1] == ":" and left):  # startx: a display is the first
                left.append(word)
                continue
            if match[1] in asked:
                raise ValueError(f"'{word}' is one too many")
            asked.add(match[1])
            display = read_display(word) if match[1] == ":" else display
            vt = read_vt(match[2]) if match[1] == "vt" else vt
    except ValueError as error:
        raise Failure(str(error), see) from None
    listen = told.verb == "listen"
    before = holds.server.arguments if kind == holds.server.kind else ()
    complaints: tuple[str, ...] = ()
    if not (told.safe or program or "server.arguments" in sources):
        before, complaints = _xserverrc(kind, typed=bool(told.server))
    gpu = holds.hardware.gpu if server.SERVERS[kind].needs_session else ""
    return Request(
        listen=listen,
        client=() if listen else tuple(told.client) or holds.session.client,
        server=kind,
        program=program,
        arguments=(*before, *left),
        display=display,
        vt=vt,
        safe=told.safe,
        private=told.private,
        timeout=told.timeout or holds.server.timeout,
        managed=holds.session.managed_timeout,
        stopping=holds.session.stop_timeout,
        imports=holds.environment.import_,
        set=holds.environment.set,
        gpu=gpu if told.gpu is None else told.gpu,
        wait=holds.hardware.wait if told.wait is None else told.wait,
        explain=told.explain,
        complaints=complaints,
    )


def _xserverrc(kind: str, *, typed: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The arguments in ~/.xserverrc for a server of that kind, and complaints. Where another kind
    was typed, that file is not meant."""
    from xsession import xserverrc

    found = xserverrc.read(os.environ)
    if found.kind in ("", kind):
        return found.arguments, found.complaints
    if typed:
        return (), ()
    return (), (
        f"xserverrc is for {found.kind}, and is left out; to have that: --server {found.kind}",
    )


def _kind(program: str, asked: str | None, hint: str) -> str:
    """The kind of the server whose program was typed. Failure if that is none we know, or not
    the kind that was asked for."""
    from xsession import server

    kind = server.of_program(program)
    if kind is None:
        known = ", ".join(it.title for it in server.SERVERS.values())
        raise Failure(f"{program} is no server that xsession knows: {known}", hint)
    if asked not in (None, kind.kind):
        raise Failure(f"--server {asked}, but {program} after the --", "leave out one of them")
    return kind.kind


def read_display(word: str) -> int:
    if not re.fullmatch(r":?\d{1,4}", word, re.ASCII):
        raise ValueError(f"'{word}' is no display; one is such as :0")
    return int(word.removeprefix(":"))


def read_vt(word: str) -> int:
    if not re.fullmatch(r"\d{1,2}", word, re.ASCII) or not 1 <= int(word) <= 63:
        raise ValueError(f"'{word}' is no VT; they are 1 to 63")
    return int(word)


def read_seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise ValueError(f"'{word}' is no number of seconds from 1 to 86399")
    return seconds


def read_wait(word: str) -> float:
    return 0.0 if re.fullmatch(r"0+", word, re.ASCII) else read_seconds(word)
