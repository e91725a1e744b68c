"""Two graphics devices on one seat: which one is taken; one that is late, one that goes."""

import itertools
import json
from typing import Any

import pytest
from machine import Guest
from person import READY, said, stop, type_command, wait_for_end

pytestmark = [
    pytest.mark.divided,
    # how a client takes its end is its own affair
    pytest.mark.journal(r"xsession-client@0.service: Failed with result 'exit-code'"),
]

GPUS = 2
BOOT, SECOND = "0000:00:02.0", "0000:00:10.0"
SLOW = pytest.mark.slow("a sample of these is enough for every day")
TIMEOUT = "--timeout 120"  # the server looks for acceleration on each of them


def wait_until_ready(guest: Guest) -> None:
    guest.wait(READY.format(unit="xorg@0.service"), 150, "the server to be ready", user="alice")


def card(guest: Guest, slot: str) -> str:
    """The number that the device at a PCI address has this time."""
    return guest.output(f"cd /sys/bus/pci/devices/{slot}/drm && echo card?")


def connector(guest: Guest, slot: str) -> str:
    """The folder of its connector."""
    return guest.output(f"echo /sys/bus/pci/devices/{slot}/drm/card?/card?-*")


def drawn_on(guest: Guest) -> str:
    """The device that Xorg says it draws its screen on."""
    log = "/run/user/1000/xsession/Xorg.0.log"
    return guest.output(f"grep -o 'modeset(0): using drv.*' {log} | grep -o 'card.*'")


def test_seats_agrees_with_loginctl(guest: Guest) -> None:
    (seat,) = json.loads(guest.output("xsession seats --json", "alice"))
    assert (seat["name"], seat["objection"]) == ("seat0", "")
    assert {gpu["id_path"]: gpu["boot_vga"] for gpu in seat["gpus"]} == {
        f"pci-{BOOT}": True,
        f"pci-{SECOND}": False,
    }
    status = guest.output("loginctl seat-status seat0 --full --no-pager")
    for it in (*seat["gpus"], *seat["devices"]):
        assert it["path"] in status
    assert seat["gpus"][0]["connectors"][0]["status"] == "connected"
    assert "1280x800" in seat["gpus"][0]["connectors"][0]["modes"]
    assert "keyboard" in {device["kind"] for device in seat["devices"]}
    (login,) = (it for it in seat["sessions"] if it["id"] == seat["active"])
    assert (login["uid"], login["vt"], seat["vts"]["active"]) == (1000, 1, 1)
    assert seat["vts"]["free"][0] == 7

    refused = guest.run("xsession seats seat7", check=False)
    assert (refused.status, "there is no seat 'seat7'" in refused.stderr) == (125, True)


def seats(guest: Guest) -> dict[str, dict[str, Any]]:
    return {it["name"]: it for it in json.loads(guest.output("xsession seats --json"))}


def test_a_second_seat(guest: Guest) -> None:
    path = guest.output(f"readlink -f /sys/bus/pci/devices/{SECOND}/drm/card?")
    guest.run(f"loginctl attach seat1 {path} && udevadm trigger --settle", timeout=120)
    guest.wait("loginctl show-seat seat1", 30)
    found = seats(guest)
    assert [it["objection"] for it in found.values()] == ["", ""]
    assert [gpu["path"] for gpu in found["seat1"]["gpus"]] == [path]
    assert found["seat1"]["notes"] == ["no keyboard", "no mouse"]
    assert (found["seat1"]["vts"], found["seat1"]["sessions"]) == (None, [])
    assert [gpu["id_path"] for gpu in found["seat0"]["gpus"]] == [f"pci-{BOOT}"]

    # a seat's name that logind does not take
    rule = f'SUBSYSTEM=="drm", KERNELS=="{SECOND}", ENV{{ID_SEAT}}="seat 1;x"'
    guest.run("rm /etc/udev/rules.d/72-seat-*", check=False)
    guest.run(f"echo '{rule}' >/etc/udev/rules.d/72-odd.rules; udevadm control --reload")
    guest.run("udevadm trigger --settle", timeout=120)
    (odd,) = (it for name, it in seats(guest).items() if name.startswith("seat 1"))
    assert "logind ignores it" in odd["objection"]
    assert [gpu["path"] for gpu in odd["gpus"]] == [path]
    guest.run("rm /etc/udev/rules.d/72-odd.rules")


@SLOW
def test_the_one_that_firmware_booted_with(guest: Guest) -> None:
    type_command(guest, f"xsession start {TIMEOUT} --explain xterm")
    wait_until_ready(guest)
    assert drawn_on(guest) == card(guest, BOOT)
    assert guest.run("ls /run/user/1000/xsession/0/xorg.conf.d", check=False).status
    stop(guest)
    status, screen = wait_for_end(guest)
    assert status == 0
    assert "the machine booted with it" in said(screen)
    assert "Xorg alone" not in said(screen)


def test_the_one_with_a_monitor(guest: Guest) -> None:
    guest.run(f"echo off >{connector(guest, BOOT)}/status")
    guest.run("mkdir -p /etc/X11/xorg.conf.d")
    guest.run("echo '# mine' >/etc/X11/xorg.conf.d/50-mine.conf")
    type_command(guest, f"xsession start {TIMEOUT} --explain xterm")
    wait_until_ready(guest)
    assert drawn_on(guest) == card(guest, SECOND)
    folder = "/run/user/1000/xsession/0/xorg.conf.d"
    assert guest.output(f"ls {folder}").split() == [
        *("00-xsession.conf", "50-mine.conf", "slow.conf")
    ]
    stop(guest)
    status, screen = wait_for_end(guest)
    assert status == 0
    assert "a monitor is plugged in" in said(screen)
    assert f"Xorg alone would take {card(guest, BOOT)}" in said(screen)
    assert "a monitor is plugged in" in guest.output("journalctl -b -t xsession -o cat")
    guest.run("rm /etc/X11/xorg.conf.d/50-mine.conf")


def test_the_one_asked_for(guest: Guest) -> None:
    type_command(guest, f"xsession start {TIMEOUT} --gpu {SECOND} xterm")
    wait_until_ready(guest)
    assert drawn_on(guest) == card(guest, SECOND)
    stop(guest)
    assert wait_for_end(guest)[0] == 0

    for asked, sentence in (
        ("nosuch", "seat0 has no graphics device 'nosuch'"),
        ("card0", "'card0' is a number that may be another device's after the next boot"),
        ("virtio_gpu", "seat0 has 2 graphics devices with driver virtio_gpu"),
    ):
        type_command(guest, f"xsession start --gpu {asked} xterm")
        status, screen = wait_for_end(guest)
        assert (status, sentence in said(screen)) == (125, True)


def unbind(guest: Guest, *slots: str) -> None:
    for slot in slots:
        guest.run(f"echo {slot} >/sys/bus/pci/drivers/virtio-pci/unbind")
    guest.run("udevadm settle")


def bind(guest: Guest, *slots: str) -> None:
    for slot in slots:
        guest.run(f"echo {slot} >/sys/bus/pci/drivers/virtio-pci/bind", timeout=120)
    guest.run("udevadm settle")


def test_driver_comes_late(guest: Guest) -> None:
    """And logind is restarted meanwhile, as by an upgrade at boot."""
    unbind(guest, BOOT, SECOND)
    assert "no graphics device" in guest.output("xsession seats")
    type_command(guest, f"xsession start {TIMEOUT} --wait 60 xterm")
    guest.wait("grep -aq 'waiting for the graphics device' /dev/vcs1", 120)
    guest.run("systemctl restart systemd-logind", timeout=120)
    bind(guest, BOOT)
    wait_until_ready(guest)
    assert drawn_on(guest) == card(guest, BOOT)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_driver_never_comes(guest: Guest) -> None:
    unbind(guest, BOOT, SECOND)
    type_command(guest, "xsession start --wait 3 xterm")
    status, screen = wait_for_end(guest)
    assert status == 125
    assert "waiting for the graphics device of seat0, 3 s at most" in said(screen)
    assert "seat0 has no graphics device" in said(screen)
    bind(guest, BOOT, SECOND)


@SLOW
def test_only_the_second_one_comes(guest: Guest) -> None:
    """It has a monitor, so nobody waits for the other."""
    unbind(guest, BOOT)
    type_command(guest, f"xsession start {TIMEOUT} xterm")
    wait_until_ready(guest)
    assert drawn_on(guest) == card(guest, SECOND)
    stop(guest)
    status, screen = wait_for_end(guest)
    assert (status, "waiting" in said(screen)) == (0, False)
    bind(guest, BOOT)


@pytest.mark.journal("virtio|drm|status=1|exit-code|Failed|unable to open display|SIGKILL|segfault")
@pytest.mark.fault("the machine, on a VT")
def test_it_goes(guest: Guest) -> None:
    type_command(guest, f"xsession start {TIMEOUT} --gpu {SECOND} xterm")
    wait_until_ready(guest)
    guest.run(f"echo {SECOND} >/sys/bus/pci/drivers/virtio-pci/unbind", timeout=120)
    status, screen = wait_for_end(guest)
    assert status == 125
    assert "has gone" in said(screen)
    type_command(guest, f"xsession start {TIMEOUT} xterm")
    wait_until_ready(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


HOOK = """mkdir -p ~/.config/xsession && cd ~/.config/xsession &&
printf '#!/bin/sh\\necho "$1 $DISPLAY" >>~/plugged\\n' >output && chmod +x output"""


def test_a_monitor_comes_and_goes(guest: Guest) -> None:
    guest.run(HOOK, "alice")
    type_command(guest, f"xsession start {TIMEOUT} xterm")
    wait_until_ready(guest)
    # at either device; the kernel tells of it when somebody asks for the modes
    for slot, status in itertools.product((BOOT, SECOND), ("off", "on")):
        name = connector(guest, slot)
        guest.run(f"echo {status} >{name}/status && udevadm trigger --action=change {name}/..")
        guest.wait("[ -s plugged ]", 60, user="alice")
        told = guest.output("cat plugged; rm plugged", "alice")
        assert told == f"{name.rpartition('/')[2].partition('-')[2]} :0"
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    guest.run("rm -r .config/xsession", "alice")
