"""`xsession logs`: what a session's units have said, and the manager and the holder of them."""

from typing import NoReturn

from xsession import process, runtime
from xsession.display import Display


def show(which: str, number: int | None, follow: bool) -> NoReturn:
    """Become the journalctl that shows it, of this boot (journalctl(1): `+` is "or")."""
    display = Display(number) if number is not None else _usual()
    units = {
        "server": (display.service_unit,),
        "client": (display.client_unit,),
        "all": (
            *(display.socket_unit, display.service_unit, display.client_unit),
            *(display.managed_unit, display.session_target, "xorg-answers.service"),
        ),
    }[which]
    matches = [f"{field}={it}" for it in units for field in ("_SYSTEMD_USER_UNIT", "USER_UNIT")]
    if which == "all":
        matches.append("SYSLOG_IDENTIFIER=xsession")  # the holder is in no unit of the manager's
    words = [word for match in matches for word in ("+", match)][1:]
    process.become(("journalctl", "--user", "--boot", *(["--follow"] if follow else []), *words))


def _usual() -> Display:
    """The display of the session that runs, or ran last as a rule."""
    _, displays = runtime.running()
    return displays[0] if displays else Display(0)
