"""The wiki's own way to X under systemd, with its units as they stand there, on a VT."""

import pytest
from machine import Guest
from person import (
    LISTEN,
    SERVER,
    START,
    picture,
    pid,
    start,
    stop,
    type_command,
    wait_for_end,
    wait_for_journal,
    wait_until_ready,
    x,
)

pytestmark = pytest.mark.divided

AWESOME = """\
[Unit]
Description=Awesome window manager
After=xorg.target
Requires=xorg.target

[Service]
ExecStart=/usr/bin/awesome
Restart=always
RestartSec=10
\x20
[Install]
WantedBy=wm.target
"""


def enable_awesome(guest: Guest) -> None:
    unit = ".config/systemd/user/awesome.service"
    guest.run(
        f"mkdir -p $(dirname {unit}); cat >{unit}; systemctl --user enable awesome.service",
        "alice",
        stdin=AWESOME,
    )


def disable_awesome(guest: Guest) -> None:
    guest.run("systemctl --user disable awesome.service; rm -r .config/systemd", "alice")


def test_window_manager_starts_the_server(guest: Guest) -> None:
    """`set-environment XDG_VTNR=1`, the socket listens, then a unit that needs the display."""
    enable_awesome(guest)
    type_command(guest, f"systemctl --user set-environment XDG_VTNR=1; {LISTEN}")
    guest.wait("grep -aq 'listening on :0' /dev/vcs1", 30, "the holder to listen")
    assert guest.run(f"pgrep -f '{SERVER}'", check=False).status

    guest.run("systemctl --user start awesome.service", "alice", timeout=120)
    wait_until_ready(guest)
    assert " vt1 " in guest.output(f"tr '\\0' ' ' </proc/{pid(guest, SERVER)}/cmdline")
    assert guest.output("systemctl --user is-active xorg.target", "alice") == "active"
    guest.wait(x("xprop -root _NET_SUPPORTING_WM_CHECK | grep 'window id'"), 60, user="alice")
    guest.run("systemd-run --user --collect xterm", "alice")
    picture(guest, "awesome-unit")

    guest.run("xsession stop", "alice")
    assert wait_for_end(guest)[0] == 0
    assert guest.run("systemctl --user is-active awesome.service", "alice", check=False).status
    shown = guest.output("systemctl --user show-environment", "alice")
    assert "XDG_VTNR=1" in shown.splitlines()  # hers, and not ours to undo
    guest.run("systemctl --user unset-environment XDG_VTNR", "alice")
    disable_awesome(guest)


def test_window_manager_is_the_client(guest: Guest) -> None:
    """`xsession start` alone: what is wanted by wm.target. It is restarted when it ends."""
    enable_awesome(guest)
    type_command(guest, START)
    wait_until_ready(guest)
    wait_for_journal(guest, "awesome manages :0")
    guest.wait("systemctl --user is-active graphical-session.target", 60, user="alice")
    assert guest.output("systemctl --user is-active wm.target", "alice") == "active"
    guest.run("xsession stop", "alice")
    assert wait_for_end(guest)[0] == 0
    disable_awesome(guest)


# As the manual has it for a locker and a polkit agent.
ASKS = """\
[Service]
Type=oneshot
EnvironmentFile=-%t/xsession/session.env
ExecStart=/bin/sh -c 'env >/tmp/told'
"""


def test_a_unit_that_asks_for_the_login_session(guest: Guest) -> None:
    """The user manager outlives it, and is told nothing of it; nor is such a unit at the end."""
    unit = ".config/systemd/user/asks.service"
    guest.run(f"mkdir -p $(dirname {unit}); cat >{unit}", "alice", stdin=ASKS)
    login = guest.output("loginctl list-sessions --no-legend | awk '/seat0/ { print $1 }'")
    own = {f"XDG_SESSION_ID={login}", "XDG_SEAT=seat0", "XDG_VTNR=1"}
    start(guest)
    guest.run("systemctl --user start asks.service", "alice")
    assert own <= set(guest.output("cat /tmp/told").splitlines())
    manager = guest.output("systemctl --user show-environment", "alice")
    assert not own & set(manager.splitlines())
    stop(guest)
    assert wait_for_end(guest)[0] == 0
    guest.run("systemctl --user start asks.service", "alice")
    assert not own & set(guest.output("cat /tmp/told").splitlines())
    guest.run("rm -r .config/systemd /tmp/told; systemctl --user daemon-reload", "alice")
