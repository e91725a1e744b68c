"""`xsession check`: would `xsession start` start here? For the login profile."""

import os
import sys

from xsession import plan, session, streak, tty
from xsession.errors import Failure
from xsession.plan import Request

NO = 1
BY_AUTOLOGIN = "XSESSION_LOGIN"  # set by xlogin@.service, whose login starts one by itself


def check(request: Request, vts: tuple[int, ...], verbose: bool) -> int:
    """Exit status 0 where it would; 1 where not, and why if `verbose`.

    That there were too many short sessions is said in any case: somebody waits for one.
    """
    reason, hint = _not_meant(vts)
    if not reason and (reason := streak.too_many(os.environ)):
        verbose = True
        hint = "to try again: xsession start; what went wrong: xsession logs"
    if not reason:
        reason, hint = _not_possible(request)
    if reason and verbose:
        print(f"xsession: {reason}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)
    return NO if reason else 0


def _not_meant(vts: tuple[int, ...]) -> tuple[str, str]:
    """Why nobody wants one here; what costs nothing to see, as every login waits for it."""
    if BY_AUTOLOGIN in os.environ:
        return "this login is xlogin@.service's, which starts the session itself", ""
    if not _login_shell(os.getppid()):
        return "this is no login shell", "log in on a VT, or type: xsession start"
    vt = tty.vt_of(0)
    if vt and vts and vt not in vts:
        names = ", ".join(f"tty{it}" for it in vts)
        return f"this is tty{vt}, and a session is started on {names} only", "type: xsession start"
    return "", ""


def _not_possible(request: Request) -> tuple[str, str]:
    try:
        plan.make(request, session.look(request))
    except Failure as failure:
        return failure.what, failure.hint
    return "", ""


def _login_shell(pid: int) -> bool:
    """Whether a process is a login shell: its name begins with `-`, or it was told so (bash(1))."""
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as file:
            name, *options = file.read().split("\0")
    except OSError:
        return False
    return name.startswith("-") or "--login" in options or "-l" in options
