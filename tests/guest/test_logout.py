"""docs/logout.md: what outlives a logout, and what does not."""

import pytest
from machine import Guest
from person import START, log_in

# Debian has no such file
pytestmark = [pytest.mark.divided, pytest.mark.journal("/etc/default/locale")]

# Each is a sleep of so many seconds; started by hand in bob's login shell on tty2.
PROGRAMS = """\
sleep 1001 &
tmux new-session -d sleep 1002
systemd-run --user --scope --quiet tmux -L scope new-session -d sleep 1003
systemd-run --user --quiet --collect sleep 1004
systemd-run --user --quiet --collect -p Type=forking tmux -L unit new-session -d sleep 1005
systemd-run --user --quiet --collect -p PartOf=graphical-session.target sleep 1006
"""
SHELL, TMUX, SCOPE, UNIT, TMUX_UNIT, PART_OF, CLIENT = names = (
    *("in the background of the login shell", "tmux, typed in the login shell"),
    *("tmux in a scope of the user manager", "a unit of the user manager", "tmux as a unit"),
    *("a unit that is part of graphical-session.target", "what the session's client has started"),
)
NUMBERS = {str(1001 + at): name for at, name in enumerate(names)}

IN_LOGIN = {SHELL, TMUX}
IN_MANAGER = {SCOPE, UNIT, TMUX_UNIT}

LOGIND = "/run/systemd/logind.conf.d/test.conf"


def alive(guest: Guest) -> set[str]:
    lines = guest.output("pgrep -u bob -ax sleep || true").splitlines()
    return {NUMBERS[number] for line in lines if (number := line.split()[-1]) in NUMBERS}


def wait_until_alive(guest: Guest, programs: set[str]) -> None:
    """Until these programs of bob's run and no others, and nothing is about to be ended."""
    numbers = " ".join(number for number, name in NUMBERS.items() if name in programs)
    settled = '[ -z "$(systemctl list-jobs --no-legend)" ]'
    shown = "pgrep -u bob -ax sleep | grep -o '100[0-9]$' | sort | xargs"
    running = f'[ "$({shown})" = "{numbers}" ]'
    guest.wait(f"{settled} && {running} && {settled}", 60, f"just {programs}; {alive(guest)}")
    assert alive(guest) == programs


@pytest.mark.parametrize("kill", ["no", "yes"])
def test_what_outlives_a_logout(guest: Guest, kill: str) -> None:
    """bob's only login with a screen ends, once he is logged in elsewhere, lingers, or neither."""
    stays = IN_MANAGER | (IN_LOGIN if kill == "no" else set())
    guest.run(
        f"mkdir -p $(dirname {LOGIND}); cat >{LOGIND}; systemctl restart systemd-logind",
        stdin=f"[Login]\nKillUserProcesses={kill}\nUserStopDelaySec=0\n",
    )
    guest.run("systemd-run --unit=elsewhere -p PAMName=login -p User=bob sleep infinity")
    guest.run("cat >programs", "bob", stdin=PROGRAMS)
    log_in(guest, 2, "bob")
    guest.type(f". ./programs; exec {START} xterm -e sleep 1007\n")
    guest.wait("systemctl --user is-active -q xorg@0", 90, user="bob")
    wait_until_alive(guest, set(NUMBERS.values()))
    login = guest.output("loginctl list-sessions --no-legend | awk '/tty2/ {print $1}'")

    guest.run("xsession stop", "bob")
    gone = f"! loginctl show-session {login} -p State --value | grep -vx closing"
    guest.wait(gone, 60, "the end of the login on tty2")
    wait_until_alive(guest, stays)

    guest.run("loginctl enable-linger bob; systemctl stop elsewhere")
    wait_until_alive(guest, stays)

    guest.run("loginctl disable-linger bob")
    if kill == "no":  # what still runs in a login keeps the user manager, and that its units
        wait_until_alive(guest, stays)
        guest.run("pkill -u bob -xf 'sleep 100[12]'")
    wait_until_alive(guest, set())
    guest.wait("! systemctl is-active -q user@1001", 30, "the end of bob's user manager")

    guest.run(f"rm {LOGIND} ~bob/programs; systemctl restart systemd-logind")
    guest.key("ctrl-alt-f1")
    guest.wait("grep -qx tty1 /sys/class/tty/tty0/active", 60)
