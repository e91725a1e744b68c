"""The seats of this machine and what belongs to each, for a person or a program to read."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from xsession import account, logind, seat, tty, udev
from xsession.errors import Failure
from xsession.logind import LoginSession
from xsession.udev import Connector, Device, Gpu


class Vts(NamedTuple):
    """The VTs of a seat: that on the screen, those that the kernel holds, those that are free."""

    active: int
    allocated: tuple[int, ...]
    free: tuple[int, ...]
    gettys: int


class Seat(NamedTuple):
    """A seat with all that belongs to it. `objection`: why it cannot be graphical, or nothing."""

    name: str
    objection: str
    notes: tuple[str, ...]
    gpus: tuple[Gpu, ...]
    devices: tuple[Device, ...]
    vts: Vts | None
    sessions: tuple[LoginSession, ...]
    active: str


def free_vts(allocated: Iterable[int], taken: Iterable[int], gettys: int) -> tuple[int, ...]:
    """The VTs that nothing is on and that logind keeps for no getty."""
    used = {*allocated, *taken, *range(1, gettys + 1)}
    return tuple(vt for vt in range(1, tty.LAST_VT + 1) if vt not in used)


def gather(
    known: Sequence[logind.Seat],
    sessions: Sequence[LoginSession],
    gpus: Sequence[Gpu],
    devices: Sequence[Device],
    vts: Vts,
) -> tuple[Seat, ...]:
    """Put together what belongs together; also seats that devices name and logind does not have."""
    names = {it.name: it for it in known}
    named = {gpu.seat for gpu in gpus} | {device.seat for device in devices}
    found = []
    for name in sorted(named | set(names)):
        here = names.get(name)
        own = tuple(gpu for gpu in gpus if gpu.seat == name)
        own_devices = tuple(device for device in devices if device.seat == name)
        found.append(
            Seat(
                name=name,
                objection=objection(name, here, own, bool(gpus or devices)),
                notes=notes(own, own_devices) if here else (),
                gpus=own,
                devices=own_devices,
                vts=vts if here and here.tty else None,
                sessions=tuple(it for it in sessions if it.seat == name),
                active=here.active if here else "",
            )
        )
    return tuple(found)


def objection(name: str, known: logind.Seat | None, gpus: Sequence[Gpu], devices: bool) -> str:
    """Why a seat cannot be graphical, or nothing."""
    if not seat.is_name(name):
        return "this is no seat's name (seat, then letters, digits, - and _): logind ignores it"
    if not devices:
        return "the udev database is empty; look at it: systemctl status systemd-udevd"
    if not gpus:
        made = "" if known else ", so logind makes no seat of its devices"
        return f"it has no graphics device (udev knows none with tag master-of-seat){made}"
    if known is None:
        return "logind does not know it; have udev tell it again: udevadm trigger"
    if not known.graphical:
        return (
            "logind says that it cannot (CanGraphical=no); have udev tell it again: udevadm trigger"
        )
    return ""


def notes(gpus: Sequence[Gpu], devices: Sequence[Device]) -> tuple[str, ...]:
    """What a person at this seat will miss."""
    kinds = {device.kind for device in devices}
    said = []
    if gpus and all(seat.is_firmware(gpu) for gpu in gpus):
        said.append("no graphics driver has come: there is but the framebuffer that firmware left")
    if gpus and not any(seat.plugged(gpu) for gpu in gpus):
        said.append("no monitor is plugged in")
    if "keyboard" not in kinds:
        said.append("no keyboard")
    if not kinds & {"mouse", "touchpad", "touchscreen", "tablet"}:
        said.append("no mouse")
    return tuple(said)


def look() -> tuple[Seat, ...]:
    """Ask logind and udev for all seats."""
    sessions = logind.sessions()
    gettys = logind.gettys()
    allocated = tty.allocated()
    taken = (it.vt for it in sessions if it.vt)
    vts = Vts(tty.active_vt(), allocated, free_vts(allocated, taken, gettys), gettys)
    return gather(logind.seats(), sessions, udev.gpus(modes=True), udev.devices(), vts)


def _plain(value: Any) -> Any:
    """As JSON has it: what has names is an object, another tuple an array."""
    if not isinstance(value, tuple):
        return value
    if hasattr(value, "_asdict"):
        return {name: _plain(it) for name, it in value._asdict().items()}
    return [_plain(it) for it in value]


def main(name: str, as_json: bool) -> int:
    """`xsession seats [SEAT]`: print what is known of all seats, or of one."""
    found = look()
    if name:
        names = ", ".join(_printable(it.name) for it in found)
        found = tuple(it for it in found if it.name == name)
        if not found:
            raise Failure(f"there is no seat '{_printable(name)}'", f"there are: {names or 'none'}")
    if as_json:
        print(json.dumps(_plain(found), indent=2))
    else:
        tty.say(tty.folded("\n\n".join(_printable(text(it), "\n") for it in found), 14))
    return 0


def text(it: Seat) -> str:
    """A seat in a person's words."""
    lines = [
        f"{it.name}: {f'cannot be graphical: {it.objection}' if it.objection else 'graphical'}"
    ]
    lines += [_row("note", note) for note in it.notes]
    for gpu in it.gpus:
        boot = ", the machine booted with it" if gpu.boot_vga else ""
        lines.append(_row("graphics", f"{seat.title(gpu)}{boot}"))
        lines += [
            _row("", f"{connector.name}: {_state(connector)}") for connector in gpu.connectors
        ]
    lines += [_row(device.kind, device.title) for device in it.devices]
    if it.vts:
        lines.append(
            _row("VTs", f"{_ranges(it.vts.allocated)} in use, {_ranges(it.vts.free)} free")
        )
        lines += [_row("", f"tty{it.vts.active} is on the screen")] if it.vts.active else []
    lines += [_row("login", _login(login, login.id == it.active)) for login in it.sessions]
    return "\n".join(lines)


def _row(what: str, words: str) -> str:
    return f"  {what:11} {words}"


def _state(connector: Connector) -> str:
    modes = ", ".join(connector.modes[:3]) + (", ..." if connector.modes[3:] else "")
    return f"{connector.status}, {modes}" if modes else connector.status


def _login(login: LoginSession, active: bool) -> str:
    where = f" on tty{login.vt}" if login.vt else ""
    return f"session {login.id} of {account.title(login.uid)}{where}{', active' if active else ''}"


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in short: `1, 2, 7-63`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = (f"{run[0]}-{run[-1]}" if run[1:] else str(run[0]) for run in runs)
    return ", ".join(words) or "none"


def _printable(words: str, allowed: str = "") -> str:
    """Names of devices are their makers' words, and this goes to a terminal."""
    return "".join(it if it.isprintable() or it in allowed else "?" for it in words)
