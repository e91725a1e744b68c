"""Two people at one machine: alice at seat0, bob at seat1, both logged in without being asked."""

from collections.abc import Iterator

import pytest
from machine import Guest
from person import PICTURES, x

pytestmark = [
    pytest.mark.divided,
    pytest.mark.journal(r"xsession-client@.\.service: Failed|/etc/default/locale|pam_lastlog"),
]

GPUS = 2
# The devices that belong to gpu1, by the addresses that they have in a guest with two.
RULE = 'TAG=="seat", KERNELS=="0000:00:1[012].0", ENV{ID_SEAT}="seat1"'
READY = "systemctl --user is-active -q xorg@{}"
SERVERS = "pgrep -u {} -f '^/usr/lib/xorg/Xorg :'"


def enable(guest: Guest) -> None:
    """Both seats are there, and have an autologin each, of a terminal."""
    guest.run(
        f"echo '{RULE}' >/etc/udev/rules.d/72-seat-test.rules;"
        " udevadm control --reload; udevadm trigger --settle",
        timeout=120,
    )
    guest.wait("loginctl list-seats | grep seat1", 60)
    for user in ("alice", "bob"):
        guest.run("echo 'exec xterm -geometry 250x80+0+0' >.xinitrc", user)
    guest.run("xsession autologin enable alice; xsession autologin enable bob --seat seat1")


def wait_for_both(guest: Guest) -> None:
    displays = {}
    for user in ("alice", "bob"):
        folder = "ls /run/user/$(id -u)/xsession | grep -x '[0-9]*'"
        displays[user] = int(guest.wait(folder, 300, f"{user}'s session", user=user).stdout)
        guest.wait(READY.format(displays[user]), 200, f"{user}'s server", user=user)
        windows = x("xwininfo -root -tree | grep -i xterm", displays[user])
        guest.wait(windows, 60, f"{user}'s terminal", user=user)
    assert sorted(displays.values()) == [0, 1]


@pytest.fixture
def two(guest: Guest) -> Iterator[Guest]:
    """Both sessions are up."""
    enable(guest)
    guest.run("systemctl start xlogin@alice", timeout=120)
    guest.wait(READY.format(0), 200, "alice's server", user="alice")
    guest.run("systemctl start xlogin@bob", timeout=120)
    wait_for_both(guest)
    yield guest
    guest.run("systemctl stop xlogin@alice xlogin@bob", timeout=120)
    guest.run("xsession autologin disable alice; xsession autologin disable bob; chvt 1")


def test_each_has_a_screen_and_a_keyboard(two: Guest) -> None:
    logins = two.output("loginctl list-sessions --no-legend")
    assert "alice seat0" in " ".join(logins.split())
    assert "bob   seat1" in logins or "bob seat1" in " ".join(logins.split())
    argv = two.output(f"tr '\\0' ' ' </proc/$({SERVERS.format('bob')})/cmdline")
    assert " -seat seat1 " in argv
    assert " vt" not in argv
    assert two.output(f"ps -o user= -p $({SERVERS.format('bob')})") == "bob"

    each_has_their_own(two)


def each_has_their_own(two: Guest) -> None:
    two.type("echo alice >/tmp/typed-0\n")
    two.type("echo bob >/tmp/typed-1\n", gpu=1)
    two.wait("cat /tmp/typed-0 /tmp/typed-1", 60, "what was typed")
    assert two.output("stat -c %U /tmp/typed-0 /tmp/typed-1").split() == ["alice", "bob"]
    PICTURES.mkdir(parents=True, exist_ok=True)
    screens = [PICTURES / f"{two.suite}-seat{gpu}.png" for gpu in (0, 1)]
    for gpu, screen in enumerate(screens):
        two.picture(screen, gpu=gpu)
    assert screens[0].read_bytes() != screens[1].read_bytes()
    two.run("rm /tmp/typed-0 /tmp/typed-1")


@pytest.mark.journal("exit-code|status=|code=killed|SIGKILL")
def test_one_ends_the_other_goes_on(two: Guest) -> None:
    alice = two.output(SERVERS.format("alice"))
    bob = two.output(SERVERS.format("bob"))
    two.run(f"kill -KILL {bob}")
    two.wait(f"[ $({SERVERS.format('bob')}) != {bob} ]", 120, "bob's next server")
    two.wait(READY.format(1), 120, "bob to be back", user="bob")
    two.run("systemctl stop xlogin@bob", timeout=120)
    assert two.run(SERVERS.format("bob"), check=False).status
    assert two.output(SERVERS.format("alice")) == alice
    two.run(x("xdpyinfo >/dev/null"), "alice")


@pytest.mark.slow("a boot of its own")
def test_both_at_boot(guest: Guest) -> None:
    enable(guest)
    guest.run("systemctl set-default graphical.target; sync")
    boot = guest.output("cat /proc/sys/kernel/random/boot_id")
    guest.run("systemd-run --on-active=1s systemctl reboot")
    guest.wait_for_another_boot(boot, 300)
    wait_for_both(guest)
    each_has_their_own(guest)
    guest.run("systemctl stop xlogin@alice xlogin@bob", timeout=120)
    guest.run("xsession autologin disable alice; xsession autologin disable bob")
    guest.run("systemctl set-default multi-user.target; chvt 1")
    guest.wait_for_prompt(120)
