"""Whole desktops as Debian has them: the session program is the client, and starts all else."""

from collections.abc import Iterator

import pytest
from container.session import ON_DISPLAY, Journal, Session, main_pid, shown
from machine import Container

# The entry in xsessions/; who manages :0 then; the panel's program and the class of its window.
DESKTOPS = {
    "xfce": ("Xfwm4", "xfce4-panel", "Xfce4-panel"),
    "lxqt": ("Openbox", "lxqt-panel", "lxqt-panel"),
    "mate": ("Metacity (Marco)", "mate-panel", "Mate-panel"),
}
# LXQt would ask which window manager it shall start.
LXQT = "[General]\nwindow_manager=openbox\n"


@pytest.fixture
def desktop_home(container: Container) -> Iterator[None]:
    """What a desktop leaves behind is the desktop's: files, daemons, variables of the manager."""
    container.run("install -D -m 644 /dev/stdin ~/.config/lxqt/session.conf", "alice", stdin=LXQT)
    container.run("cp -r /usr/share/autostart-of-desktops /etc/xdg/autostart")
    yield
    container.run("rm -r /etc/xdg/autostart")
    container.run("systemctl restart user@1000 && rm -rf /home/alice/.[!b.p]*", check=False)
    container.run("systemctl --user is-system-running --wait", "alice", check=False)


@pytest.mark.usefixtures("desktop_home")
@pytest.mark.journal(
    # Nobody's session program ends well when it is told to, or ends all that it has started.
    r"xsession-client@0\.service: (Failed with result|Unit process|Found left-over|Killing)",
    r"xsession-client@0\.service: State 'stop-sigterm' timed out",
    r"xsession-client@0\.service: Failed to open .*/transient/",
    r"This usually indicates unclean termination of a previous run",
)
@pytest.mark.parametrize("name", DESKTOPS)
def test_it_starts_restarts_and_ends(container: Container, name: str) -> None:
    manager, panel, window = DESKTOPS[name]
    journal = Journal(container)
    panels = f"{ON_DISPLAY} xwininfo -root -tree | grep -F '\"{window}\")'"
    with Session(container, name) as session:
        journal.wait_for(f"{manager} manages :0", timeout=40)
        container.wait("systemctl --user is-active graphical-session.target", 20, user="alice")
        container.wait(panels, 30, "the panel", user="alice")
        # Its session program starts what is in /etc/xdg/autostart; twice would be once too often.
        assert shown(container, "xdg-desktop-autostart.target", "ActiveState") == "inactive"
        client = main_pid(container, "xsession-client@0.service")

        container.run("xsession restart client", "alice")

        assert main_pid(container, "xsession-client@0.service") not in (0, client)
        container.wait(panels, 30, "the panel", user="alice")
        assert len(container.output(f"pgrep -u alice -x {panel}").split()) == 1
        assert session.stop().status in (0, 1, 143)
    left = "systemctl --user list-units --plain --no-legend 'xorg*' 'xsession*' 'graphical-*'"
    assert container.output(left, "alice") == ""
    files = "find /run/user/1000/xsession ! -type d ! -name '*.log*' ! -name short-sessions"
    assert container.output(files) == ""
