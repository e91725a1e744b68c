"""What happens to a graphics device while a server draws on it: it goes, a monitor comes or goes.

The kernel's own events, read from a socket: the holder, which waits for them as long as the
desktop lives, needs no udev for that. Sources: lib/kobject_uevent.c (the packets, and
that everybody may read them), drivers/gpu/drm/drm_sysfs.c
(a change of the card when a monitor comes or goes).
"""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from xsession import udev

NETLINK_KOBJECT_UEVENT = 15  # linux/netlink.h
KERNEL_EVENTS = 1  # the group to which the kernel sends
MOST_BYTES = 8192  # more than UEVENT_BUFFER_SIZE


class Event(NamedTuple):
    """An event of the kernel: `remove`, and the device's path in /sys."""

    action: str
    path: str


def parse(packet: bytes) -> Event | None:
    """A packet of the kernel (`remove@/devices/…`, then variables, each ended by NUL), or None."""
    head, _, _ = packet.partition(b"\0")
    action, at, path = os.fsdecode(head).partition("@")
    return Event(action, f"/sys{path}") if at else None


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The connectors whose status is another one now, those that are new or gone among them."""
    return tuple(it for it in sorted({*before, *after}) if before.get(it) != after.get(it))


class Watch:
    """Watches the graphics devices of a seat, one of which is drawn on: Xorg shows its screen on
    the others, too. `fd` can be read when something has happened to any device."""

    def __init__(self, drawn_on: udev.Gpu, gpus: Sequence[udev.Gpu]) -> None:
        self._drawn_on = drawn_on
        self._gpus = {gpu.path: gpu for gpu in (drawn_on, *gpus)}
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_KOBJECT_UEVENT)
        self._socket.bind((0, KERNEL_EVENTS))
        self.fd = self._socket.fileno()
        self._connectors = self._look()

    def read(self) -> tuple[bool, tuple[str, ...]]:
        """Whether what is drawn on has gone, and the connectors where a monitor came or went."""
        gone = changed = False
        for event in self._events():
            gone = gone or event == Event("remove", self._drawn_on.path)
            changed = changed or (event.path in self._gpus and event.action in ("change", "remove"))
        if gone or not changed:
            return gone, ()
        before, self._connectors = self._connectors, self._look()
        return False, changes(before, self._connectors)

    def close(self) -> None:
        self._socket.close()

    def _events(self) -> list[Event]:
        found: list[Event] = []
        while True:
            try:
                packet, (sender, _) = self._socket.recvfrom(MOST_BYTES)
            except BlockingIOError:
                return found
            except OSError:  # ENOBUFS: some were lost, so it may have been any
                for path in self._gpus:
                    found.append(Event("change" if os.path.exists(path) else "remove", path))
                continue
            event = parse(packet) if sender == 0 else None  # 0: the kernel
            if event is not None:
                found.append(event)

    def _look(self) -> dict[str, str]:
        """No two devices have a connector of the same name (drm_connector.c)."""
        return {
            it.name: it.status
            for path, gpu in self._gpus.items()
            for it in udev.connectors(path, gpu.name)
        }


def watch(drawn_on: udev.Gpu, gpus: Sequence[udev.Gpu]) -> Watch | None:
    """A watch on them; None in a sandbox that has no such sockets: a session can do without."""
    try:
        return Watch(drawn_on, gpus)
    except OSError:
        return None
