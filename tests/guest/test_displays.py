"""More than one display of one user, and displays in more than one network namespace."""

import pytest
from machine import Guest
from person import (
    SERVER,
    START,
    log_in,
    picture,
    pid,
    said,
    start,
    stop,
    type_command,
    wait_for_end,
    wait_until_managed,
    wait_until_ready,
    x,
)

pytestmark = pytest.mark.divided

ACTIVE = "grep -qx tty{vt} /sys/class/tty/tty0/active"


def manager_s(guest: Guest, name: str) -> str:
    """A line of the user manager's environment."""
    return guest.output(f"systemctl --user show-environment | grep ^{name}=", "alice")


def test_the_distributions_name_for_the_server(guest: Guest) -> None:
    """As many a page has it; an Xorg that is setuid itself is another matter."""
    start(guest, f"{START} xterm -- /usr/bin/X :0 vt1 -dpi 96")
    line = guest.output(f"tr '\\0' ' ' </proc/{pid(guest, SERVER)}/cmdline")
    assert line.startswith("/usr/lib/xorg/Xorg :0 vt1 ")
    assert " -dpi 96" in line
    stop(guest)
    wait_for_end(guest)

    guest.run("install -m 4755 /usr/lib/xorg/Xorg /usr/local/bin/Xorg")
    type_command(guest, "xsession start xterm -- /usr/local/bin/Xorg")
    status, screen = wait_for_end(guest)
    assert status == 125
    assert "/usr/local/bin/Xorg would have root's rights" in said(screen)
    guest.run("rm /usr/local/bin/Xorg")


def test_two_vts(guest: Guest) -> None:
    """By the same user, the second one apart from the first; neither knows of the other."""
    start(guest, f"{START} openbox")
    wait_until_managed(guest)
    guest.run("systemd-run --user --collect xterm", "alice")
    log_in(guest, 2)
    guest.type(f"clear; {START} --private xterm; echo status=$?\n")
    wait_until_ready(guest, 1)
    guest.wait(x("xwininfo -root -tree | grep -i '\"xterm\"'", 1), 60, user="alice")

    assert manager_s(guest, "DISPLAY") == "DISPLAY=:0"
    assert " on :1, seat0, vt2" in guest.output(
        "systemctl --user show xorg@1 -p StatusText", "alice"
    )
    cookies = guest.output("sha256sum $XDG_RUNTIME_DIR/xsession/[01]/authority", "alice")
    assert len({line.split()[0] for line in cookies.splitlines()}) == 2
    picture(guest, "second-display")

    guest.key("ctrl-alt-f1")
    guest.wait(ACTIVE.format(vt=1), 60)
    guest.wait(x("xdpyinfo >/dev/null", 0), 60, user="alice")
    picture(guest, "first-display")
    guest.key("ctrl-alt-f2")
    guest.wait(ACTIVE.format(vt=2), 60)
    guest.wait(x("xdpyinfo >/dev/null", 1), 60, user="alice")

    guest.run("xsession stop :1", "alice")
    guest.wait("grep -aq status=0 /dev/vcs2", 60)
    assert guest.output("systemctl --user is-active graphical-session.target", "alice") == "active"
    guest.type("exit\n")
    guest.wait("! loginctl | grep tty2", 60)
    guest.key("ctrl-alt-f1")
    guest.wait(ACTIVE.format(vt=1), 60)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


# The server that it is a window of may end first.
@pytest.mark.journal(r"xorg@1\.service: Failed with result 'exit-code'")
def test_nested(guest: Guest) -> None:
    """Typed in a terminal of the session: a window manager to try, in a window."""
    start(guest, f"{START} openbox")
    wait_until_managed(guest)
    guest.run("systemd-run --user --collect xterm", "alice")
    guest.wait(x("xwininfo -root -tree | grep -i '\"xterm\"'"), 60, user="alice")
    # What is typed before a window has the focus is lost.
    focused = x("xprop -root _NET_ACTIVE_WINDOW | grep -E '# 0x[1-9a-f]'")
    guest.wait(focused, 60, "the focus", user="alice")
    guest.type(f"{START} --private --server xephyr twm\n")
    wait_until_ready(guest, 1)
    guest.wait(x("xwininfo -root -tree | grep -i xephyr"), 60, user="alice")
    guest.wait("systemctl --user is-active xsession-client@1", 60, user="alice")
    assert manager_s(guest, "DISPLAY") == "DISPLAY=:0"
    guest.run(
        x("systemd-run --user --collect -E DISPLAY -E XAUTHORITY xlogo -geometry 200x200+20+20", 1),
        "alice",
    )
    guest.wait(x("xwininfo -root -tree | grep -i xlogo", 1), 60, user="alice")
    picture(guest, "nested")

    stop(guest)  # both, whichever ends first
    assert wait_for_end(guest)[0] == 0


# -- NetworkNamespacePath= --

DROP_IN = "/run/systemd/system/user@1000.service.d/network.conf"


def move_manager(guest: Guest) -> None:
    """Alice's user manager into a network namespace of its own, her login stays."""
    guest.run(
        f"ip netns add apart; mkdir -p {DROP_IN.rpartition('/')[0]};"
        f" printf '[Service]\\nNetworkNamespacePath=/run/netns/apart\\n' >{DROP_IN};"
        " systemctl daemon-reload; systemctl restart user@1000"
    )


def move_manager_back(guest: Guest) -> None:
    guest.run(
        f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart user@1000; ip netns del apart"
    )


# Binds the name as soon as it is told to, and writes down what it hears.
SQUATTER = """\
import os, socket, sys, time
while sys.argv[1:] and not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
squatter = socket.socket(socket.AF_UNIX)
squatter.bind("\\0/tmp/.X11-unix/X0")
squatter.listen()
print("bound", flush=True)
print(squatter.accept()[0].recv(999), flush=True)
"""

KNOCK = """\
import socket
socket.socket(socket.AF_UNIX).connect("\\0/tmp/.X11-unix/X0")
"""


def test_manager_in_another_network_namespace(guest: Guest) -> None:
    """An abstract name is one per network namespace: ours in both, served in the manager's."""
    move_manager(guest)
    start(guest, f"{START} xterm")
    guest.wait(x("xwininfo -root -tree | grep -i '\"xterm\"'"), 60, user="alice")
    in_manager = "systemd-run --user --pipe --wait --quiet --collect"
    here = guest.output("readlink /proc/self/ns/net", "alice")
    assert guest.output(f"{in_manager} readlink /proc/self/ns/net", "alice") != here

    # In the manager's: programs use the abstract name, which libxcb tries first.
    names = "grep -c ' 01 .*@/tmp/.X11-unix/X0$' /proc/net/unix"  # 01: listens
    assert guest.output(f"{in_manager} {names}", "alice") == "1"
    guest.run(f"{in_manager} python3 -", "alice", stdin=KNOCK)
    connected = "grep -c ' 03 .*@/tmp/.X11-unix/X0$' /proc/net/unix"
    assert int(guest.output(f"{in_manager} {connected}", "alice")) >= 1

    # In the login session's: the path alone, and nobody can take the name.
    refused = guest.run("python3 -", "alice", check=False, stdin=KNOCK)
    assert "ConnectionRefusedError" in refused.stderr
    guest.run(x("xdpyinfo >/dev/null"), "alice")
    taken = guest.run("python3 -", "bob", check=False, stdin=SQUATTER)
    assert "Address already in use" in taken.stderr

    stop(guest)
    assert wait_for_end(guest)[0] == 0
    move_manager_back(guest)


# The first `systemctl` in alice's PATH: it lets bob in between our look at the addresses and the
# moment at which we have them.
SLOW_SYSTEMCTL = """\
#!/bin/sh
case "$*" in *start*xorg@0.socket)
    touch /tmp/now
    until grep -q bound /tmp/caught; do sleep 0.05; done
esac
exec /usr/bin/systemctl "$@"
"""


@pytest.mark.fault("refused, on a VT")
def test_another_user_was_quicker_in_the_login_session_s(guest: Guest) -> None:
    """Not served half: the next display is taken, and nobody hears the cookie."""
    move_manager(guest)
    guest.run(
        "mkdir slow; cat >slow/systemctl; chmod +x slow/systemctl", "alice", stdin=SLOW_SYSTEMCTL
    )
    guest.run("cat >/tmp/squatter.py", "bob", stdin=SQUATTER)
    guest.run("nohup python3 /tmp/squatter.py /tmp/now >/tmp/caught 2>&1 & disown", "bob")
    type_command(guest, f"PATH=~/slow:$PATH {START} xterm")
    wait_until_ready(guest, 1)
    guest.wait(x("xwininfo -root -tree | grep -i '\"xterm\"'", 1), 60, user="alice")
    assert manager_s(guest, "DISPLAY") == "DISPLAY=:1"
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    assert guest.output("cat /tmp/caught") == "bound"

    # With the number asked for it is a refusal.
    guest.run("pkill -u bob python3; rm /tmp/now /tmp/caught")
    guest.run("nohup python3 /tmp/squatter.py /tmp/now >/tmp/caught 2>&1 & disown", "bob")
    type_command(guest, f"PATH=~/slow:$PATH {START} --display :0 xterm")
    status, screen = wait_for_end(guest)
    assert (status, "here another user has @/tmp/.X11-unix/X0" in said(screen)) == (125, True)
    assert guest.output("cat /tmp/caught") == "bound"
    guest.run("pkill -u bob python3; rm -r /tmp/now /tmp/caught /tmp/squatter.py ~alice/slow")
    move_manager_back(guest)
