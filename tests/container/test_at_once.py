"""Two at once, and a thousand one after another."""

import pytest
from container.session import FOLDER, XVFB, Session, start
from machine import Container

pytestmark = [pytest.mark.fault("two at once, and a thousand"), pytest.mark.divided]

ROUNDS = 20


@pytest.fixture
def bobs_manager(container: Container) -> None:
    """bob's user manager, which is not up by itself."""
    container.run("loginctl enable-linger bob")
    container.wait("[ -S /run/user/1001/bus ]", 20, "bob's user manager")


@pytest.mark.usefixtures("bobs_manager")
@pytest.mark.journal(
    r"graphical-session-pre\.target: Unit not needed anymore",
    r"xorg@\d\.socket: Failed|Failed to listen on xorg@",  # the other was quicker
)
def test_two_users(container: Container, home: str) -> None:
    """Twenty rounds of two: each has a display of their own, whoever was quicker."""
    try:
        for number in range(ROUNDS):
            shown = container.output(
                f"""
                begin() {{
                    runuser -u $1 -- env XDG_RUNTIME_DIR=/run/user/$(id -u $1) {XVFB} \\
                        sh -c 'echo $DISPLAY; sleep 0.{number % 5}' >/dev/null 2>{home}/$1.said
                    echo $?
                }}
                begin alice & begin bob & wait
                """
            )
            assert shown.split() == ["0", "0"], number
    finally:
        container.run("loginctl disable-linger bob")


def test_a_start_while_another_stops(container: Container) -> None:
    """It waits for its turn, or is told that one runs still; never half of each."""
    for delay in ("0", "0.05", "0.1", "0.2", "0.3", "0.5"):
        with Session(container) as session:
            session.wait_until_up()
            container.run(f"(sleep {delay}; xsession stop) >/dev/null 2>&1 &", "alice")
            for _ in range(50):
                second = start(container, "true")
                if not second.status:
                    break
                assert "running already" in second.stderr, second
            assert second.status == 0
            assert session.result().status == 0


@pytest.mark.slow("ten minutes")
@pytest.mark.journal(r"Unit not needed anymore")
def test_a_thousand(container: Container) -> None:
    """What is counted after the tenth is the same after the thousandth."""

    def count() -> dict[str, int]:
        numbers = container.output(
            """
            systemctl --user list-units --all --plain --no-legend | wc -l
            find /run/user/1000 /tmp /dev/shm -mindepth 1 | grep -v /invocation: | wc -l
            manager=$(pgrep -u alice -x systemd)
            ls /proc/$manager/fd | wc -l
            awk '/^VmRSS/ {print int($2 / 1024)}' /proc/$manager/status
            journalctl -b -p warning -q --grep 'xsession|xorg@' | grep -cv 'not needed any' || true
            """,
            "alice",
        ).split()
        names = ("units", "files", "descriptors", "MB of the manager", "warnings")
        return dict(zip(names, map(int, numbers), strict=True))

    command = f"for n in $(seq %d); do {XVFB} true || echo $?; done"
    assert container.output(command % 10, "alice", timeout=120) == ""
    before = count()
    for _ in range(10):
        assert container.output(command % 100, "alice", timeout=600) == ""
    container.run(f"[ ! -e {FOLDER} ]")
    after = count()
    assert after.pop("MB of the manager") <= before.pop("MB of the manager") + 2
    assert after == before
