"""Whatever is killed, nothing of the session stays (the common check), and it is told in words."""

import pytest
from container.session import (
    FOLDER,
    IDLE,
    ON_DISPLAY,
    Session,
    files_of_alice,
    main_pid,
    manager_has,
    said,
    start,
)
from machine import Container

pytestmark = [pytest.mark.fault("killed or stopped"), pytest.mark.divided]

CRASH = pytest.mark.journal(
    r"(xorg|xsession-client)@0\.service: (Main process exited|Failed with result)",
    # systemd kills what is left of a unit whose main process was killed
    r"xorg@0\.service: Killing process \d+ \(Xvfb\) with signal SIGKILL",
)


def waiting(machine: Container, home: str) -> str:
    """A client that waits for a file `end` in a folder and then ends with status 5."""
    machine.run(
        f"printf 'until [ -e {home}/end ]; do sleep 0.1; done; exit 5' >{home}/client", "alice"
    )
    return f"sh {home}/client"


@CRASH
@pytest.mark.parametrize("signal", ["KILL", "SEGV", "TERM"])
def test_the_server(container: Container, signal: str) -> None:
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -{signal} $(pgrep -x Xvfb)")
        result = session.result()
    if signal == "TERM":  # to a server that is a good end, status 0
        assert (result.status, result.stderr) == (0, "")
    else:
        assert result.status == 125
        number = {"KILL": 9, "SEGV": 6}[signal]  # the server turns SIGSEGV into an abort
        assert said(result).startswith(f"the server ended with signal {number} (SIG")
        assert "journalctl --user" in result.stderr


@CRASH
def test_the_client(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -9 {main_pid(container, 'xsession-client@0.service')}")
        result = session.result()
    assert (result.status, result.stderr) == (137, "")


@CRASH
def test_the_bridge(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -9 {main_pid(container, 'xorg@0.service')}")
        result = session.result()
    assert result.status == 125
    assert said(result) == "xorg@0.service ended, and the server with it"


@CRASH
def test_the_holder(container: Container) -> None:
    """The bridge sees it and ends the server; ExecStopPost= clears the rest."""
    with Session(container) as session:
        session.wait_until_up()
        assert session.kill("KILL").status == -9
        container.wait(f"[ ! -e {FOLDER} ] && ! pgrep -x Xvfb", 15)
    container.wait('[ -z "$(systemctl --user show-environment | grep DISPLAY)" ]', 5, user="alice")


@CRASH
def test_a_start_right_after_the_holder_was_killed(container: Container) -> None:
    for _ in range(5):
        with Session(container) as session:
            session.wait_until_up()
            session.kill("KILL")
            assert start(container, "xdpyinfo").status == 0


@CRASH
def test_the_holder_while_it_starts(container: Container) -> None:
    """What nobody saw die, the next start clears."""
    for delay in ("0.1", "0.15", "0.2", "0.3", "0.4", "0.6"):
        container.run(
            f"timeout --foreground -s KILL {delay} xsession start --server xvfb {IDLE}",
            "alice",
            check=False,
        )
        result = start(container, "xdpyinfo >/dev/null")
        assert (result.status, result.stderr) == (0, ""), delay


@CRASH
def test_holder_and_bridge_together(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        bridge = main_pid(container, "xorg@0.service")
        container.run(f"kill -9 {session.pid} {bridge}")
        assert session.result().status == -9
        container.wait(f"[ ! -e {FOLDER} ] && ! pgrep -x Xvfb", 15)


@CRASH
def test_holder_and_server_together(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -9 {session.pid} $(pgrep -x Xvfb)")
        container.wait(f"[ ! -e {FOLDER} ]", 15)


@CRASH
def test_the_watcher_of_the_client(container: Container, home: str) -> None:
    """systemd-run was only looking: the client lives on, and its end is still seen."""
    client = waiting(container, home)
    with Session(container, client) as session:
        session.wait_until_up()
        watchers = f"pgrep -P {session.pid} -f -- --wait"
        for _ in range(3):
            watcher = container.output(f"{watchers} || true")
            container.run(f"kill -9 {watcher}")
            container.wait(f"{watchers} | grep -vx {watcher}", 10, "another watcher")
        assert session.runs
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        container.run(f"touch {home}/end")
        assert session.result().status == 5


MANAGED = "xsession-managed@0.service"
WAITS = {"xsession/config.toml": "[session]\nmanaged-timeout = 3\n"}


@pytest.mark.journal(
    r"xsession-managed@0\.service: (Main process exited|Failed with result)",
    r"Failed to start xsession-managed@0\.service",
)
@pytest.mark.parametrize("signal", ["KILL", "SEGV"])
def test_what_waits_for_a_window_manager(container: Container, signal: str) -> None:
    """It begins anew: a session whose window manager says nothing is graphical all the same."""
    with files_of_alice(container, WAITS), Session(container) as session:
        container.wait(f"systemctl --user is-active {MANAGED} | grep -x activating", user="alice")
        container.run(f"kill -{signal} {main_pid(container, MANAGED)}")
        session.wait_until_managed()
        assert session.stop().status == 0


def test_what_waits_for_a_window_manager_stands_still(container: Container) -> None:
    with files_of_alice(container, WAITS), Session(container) as session:
        container.wait(f"systemctl --user is-active {MANAGED} | grep -x activating", user="alice")
        container.run(f"kill -STOP {main_pid(container, MANAGED)}")
        session.wait_until_up()
        assert session.stop().status == 0


@CRASH
@pytest.mark.parametrize("how", ["kill -9", "systemctl restart"])
def test_the_user_bus(container: Container, home: str, how: str) -> None:
    client = waiting(container, home)
    with Session(container, client) as session:
        session.wait_until_up()
        if how == "kill -9":
            container.run(f"kill -9 {main_pid(container, 'dbus.service')}")
        else:
            container.run("systemctl --user restart dbus.service", "alice")
        container.wait("busctl --user status", 10, "the bus to be back", user="alice")
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        assert session.runs
        container.run(f"touch {home}/end")
        assert session.result().status == 5


def test_the_user_bus_stands_still_at_the_end(container: Container) -> None:
    """The user manager needs no bus to be asked for its environment. What D-Bus starts has the
    session's until the next one ends (the common check)."""
    with Session(container) as session:
        session.wait_until_up()
        bus = main_pid(container, "dbus.service")
        container.run(f"kill -STOP {bus}")
        try:
            assert session.stop().status == 0
            assert manager_has(container, "DISPLAY") == ""
        finally:
            container.run(f"kill -CONT {bus}")
    assert start(container, "true").status == 0


@CRASH
@pytest.mark.parametrize("verb", ["daemon-reload", "daemon-reexec"])
def test_the_manager_is_told_to_begin_anew(container: Container, home: str, verb: str) -> None:
    client = waiting(container, home)
    with Session(container, client) as session:
        session.wait_until_up()
        for _ in range(3):
            container.run(f"systemctl --user {verb}", "alice")
        session.wait_until_up()
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        assert manager_has(container, "DISPLAY") == ":0"
        assert session.runs
        container.run(f"touch {home}/end")
        assert session.result().status == 5


@pytest.mark.journal(r"(xorg|xsession-client)@0\.service: .*(timed out|Killing process)")
@CRASH
@pytest.mark.parametrize("victim", ["bridge", "server", "client", "holder"])
def test_one_that_stands_still(container: Container, victim: str) -> None:
    """`xsession stop` ends a session of which a part was stopped with SIGSTOP."""
    with Session(container) as session:
        session.wait_until_up()
        pid = {
            "bridge": main_pid(container, "xorg@0.service"),
            "server": container.output("pgrep -x Xvfb"),
            "client": main_pid(container, "xsession-client@0.service"),
            "holder": session.pid,
        }[victim]
        container.run(f"kill -STOP {pid}")
        container.run("xsession stop", "alice", timeout=40)
        assert session.result().status == 0


def test_a_watcher_that_stands_still(container: Container) -> None:
    """It would not take a SIGTERM."""
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -STOP $(pgrep -P {session.pid} -f -- --wait)")
        container.run("xsession stop", "alice", timeout=40)
        assert session.result().status == 0


@pytest.mark.journal(r"(xorg|xsession-client)@0\.service", r"user@1000\.service")
@pytest.mark.parametrize("how", ["systemctl restart", "kill -9"])
def test_the_user_manager(container: Container, how: str) -> None:
    """All of it goes with its manager; the holder sees it and ends. What the manager could not
    remove goes as well, and the next start says what to do."""
    pid = container.output("systemctl show user@1000.service -p MainPID --value")
    try:
        with Session(container) as session:
            session.wait_until_up()
            container.run(f"{how} {pid if how == 'kill -9' else 'user@1000.service'}")
            result = session.result()
            assert result.status in (0, 125)
            assert "Traceback" not in result.stderr
            container.run("[ ! -e /tmp/.X11-unix/X0 ]")
        if how == "kill -9":
            refused = start(container, "true")
            assert "the user manager does not answer" in said(refused)
            hint = refused.stderr.splitlines()[1]
            container.run(hint.rpartition("as root: ")[2])
            container.run("systemctl --user is-system-running --wait", "alice")
        assert start(container, "xdpyinfo").status == 0
    finally:
        container.run("systemctl start user@1000.service")
