"""The machine under a session: services restarted, the login ended, VTs switched, power cut."""

import pytest
from machine import Guest
from person import SERVER, START, pid, start, stop, wait_for_end, wait_until_ready

pytestmark = [
    pytest.mark.fault("the machine, on a VT"),
    pytest.mark.divided,
    pytest.mark.journal("/etc/default/locale|pam_lastlog"),
]
# As large as the screen, so that the pointer, in the middle, gives it the keyboard.
TERMINAL = f"{START} xterm -geometry 250x80+0+0"
SLOW = pytest.mark.slow("a sample of these is enough for every day")
ON_THE_SCREEN = "grep -qx tty{} /sys/class/tty/tty0/active"


def wait_for_terminal(guest: Guest) -> None:
    guest.wait("pgrep -u alice -x xterm && pgrep -u alice -x bash | grep -c . | grep 2", 60)


def typing_works(guest: Guest) -> None:
    guest.run("rm -f /tmp/typed")
    guest.type("touch /tmp/typed\n")
    guest.wait("[ -e /tmp/typed ]", 60, "what is typed into the terminal")
    guest.run("rm /tmp/typed")


def switch_away_and_back(guest: Guest) -> None:
    for vt in (2, 1):
        guest.key(f"ctrl-alt-f{vt}")
        guest.wait(ON_THE_SCREEN.format(vt), 60, f"tty{vt} to be on the screen")


@SLOW
def test_udevd_restarted(guest: Guest) -> None:
    start(guest, TERMINAL)
    wait_for_terminal(guest)
    server = pid(guest, SERVER)
    guest.run("systemctl restart systemd-udevd", timeout=120)
    switch_away_and_back(guest)
    typing_works(guest)
    assert pid(guest, SERVER) == server
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_logind_restarted(guest: Guest) -> None:
    """It takes the input devices from every X server, for good (docs/reliability.md); but the VT
    can be left, and a new server has them."""
    start(guest, TERMINAL)
    wait_for_terminal(guest)
    server = pid(guest, SERVER)
    guest.run("systemctl restart systemd-logind", timeout=120)
    switch_away_and_back(guest)
    guest.run("xsession restart server", "alice", timeout=200)
    guest.wait(f"! kill -0 {server}", 60, "the end of the old server")
    wait_until_ready(guest)
    wait_for_terminal(guest)
    typing_works(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


@pytest.mark.journal(r"xorg@0\.service: (Main process exited|Failed with result)")
def test_a_console_without_logind(guest: Guest) -> None:
    """Which else gives it back after a kill -9. The keyboard is not in Unicode mode here."""
    guest.run("kbd_mode -a -C /dev/tty1")
    before = guest.output("kbd_mode -C /dev/tty1")
    start(guest)
    guest.run("systemctl mask --quiet --runtime systemd-logind", timeout=120)
    guest.run("systemctl kill -s KILL systemd-logind")  # when it ends by itself it gives it back
    guest.wait("! pgrep -x systemd-logind", 30)
    guest.run(f"kill -9 {pid(guest, SERVER)}")
    assert wait_for_end(guest)[0] == 125
    assert guest.output("kbd_mode -C /dev/tty1") == before
    guest.run("systemctl unmask --quiet --runtime systemd-logind", timeout=120)
    guest.run("systemctl start systemd-logind; kbd_mode -u -C /dev/tty1", timeout=120)
    guest.run("systemctl restart getty@tty1")  # logind 257 knows no login of before any more
    guest.wait("loginctl show-seat seat0 -P ActiveSession | grep .", 60, "another login")
    guest.wait_for_prompt(60)


# As fast as the server takes its devices back: who is faster leaves logind's and its words behind.
SWITCHES = """
log=/run/user/1000/xsession/Xorg.0.log
devices=$(grep -c 'got fd for /dev/input' $log)
for n in $(seq 50); do
    chvt 2
    until [ $(grep -c 'got pause for 13:' $log) -ge $((n * devices)) ]; do sleep 0.2; done
    chvt 1
    until [ $(grep -c 'got resume for 13:' $log) -ge $((n * devices)) ]; do sleep 0.2; done
done
"""


@SLOW
def test_a_hundred_switches(guest: Guest) -> None:
    start(guest, TERMINAL)
    wait_for_terminal(guest)
    guest.run(SWITCHES, timeout=900)
    typing_works(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_switched_away_while_it_starts_and_while_it_stops(guest: Guest) -> None:
    guest.type(f"clear; {TERMINAL}; echo status=$?\n")
    guest.wait(f"pgrep -u alice -f '{SERVER}'", 60)
    # A key would be lost: nobody has the keyboard yet. The server may be about to show its own VT.
    guest.run("chvt 2", timeout=120)
    guest.run("chvt 1", timeout=120)
    wait_until_ready(guest)
    wait_for_terminal(guest)
    typing_works(guest)
    guest.run("chvt 2 & runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 xsession stop; wait")
    guest.run("chvt 1", timeout=120)
    assert wait_for_end(guest)[0] == 0


AWAY_BEFORE_IT_BEGINS = """
until p=$(pgrep -x Xorg); do :; done
kill -STOP $p && chvt 2 && kill -CONT $p
"""


@SLOW
def test_it_begins_while_another_vt_is_on_the_screen(guest: Guest) -> None:
    """It then shows its own VT, and would show the other one at its end."""
    guest.type(f"clear; {START} xterm; echo status=$?\n")
    guest.run(AWAY_BEFORE_IT_BEGINS, timeout=60)
    wait_until_ready(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    guest.run(ON_THE_SCREEN.format(1))


LOGIND_COMES_LATE = """
until p=$(pgrep -x Xorg); do :; done
kill -STOP $p && chvt 2
until [ $(loginctl show-seat seat0 -P ActiveSession)0 != ${login}0 ]; do sleep 0.1; done
logind=$(pidof systemd-logind)
kill -STOP $logind
kill -CONT $p
sleep 1  # Xorg asks logind first, and would go on without it after 25 s
kill -CONT $logind
"""


@SLOW
@pytest.mark.journal(
    "paused fd|no screens found|xsession-client@0.service: (Main|Failed)|once more"
)
def test_logind_does_not_see_at_once_that_it_is_back(guest: Guest) -> None:
    """It then gives Xorg a device that Xorg cannot use, and Xorg ends: it is begun once more."""
    login = guest.output("loginctl show-seat seat0 -P ActiveSession").strip()
    met = "journalctl -b -t xsession | grep -F 'before logind saw its VT on the screen; once'"
    for _ in range(5):  # which of two things logind hears of first is not ours to say
        guest.type(f"clear; {START} xterm; echo status=$?\n")
        guest.run(f"login={login}\n{LOGIND_COMES_LATE}", timeout=60)
        wait_until_ready(guest)
        wait_for_terminal(guest)
        stop(guest)
        assert wait_for_end(guest)[0] == 0
        if guest.run(met, check=False).status == 0:
            return
    raise AssertionError("logind was never behind")


@pytest.mark.journal("SIGKILL|code=killed|exit-code|signal|status=")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param("pkill -KILL -u alice -x bash --oldest", id="login shell killed"),
        pytest.param("systemctl restart getty@tty1", id="getty restarted", marks=SLOW),
        pytest.param("loginctl terminate-user alice", id="terminate-user", marks=SLOW),
    ],
)
def test_the_login_ends(guest: Guest, command: str) -> None:
    start(guest)
    login = guest.output("loginctl show-seat seat0 -P ActiveSession")
    guest.run(command, timeout=120)
    guest.wait("! pgrep -u alice -f 'bin/[x]session'", 60, "the holder's end")
    guest.wait(f"! loginctl show-session {login}", 60, "the end of the login session")
    guest.wait_for_prompt(60)
    start(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0


@SLOW
@pytest.mark.journal("[Tt]ime|clock")
def test_the_clock_is_set_back(guest: Guest) -> None:
    start(guest)
    guest.run("date -s '1 year ago'")
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    start(guest)
    assert guest.run("xsession status", "alice").status == 0
    stop(guest)
    assert wait_for_end(guest)[0] == 0


@SLOW
@pytest.mark.journal("suspend|Suspend|sleep|PM:|Freezing|hibernation|OOM killer")
def test_suspend_and_resume(guest: Guest) -> None:
    """All of it but the sleep itself, from which the machine's graphics device would not wake:
    logind tells the session, the kernel freezes all processes for 5 s and thaws them (its
    power/basic-pm-debugging)."""
    start(guest, TERMINAL)
    wait_for_terminal(guest)
    server = pid(guest, SERVER)
    guest.run("echo freezer >/sys/power/pm_test; systemctl suspend", timeout=120)
    guest.wait("journalctl -k -b | grep -E 'PM: suspend exit'", 120, "the machine to wake")
    switch_away_and_back(guest)
    typing_works(guest)
    assert pid(guest, SERVER) == server
    stop(guest)
    assert wait_for_end(guest)[0] == 0


@SLOW
def test_power_cut(guest: Guest) -> None:
    start(guest)
    guest.run("sync")  # what was installed for the test; the session's own is not to need it
    boot = guest.output("cat /proc/sys/kernel/random/boot_id")
    guest.reset()
    guest.wait_for_another_boot(boot, 120)
    guest.wait_for_prompt(60)
    start(guest)
    stop(guest)
    assert wait_for_end(guest)[0] == 0
