"""A session under way: told about, its client or its server replaced, its processes ended."""

import json

import pytest
from container.session import (
    IDLE,
    ON_DISPLAY,
    Journal,
    Session,
    files_of_alice,
    main_pid,
    shown,
)
from machine import Container

CLIENT = "xsession-client@0.service"
LEFT_OVER = pytest.mark.journal(
    r"xsession-client@0\.service: (Found left-over process|Unit process)",
    r"This usually indicates unclean termination of a previous run",
)


@LEFT_OVER
@pytest.mark.journal(r"xsession-client@0\.service: Killing process")
def test_what_a_window_manager_started_outlives_it(container: Container, home: str) -> None:
    """Until the session's end, whose signal nothing can ignore for long."""
    script = f"#!/bin/bash\ntrap '' TERM HUP\necho $$ >>{home}/started\nwhile :; do sleep 1; done\n"
    container.run(f"cat >{home}/helper; chmod +x {home}/helper", "alice", stdin=script)
    with Session(container, f"/usr/bin/openbox --startup {home}/helper") as session:
        session.wait_until_managed()
        container.wait(f"[ $(wc -l <{home}/started) = 1 ]", 10)
        container.run("xsession restart client", "alice")
        container.wait(f"[ $(wc -l <{home}/started) = 2 ]", 10)
        session.wait_until_managed()
        pids = container.output(f"cat {home}/started").split()
        container.run(f"kill -0 {' '.join(pids)}")  # the first one, too
        result = container.output("time xsession stop", "alice")
        assert session.result().status == 0
        for pid in pids:
            container.run(f"! kill -0 {pid}")
        assert result == ""


# How openbox takes its SIGTERM is its own affair: it may wait for a child that it has just forked.
@pytest.mark.journal(
    r"xsession-client@0\.service: (State 'stop-sigterm' timed|Main process exited|Failed with)"
)
def test_the_helpers_of_a_script_end_with_it(container: Container, home: str) -> None:
    script = f"#!/bin/sh\n{IDLE} &\necho $! >>{home}/started\nexec openbox\n"
    container.run(f"cat >{home}/rc; chmod +x {home}/rc", "alice", stdin=script)
    with Session(container, f"{home}/rc") as session:
        session.wait_until_managed()
        container.run("xsession restart client", "alice")
        session.wait_until_managed()
        first, second = container.output(f"cat {home}/started").split()
        container.run(f"! kill -0 {first}; kill -0 {second}")
        assert session.stop().status == 0
        container.run(f"! kill -0 {second}")


DESKTOP_IS_UP = (
    'systemctl --user is-active xsession@0.target && [ -z "$(systemctl --user -q list-jobs)" ]'
)


def test_a_desktop_is_started_anew_as_a_whole(container: Container, home: str) -> None:
    """A program on the display that starts its window manager: autostart is its affair, and what
    it has started would be in its successor's way. xterm is not told apart from xfce4-session."""
    entry = f"[Desktop Entry]\nType=Application\nName=Probe\nExec=touch {home}/autostart\n"
    with (
        files_of_alice(container, {"autostart/probe.desktop": entry}),
        Session(container, "xterm -e openbox") as session,
    ):
        container.wait(DESKTOP_IS_UP, 30, user="alice")
        assert shown(container, "xdg-desktop-autostart.target", "ActiveState") == "inactive"
        before = main_pid(container, CLIENT), container.output("pgrep -x openbox")
        container.run("xsession restart client", "alice")
        container.wait(DESKTOP_IS_UP, 30, user="alice")
        after = main_pid(container, CLIENT), container.output("pgrep -x openbox")
        assert not set(before) & set(after)
        assert session.runs
        assert session.stop().status == 0
    container.run(f"[ ! -e {home}/autostart ]")


@LEFT_OVER
def test_a_restart_of_a_desktop_that_is_cut_short(container: Container) -> None:
    """What makes its end a whole one for that time is gone with the session, if not before."""
    drop_in = "/run/user/1000/systemd/user/xsession-client@0.service.d/xsession-whole.conf"
    with Session(container, "xterm -e openbox") as session:
        container.wait(DESKTOP_IS_UP, 30, user="alice")
        container.run(
            "xsession restart client & pid=$!;"
            f" until [ -e {drop_in} ]; do sleep 0.01; done; kill -INT $pid; wait $pid; true",
            "alice",
        )
        container.run(f"[ -e {drop_in} ]")
        container.wait(DESKTOP_IS_UP, 30, user="alice")
        session.stop()
        container.run(f"[ ! -e {drop_in} ]")


@pytest.mark.journal(
    r"xsession-client@0\.service: (State 'stop-sigterm' timed|Killing|Main|Failed)"
)
def test_a_stop_during_a_restart_is_not_lost(container: Container, home: str) -> None:
    script = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n"  # time for the one who stops
    container.run(f"cat >{home}/rc; chmod +x {home}/rc", "alice", stdin=script)
    with Session(container, f"{home}/rc") as session:
        session.wait_until_up()
        told = container.output(
            "xsession restart server 2>&1 &"
            f" until systemctl --user is-active {CLIENT} | grep -qx deactivating; do sleep 0.1;"
            " done;"
            " xsession stop; wait",
            "alice",
        )
        assert session.result().status == 0
        assert "the session on :0 was ended meanwhile" in told


def test_a_new_server(container: Container) -> None:
    journal = Journal(container)
    with Session(container, "openbox") as session:
        session.wait_until_managed()
        server = container.output("pgrep -x Xvfb")
        client = main_pid(container, CLIENT)

        container.run("xsession restart server", "alice")

        assert container.output("pgrep -x Xvfb") != server
        session.wait_until_managed()
        assert main_pid(container, CLIENT) not in (0, client)
        assert journal.of().count("Openbox manages :0") == 2
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        assert session.runs
        assert session.stop().status == 0


def test_a_new_server_for_a_client_that_does_not_end_well(container: Container) -> None:
    """As xterm, of which 15 is the status when it is told to end."""
    with Session(container, "sh -c 'trap \"exit 15\" TERM; sleep infinity & wait'") as session:
        session.wait_until_up()
        client = main_pid(container, CLIENT)
        container.run("xsession restart server", "alice")
        session.wait_until_up()
        assert main_pid(container, CLIENT) not in (0, client)
        assert session.stop().status == 0


def test_status_tells_all(container: Container, home: str) -> None:
    result = container.run("xsession status --json", "alice", check=False)
    assert (result.status, json.loads(result.stdout)) == (3, [])
    bad = "[Service]\nExecStart=false\n"
    with (
        files_of_alice(container, {"systemd/user/bad.service": bad}),
        Session(container, "/usr/bin/openbox") as session,
    ):
        session.wait_until_managed()
        container.run("systemctl --user start bad.service", "alice")
        # A bus of its own: what is started on it does not see what is on the manager's.
        second = container.output(
            "dbus-daemon --session --fork --print-pid --nopidfile"
            f" --address=unix:path={home}/bus </dev/null",
            "alice",
        )
        try:
            (told,) = json.loads(container.output("xsession status --json", "alice"))
            assert told["display"] == ":0" and not told["private"]
            assert told["server"].startswith("X.Org 21.1.")
            assert told["client"] == ["/usr/bin/openbox"]
            assert told["holder"] == session.pid
            assert set(told["units"].values()) == {"active"}
            assert told["targets"]["graphical-session.target"] == "active"
            assert told["targets"]["wm.target"] == "inactive"
            assert told["failed"] == ["bad.service"]
            (bus,) = told["buses"]
            assert bus.endswith(f"(PID {second})")
            words = container.output("xsession status", "alice")
            for expected in (
                f":0  {told['server']}",
                f"since {told['since']}",
                "client: /usr/bin/openbox",
                "failed: bad.service",
                f"a second user bus: {bus}",
            ):
                assert expected in words
        finally:
            container.run(f"kill {second}; systemctl --user reset-failed bad.service", "alice")
        assert session.stop().status == 0


def test_a_second_bus_is_named_in_the_journal(container: Container, home: str) -> None:
    script = (
        f"#!/bin/sh\ndbus-daemon --session --fork --nopidfile --address=unix:path={home}/bus\n"
        "exec openbox\n"
    )
    container.run(f"cat >{home}/rc; chmod +x {home}/rc", "alice", stdin=script)
    journal = Journal(container)
    with Session(container, f"{home}/rc") as session:
        session.wait_until_managed()
        lines = [it for it in journal.of().splitlines() if "a second user bus" in it]
        assert len(lines) == 1 and "dbus-daemon --session --fork" in lines[0]
        assert session.stop().status == 0


def test_a_second_bus_of_the_other_program(container: Container, home: str) -> None:
    """dbus-broker, which has no word `--session`."""
    launch = (
        f"systemd-socket-activate -E XDG_RUNTIME_DIR -l {home}/bus dbus-broker-launch --scope user"
    )
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"{launch} </dev/null >/dev/null 2>&1 & echo $! >{home}/pid", "alice")
        try:
            container.wait(f"busctl --address=unix:path={home}/bus list", 10, user="alice")
            (told,) = json.loads(container.output("xsession status --json", "alice"))
            (bus,) = told["buses"]
            assert bus.startswith("dbus-broker-launch --scope user (PID ")
        finally:
            container.run(f"kill $(cat {home}/pid)")
        assert session.stop().status == 0


@LEFT_OVER
def test_the_clients_settings_are_edited(container: Container, home: str) -> None:
    """While it runs; they count from the next start of the client."""
    editor = f'#!/bin/sh\necho LimitNOFILE=1234 >>"$1"\necho "$1" >{home}/edited\n'
    container.run(f"cat >{home}/editor; chmod +x {home}/editor", "alice", stdin=editor)
    path = "/home/alice/.config/systemd/user/xsession-client@.service.d/override.conf"
    try:
        nothing = container.output("EDITOR=true xsession edit client", "alice")
        assert nothing == "nothing was changed"
        container.run(f"[ ! -e {path} ]")
        failed = container.run("EDITOR=false xsession edit client", "alice", check=False)
        assert failed.status == 125 and "false ended with status 1" in failed.stderr
        with Session(container, "openbox") as session:
            session.wait_until_managed()
            container.run(f"EDITOR={home}/editor xsession edit client", "alice")
            assert container.output(f"cat {home}/edited") == path
            container.run("xsession restart client", "alice")
            assert shown(container, CLIENT, "LimitNOFILE") == "1234"
            pid = main_pid(container, CLIENT)
            assert " 1234 " in container.output(f"grep 'open files' /proc/{pid}/limits")
            assert session.stop().status == 0
    finally:
        container.run("rm -rf ~/.config && systemctl --user daemon-reload", "alice")
