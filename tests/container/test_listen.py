"""Socket activation: the first X program starts the server, or is told why there is none."""

import pytest
from container.session import FOLDER, ON_DISPLAY, Journal, Session, main_pid, said, shown
from machine import Container

LISTEN = "xsession listen --server xvfb"
NOBODY = "xsession: nobody is logged in on a VT; type `xsession listen` there"


def listening(machine: Container, words: str = "", display: int = 0) -> Session:
    session = Session(machine, words, command=LISTEN)
    # DISPLAY is exported last.
    machine.wait(
        f"systemctl --user show-environment | grep -q DISPLAY=:{display}", 15, user="alice"
    )
    return session


def answering(machine: Container) -> None:
    """The server answers programs a moment before the bridge has asked it and the unit is up."""
    machine.wait("systemctl --user -q is-active xorg@0.service", 10, user="alice")


def test_the_first_program_starts_the_server(container: Container) -> None:
    with listening(container) as session:
        states = "systemctl --user is-active xorg@0.socket xorg@0.service || true"
        assert container.output(states, "alice").split() == ["active", "inactive"]
        container.run("! pgrep -x Xvfb")
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        answering(container)
        assert container.output(states, "alice").split() == ["active", "active"]
        assert shown(container, "xorg@0.service", "StatusText").startswith("X.Org 21.1.")

        # Stop the service, connect again: it comes back.
        first = main_pid(container, "xorg@0.service")
        container.run("systemctl --user stop xorg@0.service", "alice")
        container.run("! pgrep -x Xvfb")
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        answering(container)
        assert main_pid(container, "xorg@0.service") not in (0, first)
        result = session.stop()
    assert result.status == 0
    assert result.stdout.startswith("xsession: listening on :0; the first X program starts Xvfb")


@pytest.mark.journal(r"xorg@0\.service: (Main process exited|Failed with result)")
@pytest.mark.parametrize("victim", ["server", "bridge"])
@pytest.mark.fault("killed or stopped")
def test_it_comes_back_after_a_crash(container: Container, victim: str) -> None:
    with listening(container) as session:
        for _ in range(3):
            container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
            answering(container)
            pid = {
                "server": container.output("pgrep -x Xvfb"),
                "bridge": main_pid(container, "xorg@0.service"),
            }[victim]
            container.run(f"kill -9 {pid}")
            container.wait(
                "! pgrep -x Xvfb && systemctl --user is-active xorg@0.service | grep -qx failed",
                10,
                user="alice",
            )
            assert session.runs
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        assert session.stop().status == 0


def test_ctrl_c_ends_a_listener_without_a_server(container: Container) -> None:
    with listening(container) as session:
        assert session.kill("INT").status == 130


def test_many_programs_at_once_start_one_server(container: Container) -> None:
    with listening(container) as session:
        statuses = container.output(
            f"ask() {{ {ON_DISPLAY} xdpyinfo >/dev/null; echo $?; }};"
            " { for n in $(seq 30); do ask & done; wait; } | cat",
            "alice",
        )
        assert statuses.split() == ["0"] * 30
        assert container.output("pgrep -cx Xvfb") == "1"
        assert session.stop().status == 0


@pytest.mark.parametrize("suffix", ["service", "socket"])
def test_a_unit_that_needs_the_display_starts_it(container: Container, suffix: str) -> None:
    """Requires=xorg@0.service waits for the answer; Requires=xorg@0.socket for the addresses."""
    with listening(container) as session:
        container.run(
            f"systemd-run --user --wait --quiet --collect -p Requires=xorg@0.{suffix}"
            f" -p After=xorg@0.{suffix} xdpyinfo",
            "alice",
        )
        assert session.stop().status == 0


# -- nobody holds the display --


@pytest.fixture
def abandoned(container: Container) -> Container:
    """A container where xorg@3.socket is active and there is no holder."""
    container.run("systemctl --user start xorg@3.socket", "alice")
    return container


def down(machine: Container) -> None:
    """The socket still listens, nothing has failed, and now it is stopped."""
    states = "systemctl --user is-active xorg@3.socket xorg@3.service || true"
    machine.wait('[ "$(systemctl --user is-active xorg@3.service)" = inactive ]', 10, user="alice")
    assert machine.output(states, "alice").split() == ["active", "inactive"]
    machine.run("systemctl --user stop xorg@3.socket", "alice")


def test_a_program_is_told_why_there_is_no_server(abandoned: Container) -> None:
    journal = Journal(abandoned)
    for _ in range(2):
        asked = abandoned.run("DISPLAY=:3 xdpyinfo", "alice", check=False, timeout=5)
        assert asked.status == 1
        assert NOBODY in asked.stderr
        assert "nobody is logged in on a VT" in shown(abandoned, "xorg@3.service", "StatusText")
    assert "no server on :3: nobody is logged in on a VT" in journal.of("xorg@3")
    down(abandoned)


def test_a_unit_that_needs_an_abandoned_display_fails(abandoned: Container) -> None:
    needs = abandoned.run("systemctl --user start xorg@3.service", "alice", check=False, timeout=10)
    assert needs.status == 1
    down(abandoned)


# A connection request of the X protocol, in a byte order, with a cookie of 16 bytes; sent to a
# display, it prints the reply's first byte, the protocol's version and the reason.
ASK = """
import socket, struct, sys
order = sys.argv[1]
request = (b"B" if order == ">" else b"l") + b"\\0" + struct.pack(
    order + "HHHHH", 11, 0, 18, 16, 0) + b"MIT-MAGIC-COOKIE-1\\0\\0" + bytes(16)
with socket.socket(socket.AF_UNIX) as display:
    display.settimeout(5)
    display.connect("/tmp/.X11-unix/X3")
    display.sendall(request)
    header = display.recv(8, socket.MSG_WAITALL)
    failed, length, major, minor, units = struct.unpack(order + "BBHHH", header)
    reason = display.recv(units * 4, socket.MSG_WAITALL)[:length]
    print(failed, major, minor, reason.decode(), display.recv(1))
"""


def test_the_refusal_in_both_byte_orders(abandoned: Container) -> None:
    for order in "<>":
        reply = abandoned.run(f"python3 - '{order}'", "alice", stdin=ASK, timeout=10).stdout
        assert reply == f"0 11 0 {NOBODY} b''\n"
    down(abandoned)


# What a program may do instead of a proper request, as bytes.
BAD_REQUESTS = {
    "half a request": b"l\0\x0b\0",
    "a header and no cookie": b"l\0\x0b\0\0\0\x12\0\x10\0\0\0",
    "neither order": b"?" * 12,
    "the longest name and data": b"l\0\x0b\0\0\0\xff\xff\xff\xff\0\0",
    "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "nothing": b"",
}

SEND_AND_HOLD = """
import socket, sys, time
display = socket.socket(socket.AF_UNIX)
display.connect("/tmp/.X11-unix/X3")
display.sendall(bytes.fromhex(sys.argv[1]))
print("sent", flush=True)
display.settimeout(20)
try:
    while display.recv(4096):
        pass
except ConnectionError:
    pass
print("dropped", flush=True)
"""


def test_bad_requests_do_not_block_others_for_long(abandoned: Container, home: str) -> None:
    for what, request in BAD_REQUESTS.items():
        hold = f"python3 - '{request.hex()}' >{home}/bad 2>&1 <<<'{SEND_AND_HOLD}' &"
        abandoned.run(hold, "alice")
        abandoned.wait(f"grep -q sent {home}/bad", 5)
        asked = abandoned.run("DISPLAY=:3 xdpyinfo", "alice", check=False, timeout=5)
        assert NOBODY in asked.stderr, what
        abandoned.wait(f"grep -q dropped {home}/bad", 5, f"{what} to be dropped")
    down(abandoned)


HOLD_MANY = """
import socket, time
held = []
for _ in range(100):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect("\\0/tmp/.X11-unix/X3")
time.sleep(600)
"""


def test_many_silent_programs_do_not_block_others_for_long(abandoned: Container) -> None:
    """bob's: the abstract address is open to everybody."""
    hold = abandoned.output(f"python3 -c '{HOLD_MANY}' & echo $!", "bob")
    try:
        abandoned.wait("[ $(ss -Hx | grep -c '@/tmp/.X11-unix/X3 ') -ge 5 ]", 5)
        asked = abandoned.run("DISPLAY=:3 xdpyinfo", "alice", check=False, timeout=8)
        assert NOBODY in asked.stderr
    finally:
        abandoned.run(f"kill {hold}")
        down(abandoned)


def test_many_programs_at_once_are_all_told(abandoned: Container) -> None:
    command = "{ for n in $(seq 60); do DISPLAY=:3 xdpyinfo & done; wait; } 2>&1 | cat"
    assert abandoned.output(command, "alice", timeout=30).count(NOBODY) == 60
    down(abandoned)


@pytest.mark.journal(r"xorg@0\.(service|socket)")
def test_a_bridge_that_cannot_run_is_not_tried_for_ever(container: Container) -> None:
    """As after an upgrade that went wrong, while somebody listens: who waits for it is let go."""
    journal = Journal(container)
    with listening(container) as session:
        container.run("chmod -x /usr/bin/xsession")
        try:
            ask = f"{ON_DISPLAY} xdpyinfo"
            assert container.run(ask, "alice", check=False, timeout=60).status == 1
            journal.wait_for("xorg@0.socket: Failed with result 'trigger-limit-hit'")
        finally:
            container.run("chmod +x /usr/bin/xsession")
        assert journal.of("xorg@0.service").count("Main process exited") <= 51
        assert session.stop().status == 0


def test_the_bridge_by_hand_says_what_it_is_for(container: Container) -> None:
    result = container.run("xsession bridge 0", "alice", check=False)
    assert result.status == 125
    assert "this is for xorg@0.service" in result.stderr
    assert "Traceback" not in result.stderr


def test_listen_while_a_session_runs_is_refused(container: Container) -> None:
    with listening(container) as session:
        second = container.run(LISTEN, "alice", check=False)
        assert second.status == 125
        assert said(second) == "a graphical session of this user is running already, on :0"
        assert session.stop().status == 0


@pytest.mark.fault("killed or stopped")
def test_a_listener_that_was_killed(container: Container) -> None:
    """The next program to connect is told, and with that all is cleared away."""
    with listening(container) as session:
        session.kill("KILL")
        asked = container.run(f"{ON_DISPLAY} xdpyinfo", "alice", check=False, timeout=5)
        assert "nobody is logged in on a VT" in asked.stderr
        container.wait(f"[ ! -e {FOLDER} ] && [ ! -e /tmp/.X11-unix/X0 ]", 10)
