"""Xorg's configuration: whether the machine's own chooses a graphics device, and how ours does.

Source: xorg.conf(5); xf86Config.c (where files are looked for), xf86platformBus.c, lnx_platform.c
(how a BusID is compared).
"""

import contextlib
import os
import re
from collections.abc import Collection, Sequence

from xsession.errors import Failure
from xsession.udev import Gpu

# In the order in which Xorg reads them; of the folders in /etc only the first that has files.
FILES = ("/etc/X11/xorg.conf", "/etc/xorg.conf")
FOLDERS = ("/etc/X11/xorg.conf.d", "/usr/etc/X11/xorg.conf.d")
SYSTEM_FOLDER = "/usr/share/X11/xorg.conf.d"

# Sections or options that name a device or a screen, so that another choice would fight them.
CHOOSES = re.compile(r'^\s*(Section\s+"(Device|Screen|ServerLayout)"|Option\s+"PrimaryGPU")', re.I)
# An OutputClass is for devices with one of these drivers: `Driver1|Driver2`.
FOR_DRIVERS = re.compile(r'^\s*MatchDriver\s+"([^"]*)"', re.I | re.M)
END = re.compile(r"^\s*EndSection\b.*$", re.I | re.M)

# Server options with which the person has said it.
ARGUMENTS = frozenset({"-config", "-configdir", "-isolateDevice", "-layout", "-screen"})

NAME = "00-xsession.conf"


def folder(display_folder: str) -> str:
    """Our configuration folder, in the runtime folder of a display."""
    return f"{display_folder}/xorg.conf.d"


def chooser(arguments: Sequence[str], drivers: Collection[str] = ()) -> str:
    """Who has chosen a device already: a server argument, a file; nothing if nobody has. A section
    for none of the `drivers` that the seat's devices have is as good as not there."""
    if said := ARGUMENTS.intersection(arguments):
        return min(said)
    for path in (*FILES, *_files(FOLDERS), *_files((SYSTEM_FOLDER,))):
        with contextlib.suppress(OSError), open(path, errors="replace") as file:
            if any(_chooses(section, drivers) for section in END.split(file.read())):
                return path
    return ""


def _chooses(section: str, drivers: Collection[str]) -> bool:
    if not any(map(CHOOSES.match, section.splitlines())):
        return False
    return all(set(names.split("|")) & set(drivers) for names in FOR_DRIVERS.findall(section))


def device_section(gpu: Gpu) -> str:
    """The section that has Xorg take `gpu`: the first device section listed is the screen's.

    By its path in /sys, which is right for all buses; a BusID of a PCI device makes Xorg look
    at the PCI address of every device, also of those that have none, and crash.
    No driver is named, so Xorg still chooses that.
    """
    return f'Section "Device"\n\tIdentifier "xsession"\n\tBusID "platform:{gpu.path}"\nEndSection\n'


def write(path: str, section: str) -> None:
    """Make a configuration folder for Xorg's -configdir: our section, and the machine's own files,
    which Xorg would otherwise no longer read."""
    try:
        os.mkdir(path, 0o700)
        with open(f"{path}/{NAME}", "w") as file:
            file.write(section)
        for name in _files(FOLDERS):
            os.symlink(name, f"{path}/{os.path.basename(name)}")
    except OSError as error:
        raise Failure(f"could not write {path}: {error.strerror}") from None


def _files(folders: Sequence[str]) -> list[str]:
    """The files of the first folder that has any (ConfigFilter() in scan.c)."""
    for folder in folders:
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(folder) if re.fullmatch(r"[^.].*\.conf", name)]
            if names:
                return [f"{folder}/{name}" for name in sorted(names)]
    return []
