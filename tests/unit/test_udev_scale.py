"""The look at a machine with many devices: simulated /sys and udev database, the real libudev."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")

# In a mount namespace of its own, where /sys and /run/udev are the simulated ones.
LOOK = """
mount --rbind "$1/sys" /sys && mount -t tmpfs none /run && mkdir /run/udev &&
mount --bind "$1/udev" /run/udev && exec "$2" -c "$3"
"""
TIMED = """
import json, time, pyudev
from xsession import graphics, seat, udev

def look():
    begun = time.process_time()  # nothing in it waits, and other tests may run beside it
    gpus, _ = graphics.look("seat0", 10.0)
    return time.process_time() - begun, gpus, seat.choose(gpus, "seat0")

took, gpus, choice = min((look() for _ in range(9)), key=lambda it: it[0])
print(json.dumps([took, len(gpus), choice.gpu.name, choice.why, len(udev.devices())]))
"""


def add(
    root: Path,
    path: str,
    subsystem: str,
    number: str = "",
    tags: tuple[str, ...] = (),
    properties: str = "",
    **attributes: str,
) -> None:
    """A device in /sys, and in the udev database (systemd's sd-device.c, device_read_db())."""
    device = root / "sys/devices" / path
    device.mkdir(parents=True, exist_ok=True)
    kind = "bus/pci" if subsystem == "pci" else f"class/{subsystem}"
    (device / "subsystem").symlink_to(f"/sys/{kind}")
    places = [f"{kind}/devices/{device.name}" if subsystem == "pci" else f"{kind}/{device.name}"]
    places += [f"dev/char/{number}"] if number else []
    for place in places:
        (root / "sys" / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys" / place).symlink_to(f"/sys/devices/{path}")
    major, _, minor = number.partition(":")
    (device / "uevent").write_text(f"MAJOR={major}\nMINOR={minor}\n" if number else "")
    for name, value in attributes.items():
        (device / name).write_text(f"{value}\n")
    if number:
        (device / "dev").write_text(f"{number}\n")
    entry = f"c{number}" if number else f"+{subsystem}:{device.name}"
    for tag in tags:
        (root / "udev/tags" / tag).mkdir(parents=True, exist_ok=True)
        (root / "udev/tags" / tag / entry).touch()
    (root / "udev/data").mkdir(parents=True, exist_ok=True)
    words = [*(f"G:{tag}" for tag in tags), *(f"Q:{tag}" for tag in tags)]
    words += [f"E:{line}" for line in properties.split()]
    (root / "udev/data" / entry).write_text("\n".join(["I:1", *words, "V:1", ""]))


def machine(root: Path, gpus: int, inputs: int) -> Path:
    """The last graphics device is the one that firmware booted with."""
    both = ("seat", "master-of-seat")
    for number in range(gpus):
        slot = f"pci0000:00/0000:{number:02x}:00.0"
        boot = "1" if number == gpus - 1 else "0"
        path = f"ID_PATH=pci-0000:{number:02x}:00.0"
        add(root, slot, "pci", boot_vga=boot, properties=path)
        add(root, f"{slot}/drm/card{number}", "drm", f"226:{number}", both, path)
        for connector in range(4):
            name = f"{slot}/drm/card{number}/card{number}-DP-{connector}"
            add(root, name, "drm", tags=both, properties=path, status="disconnected", modes="")
    for number in range(inputs):
        keyboard = "ID_INPUT=1 ID_INPUT_KEYBOARD=1"
        path = f"pci0000:00/input/input{number}"
        add(root, path, "input", tags=("seat",), properties=keyboard, name="Keys")
        add(root, f"{path}/event{number}", "input", f"13:{number}", properties=keyboard)
    return root


def look(root: Path) -> tuple[float, int, str, str, int]:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "SYSTEMD_DEVICE_VERIFY_SYSFS": "0",  # it is no real one
    }
    shell = ("sh", "-c", LOOK, "sh", str(root), sys.executable, TIMED)
    ran = subprocess.run([*NAMESPACE, *shell], env=environ, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    took, *found = json.loads(ran.stdout)
    return (took, *found)


def test_many_devices(tmp_path: Path) -> None:
    """64 graphics devices and 200 for input cost a start less than 0.1 s more than one of each."""
    if subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/run"]).returncode:
        pytest.skip("no mount namespace can be had here")
    one, *found = look(machine(tmp_path / "one", 1, 1))
    assert found == [1, "card0", "the only one of seat0", 1]
    many, *found = look(machine(tmp_path / "many", 64, 200))
    assert found == [64, "card63", "the machine booted with it", 200]
    assert many - one < 0.1, f"{one * 1000:.1f} ms with one, {many * 1000:.1f} ms with many"
