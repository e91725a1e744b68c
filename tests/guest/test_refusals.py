"""What cannot be done at a prompt on a VT: one clear line, a way out, a status, nothing left."""

import re

import pytest
from machine import Guest
from person import SERVER, pid, said, start, stop, type_command, wait_for_end

# PAM's missing file is Debian's
pytestmark = [
    pytest.mark.fault("refused, on a VT"),
    pytest.mark.divided,
    pytest.mark.journal("/etc/default/locale"),
]

SLOW = pytest.mark.slow("in containers too, or like others of these")
REFUSED = [
    pytest.param(
        *("xsession start openbox </dev/null", 125, "standard input is not the VT"), marks=SLOW
    ),
    ("xsession start --vt 3 openbox", 125, "VT 3 was asked for, but login session 1 has VT 1"),
    pytest.param(
        *("xsession start --vt 64 openbox", 125, "'64' is no VT; they are 1 to 63"), marks=SLOW
    ),
    ("xsession start nosuchprogram", 127, "client 'nosuchprogram': not found"),
    pytest.param(
        *("xsession start /etc/passwd", 126, "client '/etc/passwd': not executable"), marks=SLOW
    ),
    pytest.param("xsession start --nosuch openbox", 125, "--nosuch", marks=SLOW),
    pytest.param(
        *("xsession start openbox -- -auth /dev/null", 125, "server option -auth"), marks=SLOW
    ),
    ("xsession start openbox -- -nosuch", 125, "Unrecognized option: -nosuch"),
]


@pytest.mark.journal("status=1|exit-code|unable to open display|Failed to open")
@pytest.mark.parametrize(("command", "status", "sentence"), REFUSED)
def test_refused(guest: Guest, command: str, status: int, sentence: str) -> None:
    type_command(guest, command)
    got, screen = wait_for_end(guest)
    assert sentence in said(screen)
    assert "Traceback" not in screen
    assert got == status


def test_not_in_a_login_session(guest: Guest) -> None:
    refused = guest.run("xsession start openbox", "alice", check=False)
    assert refused.status == 125
    assert "this is not a login session" in refused.stderr


def test_login_without_a_seat(guest: Guest) -> None:
    """As by ssh."""
    refused = guest.run(
        "systemd-run --quiet --wait --pipe -p PAMName=login -p User=alice xsession start openbox",
        check=False,
    )
    assert refused.status == 125
    assert "has no seat" in refused.stderr


def test_manager_has_another_vt(guest: Guest) -> None:
    guest.run("systemctl --user set-environment XDG_VTNR=4", "alice")
    type_command(guest, "xsession start openbox")
    status, screen = wait_for_end(guest)
    assert status == 125
    assert "XDG_VTNR is 4 in the user manager, but this login session has VT 1" in said(screen)
    guest.run("systemctl --user unset-environment XDG_VTNR", "alice")


def test_no_server_installed(guest: Guest) -> None:
    programs = "/usr/lib/xorg/Xorg /usr/bin/Xorg"
    guest.run(f"for it in {programs}; do mv $it $it.away; done")
    type_command(guest, "xsession start openbox")
    status, screen = wait_for_end(guest)
    assert status == 125
    assert "Xorg is not installed" in said(screen)
    assert re.search(r"apt install xserver-xorg(?![\w-])", screen)  # whose core has no keyboard
    guest.run(f"for it in {programs}; do mv $it.away $it; done")


def test_second_session(guest: Guest) -> None:
    """From another VT, by the same user."""
    start(guest)
    guest.key("ctrl-alt-f2")
    guest.wait("grep -aq login: /dev/vcs2", 30)
    guest.type("alice\n")
    guest.wait("grep -aq Password: /dev/vcs2", 30)
    guest.type("alice\n")
    guest.wait_for_prompt(60, vt=2)
    guest.type("clear; xsession start openbox\n")
    guest.wait("grep -aq 'running already, on :0' /dev/vcs2", 30)
    guest.type("xsession stop; exit\n")
    guest.wait("! systemctl --user is-active -q xorg@0", 30, user="alice")
    guest.key("ctrl-alt-f1")
    assert wait_for_end(guest)[0] == 0
    guest.wait("! loginctl | grep tty2", 30)


@SLOW
@pytest.mark.journal("SIGKILL|exit-code|status=1|unable to open display|Failed to open")
def test_server_never_answers(guest: Guest) -> None:
    type_command(guest, "xsession start --timeout 6 openbox")
    guest.run(f"until pkill -STOP -u alice -f '{SERVER}'; do sleep 0.1; done")
    status, screen = wait_for_end(guest)
    assert status == 125
    assert "the server did not answer on :0 within 6 s" in said(screen)


def test_stop_a_server_that_hangs(guest: Guest) -> None:
    start(guest)
    guest.run(f"kill -STOP {pid(guest, SERVER)}")
    stop(guest)
    assert wait_for_end(guest)[0] == 0


def test_display_squatted(guest: Guest) -> None:
    """Another user holds the abstract address of :0; :1 is taken, and the squatter sees nothing."""
    squatter = (
        "import socket; s = socket.socket(socket.AF_UNIX);"
        " s.bind('\\0/tmp/.X11-unix/X0'); s.listen(); print('bound', flush=True);"
        " print(s.accept()[0].recv(999), flush=True)"
    )
    guest.run(f"nohup python3 -c {squatter!r} >/tmp/caught 2>&1 & disown", "bob")
    guest.wait("grep bound /tmp/caught", 20)
    start(guest, display=1)
    assert guest.output("cat /tmp/caught") == "bound"
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    guest.run("pkill -u bob python3; rm /tmp/caught")
