"""Devices of the seats: the only place that knows pyudev, and what sysfs says of a device.

A seat exists where a device with the tag master-of-seat has its name in ID_SEAT
(none: seat0). Sources: sd-login(3), systemd's 71-seat.rules, logind-core.c; for connectors
Documentation/gpu/drm-uapi.rst and drivers/gpu/drm/drm_sysfs.c.

pyudev takes longer to import than all of ours together, so only who asks for devices does.
"""

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from xsession.process import Deadline

MASTER = "master-of-seat"
DEFAULT_SEAT = "seat0"

# Seconds to wait for the rest of what udev will tell of a card. virtio_gpu tells of a change of a
# card before it adds it: udev then has its tags, but neither ID_PATH nor an ID_SEAT that hangs on
# it. On some buses (vmbus) there never is an ID_PATH.
SETTLE = 1.0

CARD = re.compile(r"(card|fb)\d+", re.ASCII)  # systemd's rule tags connectors (card0-DP-1) as well

# What a driver is called on its bus and what DRM calls it, by which Xorg knows it, where those are
# two: vc4_drv.c, rockchip_drm_drv.c, nvidia-drm-drv.c. A virtio card may be its PCI device's child,
# whose driver drives many.
DRM_DRIVERS = {
    "nvidia": "nvidia-drm",
    "rockchip-drm": "rockchip",
    "vc4-drm": "vc4",
    "virtio-pci": "virtio_gpu",
}

# What an input device is for a person, by the property that udev's input_id builtin sets.
INPUT = {
    "ID_INPUT_KEYBOARD": "keyboard",
    "ID_INPUT_TOUCHPAD": "touchpad",
    "ID_INPUT_TOUCHSCREEN": "touchscreen",
    "ID_INPUT_TABLET": "tablet",
    "ID_INPUT_MOUSE": "mouse",
}


class Connector(NamedTuple):
    """Where a monitor is plugged in: `HDMI-A-1`, what the kernel says of it, its modes."""

    name: str
    status: str  # connected, disconnected, unknown
    modes: tuple[str, ...] = ()


class Gpu(NamedTuple):
    """A graphics device: `card0`, its driver, whether firmware booted with it, whose seat.

    `name` is the kernel's number and may be another after the next boot; `id_path` stays.
    A device that firmware booted with and that has no driver yet goes by its PCI address.
    """

    name: str
    driver: str
    boot_vga: bool
    seat: str
    path: str = ""
    id_path: str = ""
    connectors: tuple[Connector, ...] = ()


class Device(NamedTuple):
    """Another device of a seat: what it is for a person, what its maker calls it."""

    kind: str
    title: str
    seat: str
    path: str


def gpus(seat: str = "", modes: bool = False) -> tuple[Gpu, ...]:
    """Every graphics device that can make a seat, in Xorg's order (that of the paths in /sys).

    `seat`: only those of this one. `modes`: those of the connectors too.
    """
    found = []
    for device in _context().list_devices(tag=MASTER):
        # udevd writes tags before properties, among them ID_SEAT; its event comes after both
        ready = CARD.fullmatch(device.sys_name) and device.is_initialized
        if ready and (not seat or _seat(device) == seat):
            found.append(_gpu(device, modes))
    return tuple(sorted(found, key=lambda gpu: (gpu.path, gpu.name)))


def without_driver() -> tuple[Gpu, ...]:
    """The graphics device that firmware booted with, where it has no DRM card (yet)."""
    devices = _context().list_devices(subsystem="pci").match_attribute("boot_vga", "1")
    return tuple(
        Gpu(
            name=device.sys_name,
            driver=device.driver or "",
            boot_vga=True,
            seat=_seat(device),
            path=device.sys_path,
            id_path=device.properties.get("ID_PATH", ""),
        )
        for device in devices
        if not _has_card(device.sys_path)
    )


def devices() -> tuple[Device, ...]:
    """Keyboards, pointers and sound cards of all seats: what `loginctl seat-status` lists."""
    found = []
    for device in _context().list_devices(tag="seat"):
        if device.subsystem == "input" and device.sys_name.startswith("input"):
            properties = device.properties
            kinds = [kind for name, kind in INPUT.items() if properties.get(name) == "1"]
            title = device.attributes.get("name")
        elif device.subsystem == "sound" and device.sys_name.startswith("card"):
            kinds = ["sound"]
            title = device.attributes.get("id")
        else:
            continue
        for kind in kinds[:1]:
            text = (title or b"").decode("utf-8", "replace").strip() or device.sys_name
            found.append(Device(kind, text, _seat(device), device.sys_path))
    return tuple(sorted(found, key=lambda device: device.path))


def connectors(path: str, card: str, modes: bool = False) -> Iterator[Connector]:
    """The connectors of a card: the folders `card0-HDMI-A-1` in its own."""
    try:
        names = sorted(name for name in os.listdir(path) if name.startswith(f"{card}-"))
    except OSError:  # it has just gone
        return
    for name in names:
        status = _read(f"{path}/{name}/status")
        if status:  # else it is no connector
            listed = _read(f"{path}/{name}/modes").split() if modes else ()
            yield Connector(name.removeprefix(f"{card}-"), status, tuple(dict.fromkeys(listed)))


def wait(enough: Callable[[tuple[Gpu, ...]], bool], seat: str, seconds: float) -> tuple[Gpu, ...]:
    """The graphics devices of a seat as soon as they are `enough`, else those after `seconds`."""
    import pyudev

    monitor = pyudev.Monitor.from_netlink(_context())
    monitor.filter_by_tag(MASTER)
    monitor.start()  # before the look: what comes after it is an event
    deadline = Deadline(seconds)
    half_known = False
    while True:
        found = gpus(seat)
        good = enough(found)
        if not deadline.left or (good and all(gpu.id_path for gpu in found)):
            return found
        if good and not half_known:
            half_known, deadline = True, Deadline(min(SETTLE, deadline.left))
        monitor.poll(deadline.left)


def runs() -> bool:
    """Whether there is a udevd, of whom alone one hears of devices: systemd-udevd.socket."""
    return os.path.exists("/run/udev/control")


def no_drivers() -> bool:
    """Whether the kernel was told to load no graphics driver."""
    return "nomodeset" in _read("/proc/cmdline").split()


# Devices are pyudev's, which has no types.


@cache
def _context() -> Any:
    """To make one, pyudev looks for libudev by running ldconfig, each time."""
    import pyudev

    return pyudev.Context()


def _seat(device: Any) -> str:
    return device.properties.get("ID_SEAT") or DEFAULT_SEAT


def _gpu(device: Any, modes: bool) -> Gpu:
    """From /sys where that says it: a file is read in a fraction of the time that pyudev takes."""
    path = device.sys_path
    ancestors = tuple(_ancestors(path))
    return Gpu(
        name=device.sys_name,
        driver=_drm_driver(next(filter(None, map(_driver, ancestors)), "")),
        boot_vga=next(filter(None, (_read(f"{it}/boot_vga") for it in ancestors)), "") == "1",
        seat=_seat(device),
        path=path,
        id_path=device.properties.get("ID_PATH", ""),
        connectors=tuple(connectors(path, device.sys_name, modes)),
    )


def _ancestors(path: str) -> Iterator[str]:
    """The folders above a device in /sys; those that are no device have no files that we read."""
    while (path := os.path.dirname(path)) not in ("/sys/devices", "/"):
        yield path


def _driver(path: str) -> str:
    try:
        return os.path.basename(os.readlink(f"{path}/driver"))
    except OSError:  # it has none
        return ""


def _drm_driver(name: str) -> str:
    return DRM_DRIVERS.get(name, name)


def _has_card(path: str) -> bool:
    """Whether the device at `path` in sysfs, or one on it (virtio), is a DRM card by now."""
    return any("drm" in folders for _, folders, _ in os.walk(path))


def _read(path: str) -> str:
    """What a file in /sys says. Text mode would take far longer, and there are many."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode("ascii", "replace").strip()
    except OSError:  # the device has just gone
        return ""
    finally:
        os.close(fd)
