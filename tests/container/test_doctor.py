"""`xsession doctor` on broken machines: each is broken for real, recognised, and mended again."""

import json
from typing import NamedTuple

import pytest
from machine import Container


class Broken(NamedTuple):
    """How a machine is broken and mended (as root), what doctor is to see, and how bad it is."""

    break_: str
    mend: str
    seen: str
    health: str


AS_ALICE = "systemctl --user -M alice@"
RUNTIME = "/run/user/1000"
BIND = "python3 -c 'import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({}); {}'"

BROKEN = {
    "a lock of a server that is gone": Broken(
        *("echo 999999 >/tmp/.X5-lock", "rm /tmp/.X5-lock"),
        *("/tmp/.X5-lock is of a server that is gone", "odd"),
    ),
    "an address that nobody listens on": Broken(
        BIND.format('"/tmp/.X11-unix/X7"', ""),
        "rm /tmp/.X11-unix/X7",
        *("nobody listens on /tmp/.X11-unix/X7", "odd"),
    ),
    "a squatter": Broken(
        "systemd-run -q --uid=bob --unit=squatter "
        + BIND.format('"\\0/tmp/.X11-unix/X0"', "s.listen(); time.sleep(600)")
        + "; until grep -q @/tmp/.X11-unix/X0 /proc/net/unix; do sleep .1; done",
        "systemctl stop squatter",
        *(":0 is taken: its abstract address is in use", "odd"),
    ),
    "a folder of displays that everybody can change": Broken(
        "chmod 0777 /tmp/.X11-unix",
        "chmod 1777 /tmp/.X11-unix",
        *("/tmp/.X11-unix has mode 0777, not 1777", "bad"),
    ),
    "DISPLAY left in the manager": Broken(
        f"{AS_ALICE} set-environment DISPLAY=:9",
        f"{AS_ALICE} unset-environment DISPLAY",
        *("DISPLAY set in the user manager, by nobody", "odd"),
    ),
    "an old copy of a unit": Broken(
        "runuser -u alice -- mkdir -p /home/alice/.config/systemd/user;"
        " cp /usr/lib/systemd/user/xorg@.service /home/alice/.config/systemd/user",
        "rm -r /home/alice/.config/systemd",
        *("/home/alice/.config/systemd/user/xorg@.service takes the place of", "bad"),
    ),
    "a unit that an old install has left": Broken(
        "runuser -u alice -- mkdir -p /home/alice/.local/share/systemd/user;"
        " cp /usr/lib/systemd/user/xsession-managed@.service /home/alice/.local/share/systemd/user",
        "rm -r /home/alice/.local/share/systemd",
        *("/user/xsession-managed@.service takes the place of", "bad"),
    ),
    "a unit file of the client's name": Broken(
        "runuser -u alice -- mkdir -p /home/alice/.config/systemd/user;"
        " touch /home/alice/.config/systemd/user/xsession-client@.service",
        "rm -r /home/alice/.config/systemd",
        *("is in the way of the client's transient unit", "bad"),
    ),
    "an rc file that others can change": Broken(
        "install -o alice -g users -m 0775 /dev/null /home/alice/.xinitrc",
        "rm /home/alice/.xinitrc",
        *("/home/alice/.xinitrc can be changed by others", "odd"),
    ),
    "an rc file of somebody else's": Broken(
        "install -o bob -m 0755 /dev/null /home/alice/.xinitrc",
        "rm /home/alice/.xinitrc",
        *("/home/alice/.xinitrc belongs to uid 1001", "bad"),
    ),
    "an rc file from DOS": Broken(
        r"printf '#!/bin/sh\r\nxterm\r\n' >/home/alice/.xinitrc",
        "rm /home/alice/.xinitrc",
        *("/home/alice/.xinitrc has the line ends of DOS", "bad"),
    ),
    "an rc file with a bus of its own": Broken(
        "echo 'exec dbus-launch openbox' >/home/alice/.xinitrc",
        "rm /home/alice/.xinitrc",
        *("/home/alice/.xinitrc has dbus-launch", "odd"),
    ),
    "a profile without exec": Broken(
        "echo 'xsession check && xsession start' >/home/alice/.bash_login",
        "rm /home/alice/.bash_login",
        *("/home/alice/.bash_login starts a session without exec", "bad"),
    ),
    "a second bus": Broken(
        f"systemd-run -q --uid=alice --unit=second-bus --setenv=XDG_RUNTIME_DIR={RUNTIME}"
        " dbus-daemon --session --nofork --address=unix:tmpdir=/tmp;"
        " until pgrep -u alice -f tmpdir=/tmp; do sleep .1; done",
        "systemctl stop second-bus",
        *("dbus-daemon --session --nofork", "odd"),
    ),
    "root's rights for startx": Broken(
        "mkdir -p /etc/X11; echo needs_root_rights = yes >/etc/X11/Xwrapper.config",
        "rm /etc/X11/Xwrapper.config",
        *("gives startx's Xorg root's rights", "odd"),
    ),
    "a setuid server": Broken(
        "chmod u+s /usr/lib/xorg/Xorg",
        "chmod u-s /usr/lib/xorg/Xorg",
        *("/usr/lib/xorg/Xorg has root's rights", "bad"),
    ),
    "no server": Broken(
        "mv /usr/lib/xorg/Xorg /usr/lib/xorg/away",
        "mv /usr/lib/xorg/away /usr/lib/xorg/Xorg",
        *("Xorg is not installed", "bad"),
    ),
    "no input driver": Broken(
        "mv /usr/lib/xorg/modules/input/libinput_drv.so /usr/lib/xorg/away.so",
        "mv /usr/lib/xorg/away.so /usr/lib/xorg/modules/input/libinput_drv.so",
        *("Xorg has no input driver", "bad"),
    ),
    "a failed unit": Broken(
        f"{AS_ALICE} start -q broken || {AS_ALICE.replace('systemctl', 'systemd-run')} -q"
        " --unit=broken --property=Type=exec /bin/false;"
        f" until {AS_ALICE} is-failed -q broken; do sleep .1; done",
        f"{AS_ALICE} reset-failed",
        *("broken.service", "odd"),
    ),
    "an environment file with an error": Broken(
        "runuser -u alice -- mkdir -p /home/alice/.config/xsession;"
        " echo 'what is this' >/home/alice/.config/xsession/env",
        "rm -r /home/alice/.config/xsession",
        *("/home/alice/.config/xsession/env:1: there is no '=' in this line", "odd"),
    ),
    "what a killed session has left": Broken(
        f"runuser -u alice -- mkdir -p {RUNTIME}/xsession/3",
        f"rmdir {RUNTIME}/xsession/3",
        *(f"{RUNTIME}/xsession/3, of a killed session", "odd"),
    ),
    "another session's target": Broken(
        f"{AS_ALICE.replace('systemctl', 'systemd-run')} -q --unit=other"
        " --property=BindsTo=graphical-session.target sleep 600;"
        f" until {AS_ALICE} is-active -q graphical-session.target; do sleep .1; done",
        f"{AS_ALICE} stop other",
        *("graphical-session.target is active, and not by xsession", "bad"),
    ),
}


# What is as it should be, and could be taken for something else: how it is made and undone.
SOUND = {
    "a profile that names its own program": (
        "echo 'exec ~/.local/bin/xsession start' >/home/alice/.bash_login",
        "rm /home/alice/.bash_login",
    ),
    "an rc file of her own group": (
        "install -o alice -g alice -m 0775 /dev/null /home/alice/.xinitrc",
        "rm /home/alice/.xinitrc",
    ),
    "another desktop's DISPLAY": (
        f"{AS_ALICE} set-environment DISPLAY=:7 XAUTHORITY=/home/alice/.Xauthority;"
        " systemd-run -q --uid=alice --unit=other-server "
        + BIND.format('"\\0/tmp/.X11-unix/X7"', "s.listen(); time.sleep(600)")
        + "; until grep -q @/tmp/.X11-unix/X7 /proc/net/unix; do sleep .1; done",
        f"systemctl stop other-server; {AS_ALICE} unset-environment DISPLAY XAUTHORITY",
    ),
    "units of her own": (
        "runuser -u alice -- mkdir -p /home/alice/.config/systemd/user/xorg@.service.d;"
        " touch /home/alice/.config/systemd/user/xorg-mine.service"
        " /home/alice/.config/systemd/user/xorg@.service.d/limits.conf",
        "rm -r /home/alice/.config/systemd",
    ),
}


def findings(container: Container) -> list[dict[str, str]]:
    answer = container.run("xsession doctor --json", "alice", check=False)
    assert answer.status in (0, 1), answer.stderr
    found: list[dict[str, str]] = json.loads(answer.stdout)
    return found


def test_broken_machines(container: Container) -> None:
    container.run("mkdir -p /home/alice/.config && chown alice: /home/alice/.config")
    sound = [finding["seen"] for finding in findings(container)]
    missed = {}
    for name, broken in BROKEN.items():
        container.run(broken.break_)
        found = [it for it in findings(container) if it["seen"] not in sound]
        container.run(broken.mend)
        if not any(
            broken.seen in it["seen"] and it["health"] == broken.health and it["hint"]
            for it in found
        ):
            missed[name] = found
    assert not missed
    assert [finding["seen"] for finding in findings(container)] == sound


def test_no_false_alarm(container: Container) -> None:
    container.run("mkdir -p /home/alice/.config && chown alice: /home/alice/.config")
    before = [finding["seen"] for finding in findings(container)]
    alarms = {}
    for name, (make, undo) in SOUND.items():
        container.run(make)
        seen = [it for it in findings(container) if it["seen"] not in before]
        container.run(undo)
        if any(it["health"] != "good" for it in seen):
            alarms[name] = seen
    assert not alarms


WITHOUT_LOGIND = """
run="systemd-run --quiet --pipe --wait -p PAMName=login -p User=alice"
$run sh -c 'touch /tmp/in; until [ -e /tmp/masked ]; do sleep .1; done;
    xsession start true; xsession doctor' 2>&1 &
until [ -e /tmp/in ]; do sleep .1; done
systemctl mask --quiet --runtime --now systemd-logind
touch /tmp/masked
wait
rm /tmp/in /tmp/masked
systemctl unmask --quiet --runtime systemd-logind
systemctl start systemd-logind
"""


@pytest.mark.journal("logind|PAM|pam_|/etc/default/locale")
def test_logind_does_not_answer(container: Container) -> None:
    """In a login session: what is said is not that there is none."""
    said = container.output(WITHOUT_LOGIND)
    assert "Xorg cannot be started here: logind does not answer for login session" in said
    assert said.count("look at it: systemctl status systemd-logind") == 3
    assert "! login session" in said


def test_a_table_for_people(container: Container) -> None:
    answer = container.run("xsession doctor", "alice", check=False)
    assert answer.status == 1  # a container has no seat
    assert "! login session" in answer.stdout
    assert "  user manager     it answers" in answer.stdout
