"""xlogin@USER.service: the unit of an autologin, what can be seen of it, and what it runs.

`admit` and `prompt` are what its companions in units/system run, and it itself login.py. Sources:
systemd.exec(5), pam_systemd(8), agetty(8).
"""

import contextlib
import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from xsession import account, logind, process, system, tty, udev
from xsession.account import Account
from xsession.errors import FAILED, Failure
from xsession.logind import LoginSession
from xsession.process import Deadline
from xsession.program import command
from xsession.systemd import unexpanded

TEMPLATE = "xlogin@"
SEAT, VT = "seat0", 7  # what the unit has without a drop-in
ENVIRONMENT = ("XDG_SESSION_TYPE=x11", "XDG_SESSION_CLASS=user")
LASTING = 60.0  # seconds; a session that ended earlier counts for the unit's start limit
SEAT_WAIT = 10.0  # seconds that the devices of a seat may take to come
NO_PROMPT = 69  # EX_UNAVAILABLE: xlogin-prompt@.service knows it


class Autologin(NamedTuple):
    """Who is logged in where, and what is started. `vt`: 0 on a seat without VTs.

    `words`: what follows `xsession start`. `once`: after the first session comes a login prompt.
    """

    user: str
    seat: str = SEAT
    vt: int = VT
    words: tuple[str, ...] = ()
    once: bool = False

    @property
    def unit(self) -> str:
        return f"{TEMPLATE}{self.user}.service"

    @property
    def where(self) -> str:
        return f"{self.seat}, tty{self.vt}" if self.vt else self.seat

    @property
    def drop_in(self) -> str:
        """What makes the unit this autologin; nothing if it is so already."""
        unit, service = [], []
        if self.once:
            unit.append(f"OnSuccess=xlogin-prompt@{self.user}.service")
            service.append("Restart=no")
        if not self.vt:
            service += [
                "Environment=",
                f"Environment={' '.join((f'XDG_SEAT={self.seat}', *ENVIRONMENT))}",
                *("StandardInput=null", "TTYPath=", "TTYReset=no", "TTYVHangup=no"),
                *("TTYVTDisallocate=no", "UtmpIdentifier="),
            ]
        elif self.vt != VT:
            service += [f"Environment=XDG_VTNR={self.vt}", f"TTYPath=/dev/tty{self.vt}"]
            service += [f"UtmpIdentifier=tty{self.vt}"]
        if self.words:
            words = " ".join(_unit_word(word) for word in self.words)
            program = " ".join(_unit_word(word) for word in command())
            service += ["ExecStart=", f"ExecStart={program} login {words}"]
        sections = [("Unit", unit), ("Service", service)]
        return "\n".join("\n".join((f"[{name}]", *lines, "")) for name, lines in sections if lines)


def _unit_word(word: str) -> str:
    """A word of ExecStart=, as systemd.service(5), "Command lines", reads it."""
    word = unexpanded(word).replace("%", "%%")
    if re.fullmatch(r"[\w./:=+,@%$-]+", word, re.ASCII):
        return word
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{word}"'


def getty_on(vt: int) -> str:
    return f"getty@tty{vt}.service"


MADE_OF = ("LoadState", "Environment", "ExecStart", "Restart")


def of(user: str) -> Autologin | None:
    """The autologin of a user as the manager has it; None without the unit file."""
    return as_shown(user, system.show(Autologin(user).unit, MADE_OF))


def as_shown(user: str, shown: Mapping[str, str]) -> Autologin | None:
    """The same, of the unit's properties."""
    if shown.get("LoadState") != "loaded":
        return None
    pairs = (word.partition("=") for word in shlex.split(shown.get("Environment", "")))
    variables = {name: value for name, _, value in pairs}
    vt = variables.get("XDG_VTNR", "")
    return Autologin(
        user=user,
        seat=variables.get("XDG_SEAT", ""),
        vt=int(vt) if vt.isdecimal() else 0,
        words=_words_of(shown.get("ExecStart", "")),
        once=shown.get("Restart") == "no",
    )


def _words_of(shown: str) -> tuple[str, ...]:
    """What follows `login` in ExecStart= as systemctl shows it, where quotes are lost."""
    match = re.search(r"argv\[\]=\S+(?: -I \S+)? login(.*?) ; ", shown)
    return tuple(match[1].split()) if match else ()


# -- what the units run --


def admit(user: str) -> int:
    """`xlogin-admit@.service`: the last look before a login. Its Failure is in the journal."""
    shown = system.show(Autologin(user).unit, (*MADE_OF, *WENT))  # at once: a boot waits for it
    autologin = as_shown(user, shown) or Autologin(user)
    what, hint = _objection(autologin, account.look(user))
    if what:
        raise Failure(f"{user} is not logged in: {what}", hint)
    if was_a_session(shown) or given_up(shown):  # then the starts before it do not count
        system.systemctl("reset-failed", autologin.unit)
    if autologin.vt:
        # It would hang up whoever is on its VT. Not by Conflicts=, which would end it, and who has
        # logged in there, before we have looked.
        system.systemctl("stop", getty_on(autologin.vt))
        # Active before the server starts (logind.make_active), and without asking polkit.
        try:
            tty.put_on_screen(autologin.vt)
        except OSError as error:
            what = f"VT {autologin.vt} cannot be put on the screen: {error.strerror}"
            raise Failure(f"{user} is not logged in: {what}", "has this machine VTs?") from None
    elif not _seat_comes(autologin.seat, SEAT_WAIT):
        what = f"{autologin.seat} did not come within {SEAT_WAIT:.0f} s"
        hint = f"look at its devices: loginctl seat-status {autologin.seat}"
        raise Failure(f"{user} is not logged in: {what}", hint)
    return 0


def _objection(autologin: Autologin, who: Account | None) -> tuple[str, str]:
    """Why she is not logged in, and what to do; or nothing."""
    what, hint = account.objection(who, account.today(), account.logins_closed())
    if who and not what and (taken := _taken(autologin, who.uid)):
        other = f"xsession autologin enable {who.name} --vt free"
        return f"VT {autologin.vt} {taken}", f"end that one (loginctl), or another VT: {other}"
    return what, hint


def _taken(autologin: Autologin, uid: int) -> str:
    """Who else has its VT; nothing if nobody has. Without logind nobody is logged in anyway."""
    with contextlib.suppress(Failure):
        return in_use(autologin.vt, uid, logind.sessions())
    return ""


def in_use(vt: int, uid: int, sessions: Sequence[LoginSession]) -> str:
    """The login session of somebody else on a VT, in words; or nothing."""
    for it in sessions:
        if it.vt == vt and vt and it.uid != uid and not it.closing:
            return f"is in use: login session {it.id} of {account.title(it.uid)} is on it"
    return ""


def _seat_comes(seat: str, seconds: float) -> bool:
    """Wait until udev has a graphics device of the seat, and then until logind has heard of it, a
    moment later, which it tells nobody by its programs."""
    deadline = Deadline(seconds)
    udev.wait(bool, seat, seconds)
    while True:
        with contextlib.suppress(Failure):  # logind may be about to start again
            if any(it.name == seat and it.graphical for it in logind.seats()):
                return True
        if not deadline.left:
            return False
        time.sleep(0.2)


TIMES = ("ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic")
WENT = ("ActiveState", "ExecMainStatus", *TIMES)


def given_up(shown: Mapping[str, str]) -> bool:
    """Whether it had come to its start limit, so that it is somebody at a console who starts it.

    Until the limit is there the unit waits to be started again, which is `activating`.
    """
    return shown.get("ActiveState") == "failed"


def was_a_session(shown: Mapping[str, str]) -> bool:
    """Whether the last session lasted, and did not end for a failure of the server or of ours."""
    return lasted(shown) >= LASTING and shown.get("ExecMainStatus") != str(FAILED)


def lasted(shown: Mapping[str, str]) -> float:
    """How many seconds the last session that has ended lasted; 0 if there was none."""
    begun, ended = (int(shown.get(name, "0") or 0) for name in TIMES)
    return max(0.0, (ended - begun) / 1e6)


def prompt(user: str) -> int:
    """`xlogin-prompt@.service`: become a login prompt, with the reason above it; a status where
    there can be none."""
    autologin = of(user) or Autologin(user)
    why = reason(autologin)
    if why:
        print(f"xsession: {why}", flush=True)
    who = account.look(user)
    taken = _taken(autologin, who.uid if who else -1)
    if autologin.vt and os.path.exists("/dev/tty0") and not taken:
        _become_prompt(user, autologin.vt, why)
    return NO_PROMPT


def _become_prompt(user: str, vt: int, why: str) -> NoReturn:
    issue = f"{os.environ.get('RUNTIME_DIRECTORY', '/run/xlogin')}/{user}.issue"
    # A prompt without a reason is better than none.
    with contextlib.suppress(OSError), open(issue, "w") as file:
        file.write(as_issue(why))
    with contextlib.suppress(OSError):
        tty.put_on_screen(vt)
    terminal = ("--issue-file", f"/etc/issue:{issue}", f"tty{vt}", "linux")
    process.become(("agetty", "-o", "-p -- \\u", *terminal))


def as_issue(text: str) -> str:
    """A text as agetty(8) shows it, where a backslash has a meaning."""
    return text.replace("\\", "\\\\") + "\n\n" if text else ""


def reason(autologin: Autologin) -> str:
    """Why there is no session of an autologin that was started; nothing if nothing is wrong."""
    shown = system.show(autologin.unit, (*WENT, "ExecMainPID", "ExecMainCode", "NRestarts"))
    if shown.get("ActiveState") == "active":
        return ""
    who = account.look(autologin.user)
    what, hint = _objection(autologin, who)
    if what:
        return f"{autologin.user} is not logged in: {what}\n  {hint}"
    if who is None or shown.get("ActiveState") != "failed":
        return ""
    words = _last_words(shown.get("ExecMainPID", "0"), who.uid)
    return crash(autologin, who.uid, shown, lasted(shown), words)


def crash(
    autologin: Autologin, uid: int, shown: Mapping[str, str], seconds: float, words: Sequence[str]
) -> str:
    """How the sessions of an autologin ended, in words for a person at the console."""
    status = int(shown.get("ExecMainStatus", "0") or 0)
    # waitid(2)'s si_code: CLD_KILLED 2, CLD_DUMPED 3
    killed = shown.get("ExecMainCode") in ("2", "3")
    how = f"{process.describe(128 + status if killed else status)} after {seconds:.0f} s"
    if shown.get("NRestarts", "0") == "0":
        lines = [f"the session of {autologin.user} ended with {how}"]
    else:  # and only the start limit ends that
        what = f"it was given up: three sessions in a row failed or ended within {LASTING:.0f} s,"
        lines = [f"{autologin.user} is not logged in again; {what} the last one with {how}"]
    lines += [f"  {line}" for line in words]
    lines.append(f"  all of it: journalctl -b _UID={uid} + UNIT={autologin.unit}")
    lines.append(f"  once more: systemctl start {autologin.unit}")
    return "\n".join(lines)


def _last_words(pid: str, uid: int) -> list[str]:
    """The last sentence that `xsession start` said of itself there, and its hint. Hers, as root's
    prompt shows it: a PID may be another's by now."""
    query = ("-b", "-o", "cat", "-n", "20", "-t", "xlogin", f"_PID={pid}", f"_UID={uid}")
    lines = process.run(("journalctl", "--quiet", *query)).output.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("xsession: ")]
    if not starts:
        return []
    said = lines[starts[-1] : starts[-1] + 2]
    printable = ("".join(c if c.isprintable() else "?" for c in line) for line in said)
    return [line.removeprefix("xsession: ").strip() for line in printable]
