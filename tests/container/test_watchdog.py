"""A server that hangs, where xorg@.service was given a watchdog; by default it has none."""

import pytest
from container.session import ON_DISPLAY, Session, files_of_alice, main_pid, said
from container.test_listen import answering, listening
from machine import Container

pytestmark = [
    pytest.mark.divided,
    pytest.mark.fault("the server"),
    pytest.mark.journal(
        r"xorg@0\.service: (Main process exited|Failed with result|Watchdog timeout|Killing)"
    ),
]
WATCHDOG = {"systemd/user/xorg@.service.d/watchdog.conf": "[Service]\nWatchdogSec=6s\n"}


def test_it_ends_the_session_of_a_server_that_hangs(container: Container) -> None:
    with files_of_alice(container, WATCHDOG), Session(container) as session:
        session.wait_until_up()
        container.run("sleep 9")  # longer than that time: as long as it answers nothing happens
        assert container.output("systemctl --user is-active xorg@0", "alice") == "active"
        container.run("pkill -STOP -x Xvfb")
        result = session.result(40)
        assert result.status == 125
        assert said(result) == "the server hangs (it did not answer; WatchdogSec=6s)"
    container.wait("! pgrep -x Xvfb", 10)


def test_a_listener_goes_on_when_it_has_ended_the_server(container: Container) -> None:
    with files_of_alice(container, WATCHDOG), listening(container) as session:
        for _ in range(2):
            container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
            answering(container)
            container.run("pkill -STOP -x Xvfb")
            container.wait("! pgrep -x Xvfb", 40)
        result = session.stop()
    assert result.status == 0
    assert result.stderr.count("Xvfb ended with signal 9 (SIGKILL)") == 2
    # The question that was not answered is nobody's wish for another server.
    assert result.stderr.count("Xvfb ended") == 2


def test_it_ends_the_session_of_a_bridge_that_stands_still(container: Container) -> None:
    """The manager sees to that, and gives no reason to the holder."""
    with files_of_alice(container, WATCHDOG), Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -STOP {main_pid(container, 'xorg@0.service')}")
        result = session.result(60)
        assert result.status == 125
        assert said(result) == "xorg@0.service ended, and the server with it"


def test_no_process_can_be_started_for_a_while(container: Container) -> None:
    """Nobody was asked then, so it is no answer yet; the next one is in time."""
    with files_of_alice(container, WATCHDOG), Session(container) as session:
        session.wait_until_up()
        bridge = main_pid(container, "xorg@0.service")
        limit = f"prlimit --pid {bridge} --nproc"
        kept = container.output(f"{limit} --noheadings -o SOFT", "alice").strip()
        container.run(f"{limit}=0: && sleep 3 && {limit}={kept}: && sleep 6", "alice")
        assert container.output("systemctl --user is-active xorg@0", "alice") == "active"
        assert session.stop().status == 0
