"""The README's recipe: a login on tty1 is a session, by a line of the login shell's profile."""

import pytest
from machine import Guest
from person import HOLDER, pid, said, stop, wait_until_managed, wait_until_ready

pytestmark = [
    pytest.mark.divided,
    # how a client takes its end is its own affair; PAM's missing files are Debian's
    pytest.mark.journal(r"xsession-client@0.service: |/etc/default/locale|pam_lastlog"),
]

# bash reads this one where there is no ~/.bash_profile, and Debian makes none.
RECIPE = """echo 'if xsession check; then exec xsession start; fi' >>.profile
[ ! -e .bash_profile ] && echo '{client}' >.xinitrc"""
STREAK = ".local/state/xsession/short-sessions"


def log_in_again(guest: Guest) -> None:
    """End alice's login on tty1; its getty logs her in again."""
    guest.type("exit\n")


def test_a_login_is_a_session(guest: Guest) -> None:
    """Two short ones before it: with this one, which lasts, they are no streak."""
    guest.run(RECIPE.format(client="exec openbox"), "alice")
    guest.run(f"mkdir -p $(dirname {STREAK}); date +%s%n%s >{STREAK}", "alice")
    log_in_again(guest)
    wait_until_ready(guest)
    wait_until_managed(guest)
    holder = pid(guest, HOLDER)
    assert guest.output(f"ps -o comm= -p $(ps -o ppid= -p {holder})") == "login"
    assert guest.output("pgrep -u alice -x bash || true") == ""  # nobody is left at a shell
    guest.wait(f"[ $(ps -o etimes= -p {holder}) -gt 10 ]", 30)
    guest.run("sed -i /xsession/d .profile", "alice")
    stop(guest)
    guest.wait_for_prompt(60)
    guest.run(f"[ ! -e {STREAK} ]", "alice")


def test_a_session_that_ends_at_once_is_not_begun_for_ever(guest: Guest) -> None:
    guest.run(RECIPE.format(client="exit 3"), "alice")
    log_in_again(guest)
    guest.wait("grep -aq 'lasted less than' /dev/vcs1", 120, "the reason")
    guest.wait_for_prompt(60)
    screen = said(guest.console())
    assert "xsession: the last 3 sessions lasted less than 10 s each, the last ended" in screen
    assert "to try again: xsession start; what went wrong: xsession logs" in screen
    assert guest.output(f"wc -l <{STREAK}", "alice") == "3"
