"""Two who start at once, on one VT and on two; and a hundred one after another."""

import pytest
from machine import Guest
from person import START, log_in, type_command, wait_for_end, wait_until_ready, x

pytestmark = [
    pytest.mark.fault("two at once, on a VT"),
    pytest.mark.divided,
    pytest.mark.journal("/etc/default/locale"),
]
ROUNDS = [1, pytest.param(5, marks=pytest.mark.slow("once is enough for every day"))]
RUNNING = "a graphical session of this user is running already, on :0"
WAIT = "until [ -e /tmp/go ]; do sleep 0.02; done"

# Read by a shell: `begin one` starts as soon as all may, and notes how that went.
BEGIN = f"""\
begin() {{
    {WAIT}
    {START} xterm 2>/tmp/$1.said
    echo $? >/tmp/$1.status
}}
"""


def wait_for_one_of_two(guest: Guest) -> None:
    """One has its session, the other was told; it is ended."""
    wait_until_ready(guest)
    guest.wait("cat /tmp/*.status", 60, "one of them to be refused")
    refused = guest.output("grep -l '' /tmp/*.status").split()
    assert [guest.output(f"cat {it}") for it in refused] == ["125"]
    assert RUNNING in guest.output(f"cat {refused[0].replace('status', 'said')}")
    guest.run(x("xdpyinfo >/dev/null"), "alice")
    guest.run("xsession stop", "alice")
    guest.wait("[ -e /tmp/one.status ] && [ -e /tmp/two.status ]", 60, "the end of both")
    assert guest.output("sort /tmp/*.status").split() == ["0", "125"]
    guest.run("rm /tmp/*.status /tmp/*.said /tmp/go")


@pytest.mark.parametrize("rounds", ROUNDS)
def test_on_one_vt(guest: Guest, rounds: int) -> None:
    guest.run("cat >begin", "alice", stdin=BEGIN)
    for _ in range(rounds):
        type_command(guest, ". ./begin; begin one & begin two; wait")
        guest.run("touch /tmp/go")
        wait_for_one_of_two(guest)
        wait_for_end(guest)
    guest.run("rm ~alice/begin")


@pytest.mark.parametrize("rounds", ROUNDS)
def test_on_two_vts(guest: Guest, rounds: int) -> None:
    guest.run("cat >begin", "alice", stdin=BEGIN)
    for _ in range(rounds):
        type_command(guest, ". ./begin; begin one")
        log_in(guest, 2)
        guest.type(". ./begin; begin two; exit\n")
        guest.run("touch /tmp/go")
        wait_for_one_of_two(guest)
        guest.wait("! loginctl | grep tty2", 60, "the logout from tty2")
        back_to_tty1(guest)
        wait_for_end(guest)
    guest.run("rm ~alice/begin")


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_users(guest: Guest, rounds: int) -> None:
    """There is one screen: each has a display, or is told that the screen could not be had."""
    users = {"alice": "one", "bob": "two"}
    for user in users:
        guest.run("cat >begin", user, stdin=BEGIN)
    for _ in range(rounds):
        type_command(guest, ". ./begin; begin one")
        log_in(guest, 2, "bob")
        guest.type(". ./begin; begin two; exit\n")
        guest.run("touch /tmp/go")
        for user, name in users.items():
            up = "systemctl --user list-units -q 'xorg@*.service' | grep -w active"
            # One may wait for its VT until START gives it up.
            guest.wait(f"[ -e /tmp/{name}.status ] || {up}", 120, f"{user}'s server", user=user)
        refused = {
            user for user, name in users.items() if guest.output(f"ls /tmp/{name}.status || true")
        }
        for user in refused:
            assert "on the screen" in guest.output(f"cat /tmp/{users[user]}.said")
        for user in users.keys() - refused:
            guest.run("xsession stop", user)
        guest.wait("[ -e /tmp/one.status ] && [ -e /tmp/two.status ]", 60, "the end of both")
        assert guest.output("sort /tmp/*.status").split() == ["0", "125" if refused else "0"]
        guest.run("rm /tmp/*.status /tmp/*.said /tmp/go")
        guest.wait("! loginctl | grep tty2", 60, "the logout from tty2")
        back_to_tty1(guest)
        wait_for_end(guest)
    guest.run("rm ~alice/begin ~bob/begin")


def back_to_tty1(guest: Guest) -> None:
    guest.run("chvt 1", timeout=120)
    guest.wait("grep -qx tty1 /sys/class/tty/tty0/active", 60)


@pytest.mark.slow("a quarter of an hour")
@pytest.mark.journal("Unit not needed anymore")
def test_a_hundred(guest: Guest) -> None:
    """What is counted after the fifth is the same after the hundredth."""

    def count() -> list[str]:
        return guest.output(
            """
            systemctl --user list-units --all --plain --no-legend | grep -v '[.]device' | wc -l
            find /run/user/1000 /tmp /dev/shm -mindepth 1 | grep -v /invocation: | wc -l
            ls /proc/$(pgrep -u alice -x systemd)/fd | wc -l
            journalctl -b -p warning -q --grep 'xsession|xorg@' | grep -cv 'not needed any' || true
            """,
            "alice",
        ).split()

    def start(times: int) -> None:
        type_command(
            guest, f"for n in $(seq {times}); do {START} true || break; done; [ $n = {times} ]"
        )
        guest.wait("grep -aq status= /dev/vcs1", 15 * times, f"{times} sessions")
        assert wait_for_end(guest)[0] == 0

    start(5)
    before = count()
    start(95)
    assert count() == before
