"""Placements: where the server process runs. Tried in order; the first without objection wins."""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from xsession.server import Server

if TYPE_CHECKING:
    from xsession.plan import Facts


class Place(Enum):
    """Who forks the server."""

    SESSION = "session"  # the holder, in the login session
    UNIT = "unit"  # the bridge, in xorg@.service


class Placement(NamedTuple):
    """A place and its objection to a server under these facts: a sentence and a hint, or None."""

    place: Place
    objection: Callable[[Server, "Facts"], tuple[str, str] | None]


def _session(server: Server, facts: "Facts") -> tuple[str, str] | None:
    if not server.needs_session:
        return f"{server.title} needs no login session", ""
    login = facts.login
    if facts.untold:
        hint = "look at it: systemctl status systemd-logind"
        return f"logind does not answer for login session {facts.untold}", hint
    if login is None:
        return "this is not a login session", "log in on a VT (Ctrl-Alt-F1 to F6) and try there"
    if login.uid != facts.uid:
        return (
            f"login session {login.id} is of uid {login.uid},"
            f" and this is uid {facts.uid} (su, sudo?)",
            "log in as whom the session is to be of",
        )
    if facts.uid == 0:
        return f"{server.title} would have root's rights, and needs none", "log in as yourself"
    if not login.seat:
        return (
            f"login session {login.id} has no seat (an ssh login?)",
            "log in on a VT, or try: xsession start --server xvfb CLIENT",
        )
    if login.vt and facts.vt is None:
        return (
            f"standard input is not the VT of login session {login.id} (tty{login.vt})",
            f"type it at the prompt on tty{login.vt}, with nothing redirected to it",
        )
    if login.vt and facts.vt != login.vt:
        return (
            f"standard input is tty{facts.vt}, but login session {login.id} is on tty{login.vt}",
            f"log in on tty{facts.vt}, or type it on tty{login.vt}",
        )
    if login.seat == "seat0" and not login.vt:
        return f"login session {login.id} on seat0 has no VT", "log in on a VT"
    return None


def _unit(server: Server, facts: "Facts") -> tuple[str, str] | None:
    if server.needs_session:
        return f"{server.title} needs a login session", "log in on a VT"
    if server.needs_display and "DISPLAY" not in facts.environ:
        return (
            f"{server.title} shows itself on another display, and DISPLAY is not set",
            "type it in a terminal on that display, or: export DISPLAY=:0",
        )
    return None


PLACEMENTS = (Placement(Place.SESSION, _session), Placement(Place.UNIT, _unit))
