"""The seed's way: `xsession listen` on the VT, and the first X program starts the server."""

import pytest
from machine import Guest
from person import (
    LISTEN,
    SERVER,
    START,
    pid,
    said,
    start,
    type_command,
    wait_for_end,
    wait_until_ready,
)

pytestmark = pytest.mark.divided
SLOW = pytest.mark.slow("a sample of these is enough for every day")


def listen(guest: Guest) -> None:
    type_command(guest, LISTEN)
    guest.wait("grep -aq 'listening on :0' /dev/vcs1", 30, "the holder to listen")


def test_first_program_starts_the_server(guest: Guest) -> None:
    listen(guest)
    assert guest.run(f"pgrep -f '{SERVER}'", check=False).status
    # as any unit: with what the manager has
    ask = "systemd-run --user --wait --quiet --collect xdpyinfo"
    guest.run(ask, "alice", timeout=60)
    assert "/session-" in guest.output(f"cat /proc/{pid(guest, SERVER)}/cgroup")
    wait_until_ready(guest)

    guest.run("systemctl --user stop xorg@0.service", "alice")
    assert guest.run(f"pgrep -f '{SERVER}'", check=False).status
    guest.run(ask, "alice", timeout=60)

    guest.run("xsession stop", "alice")
    assert wait_for_end(guest)[0] == 0


# The first `loginctl` in alice's PATH: her VT is not put on the screen.
NO_SWITCH = """\
#!/bin/sh
case "$1" in activate) echo "not now"; exit 1; esac
exec /usr/bin/loginctl "$@"
"""


@pytest.mark.parametrize("command", [f"{START} xterm", pytest.param(LISTEN, marks=SLOW)])
def test_the_vt_cannot_be_put_on_the_screen(guest: Guest, command: str) -> None:
    """Who asked is told so, once, and in the journal it is nobody's fault."""
    guest.run("mkdir no; cat >no/loginctl; chmod +x no/loginctl", "alice", stdin=NO_SWITCH)
    until = "until grep -q tty2 /sys/class/tty/tty0/active; do :; done"
    type_command(guest, f"{until}; PATH=~/no:$PATH {command}")
    guest.key("ctrl-alt-f2")
    if command == LISTEN:
        listens = "systemctl --user show-environment | grep DISPLAY=:0"
        guest.wait(listens, 60, "the holder to listen", user="alice")
        ask = "systemd-run --user --wait --pipe --quiet --collect xdpyinfo"
        told = guest.run(ask, "alice", check=False, timeout=60).stderr
        assert "could not put seat0, vt1 on the screen: not now" in told
        guest.wait("grep -aq 'vt1 on the screen' /dev/vcs1", 60, "the reason on tty1")
        guest.run("xsession stop", "alice")
    guest.wait("grep -aq status= /dev/vcs1", 60, "the command's end")
    guest.key("ctrl-alt-f1")
    status, screen = wait_for_end(guest)
    assert status == (0 if command == LISTEN else 125)
    assert said(screen).count("could not put seat0, vt1 on the screen: not now") == 1
    assert "dropped the connection" not in guest.output("journalctl --user -b", "alice")
    guest.run("rm -r no", "alice")


@SLOW
def test_interrupt_ends_it(guest: Guest) -> None:
    listen(guest)
    guest.key("ctrl-c")
    assert wait_for_end(guest)[0] == 130


def test_nobody_listens(guest: Guest) -> None:
    guest.run("systemctl --user start xorg@0.socket", "alice")
    refused = guest.run("DISPLAY=:0 timeout 20 xdpyinfo", "alice", check=False)
    assert "type `xsession listen` there" in refused.stderr
    guest.wait("systemctl --user is-active xorg@0 | grep -x inactive", 20, user="alice")
    assert guest.output("systemctl --user is-active xorg@0.socket", "alice") == "active"
    status = guest.output("systemctl --user show xorg@0 -p StatusText", "alice")
    assert "nobody is logged in on a VT" in status
    guest.run("systemctl --user stop xorg@0.socket", "alice")


def test_start_after_listen(guest: Guest) -> None:
    listen(guest)
    guest.key("ctrl-c")
    wait_for_end(guest)
    start(guest)
    guest.run("xsession stop", "alice")
    assert wait_for_end(guest)[0] == 0
