"""A seat: which names are one's, which of its graphics devices is taken, and whether to wait.

Pure. Sources: systemd's seat_name_is_valid() (login-util.c); Xorg's xf86platformProbe() and
xf86platformProbeDev() (xf86platformBus.c); how GDM waits for a graphics device (gdm-local-display-
factory.c).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from xsession.errors import Failure
from xsession.udev import DEFAULT_SEAT, Gpu

# The screen as firmware left it, drawn on by simpledrm or efidrm until the real driver takes over.
FIRMWARE = re.compile(r"\b(simple|efi|vesa)-framebuffer\b")

PASSED_ON = ("vfio-pci", "pci-stub")  # given away, to a virtual machine say: no card will come


def is_name(name: str) -> bool:
    """Whether logind would take this for a seat's name; it ignores devices with another."""
    return re.fullmatch(r"seat[A-Za-z0-9_-]{1,251}", name) is not None


def is_firmware(gpu: Gpu) -> bool:
    """Whether it is but the framebuffer that firmware left."""
    return bool(FIRMWARE.search(gpu.id_path) or FIRMWARE.search(gpu.driver))


def is_drm(gpu: Gpu) -> bool:
    return gpu.name.startswith("card")


def is_card(gpu: Gpu) -> bool:
    """Whether a server can use it. A framebuffer has the tag only where no DRM driver will come."""
    return is_drm(gpu) or gpu.name.startswith("fb")


def can_show(gpu: Gpu) -> bool:
    """Whether it has something to show a screen on. One that only renders has no connectors: v3d,
    panfrost and others, which come before the card that goes with them."""
    return is_card(gpu) and (bool(gpu.connectors) or gpu.boot_vga or not is_drm(gpu))


def is_complete(gpus: Sequence[Gpu], without_driver: Sequence[Gpu], seat: str) -> bool:
    """Whether the graphics devices of a seat are all there, as far as a start is concerned.

    Not as long as there is none that can show anything, or the one that firmware booted with has
    no driver: that may come after another's. A second one with a monitor is good enough meanwhile.
    """
    real = [gpu for gpu in gpus if gpu.seat == seat and can_show(gpu) and not is_firmware(gpu)]
    if any(gpu.boot_vga or plugged(gpu) or not is_drm(gpu) for gpu in real):
        return True
    coming = [
        gpu
        for gpu in (*gpus, *without_driver)
        if gpu.seat == seat
        and gpu.driver not in PASSED_ON
        and (not is_card(gpu) or is_firmware(gpu))
    ]
    return bool(real) and not coming


def plugged(gpu: Gpu) -> tuple[str, ...]:
    """The connectors with a monitor."""
    return tuple(it.name for it in gpu.connectors if it.status == "connected")


def title(gpu: Gpu) -> str:
    """A graphics device in a person's words: `card0 (i915, pci-0000:00:02.0)`."""
    more = ", ".join(word for word in (gpu.driver, gpu.id_path) if word)
    return f"{gpu.name} ({more})" if more else gpu.name


class Choice(NamedTuple):
    """The graphics device that the server shall take, why, and which Xorg itself would take.

    `left_to`: what has told Xorg to take another, perhaps; that is the person's own affair.
    """

    gpu: Gpu
    why: str
    xorgs: Gpu
    left_to: str = ""

    @property
    def must_be_told(self) -> bool:
        return self.gpu != self.xorgs and is_drm(self.gpu)  # fbdev looks for its own

    def __str__(self) -> str:
        words = f"{self.gpu.seat}: {title(self.gpu)}: {self.why}"
        if self.left_to:
            return f"{words}; but Xorg's choice is left to {self.left_to}"
        return f"{words}; Xorg alone would take {self.xorgs.name}" if self.must_be_told else words


def candidates(gpus: Sequence[Gpu], seat: str) -> tuple[Gpu, ...]:
    """The graphics devices of a seat that a server can use, in /sys's order: its DRM cards, or else
    its framebuffers."""
    cards = sorted((it for it in gpus if it.seat == seat and is_card(it)), key=lambda it: it.path)
    return tuple(it for it in cards if is_drm(it)) or tuple(cards)


def choose(gpus: Sequence[Gpu], seat: str, asked: str = "") -> Choice:
    """Take one of the graphics devices of a seat: the one asked for, or else one with a monitor,
    or else the one that firmware booted with. Never by its number, which changes."""
    own = candidates(gpus, seat)
    if not own:
        raise Failure(
            f"{seat} has no graphics device (udev knows none with tag master-of-seat)",
            f"look at the seat: xsession seats; loginctl seat-status {seat}",
        )
    xorgs = _xorgs_choice(gpus, own, seat)
    if asked:
        return Choice(_asked(own, seat, asked), "it was asked for", xorgs)
    best = max(_rank(gpu) for gpu in own)
    alike = [gpu for gpu in own if _rank(gpu) == best]
    gpu = xorgs if xorgs in alike else alike[0]
    return Choice(gpu, _why(gpu, own), xorgs)


def _rank(gpu: Gpu) -> tuple[bool, bool, bool, bool]:
    return (not is_firmware(gpu), bool(plugged(gpu)), gpu.boot_vga, can_show(gpu))


def _why(gpu: Gpu, own: Sequence[Gpu]) -> str:
    reasons = []
    if is_firmware(gpu):
        reasons.append("the framebuffer that firmware left, as no driver has come")
    elif len(own) == 1:
        reasons.append(f"the only one of {gpu.seat}")
    else:
        if names := plugged(gpu):
            reasons.append(f"a monitor is plugged in ({', '.join(names)})")
        if gpu.boot_vga:
            reasons.append("the machine booted with it")
        if not reasons and can_show(gpu) and not all(map(can_show, own)):
            reasons.append("it has connectors")
    return ", ".join(reasons) or f"the first one of {gpu.seat}"


def _xorgs_choice(gpus: Sequence[Gpu], own: Sequence[Gpu], seat: str) -> Gpu:
    """What Xorg takes if nobody tells it: on seat0 boot VGA, also if that has no driver and so no
    screen comes of it; else the first in /sys's order."""
    boot = [gpu for gpu in gpus if gpu.boot_vga and gpu.seat == seat == DEFAULT_SEAT]
    return (boot or list(own))[0]


def _asked(own: Sequence[Gpu], seat: str, asked: str) -> Gpu:
    """By the end of its path (`0000:01:00.0`, `pci-0000:01:00.0`), or by a driver that one has."""
    found = [it for it in own if it.id_path == asked or it.id_path.endswith(f"-{asked}")]
    found = found or [it for it in own if it.driver == asked]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{gpu.id_path or gpu.name} ({gpu.driver})" for gpu in own)
    if not found and any(gpu.name == asked for gpu in own):
        what = f"'{asked}' is a number that may be another device's after the next boot"
    elif found:
        what = f"{seat} has {len(found)} graphics devices with driver {asked}"
    else:
        what = f"{seat} has no graphics device '{asked}'"
    raise Failure(what, f"it has: {names}")
