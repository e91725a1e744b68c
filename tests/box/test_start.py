"""`xsession start openbox`, typed at a prompt on tty1: what comes up, and what runs where."""

import re

from machine import Box
from person import (
    ON_DISPLAY,
    OPENBOX,
    SERVER,
    picture,
    pid,
    shown,
    start,
    stop,
    type_command,
    wait_for_end,
    wait_until_managed,
)

FOLDER = "/run/user/1000/xsession/0"


def test_a_managed_display(box: Box) -> None:
    start(box, "xsession start openbox")
    wait_until_managed(box)
    assert box.active_vt() == 1
    assert not box.in_text_mode()
    managed = box.output(f"{ON_DISPLAY}; xprop -root _NET_SUPPORTING_WM_CHECK", "alice")
    assert "window id" in managed
    box.run(f"{ON_DISPLAY}; xterm -geometry 60x20+100+100 >/dev/null 2>&1 &", "alice")
    box.wait(f"{ON_DISPLAY}; xwininfo -root -tree | grep -q '\"xterm\"'", user="alice")
    picture(box, "openbox")
    stop(box)
    assert wait_for_end(box)[0] == 0


def test_what_runs_where(box: Box) -> None:
    start(box, "xsession start openbox")
    wait_until_managed(box)

    # The units of display :0, in alice's manager.
    for unit in ("xorg@0.socket", "xorg@0.service", "xsession-client@0.service"):
        assert shown(box, unit, "ActiveState") == "active", unit
    assert shown(box, "xorg@0.service", "Type") == "notify"
    status = shown(box, "xorg@0.service", "StatusText")
    assert re.fullmatch(r"X\.Org 21\.1\.\d+ on :0, seat0, vt1, 1280x800", status)

    # The server: alice's, in her login session, and that is told to logind.
    server = pid(box, SERVER)
    login = box.output("loginctl show-seat seat0 -P ActiveSession")
    assert box.output(f"ps -o user=,tty= -p {server}").split() == ["alice", "tty1"]
    assert box.output(f"cat /proc/{server}/cgroup").endswith(f"/session-{login}.scope")
    words = box.output(f"tr '\\0' ' ' </proc/{server}/cmdline")
    for option in (f"-auth {FOLDER}/authority", "-nolisten tcp", "-noreset"):
        assert f" {option} " in words
    log = box.output("cat /run/user/1000/xsession/Xorg.0.log")
    assert "systemd-logind: took control of session" in log

    # Both addresses, private; no lock.
    assert box.output("stat -c '%U %a' /tmp/.X11-unix/X0") == "alice 600"
    assert "@/tmp/.X11-unix/X0 " in box.output("ss -Hlx")
    assert box.output("find /tmp -name '.X*-lock'") == ""
    assert box.output("ss -Hltn") == ""

    # The client: a transient unit.
    client = pid(box, OPENBOX)
    assert shown(box, "xsession-client@0.service", "MainPID") == str(client)
    assert shown(box, "xsession-client@0.service", "Transient") == "yes"
    assert "/session.slice/" in shown(box, "xsession-client@0.service", "ControlGroup")

    # The environment of the manager.
    variables = box.output("systemctl --user show-environment", "alice").splitlines()
    for variable in ("DISPLAY=:0", f"XAUTHORITY={FOLDER}/authority", "XDG_SESSION_TYPE=x11"):
        assert variable in variables
    assert not [it for it in variables if it.startswith("XDG_SESSION_ID=")]

    # The journal: the server's words, and the client's where they belong.
    assert "X.Org X Server 1.21.1" in box.output("journalctl --user -b -u xorg@0", "alice")

    stop(box)
    assert wait_for_end(box) == (0, box.screen().replace("\n", ""))


COOKIE = """
import re, sys
entry = open("/run/user/1000/xsession/0/authority", "rb").read()
cookie = entry[-16:]
print(cookie.hex())
"""


def test_the_cookie_stands_nowhere_else(box: Box) -> None:
    """Neither in an argument, an environment, a property of a unit nor in the journal."""
    start(box)
    wait_until_managed(box)
    authority = f"{FOLDER}/authority"
    assert box.output(f"stat -c '%U %a' {authority} {FOLDER}") == "alice 600\nalice 700"
    cookie = box.path(authority).read_bytes()[-16:].hex()
    assert cookie in box.output(f"xauth -f {authority} list", "alice")
    everything = (
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n';"
        " systemctl --user show '*'; systemctl --user show-environment;"
    )
    seen = box.output(everything, "alice") + box.output(f"{everything} journalctl -b -o export")
    assert "XAUTHORITY" in seen  # it is there that was looked
    assert cookie not in seen.lower()
    stop(box)
    assert wait_for_end(box)[0] == 0


def test_what_follows_the_dashes_is_for_the_server(box: Box) -> None:
    start(box, "xsession start xclock -title words -- -dpi 123")
    assert "123x123 dots" in box.output(f"{ON_DISPLAY}; xdpyinfo", "alice")
    box.wait(f"{ON_DISPLAY}; xwininfo -name words", user="alice")
    stop(box)
    assert wait_for_end(box)[0] == 0


# An rc file, or a program, that writes down who it is.
TELLS = "#!/bin/sh\necho $0 >~/ran\n"


def test_without_a_client_the_first_that_there_is(box: Box) -> None:
    """From the last to the first, each put before what was taken until then."""
    # As in a system without: startx's own file, and Debian's Xsession, would go before programs.
    box.run("rm -f /etc/X11/xinit/xinitrc /etc/X11/Xsession /etc/alternatives/x-*-manager")
    start(box, "xsession start")
    assert box.output("pgrep -x -u alice xterm")
    stop(box)
    assert wait_for_end(box)[0] == 0
    for path in (
        "bin/x-window-manager",
        "bin/x-session-manager",
        ".xinitrc",
        ".config/sx/sxrc",
        ".config/xsession/rc",
    ):
        box.run(f"mkdir -p $(dirname {path}); cat >{path}; chmod +x {path}", "alice", stdin=TELLS)
        type_command(box, "PATH=~/bin:$PATH xsession start")
        assert wait_for_end(box)[0] == 0
        assert box.output("cat ran; rm ran", "alice") == f"/home/alice/{path}"


def test_switching_away_and_back(box: Box) -> None:
    """Ctrl-Alt-F2 and Ctrl-Alt-F1 while it runs: bob logs in there, the display is here."""
    start(box)
    wait_until_managed(box)
    box.switch(2)
    box.wait_for_screen("login:", vt=2)
    assert box.active_vt() == 2
    assert box.in_text_mode(2)
    box.type("bob\n", 2)
    box.wait_for_screen("Password:", vt=2)
    box.type("bob\n", 2)
    box.wait_for_screen("bob@box:~$", vt=2)
    box.type("exit\n", 2)
    box.switch(1)
    assert box.active_vt() == 1
    assert not box.in_text_mode()
    assert "1280x800" in box.output(f"{ON_DISPLAY}; xdpyinfo", "alice")
    stop(box)
    assert wait_for_end(box)[0] == 0
