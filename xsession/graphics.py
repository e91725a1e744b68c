"""The graphics devices of a seat, waited for while they are on their way."""

import sys

from xsession import seat, udev
from xsession.udev import Gpu


def look(name: str, seconds: float) -> tuple[tuple[Gpu, ...], bool]:
    """The graphics devices of seat `name`; while they are not complete, waits for udev's events.
    Whether it has waited, too.

    With the one that firmware booted with also where it has no driver: Xorg looks at it as well.
    """
    found, waited = _look(name, seconds)
    if name != udev.DEFAULT_SEAT or any(gpu.boot_vga for gpu in found):
        return found, waited
    return (*found, *(gpu for gpu in udev.without_driver() if gpu.seat == name)), waited


def _look(name: str, seconds: float) -> tuple[tuple[Gpu, ...], bool]:
    def complete(found: tuple[Gpu, ...]) -> bool:
        return seat.is_complete(found, (), name) or seat.is_complete(
            found, udev.without_driver(), name
        )

    found = udev.gpus(name)
    if not seconds or complete(found) or udev.no_drivers() or not udev.runs():
        return found, False
    print(
        f"xsession: waiting for the graphics device of {name}, {seconds:g} s at most",
        file=sys.stderr,
        flush=True,
    )
    found = udev.wait(complete, name, seconds)
    if seat.candidates(found, name) and not complete(found):
        print(
            f"xsession: nothing better came within {seconds:g} s; going on with"
            f" {seat.title(seat.choose(found, name).gpu)}",
            file=sys.stderr,
        )
    return found, True
