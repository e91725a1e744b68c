"""logind: the login session that this process is in, all others, the seats, what is on the screen.

Sources: org.freedesktop.login1(5), loginctl(1), sd-login(3).
"""

import re
import time
from collections.abc import Mapping
from typing import NamedTuple

from xsession import process, systemd, tty
from xsession.errors import Failure
from xsession.process import Deadline

PROPERTIES = ("-pId", "-pUser", "-pSeat", "-pVTNr", "-pType", "-pActive", "-pState")
LOOKS = 3  # at a list of which an entry goes while it is looked at
SEAT_PROPERTIES = ("-pId", "-pActiveSession", "-pCanGraphical", "-pCanTTY")


class LoginSession(NamedTuple):
    """A login session: logind's id, uid, seat ("" for none), VT (0 for none), if on the screen.

    `closing`: its person has logged out, and something that she started still runs.
    """

    id: str
    uid: int
    seat: str
    vt: int
    active: bool
    type: str
    closing: bool = False

    @property
    def private(self) -> dict[str, str]:
        """Its variables, true of this login session only (pam_systemd(8))."""
        variables = {
            "XDG_SESSION_ID": self.id,
            "XDG_SEAT": self.seat,
            "XDG_VTNR": str(self.vt or ""),
        }
        return {name: value for name, value in variables.items() if value}


class Seat(NamedTuple):
    """A seat: the login session on its screen ("" for none), what logind says it can be."""

    name: str
    active: str
    graphical: bool
    tty: bool


def own_id() -> str:
    """The id of the login session whose scope this process is in, or nothing.

    The control group, not XDG_SESSION_ID: it is what logind answers the X
    server by (GetSessionByPID), and a variable may be another session's.
    """
    with open("/proc/self/cgroup") as file:
        match = re.search(r"/session-([^/]+)\.scope", file.read())
    return match[1] if match else ""


def look(session: str) -> LoginSession | None:
    """Ask logind for a login session; None if it does not know it."""
    return told(process.run(showing(session)))


def showing(session: str) -> tuple[str, ...]:
    return ("loginctl", "show-session", session, *PROPERTIES)


def told(answer: process.Completed) -> LoginSession | None:
    """The login session of the answer to `showing`."""
    values = systemd.properties(answer.output)
    if answer.status or "Id" not in values:
        return None
    return _login_session(values)


def _login_session(values: Mapping[str, str]) -> LoginSession:
    return LoginSession(
        id=values["Id"],
        uid=int(values.get("User", "-1")),
        seat=values.get("Seat", ""),
        vt=int(values.get("VTNr", "0") or 0),
        active=values.get("Active") == "yes",
        type=values.get("Type", ""),
        closing=values.get("State") == "closing",
    )


def sessions() -> tuple[LoginSession, ...]:
    """All login sessions."""
    found = _all("list-sessions", "show-session", PROPERTIES)
    return tuple(_login_session(values) for values in found)


def seats() -> tuple[Seat, ...]:
    """All seats."""
    return tuple(
        Seat(
            name=values["Id"],
            active=values.get("ActiveSession", ""),
            graphical=values.get("CanGraphical") == "yes",
            tty=values.get("CanTTY") == "yes",
        )
        for values in _all("list-seats", "show-seat", SEAT_PROPERTIES)
    )


def _all(verb: str, show: str, properties: tuple[str, ...]) -> list[dict[str, str]]:
    """What `loginctl` lists, each with its properties."""
    for _ in range(LOOKS):
        listed = process.run(("loginctl", "--no-legend", "--no-pager", verb))
        if listed.status:
            hint = "look at it: systemctl status systemd-logind"
            raise Failure(f"logind does not answer: {listed.output}", hint)
        names = [line.split()[0] for line in listed.output.splitlines() if line.strip()]
        if not names:  # without a name it would show the manager itself
            return []
        shown = process.run(("loginctl", show, *names, *properties))
        if not shown.status:
            break  # else one has gone meanwhile, and loginctl shows none of those after it
    blocks = (systemd.properties(block) for block in shown.output.split("\n\n"))
    return [values for values in blocks if "Id" in values]


def gettys() -> int:
    """How many VTs, from the first one on, logind starts a getty on when they are switched to."""
    import json

    answer = process.run(
        (
            *("busctl", "--json=short", "get-property", "org.freedesktop.login1"),
            *("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "NAutoVTs"),
        )
    )
    return 0 if answer.status else int(json.loads(answer.output)["data"])


def activate(session: str) -> tuple[str, ...]:
    return ("loginctl", "activate", session)


def stays_active(session: LoginSession) -> bool:
    """Whether a login session that was active is so: its VT is still on the screen. False where
    that cannot be told without asking."""
    return session.active and session.vt != 0 and tty.active_vt() == session.vt


def make_active(session: str, seconds: float = 5.0) -> str:
    """Put a login session on the screen and wait until logind says so; why not, or nothing.

    The X server asks logind for its devices before it opens the VT, and gets
    dead ones if the session is not active by then.
    """
    deadline = Deadline(seconds)
    asked, why = False, "logind does not answer"
    while True:
        now = look(session)  # None: it may be about to start again, as after an upgrade
        if now is not None and now.active:
            return ""
        if now is not None and not asked:
            answer = process.run(activate(session))
            if answer.status:
                return answer.output
            asked, why = True, "it did not become active"
        if not deadline.left:
            return f"login session {session}: {why} within {seconds:.0f} s"
        time.sleep(0.05)


def lingers(uid: int) -> bool:
    """Whether the user manager of `uid` outlives the last logout (loginctl(1), enable-linger)."""
    answer = process.run(("loginctl", "show-user", str(uid), "-pLinger", "--value"))
    return answer.output == "yes"
