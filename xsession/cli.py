"""The command line: a verb to what does it, and an error to an exit status."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from xsession import marks
from xsession.errors import FAILED, Failure
from xsession.program import OLD_NAMES

if TYPE_CHECKING:
    import argparse

# What the machine has run out of, wherever that was met: what to look at.
SCARCE = {
    errno.EMFILE: "look at: ulimit -n",
    errno.ENFILE: "look at: cat /proc/sys/fs/file-nr",
    errno.EAGAIN: "too many processes? look at: ulimit -u; systemctl status user-$UID.slice",
    errno.ENOMEM: "look at: free -h",
}


def run() -> NoReturn:
    """The program: one verb, and no more. To take the interpreter down is 10 ms, for which people
    would wait at the end of their session; all has been said by then."""
    os._exit(main())


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb; its exit status. The only place that turns a failure into one."""
    marks.note("main")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to clean up
    words = _typed(sys.argv) if words is None else words
    try:
        try:
            return _run(words)
        finally:
            if sys.stdout:  # a reader that has gone is met here, and not at the interpreter's end
                sys.stdout.flush()
    except Failure as failure:
        return _give_up(words, failure)
    except OSError as error:
        if hint := SCARCE.get(error.errno or 0):
            return _give_up(words, Failure(str(error.strerror), hint))
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        # Whoever read our output has gone, or there is no room for it; what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno != errno.EPIPE:
            _say(f"could not write: {error.strerror}")
        return FAILED


def _give_up(words: Sequence[str], failure: Failure) -> int:
    """Say why; where a getty would wipe it in a blink, until it was read. The exit status."""
    _say(str(failure))
    if words[:1] in (["start"], ["listen"]):
        with contextlib.suppress(OSError):  # of descriptors there may be none left
            from xsession import session

            session.let_read()
    return failure.status


def _say(text: str) -> None:
    """To standard error; where that takes nothing any more, it is lost."""
    try:
        print(f"xsession: {text}", file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _typed(argv: Sequence[str]) -> list[str]:
    """What was typed; by one of the old names, where a link has that, it is a start."""
    return ["start", *argv[1:]] if os.path.basename(argv[0]) in OLD_NAMES else list(argv[1:])


def _run(words: Sequence[str]) -> int:
    """What a verb needs is imported when it is the one: start-up is a feature."""
    match list(words):
        case ["login", *rest]:  # whose words are those of start
            from xsession import login

            return login.login(rest)
        case ["autologin", "admit", user]:  # no boot waits for argparse
            from xsession import xlogin

            return xlogin.admit(user)
        case ["autologin", "prompt", user]:
            from xsession import xlogin

            return xlogin.prompt(user)
        case ["bridge", number] if number.isdecimal():
            from xsession import bridge

            return bridge.main(int(number))
        case ["ask"]:
            from xsession import x11

            return x11.answers()
        case ["managed", number] if number.isdecimal():
            from xsession import control

            return control.managed(int(number))
        case ["clear", number] if number.isdecimal():
            from xsession import runtime

            if not runtime.abandoned(int(number)):  # as a rule, and a stop waits for it
                return 0
            from xsession import session

            return session.clear(int(number))
    return _verb(words)


def _verb(words: Sequence[str]) -> int:
    """The verbs that are for people."""
    from xsession import typed

    words, arguments = typed.split(words)
    if words[:1] in (["start"], ["listen"]):
        return _start(words, arguments)
    from xsession import parser

    told = parser.parser().parse_args(parser.with_part(words))
    if arguments and told.verb != "autologin":
        what = f"'{arguments[0]}' after --: {told.verb} has no server to tell it"
        raise Failure(what, f"see: xsession {told.verb} --help")
    match told.verb:
        case "stop" | "restart" | "status" | "edit":
            return _control(told)
        case "env":
            return _env(told)
        case "run":
            from xsession import apps

            command = _command(told.command)
            return apps.run(command, told.slice, scope=told.scope, dry_run=told.dry_run)
        case "list":
            from xsession import sessions

            return sessions.show(as_json=told.json)
        case "default":
            from xsession import choice

            return choice.default(told.name, unset=told.unset)
        case "select":
            from xsession import menu

            return menu.select()
        case "install" | "uninstall":
            from xsession import install

            system = told.system or (os.getuid() == 0 and not told.user)
            if told.verb == "uninstall":
                return install.uninstall(system=system)
            return install.install(system=system, old_names=told.old_names)
        case "words":
            from xsession import completion

            return completion.words(told.kind)
        case "logs":
            from xsession import logs

            return logs.show(told.what, told.display, told.follow)
        case "timeline":
            from xsession import timeline

            return timeline.show(told.display, told.svg, told.json)
        case "doctor":
            from xsession import doctor

            return doctor.doctor(typed.usual, told.json)
        case "check":
            from xsession import check

            return check.check(typed.usual(), tuple(told.vt or (1,)), told.verbose)
        case "config":
            from xsession import config

            return config.show(told.json)
        case "seats":
            from xsession import seats

            return seats.main(told.seat, told.json)
        case _:
            return _autologin(told, arguments)


def _start(words: list[str], arguments: list[str]) -> int:
    from xsession import typed

    told = typed.plain(words)
    if told is None:
        from xsession import parser

        told = parser.start(words)
    if told.dry_run:
        from xsession import session

        return session.dry_run(typed.request(told, arguments))
    from xsession import process, questions

    process.exit_by_signals()  # what is under way is not to outlive us
    with contextlib.closing(questions.ask(os.environ.get("XDG_RUNTIME_DIR", ""))) as asked:
        from xsession import session  # large: meanwhile they are being answered

        return session.start(typed.request(told, arguments), asked)


def _control(told: "argparse.Namespace") -> int:
    from xsession import control

    match told.verb:
        case "stop":
            return control.stop(told.display)
        case "restart":
            return control.restart(told.what, told.display)
        case "status":
            return control.status(told.json)
        case _:
            return control.edit(told.what)


def _env(told: "argparse.Namespace") -> int:
    from xsession import exports

    if not told.names:
        return exports.show(told.sh)
    if told.names[0] != "import" or told.sh or len(told.names) < 2:
        raise Failure(f"'{told.names[0]}' is nothing that env can do", "see: xsession env --help")
    return exports.add(told.names[1:])


def _command(words: list[str]) -> list[str]:
    """The command of `run`, which may stand after a `--`."""
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise Failure("what is to be run?", "see: xsession run --help")
    return words


def _autologin(told: "argparse.Namespace", arguments: list[str]) -> int:
    from xsession import autologin

    if not told.user and told.action != "status":
        raise Failure(f"whose autologin is to be {told.action}d?", "see: xsession autologin --help")
    match told.action:
        case "enable":
            words = (*told.session, *(("--", *arguments) if arguments else ()))
            wish = autologin.Wish(told.user, told.seat, told.vt, words, told.once)
            return autologin.enable(wish)
        case "disable":
            return autologin.disable(told.user)
        case _:
            return autologin.status(told.user)
