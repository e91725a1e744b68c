"""Window managers and a desktop as Debian has them, none known to xsession by its name: each from
the prompt to a graphical session, seen on the screen, restarted once, stopped clean."""

import pytest
from machine import Guest
from person import (
    START,
    picture,
    start,
    stop,
    wait_for_end,
    wait_for_journal,
    x,
)

pytestmark = [
    pytest.mark.divided,
    pytest.mark.journal(  # What a window manager has started outlives its restart.
        r"xsession-client@0\.service: (Found left-over process|Unit process|Killing process)",
        r"This usually indicates unclean termination of a previous run",
    ),
]

BSPWMRC = """\
#!/bin/sh
pgrep -x sxhkd || sxhkd &
bspc monitor -d I II III
bspc config border_width 4
bspc config focused_border_color '#ff0000'
"""
SXHKDRC = """\
super + Return
    xterm
"""

# What is typed, and the name that is then said to manage :0.
MANAGERS = {
    "openbox": ("openbox", "Openbox"),
    "i3": ("i3", "i3"),
    "awesome": ("awesome", "awesome"),
    "bspwm": ("bspwm", "bspwm"),
    "xfce": ("startxfce4", "Xfwm4"),
}


# Compositing would have an emulated GPU's shaders compiled on an emulated CPU, which takes minutes.
XFWM4 = """\
<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfwm4" version="1.0">
  <property name="general" type="empty">
    <property name="use_compositing" type="bool" value="false"/>
  </property>
</channel>
"""

FILES = {
    ".config/bspwm/bspwmrc": BSPWMRC,
    ".config/sxhkd/sxhkdrc": SXHKDRC,
    ".config/xfce4/xfconf/xfce-perchannel-xml/xfwm4.xml": XFWM4,
}


def write_configuration(guest: Guest) -> None:
    for path, text in FILES.items():
        guest.run(f"install -D -m 755 /dev/stdin {path}", "alice", stdin=text)


def main_pid(guest: Guest) -> str:
    return guest.output("systemctl --user show xsession-client@0 -p MainPID --value", "alice")


def window(guest: Guest) -> str:
    """The X id of the terminal's window, once it is there."""
    seen = guest.wait(x("xwininfo -root -tree | grep -i '\"xterm\"'"), 60, user="alice")
    return seen.stdout.split()[0]


MARKS = {
    "xfce": (
        pytest.mark.slow("a whole desktop takes minutes on an emulated CPU"),
        pytest.mark.journal("xfsettingsd.*segfault"),  # at its end: its own affair
    )
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=MARKS.get(name, ())) for name in MANAGERS]
)
def test_from_the_prompt_to_the_end(guest: Guest, name: str) -> None:
    command, title = MANAGERS[name]
    write_configuration(guest)
    variables = manager_variables(guest)
    start(guest, f"{START} {command}")
    wait_for_journal(guest, f"{title} manages :0")
    guest.wait("systemctl --user is-active graphical-session.target", 60, user="alice")

    if name == "bspwm":  # its keys are another program's, which the rc file starts
        guest.wait("pgrep -x sxhkd", 60)
        guest.key("meta_l-ret")
    else:
        guest.run("systemd-run --user --slice=app.slice --collect xterm", "alice")
    terminal = window(guest)
    picture(guest, name)

    before = main_pid(guest)
    guest.run("xsession restart client", "alice", timeout=120)
    wait_for_journal(guest, f"{title} manages :0", 2)
    assert main_pid(guest) != before
    assert window(guest) == terminal
    guest.wait("systemctl --user is-active graphical-session.target", 60, user="alice")
    picture(guest, f"{name}-restarted")

    stop(guest)
    assert wait_for_end(guest)[0] == 0
    if name == "xfce":
        forget_desktop(guest, variables)


def forget_desktop(guest: Guest, before: str) -> None:
    """What Xfce leaves is Xfce's: variables in the manager, daemons of the bus, and, since only
    the least of it is installed, a unit without its program."""
    after = manager_variables(guest)
    more = " ".join(sorted(set(after.split()) - set(before.split())))
    guest.run(f"systemctl --user unset-environment {more}" if more else "true", "alice")
    guest.run(
        "pkill -u alice -x 'xfconfd|tumblerd|dconf-service'; systemctl --user reset-failed", "alice"
    )


def manager_variables(guest: Guest) -> str:
    """The names of all."""
    return guest.output("systemctl --user show-environment | sed 's/=.*//'", "alice")
