"""`xsession login`, run by xlogin@.service with PAM's environment and in the login session: become
the login shell, that she has what she set there, and have it become `xsession start`.

On the way of every boot to the first window, so it imports next to nothing.
"""

import os
import pwd
import shlex
from collections.abc import Sequence

from xsession import account, process, program

# A service's own, and of no use in a login: systemd.exec(5).
SERVICE_VARIABLES = ("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET")


def login(words: Sequence[str]) -> int:
    """`words`: those of `start`.

    XSESSION_LOGIN tells lines of that shell's files, which would start a session where somebody
    logs in on a VT, that one is about to start.
    """
    entry = pwd.getpwuid(os.getuid())
    shell = entry.pw_shell or account.FALLBACK_SHELL
    environ = {n: v for n, v in os.environ.items() if n not in SERVICE_VARIABLES}
    environ["XSESSION_LOGIN"] = "1"
    line = f"exec {shlex.join((*program.command(), 'start', *words))}"
    process.become(account.login_shell(shell, line), environ, program=shell)
