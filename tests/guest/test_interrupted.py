"""Ctrl-C and a hang-up at each moment of a session: one end of it, and the console whole."""

from collections.abc import Iterator

import pytest
from machine import Guest
from person import START, type_command, wait_for_end, wait_until_ready

pytestmark = [
    pytest.mark.fault("an end at any moment, on a VT"),
    pytest.mark.divided,
    pytest.mark.journal("/etc/default/locale|pam_lastlog|xsession-client@0|exit-code|status="),
]
SLOW = pytest.mark.slow("a sample of these is enough for every day")

# The first of these in alice's PATH: at one moment of a session it says so, and waits.
WAITS = """\
#!/bin/sh
wait_here() {{ touch /tmp/now; until [ -e /tmp/go ]; do sleep 0.05; done; }}
program=${{0##*/}}
case "{moment} $program $*" in
    look*loginctl\\ show-session* | client*systemd-run*) wait_here ;;
    teardown*systemctl*stop*xorg@0*) /usr/bin/$program "$@"; wait_here; exit ;;
esac
exec /usr/bin/$program "$@"
"""
PROGRAMS = "waits/loginctl waits/systemctl waits/systemd-run"
CLIENT = "sh -c 'until [ -e /tmp/end ]; do sleep 0.2; done; exit 7'"


@pytest.fixture
def waits(guest: Guest, moment: str) -> Iterator[str]:
    """What is typed before a start that is to wait at that moment."""
    program = WAITS.format(moment=moment)
    guest.run(
        f"mkdir waits; tee {PROGRAMS} >/dev/null; chmod +x {PROGRAMS}", "alice", stdin=program
    )
    yield "PATH=~/waits:$PATH"
    guest.run("rm -rf /tmp/now /tmp/go /tmp/end ~alice/waits")


def wait_for_moment(guest: Guest, moment: str) -> None:
    if moment == "teardown":
        wait_until_ready(guest)
        guest.run("touch /tmp/end")
    guest.wait("[ -e /tmp/now ]", 90, f"the moment: {moment}")


@pytest.mark.parametrize(
    ("moment", "key", "status"),
    [
        ("look", "ctrl-c", 130),
        pytest.param("look", "ctrl-backslash", 131, marks=SLOW),
        pytest.param("client", "ctrl-c", 130, marks=SLOW),
        ("teardown", "ctrl-c", 7),
        pytest.param("teardown", "ctrl-backslash", 7, marks=SLOW),
        pytest.param("teardown", "ctrl-z", 7, marks=SLOW),
    ],
)
def test_a_key(guest: Guest, waits: str, moment: str, key: str, status: int) -> None:
    """Twice, as one does who is in a hurry; what ended it first has the last word. While it looks
    once: nothing is done yet, and a second one may meet a Python that has let go of signals."""
    type_command(guest, f"{waits} {START} {CLIENT}")
    wait_for_moment(guest, moment)
    for _ in range(1 if moment == "look" else 2):
        if moment == "client":  # the server may have the keyboard by now
            guest.run("kill -INT -- -$(ps -o tpgid= -p $(pgrep -o -t tty1 -x bash))")
        else:
            guest.key(key)
    guest.run("touch /tmp/go")
    got, screen = wait_for_end(guest)
    assert "Traceback" not in screen
    assert got == status


@pytest.mark.journal("SIGKILL|SIGHUP|code=killed|signal")
@pytest.mark.parametrize(
    "moment", [pytest.param("look", marks=SLOW), pytest.param("client", marks=SLOW), "teardown"]
)
def test_the_terminal_goes(guest: Guest, waits: str, moment: str) -> None:
    guest.type(f"clear; {waits} exec {START} {CLIENT}\n")
    wait_for_moment(guest, moment)
    guest.run("pkill -KILL -x login")
    guest.run("touch /tmp/go")
    guest.wait("! pgrep -u alice -f 'bin/[x]session'", 60, "the holder's end")
    guest.wait_for_prompt(60)
