"""The targets of a graphical session: reached in order, left in order, never in the dark."""

import pytest
from container.session import (
    FOLDER,
    IDLE,
    Journal,
    Session,
    files_of_alice,
    main_pid,
    manager_has,
    said,
    shown,
    start,
)
from machine import Container

# What a person writes for a helper of the desktop: it notes whether a window manager is there
# when it starts, and takes a while to stop, in which the server must still be there.
PART = """
[Unit]
PartOf=graphical-session.target
{after}
[Service]
ExecStart=sh -c 'xprop -root _NET_SUPPORTING_WM_CHECK >{home}/%N.started; exec sleep infinity'
ExecStop=sh -c 'sleep 1; xdpyinfo >/dev/null 2>&1; echo $? >{home}/%N.stopped'
[Install]
WantedBy=graphical-session.target
"""

AUTOSTART = """
[Desktop Entry]
Type=Application
Name=Probe
Exec=sh -c "cat /proc/self/cgroup >{home}/autostart; exec sleep infinity"
"""

TARGETS = (
    "graphical-session-pre.target",
    "xorg.target",
    "graphical-session.target",
    "xsession@0.target",
    "xdg-desktop-autostart.target",
)


def moment(machine: Container, unit: str, what: str) -> int:
    """When a unit became active, or inactive, the last time; microseconds."""
    return int(shown(machine, unit, f"{what}TimestampMonotonic"))


def test_the_targets_in_order(container: Container, home: str) -> None:
    files = {
        "systemd/user/part-after.service": PART.format(
            after="After=graphical-session.target", home=home
        ),
        "systemd/user/part-before.service": PART.format(after="", home=home),
        "autostart/probe.desktop": AUTOSTART.format(home=home),
    }
    parts = ("part-after.service", "part-before.service")
    with files_of_alice(container, files, enable=" ".join(parts)):
        with Session(container, "openbox") as session:
            session.wait_until_managed()
            container.wait(
                f"[ -s {home}/part-after.started -a -s {home}/part-before.started"
                f" -a -s {home}/autostart ]",
                30,
            )
            up = {unit: moment(container, unit, "ActiveEnter") for unit in (*TARGETS, *parts)}
            autostart = "app-probe@autostart.service"
            up[autostart] = moment(container, autostart, "ActiveEnter")
            managed = moment(container, "xsession-managed@0.service", "ActiveEnter")
            client = moment(container, "xsession-client@0.service", "InactiveExit")

            assert all(up.values()), up
            assert up["graphical-session-pre.target"] <= client
            assert client < managed
            assert moment(container, "xorg@0.service", "ActiveEnter") < managed
            for unit in (*TARGETS[2:], parts[0], autostart):  # all that is graphical, after it
                assert up[unit] >= max(managed, up["xorg.target"]), unit
            assert up["part-before.service"] <= up["graphical-session.target"]
            assert up["graphical-session.target"] <= up["part-after.service"]
            assert up["graphical-session.target"] <= up["xdg-desktop-autostart.target"]
            for name in ("part-after", "part-before"):
                assert "window id #" in container.output(f"cat {home}/{name}.started")
            assert "/app.slice/" in container.output(f"cat {home}/autostart")
            assert manager_has(container, "DISPLAY") == ":0"

            # The manager reads its units anew, then starts anew itself: nothing ends of it.
            container.run("systemctl --user daemon-reload", "alice")
            container.run("systemctl --user daemon-reexec", "alice")
            states = container.output(f"systemctl --user is-active {' '.join(TARGETS)}", "alice")
            assert states.split() == ["active"] * len(TARGETS)

            journal = Journal(container)
            assert session.stop().status == 0
        # Each was stopped while the server still answered.
        for name in ("part-after", "part-before"):
            assert container.output(f"cat {home}/{name}.stopped") == "0", name
        words = journal.of()
        order = [
            words.index(f"Stopped {it}")
            for it in (
                "target xdg-desktop-autostart.target",
                "part-after.service",
                "target graphical-session.target",
                "target xorg.target",
                "xorg@0.service",
            )
        ]
        assert order == sorted(order), words
        assert words.index("Stopped app-probe@autostart") < words.index("Stopped xorg@0.service")
        assert words.index("Stopped part-before.service") < words.index("Stopped xorg@0.service")
        for unit in TARGETS:
            assert shown(container, unit, "ActiveState") == "inactive"


@pytest.mark.journal(r"xorg@0\.service: (Main process exited|Failed with result)")
@pytest.mark.journal(r"xsession-client@0\.service: (Main process exited|Failed with result)")
@pytest.mark.fault("killed or stopped")
def test_a_dead_server_takes_the_graphical_session_along(container: Container) -> None:
    journal = Journal(container)
    with Session(container, "openbox") as session:
        session.wait_until_managed()
        container.run("pkill -KILL -x Xvfb")
        container.wait("! systemctl --user -q is-active graphical-session.target", 10, user="alice")
        result = session.result()
    assert result.status == 125
    assert "signal 9" in said(result)
    words = journal.of()
    assert "Stopped target graphical-session.target" in words
    for unit in TARGETS:
        assert shown(container, unit, "ActiveState") == "inactive"


@pytest.mark.parametrize("unit", ["xsession-autostart@0.target", "xsession-managed@0.service"])
def test_what_comes_late_ends_with_the_session(container: Container, unit: str) -> None:
    """Asked for when the end has begun: graphical-session.target is not there to take it along."""
    late = f"systemctl --user start --no-block {unit} && echo it came"
    with Session(container, f"sh -c 'trap \"{late}; exit\" TERM; {IDLE} & wait'") as session:
        session.wait_until_up()
        journal = Journal(container)
        assert session.stop().status == 0
        assert "it came" in journal.of("xsession-client@0")
    for one in (unit, "xdg-desktop-autostart.target"):
        assert shown(container, one, "ActiveState") == "inactive", one


@pytest.mark.journal(r"xorg-answers\.service: (Main process exited|Failed with result)")
@pytest.mark.journal(r"Failed to start xorg-answers\.service", r"Dependency failed for")
def test_without_a_display_no_target_is_reached(container: Container) -> None:
    unit = "[Unit]\nRequires=xorg.target\nAfter=xorg.target\n[Service]\nExecStart=sleep infinity\n"
    with files_of_alice(container, {"systemd/user/needs-x.service": unit}):
        for before in ("", "DISPLAY=:9"):
            if before:
                container.run(f"systemctl --user set-environment {before}", "alice")
            try:
                for what in ("xorg.target", "wm.target", "needs-x.service", "xsession@0.target"):
                    result = container.run(f"systemctl --user start {what}", "alice", check=False)
                    assert result.status != 0, what
                for what in (*TARGETS, "wm.target", "needs-x.service"):
                    inactive = f"systemctl --user show -P ActiveState {what} | grep -x inactive"
                    container.wait(inactive, 20, what, user="alice")
            finally:
                container.run("systemctl --user unset-environment DISPLAY", "alice")
        # Who starts a session's target by hand has its display's addresses bound.
        container.run("systemctl --user stop xorg@0.socket", "alice")


def test_a_graphical_session_that_is_not_ours(container: Container, home: str) -> None:
    """Another display manager's, say: it has the target, and keeps it."""
    foreign = "[Unit]\nBindsTo=graphical-session.target\n"
    with files_of_alice(container, {"systemd/user/foreign.target": foreign}):
        container.run("systemctl --user start foreign.target", "alice")
        try:
            result = start(container, "true")
            assert result.status == 125
            assert "graphical-session.target is active, and not by xsession" in said(result)
            beside = f"--private sh -c 'xdpyinfo && echo $DISPLAY >{home}/words'"
            assert start(container, beside).status == 0
            assert container.output(f"cat {home}/words") == ":0"
            assert shown(container, "graphical-session.target", "ActiveState") == "active"
        finally:
            container.run("systemctl --user stop foreign.target graphical-session.target", "alice")
        container.run(f"[ ! -e {FOLDER} ]")


@pytest.mark.journal("PAM|pam_|/etc/default/locale")
def test_a_desktop_without_the_target(container: Container) -> None:
    """i3 by lightdm, say: a login session of type x11, and DISPLAY in the manager."""
    container.run(
        "systemd-run --quiet --unit=desktop -p PAMName=login -p User=alice"
        " -E XDG_SESSION_TYPE=x11 sleep infinity"
    )
    container.wait("loginctl show-user alice -P Sessions | grep .", 10, "her login session")
    container.run("systemctl --user set-environment DISPLAY=:5", "alice")
    try:
        result = start(container, "true")
        assert result.status == 125
        assert "a desktop of this user is running already, in login session" in said(result)
        assert start(container, "--private true").status == 0
        container.run("systemctl stop desktop")
        assert start(container, "true").status == 0  # what it has left in the manager is no desktop
    finally:
        container.run("systemctl stop desktop", check=False)  # it may have gone
        container.run("systemctl --user unset-environment DISPLAY", "alice")


@pytest.mark.fault("an end at any moment")
def test_what_never_stops_does_not_keep_the_session(container: Container) -> None:
    """A part of the session that takes no notice: it is named, and the session ends."""
    stubborn = f"""
[Unit]
PartOf=graphical-session.target
After=graphical-session.target
[Service]
ExecStart=bash -c 'trap "" TERM; while :; do {IDLE} & wait; done'
KillMode=process
TimeoutStopSec=infinity
[Install]
WantedBy=graphical-session.target
"""
    journal = Journal(container)
    with files_of_alice(
        container, {"systemd/user/stubborn.service": stubborn}, enable="stubborn.service"
    ):
        with Session(container, "openbox") as session:
            session.wait_until_managed()
            pid = main_pid(container, "stubborn.service")
            try:
                container.run("xsession stop", "alice", timeout=60)
                assert session.result().status == 0
                container.run("! pgrep -x Xvfb")
            finally:
                container.run("systemctl --user kill -s KILL stubborn.service", "alice")
                container.run(f"kill -KILL {pid}", check=False)
        lines = [line for line in journal.of().splitlines() if "still under way" in line]
        assert len(lines) >= 1 and "stubborn.service stop" in lines[0]
        container.wait(
            "! systemctl --user is-active stubborn.service graphical-session.target",
            10,
            user="alice",
        )
        container.run("systemctl --user reset-failed", "alice")
