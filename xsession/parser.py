"""The words of the command line: every verb and option."""

import argparse
import functools
import re
import shlex
from collections.abc import Callable
from typing import Any, NoReturn

from xsession import __version__, typed
from xsession.errors import Failure
from xsession.typed import Typed


def _formatter(prog: str) -> argparse.HelpFormatter:
    """argparse makes one for every option that is added. One that is not told the width imports
    shutil to ask for it, and with that zlib, bz2 and lzma: 4 ms, and memory for good."""
    from xsession import tty

    return argparse.HelpFormatter(prog, width=min(tty.width(), 80) - 2)


class Parser(argparse.ArgumentParser):
    """An argparse that fails as we do: one line, a hint, status 125."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**{"formatter_class": _formatter, **words})

    def error(self, message: str) -> NoReturn:
        if wrong := re.match(r"argument VERB: invalid choice: ('.*') \(", message):
            message = f"{wrong[1]} is no verb of xsession"  # the list would show hidden ones
        raise Failure(message, f"see: {self.prog} --help")


@functools.cache
def parser(words: tuple[str, ...] = ()) -> Parser:
    """Every word that a person can say. The verb without a help, `words`, is for completion.

    `words`: the first of those that were said. Where they are a start no other verb is made.
    """
    main = Parser(
        prog="xsession",
        description="Start a graphical X11 session: an unprivileged X server"
        " and its clients under the systemd user manager.",
        epilog="The manual: man xsession",
        allow_abbrev=False,
    )
    main.add_argument("--version", action="version", version=f"xsession {__version__}")
    verbs = main.add_subparsers(
        dest="verb", metavar="VERB", required=True, parser_class=Parser, title="verbs"
    )
    _add_start(verbs)
    if words not in (("start",), ("listen",)):
        _add_others(verbs)
    return main


def _add_start(verbs: "argparse._SubParsersAction[Parser]") -> None:
    start = verbs.add_parser(
        "start",
        help="start a session on this VT",
        usage="xsession start [OPTION...] [CLIENT [ARG...]] [-- [SERVER] [:DISPLAY] [vtN] ARG...]",
        description="Start a session: the server, and CLIENT, or else the first of"
        " $XDG_CONFIG_HOME/xsession/rc, $XDG_CONFIG_HOME/sx/sxrc, ~/.xinitrc, ~/.xsession,"
        " the system's xinitrc or Xsession, x-session-manager, x-window-manager, xterm."
        " Ends when the client does, with its exit status.",
        allow_abbrev=False,
    )
    start.add_argument("--safe", action="store_true", help="xterm alone, no rc, no configuration")
    start.add_argument(
        "--private",
        action="store_true",
        help="a display of its own: nothing of it is set in the user manager",
    )
    start.add_argument("client", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    listen = verbs.add_parser(
        "listen",
        help="have the first X program start the server on this VT",
        usage="xsession listen [OPTION...] [-- [SERVER] [:DISPLAY] [vtN] ARG...]",
        allow_abbrev=False,
    )
    for verb in (start, listen):
        verb.add_argument(
            "--server", choices=("xorg", "xvfb", "xephyr", "xnest"), help="which (xorg)"
        )
        verb.add_argument("--vt", type=_vt, metavar="N", help="refuse if this is not VT N")
        verb.add_argument("--display", type=_display, metavar=":N", help="this display, no other")
        verb.add_argument(
            "--timeout",
            type=_seconds,
            metavar="S",
            help="give up if the server has not answered after S seconds",
        )
        verb.add_argument("--gpu", metavar="WHICH", help="this graphics device")
        verb.add_argument(
            "--wait",
            type=_wait,
            metavar="S",
            help="wait S seconds for the graphics driver, if it is not there yet",
        )
        verb.add_argument(
            "--explain", action="store_true", help="say which graphics device is taken, and why"
        )
        verb.add_argument(
            "--dry-run", action="store_true", help="print the plan as commands, change nothing"
        )


def _add_others(verbs: "argparse._SubParsersAction[Parser]") -> None:
    doctor = verbs.add_parser("doctor", help="what could be in the way here, and what to type")
    doctor.add_argument("--json", action="store_true", help="the same for programs")
    check = verbs.add_parser(
        "check",
        help="would start start here? status 0 or 1, for the login profile",
        description="Exit with 0 where `xsession start` would start, in a login shell on VT 1"
        " with no graphical session, and with 1 where not.",
    )
    check.add_argument("-v", "--verbose", action="store_true", help="say why not")
    check.add_argument(
        "--vt", type=_vt, action="append", metavar="N", help="on VT N, too; the default is 1 alone"
    )
    logs = verbs.add_parser("logs", help="what the session's units have said")
    logs.add_argument("what", nargs="?", choices=("server", "client", "all"), default="all")
    logs.add_argument("display", nargs="?", type=_display, metavar=":N")
    logs.add_argument("-f", "--follow", action="store_true", help="go on showing what they say")
    timeline = verbs.add_parser("timeline", help="where the time of the last start went, as bars")
    timeline.add_argument("display", nargs="?", type=_display, metavar=":N")
    form = timeline.add_mutually_exclusive_group()
    form.add_argument("--svg", metavar="FILE", help="write a picture to FILE")
    form.add_argument("--json", action="store_true", help="the same for programs")
    stop = verbs.add_parser("stop", help="end the session; returns when all is down")
    stop.add_argument("display", nargs="?", type=_display, metavar=":N")
    restart = verbs.add_parser(
        "restart", help="a new client on the same display, or a new server and client"
    )
    restart.add_argument("what", choices=("client", "server"))
    restart.add_argument("display", nargs="?", type=_display, metavar=":N")
    status = verbs.add_parser("status", help="what runs; status 3 if nothing does")
    status.add_argument("--json", action="store_true", help="the same for programs")
    edit = verbs.add_parser("edit", help="open the drop-in of the client, such as for limits")
    edit.add_argument("what", choices=("client",))
    env = verbs.add_parser(
        "env",
        help="the session's environment and where it came from",
        usage="xsession env [--sh | import NAME...]",
        description="Show what the session has set in the user manager; or bring an older shell"
        ' up to date: eval "$(xsession env --sh)"; or import variables until the session ends.',
    )
    env.add_argument("--sh", action="store_true", help="as lines for a shell")
    env.add_argument("names", nargs="*", metavar="import NAME", help="import variables")
    config = verbs.add_parser("config", help="every setting, its value, and where that was said")
    config.add_argument("--json", action="store_true", help="the same for programs")
    run = verbs.add_parser(
        "run",
        help="start an application in a unit of its own",
        usage="xsession run [OPTION...] [--] COMMAND|ENTRY.desktop[:ACTION] [ARG...]",
        description="Start an application in a unit of its own, and print that unit's name."
        " ENTRY.desktop is looked up in the applications folders of $XDG_DATA_HOME and"
        " $XDG_DATA_DIRS, or is a path.",
        allow_abbrev=False,
    )
    run.add_argument(
        "--slice", choices=("app", "background", "session"), default="app", help="where (app)"
    )
    run.add_argument(
        "--scope", action="store_true", help="run it here: with this terminal and environment"
    )
    run.add_argument("--dry-run", action="store_true", help="print the command, change nothing")
    run.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    listing = verbs.add_parser("list", help="the sessions that can be started")
    listing.add_argument("--json", action="store_true", help="for programs to read")
    default = verbs.add_parser(
        "default",
        help="show or set what start alone starts",
        usage="xsession default [NAME | --unset]",
        description="Remember NAME, which is whatever `xsession start NAME` takes, as what"
        " `xsession start` alone starts. Without NAME, show what it does start.",
    )
    which = default.add_mutually_exclusive_group()
    which.add_argument("name", nargs="?", default="", metavar="NAME", help=argparse.SUPPRESS)
    which.add_argument("--unset", action="store_true", help="forget it")
    verbs.add_parser(
        "select",
        help="choose what start alone starts, from a menu",
        description="Choose what `xsession start` alone starts: arrow keys or a number, or a part"
        " of the name, then Enter. Esc or Ctrl-C changes nothing, with status 130.",
    )
    seats = verbs.add_parser("seats", help="the seats of this machine and what belongs to each")
    seats.add_argument("seat", nargs="?", default="", metavar="SEAT", help="this one alone")
    seats.add_argument("--json", action="store_true", help="for programs")
    autologin = verbs.add_parser(
        "autologin",
        help="log a person in at boot, without a password",
        usage="xsession autologin enable USER [OPTION...] [-- SERVER-ARG...]\n"
        "       xsession autologin disable USER | status [USER]",
        allow_abbrev=False,
    )
    autologin.add_argument(
        "action", choices=("enable", "disable", "status"), help=argparse.SUPPRESS
    )
    autologin.add_argument("user", nargs="?", default="", help=argparse.SUPPRESS)
    autologin.add_argument("--seat", default="seat0", help="at this seat (seat0)")
    autologin.add_argument("--vt", type=_vt_or_free, metavar="N|free", help="on this VT (7)")
    autologin.add_argument(
        "--session",
        type=_words,
        default=(),
        metavar="CLIENT",
        help="what xsession start is to start",
    )
    autologin.add_argument("--once", action="store_true", help="then show a login prompt")
    for name, told in (
        ("install", "place units, manual pages and completions of a venv or pipx"),
        ("uninstall", "remove what install has placed"),
    ):
        verb = verbs.add_parser(name, help=told)
        if name == "install":
            verb.add_argument(
                "--old-names", action="store_true", help="startx and sx as well, which start"
            )
        whose = verb.add_mutually_exclusive_group()
        whose.add_argument(
            "--user", action="store_true", help="for yourself alone; the default, but for root"
        )
        whose.add_argument("--system", action="store_true", help="for everybody; root's default")
    verbs.add_parser("words").add_argument(
        "kind", choices=("sessions", "applications", "displays", "seats")
    )


def _read_vt_or_free(word: str) -> int:
    return -1 if word == "free" else typed.read_vt(word)


def _read_words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise ValueError(f"{line}: {error}") from None


def _reads(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """For argparse, which does not pass on what a ValueError says."""

    def read(word: str) -> Any:
        try:
            return reader(word)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


_display, _vt = _reads(typed.read_display), _reads(typed.read_vt)
_seconds, _wait = _reads(typed.read_seconds), _reads(typed.read_wait)
_vt_or_free, _words = _reads(_read_vt_or_free), _reads(_read_words)


def start(words: list[str]) -> Typed:
    """What was typed of `start` or `listen`, whichever options."""
    return Typed(**vars(parser((words[0],)).parse_args(_with_client(words))))


def _with_client(words: list[str]) -> list[str]:
    """Options of `start` that are not ours, and no client before them, are xterm's (xinit(1)).

    They have one dash; ours have two, so that one which is misspelled is not taken for xterm's.
    """
    at = next((n for n, word in enumerate(words) if re.match(r"-[^-]", word)), 0)
    if words[:1] != ["start"] or not at or words[at] == "-h":
        return words
    try:
        named = parser(("start",)).parse_args(words[:at]).client
    except Failure:  # the value of one of our options is missing
        return words
    return words if named else [*words[:at], "xterm", *words[at:]]


def with_part(words: list[str]) -> list[str]:
    """`logs :1 -f` says of which display, and so of all its parts; options may stand anywhere,
    for which argparse would want the words that may be missing first."""
    if words[:1] != ["logs"]:
        return words
    options = [word for word in words[1:] if word.startswith("-")]
    named = [word for word in words[1:] if not word.startswith("-")]
    return ["logs", *options, *(["all"] if named and named[0].startswith(":") else []), *named]
