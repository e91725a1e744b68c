"""Window managers: seen as soon as they say that they are there, replaced while windows stay."""

import pytest
from container.session import (
    ON_DISPLAY,
    Journal,
    Session,
    files_of_alice,
    main_pid,
    shown,
)
from machine import Container

# systemd says so itself of a client that does not end well when it is told to end.
CLIENTS_OWN = pytest.mark.journal(
    r"xsession-client@0\.service: (Main process exited|Failed with result)",
    # A window manager that is restarted leaves what it had started (KillMode=process).
    r"xsession-client@0\.service: (Found left-over process|Unit process)",
    r"This usually indicates unclean termination of a previous run",
)
LONG_WAIT = {"xsession/config.toml": "[session]\nmanaged-timeout = 60\n"}
SHORT_WAIT = {"xsession/config.toml": "[session]\nmanaged-timeout = 1\n"}


@CLIENTS_OWN
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("openbox", "Openbox"),
        ("i3 -c /etc/i3/config", "i3"),
        ("awesome", "awesome"),
        ("bspwm", "bspwm"),
    ],
)
def test_it_is_seen_and_replaced(container: Container, command: str, name: str) -> None:
    journal = Journal(container)
    with Session(container, command) as session:
        session.wait_until_managed()
        assert f"{name} manages :0" in journal.of("xsession-managed@0")
        window = "xwininfo -root -tree | grep -F xclock"
        container.run(f"{ON_DISPLAY} xclock >/dev/null 2>&1 &", "alice")
        container.wait(f"{ON_DISPLAY} {window}", 20, user="alice")
        first = main_pid(container, "xsession-client@0.service")
        server = container.output("pgrep -x Xvfb")

        container.run("xsession restart client", "alice")

        assert main_pid(container, "xsession-client@0.service") not in (0, first)
        assert container.output("pgrep -x Xvfb") == server
        container.run(f"{ON_DISPLAY} {window}", "alice")
        session.wait_until_managed()
        assert journal.of("xsession-managed@0").count(f"{name} manages :0") == 2
        assert session.stop().status in (0, 1, 143)
    container.wait("! pgrep -u alice -x xclock", 10)


@CLIENTS_OWN
def test_a_client_that_manages_nothing(container: Container) -> None:
    journal = Journal(container)
    with (
        files_of_alice(container, SHORT_WAIT),
        Session(container, "xterm -e sleep infinity") as session,
    ):
        session.wait_until_managed()
        (line,) = (it for it in journal.of().splitlines() if "no window manager" in it)
        assert line == "no window manager on :0 after 1 s: none is there"
        session.stop()


# Takes the root window's redirection as window managers do, and says nothing of EWMH until
# it is told to; before that, like one that was killed, it has left a window's number behind.
# It does nothing for any window until it is told to do that, too.
OF_THE_OLD_SCHOOL = """#!/usr/bin/python3
import os, sys, time
from Xlib import X, Xatom, display
here = display.Display()
root = here.screen().root
root.change_attributes(event_mask=X.SubstructureRedirectMask)
check = here.intern_atom("_NET_SUPPORTING_WM_CHECK")
root.change_property(check, Xatom.WINDOW, 32, [0x1234567])
here.sync()
open(sys.argv[1] + "/up", "w")
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.1)
mine = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
root.change_property(check, Xatom.WINDOW, 32, [mine.id])
here.sync()
mine.change_property(here.intern_atom("_NET_WM_NAME"), here.intern_atom("UTF8_STRING"), 8, b"Late")
mine.change_property(check, Xatom.WINDOW, 32, [mine.id])
here.sync()
while not os.path.exists(sys.argv[1] + "/hear"):
    time.sleep(0.1)
while True:  # what has come is looked at when more comes, as Openbox 3.6 does after its start
    late = [here.next_event() for _ in range(max(1, here.pending_events()))]
    for event in [*late, here.next_event()]:
        if event.type == X.ConfigureRequest:
            event.window.configure(x=event.x, y=event.y)
"""


@CLIENTS_OWN
def test_one_that_says_it_late_and_answers_later(container: Container, home: str) -> None:
    """What a dead one has left on the root window counts for nothing; nor does a word alone."""
    container.run(f"cat >{home}/wm; chmod +x {home}/wm", "alice", stdin=OF_THE_OLD_SCHOOL)
    journal = Journal(container)
    with (
        files_of_alice(container, LONG_WAIT),
        Session(container, f"{home}/wm {home}") as session,
    ):
        container.wait(f"[ -e {home}/up ]", 20)
        container.wait(
            "systemctl --user show xsession-managed@0 -p SubState --value | grep -x start",
            20,
            user="alice",
        )
        assert shown(container, "graphical-session.target", "ActiveState") == "inactive"
        container.run(f"touch {home}/go", "alice")
        container.wait(f"{ON_DISPLAY} xprop -root | grep -F SUPPORTING", 20, user="alice")
        assert shown(container, "graphical-session.target", "ActiveState") == "inactive"
        container.run(f"touch {home}/hear", "alice")
        session.wait_until_managed()
        assert "Late manages :0\n" in journal.of()
        session.stop()


@CLIENTS_OWN
def test_one_that_never_answers(container: Container, home: str) -> None:
    container.run(f"cat >{home}/wm; chmod +x {home}/wm", "alice", stdin=OF_THE_OLD_SCHOOL)
    container.run(f"touch {home}/go", "alice")
    journal = Journal(container)
    with (
        files_of_alice(container, SHORT_WAIT),
        Session(container, f"{home}/wm {home}") as session,
    ):
        session.wait_until_managed()
        assert "Late manages :0, and has not answered in 1 s" in journal.of()
        session.stop()


@CLIENTS_OWN
def test_one_that_never_says_it(container: Container, home: str) -> None:
    container.run(f"cat >{home}/wm; chmod +x {home}/wm", "alice", stdin=OF_THE_OLD_SCHOOL)
    journal = Journal(container)
    with (
        files_of_alice(container, SHORT_WAIT),
        Session(container, f"{home}/wm {home}") as session,
    ):
        session.wait_until_managed()
        (line,) = (it for it in journal.of().splitlines() if "no window manager" in it)
        assert line.endswith("after 1 s: the one that is there does not say so (EWMH)")
        session.stop()
