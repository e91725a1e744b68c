"""`xsession start` at a prompt on a VT: the manual's main story, on a real machine."""

import pytest
from machine import Guest
from person import (
    BRIDGE,
    HOLDER,
    OPENBOX,
    SERVER,
    START,
    pid,
    said,
    start,
    stop,
    type_command,
    wait_for_end,
    wait_until_ready,
    x,
)

pytestmark = pytest.mark.divided
SLOW = pytest.mark.slow("a sample of these is enough for every day")

ARGUMENTS = ("-auth", "-nolisten tcp", "-noreset", ":0", "vt1", "-displayfd")


def test_desktop(guest: Guest) -> None:
    """An unprivileged Xorg in the login session, as a socket-activated user unit."""
    start(guest, f"{START} openbox")

    for unit in ("xorg@0.service", "xsession-client@0.service"):
        assert guest.output(f"systemctl --user is-active {unit}", "alice") == "active"
    holder = pid(guest, HOLDER)
    told = guest.output("xsession status", "alice")
    assert f"addresses: xsession start, PID {holder}" in told
    assert guest.output("stat -c %a:%U /tmp/.X11-unix/X0") == "600:alice"
    shown = guest.output("systemctl --user show xorg@0 -p Type,StatusText", "alice")
    assert "Type=notify" in shown
    assert "StatusText=X.Org 21.1." in shown
    assert " on :0, seat0, vt1, 1280x800" in shown

    server = pid(guest, SERVER)
    assert guest.output(f"ps -o user= -p {server}") == "alice"
    assert "/session-" in guest.output(f"cat /proc/{server}/cgroup")
    argv = guest.output(f"tr '\\0' ' ' </proc/{server}/cmdline")
    for argument in ARGUMENTS:
        assert f" {argument} " in argv
    assert guest.output(f"ps -o pgid= -p {server}").strip() == str(server)
    log = guest.output("journalctl --user -u xorg@0", "alice")
    assert "systemd-logind: took control of session" in log
    client = pid(guest, OPENBOX)
    assert "xsession-client@0.service" in guest.output(f"cat /proc/{client}/cgroup")
    guest.wait(x("xprop -root _NET_SUPPORTING_WM_CHECK | grep 'window id'"), 60, user="alice")

    stop(guest)
    assert wait_for_end(guest)[0] == 0
    guest.type("echo the key''board works\n")
    guest.wait("grep -aq 'the keyboard works' /dev/vcs1", 10, "what was typed")


def test_client_status(guest: Guest) -> None:
    type_command(guest, f"{START} sh -c 'xdpyinfo >/dev/null && exit 7'")
    assert wait_for_end(guest)[0] == 7


@SLOW
def test_client_words_are_in_the_journal(guest: Guest) -> None:
    # It lasts a while: journald asks a writer that has ended in vain for its unit.
    words = "echo I am $XDG_SESSION_ID on $XDG_VTNR; xdpyinfo >/dev/null"
    type_command(guest, f"{START} sh -c '{words}'")
    assert wait_for_end(guest)[0] == 0
    journal = guest.output("journalctl --user -u xsession-client@0 -o cat", "alice")
    assert "I am 1 on 1" in journal


@pytest.mark.parametrize(
    ("name", "status"),
    [("TERM", 143), pytest.param("INT", 130, marks=SLOW), pytest.param("HUP", 129, marks=SLOW)],
)
def test_signal(guest: Guest, name: str, status: int) -> None:
    start(guest)
    guest.run(f"kill -{name} {pid(guest, HOLDER)}")
    assert wait_for_end(guest)[0] == status


def test_zap(guest: Guest) -> None:
    """Ctrl-Alt-Backspace, where it is enabled."""
    start(guest, f"{START} sh -c 'setxkbmap -option terminate:ctrl_alt_bksp; exec xterm'")
    guest.wait(x("setxkbmap -query | grep terminate"), 30, user="alice")
    guest.wait(x("xwininfo -root -tree | grep xterm"), 30, user="alice")
    guest.key("ctrl-alt-backspace")
    status, screen = wait_for_end(guest)
    assert "xsession:" not in screen  # what was asked for is no failure
    assert status < 125


def test_vt_switch(guest: Guest) -> None:
    start(guest)
    guest.key("ctrl-alt-f2")
    guest.wait("grep -q tty2 /sys/class/tty/tty0/active", 20)
    guest.wait("grep -aq login: /dev/vcs2", 20, "a getty on tty2")
    guest.key("ctrl-alt-f1")
    guest.wait("grep -q tty1 /sys/class/tty/tty0/active", 20)
    guest.wait(x("xdpyinfo >/dev/null"), 20, user="alice")
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_vt_is_activated(guest: Guest) -> None:
    """Typed on tty1, but when it begins tty2 is on the screen."""
    until = "until grep -q tty2 /sys/class/tty/tty0/active; do :; done"
    type_command(guest, f"{until}; {START} xterm")
    guest.key("ctrl-alt-f2")
    wait_until_ready(guest)
    assert guest.output("cat /sys/class/tty/tty0/active") == "tty1"
    stop(guest)
    wait_for_end(guest)


@SLOW
def test_rc_file(guest: Guest) -> None:
    """Without a client: the first rc file there is."""
    guest.run("echo 'xprop -root -format WHOSE 8s -set WHOSE mine; exec xterm' >.xinitrc", "alice")
    start(guest, START)
    guest.wait(x("xprop -root | grep mine"), 30, user="alice")
    client = pid(guest, "^xterm")
    assert "xsession-client@0.service" in guest.output(f"cat /proc/{client}/cgroup")
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_safe(guest: Guest) -> None:
    guest.run("echo 'exit 9' >.xinitrc", "alice")
    start(guest, f"{START} --safe")
    guest.wait("pgrep -x xterm", 20)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_server_arguments(guest: Guest) -> None:
    start(guest, f"{START} xterm -- :7 vt1 -dpi 123", display=7)
    guest.wait(x("xdpyinfo | grep '123x123 dots'", 7), 20, user="alice")
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_dry_run_changes_nothing(guest: Guest) -> None:
    type_command(guest, "xsession start --dry-run openbox")
    status, screen = wait_for_end(guest)
    assert status == 0
    assert "systemctl --user start xorg@0.service" in screen
    assert "/usr/lib/xorg/Xorg :0 vt1 -keeptty -novtswitch" in screen
    assert guest.run("ls $XDG_RUNTIME_DIR/xsession", "alice", check=False).status


@pytest.mark.parametrize(
    ("keys", "moment"),
    [
        pytest.param("ctrl-c", BRIDGE, marks=SLOW),
        ("ctrl-c", SERVER),
        pytest.param("ctrl-z", BRIDGE, marks=SLOW),
        pytest.param("ctrl-backslash", BRIDGE, marks=SLOW),
    ],
)
def test_keys_during_start(guest: Guest, keys: str, moment: str) -> None:
    """They reach us, not the server: Ctrl-Z does nothing, the others end the session in order."""
    type_command(guest, f"{START} xterm")
    guest.wait(f"pgrep -u alice -f '{moment}'", 30)
    guest.key(keys)
    if keys == "ctrl-z":
        guest.wait(x("xdpyinfo >/dev/null"), 60, user="alice")
        stop(guest)
    else:  # by now the keyboard may be the server's
        guest.wait(x(f"xdpyinfo || ! pgrep -f '{HOLDER}'"), 60, user="alice")
        guest.run("xsession stop", "alice", check=False)
    assert wait_for_end(guest)[0] in (0, 130, 131)


def test_exec_from_the_login_shell(guest: Guest) -> None:
    """The session's end is the login's end; the getty logs alice in again."""
    guest.type(f"clear; exec {START} xterm\n")
    wait_until_ready(guest)
    login = guest.output("loginctl list-sessions --no-legend | awk '/tty1/ {print $1}'")
    stop(guest)
    guest.wait(f"! loginctl show-session {login}", 30, "the login's end")
    guest.wait_for_prompt(60)


def test_reason_stays_readable(guest: Guest) -> None:
    """A getty would wipe it in a blink."""
    guest.type("clear; exec xsession start nosuchprogram\n")
    guest.wait("grep -aq 'press a key' /dev/vcs1", 30)
    assert "nosuchprogram" in guest.console()
    guest.key("a")
    guest.wait("! grep -aq 'press a key' /dev/vcs1", 30)
    guest.wait_for_prompt(60)


@SLOW
def test_home_read_only(guest: Guest) -> None:
    guest.run("mount --bind -o ro /home/alice /home/alice")
    start(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    guest.run("umount -l /home/alice")


@SLOW
def test_foreign_lock(guest: Guest) -> None:
    """It stops startx and sx; no lock is ours to read."""
    guest.run("echo '         1' >/tmp/.X0-lock; touch -t 200001010000 /tmp/.X0-lock", "bob")
    start(guest)
    stop(guest)
    status, screen = wait_for_end(guest)
    assert (status, "xsession:" in said(screen)) == (0, False)
    guest.run("rm /tmp/.X0-lock")
