"""The account of a person who is logged in without being asked for anything.

PAMName= authenticates nobody (systemd.exec(5)), so what an authentication would have found out is
looked at here. Sources: passwd(5), shadow(5), nologin(5), pam_unix(8), usermod(8).

A password that is locked is one with `!` before its hash: `usermod -L` and `passwd -l` put it
there, and it means that somebody was locked out. lightdm, gdm and `agetty --autologin` do not look
at passwords for an autologin; we do, as an administrator who has locked an account would not
expect it on the screen after the next boot. `!` or `*` alone is an account that has never had a
password, as useradd(8) makes it: right for a kiosk, and admitted.
"""

import os
import pwd
import re
import time
from typing import NamedTuple

from xsession import process

DAY = 86400  # seconds
LOCKED = r"!+[^!*].{12,}"  # the shortest hash has 13 characters: crypt(5)
NO_SHELLS = ("nologin", "false")
NOLOGIN = ("/run/nologin", "/etc/nologin")  # pam_nologin(8)
FALLBACK_SHELL = "/bin/sh"  # passwd(5), of an empty field


class Account(NamedTuple):
    """What is known of an account; days are days since 1970, -1 stands for none.

    `shell_runs`, `home_there`: what passwd(5) names can be used. `password_until`: the last day on
    which PAM takes the password for good; without one, 0 says that it must be changed at once.
    """

    name: str
    uid: int
    home: str
    shell: str
    home_there: bool = True
    shell_runs: bool = True
    locked: bool = False
    expires: int = -1
    password_until: int = -1


def look(name: str) -> Account | None:
    """Ask for an account; None if there is none. Without root rights locks are not seen."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    shell = entry.pw_shell or FALLBACK_SHELL
    shadow = process.run(("getent", "shadow", name)).output
    locked, expires, password_until = of_shadow(shadow)
    return Account(
        name=entry.pw_name,
        uid=entry.pw_uid,
        home=entry.pw_dir,
        shell=shell,
        home_there=os.path.isdir(entry.pw_dir),
        shell_runs=os.path.isfile(shell) and os.access(shell, os.X_OK),
        locked=locked,
        expires=expires,
        password_until=password_until,
    )


def title(uid: int) -> str:
    """The name of an account, for a message."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def of_shadow(line: str) -> tuple[bool, int, int]:
    """Of a line of shadow(5): is the password locked, when does the account expire, when it?"""
    fields = line.split(":")
    if len(fields) < 8:  # no such line: the account is kept elsewhere, and PAM asks there
        return False, -1, -1
    changed, most, expires = (_days(fields[at]) for at in (2, 4, 7))
    until = changed  # 0: to be changed at once, -1: it does not age
    if changed > 0:
        until = changed + most if most >= 0 else -1
    return re.fullmatch(LOCKED, fields[1]) is not None, expires, until


def _days(field: str) -> int:
    return int(field) if field.isdecimal() else -1


def today() -> int:
    return int(time.time()) // DAY


def logins_closed() -> str:
    """The file that closes this machine to all but root, or nothing."""
    return next((path for path in NOLOGIN if os.path.exists(path)), "")


def objection(account: Account | None, today: int, closed: str = "") -> tuple[str, str]:
    """Why an account is not logged in, and what to do; or nothing. `closed`: see logins_closed."""
    if account is None:
        return "there is no such user", "create the account: useradd(8)"
    name = account.name
    if account.uid == 0:
        return "this is root, with whose rights no X server is to run", "log another user in"
    if closed:
        return f"logins are closed ({closed} is there)", f"see: cat {closed}"
    if account.locked:
        return "the password is locked", f"to unlock it: usermod --unlock {name}"
    if 0 <= account.expires <= today:
        return "the account has expired", f"see: chage --list {name}"
    if 0 <= account.password_until < today:
        return "the password has expired", f"a new one is set by: passwd {name}"
    if os.path.basename(account.shell) in NO_SHELLS:
        return (
            f"the login shell is {account.shell}",
            f"another one: usermod --shell /bin/bash {name}",
        )
    if not account.shell_runs:
        return f"the login shell {account.shell} cannot be executed", "is it installed?"
    if not account.home_there:
        return f"the home folder {account.home} is not there", "create it, or is it not mounted?"
    return "", ""


# Started with `-l`, these read the login shell's files whatever else they are told; others know it
# by their name's first character, as login(1) starts them all. bash needs both: with `-c` it
# looks at its name only where that was compiled in (Debian does, others do not).
KNOW_L = ("ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "yash", "zsh")


def login_shell(shell: str, command: str) -> tuple[str, ...]:
    """The arguments with which `shell` runs `command` as a login shell."""
    name = os.path.basename(shell)
    option = ("-l",) if name in KNOW_L else ()
    return (f"-{name}", *option, "-c", command)
