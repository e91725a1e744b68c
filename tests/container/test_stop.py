"""The end of a session by somebody's wish: `xsession stop`, signals, at any moment."""

import time

import pytest
from container.session import FOLDER, IDLE, XVFB, Session, main_pid, said, start
from machine import Container

pytestmark = [pytest.mark.fault("an end at any moment"), pytest.mark.divided]


def test_stop_returns_when_all_is_down(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        container.run(
            f"xsession stop && [ ! -e {FOLDER} ] && [ ! -e /tmp/.X11-unix/X0 ] && ! pgrep -x Xvfb",
            "alice",
        )
        result = session.result()
    assert (result.status, result.stdout, result.stderr) == (0, "", "")


def test_stop_by_number(container: Container) -> None:
    with Session(container, f"{IDLE} -- :3") as session:
        session.wait_until_up(3)
        other = container.run("xsession stop :0", "alice", check=False)
        assert (other.status, said(other)) == (
            125,
            "no graphical session of this user is running on :0",
        )
        assert session.runs
        container.run("xsession stop :3", "alice")
        assert session.result().status == 0


def test_with_nothing_running(container: Container) -> None:
    status = container.run("xsession status", "alice", check=False)
    assert (status.status, status.stdout, status.stderr) == (3, "no graphical session\n", "")
    stop = container.run("xsession stop", "alice", check=False)
    assert (stop.status, said(stop)) == (125, "no graphical session of this user is running")


def test_programs_that_connect_meanwhile_bring_nothing_back(
    container: Container, home: str
) -> None:
    knock = f"while [ -e {home}/knock ]; do DISPLAY=:0 timeout 5 xdpyinfo; done >/dev/null 2>&1"
    for _ in range(8):
        with Session(container) as session:
            session.wait_until_up()
            container.run(f"touch {home}/knock; for n in 1 2 3; do ({knock}) & done", "alice")
            assert session.stop().status == 0
            states = "systemctl --user is-active xorg@0.socket xorg@0.service"
            assert container.run(states, "alice", check=False).stdout.split() == ["inactive"] * 2
            container.run(f"rm {home}/knock")
            container.wait("! pgrep -x xdpyinfo", 10)


def test_two_stops_at_once(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        statuses = container.output(
            "for n in 1 2 3; do (xsession stop; echo $?) & done; wait", "alice"
        )
        assert statuses.split() == ["0"] * 3
        assert session.result().status == 0


@pytest.mark.parametrize(("signal", "status"), [("TERM", 143), ("INT", 130), ("HUP", 129)])
def test_a_signal_ends_it(container: Container, signal: str, status: int) -> None:
    with Session(container) as session:
        session.wait_until_up()
        result = session.kill(signal)
    assert (result.status, result.stderr) == (status, "")


def test_ctrl_backslash_ends_it_without_a_core(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        assert session.kill("QUIT").status == 131


# As a shell at a terminal starts it: where nobody could continue it, SIGTSTP suspends nothing.
JOB = f"'set -m; {XVFB} {IDLE} & wait -f $!'"


def press_ctrl_z(container: Container, shell: Session) -> None:
    container.run(f"kill -TSTP $(pgrep -P {shell.pid})")


def test_ctrl_z_does_not_suspend_it(container: Container) -> None:
    with Session(container, JOB, command="bash -c") as session:
        session.wait_until_up()
        press_ctrl_z(container, session)
        assert session.stop().status == 0


@pytest.fixture
def slow_look(container: Container, home: str) -> str:
    """What makes the first look at the user manager take 3 s, most of them with the lock in hand.
    A line for before a start."""
    script = f"#!/bin/sh\n[ -e {home}/looks ] || {{ touch {home}/looks; sleep 3; }}\n"
    script += 'exec /usr/bin/busctl "$@"\n'
    container.run(f"cat >{home}/busctl; chmod +x {home}/busctl", "alice", stdin=script)
    return f"export PATH={home}:$PATH"


LOOKS = "[ -d $XDG_RUNTIME_DIR/xsession ] && ! flock --nonblock $XDG_RUNTIME_DIR/xsession true"


def test_ctrl_z_does_not_suspend_its_look(container: Container, slow_look: str) -> None:
    with Session(container, JOB, command="bash -c", before=slow_look) as session:
        container.wait(LOOKS, 10, user="alice")
        press_ctrl_z(container, session)
        second = start(container, "true")
        assert said(second) == "a graphical session of this user is running already, on :0"
        assert session.stop().status == 0


def test_one_that_was_stopped_while_it_looked(container: Container, slow_look: str) -> None:
    """Who wants to start after it is told, and a session that ends does not wait for it."""
    with Session(container) as session:
        session.wait_until_up()
        with Session(container, f"--private {IDLE}", before=slow_look) as stopped:
            container.wait(LOOKS, 10, user="alice")
            container.run(f"kill -STOP {stopped.pid}")
            third = start(container, "--private true")
            assert third.status == 125
            assert said(third).startswith(f"another xsession (PID {stopped.pid}) has been starting")
            assert f"kill -CONT {stopped.pid}" in third.stderr
            assert session.stop().status == 0
            stopped.kill("KILL")


@pytest.mark.journal(r"xsession-client@0\.service: ")
def test_a_client_that_ignores_sigterm_is_killed(container: Container) -> None:
    stubborn = "sh -c 'trap : TERM; while :; do sleep 60; done'"
    with Session(container, stubborn) as session:
        session.wait_until_up()
        assert session.stop().status == 0


def test_what_the_client_left_running_ends_too(container: Container) -> None:
    with Session(container, f"sh -c '{IDLE} & {IDLE}'") as session:
        session.wait_until_up()
        group = container.output(
            f"cut -d: -f3 /proc/{main_pid(container, 'xsession-client@0.service')}/cgroup"
        )
        assert group.endswith("/xsession-client@0.service")
        assert session.stop().status == 0


def test_a_client_that_ends_and_leaves_a_child(container: Container) -> None:
    assert start(container, f"sh -c '{IDLE} & xdpyinfo >/dev/null'").status == 0


def test_an_end_that_goes_wrong_in_its_middle(container: Container, home: str) -> None:
    """By nonsense of a program, once: the rest of the end comes all the same, then all of it."""
    script = f"#!/bin/sh\n[ -e {home}/end ] && rm {home}/end && exec echo '{{}}'\n"
    script += 'exec /usr/bin/busctl "$@"\n'
    container.run(f"cat >{home}/busctl; chmod +x {home}/busctl", "alice", stdin=script)
    with Session(container, before=f"export PATH={home}:$PATH") as session:
        session.wait_until_up()
        container.run(f"touch {home}/end", "alice")
        session.stop()
        container.run(f"[ ! -e {home}/end ]")


@pytest.mark.journal(r"xorg@0\.s|xsession-client@0\.service")
@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_ended_at_any_moment_of_its_start(container: Container, signal: str) -> None:
    """From 20 ms to 1 s after it was begun: status 128+n, or the shell's for a program that a
    signal killed before it could listen to it; and nothing stays (the common check)."""
    statuses = container.output(
        f"""
        for delay in 0.02 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.5 0.6 0.8 1; do
            timeout --foreground --signal={signal} --preserve-status $delay {XVFB} {IDLE}
            echo $?
            ls -d {FOLDER} 2>/dev/null
            pgrep -u alice -x Xvfb || true
        done""",
        "alice",
        timeout=90,
    )
    assert set(statuses.split()) == {{"TERM": "143", "INT": "130"}[signal]}


@pytest.mark.journal(r"xorg@0\.s|xsession-client@0\.service")
def test_stop_at_any_moment_of_its_start(container: Container) -> None:
    """As soon as `xsession stop` finds it, it ends it."""
    for _ in range(5):
        with Session(container) as session:
            container.wait("xsession stop", 10, user="alice")
            result = session.result()
            assert (result.status, result.stderr) == (0, "")


def test_a_second_start_is_refused(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        second = start(container, "true")
        assert second.status == 125
        assert said(second) == "a graphical session of this user is running already, on :0"
        assert "xsession stop" in second.stderr
        assert session.stop().status == 0


@pytest.mark.journal(r"xorg@\d\.s|xsession-client@\d\.service")
def test_two_starts_at_once(container: Container, home: str) -> None:
    """One of them runs, whole; the other says why it does not."""
    for delay in ("0", "0", "0.02", "0.04", "0.06", "0.08", "0.1", "0.15"):
        container.run(
            f"({XVFB} {IDLE} 2>&1; echo status $?) >{home}/1.out &"
            f" (sleep {delay}; {XVFB} {IDLE} 2>&1; echo status $?) >{home}/2.out &",
            "alice",
        )
        container.wait(f"grep -hq ^status {home}/*.out", 15, "one to give up", user="alice")
        refused = container.output(f"cat {home}/*.out; rm {home}/*.out")
        assert "status 125" in refused, delay
        assert "another xsession has just started" in refused or "running already" in refused
        container.wait("xsession stop", 10, "the other to run", user="alice")
        container.wait("! pgrep -x xsession", 10, "the other to end")


# Of systemd, which stops what nobody wants (StopWhenUnneeded=) so often in ten seconds and no more.
@pytest.mark.journal(r"graphical-session-pre\.target: Unit not needed anymore")
def test_twenty_in_a_row_leave_nothing_that_grows(container: Container) -> None:
    def count() -> list[str]:
        return container.output(
            """
            systemctl --user list-units --all --plain --no-legend | awk '{print $1}' | sort
            find /run/user/1000 /tmp /dev/shm -mindepth 1 | grep -v /invocation: | sort
            ls /proc/$(pgrep -u alice -x systemd)/fd | wc -l
            """,
            "alice",
        ).splitlines()

    assert start(container, "xdpyinfo").status == 0
    before = count()
    statuses = container.output(
        f"for n in $(seq 20); do {XVFB} xdpyinfo; echo $?; done", "alice", timeout=120
    )
    assert statuses.split() == ["0"] * 20
    end = time.monotonic() + 20  # the manager forgets units when it has nothing else to do
    while (after := count()) != before and time.monotonic() < end:
        time.sleep(0.2)
    assert after == before
