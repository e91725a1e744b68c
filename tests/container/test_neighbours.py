"""Hostile neighbours: other users at the display's addresses, anybody at the holder's socket."""

from collections.abc import Iterator

import pytest
from container.session import (
    FOLDER,
    IDLE,
    ON_DISPLAY,
    Journal,
    Session,
    manager_has,
    said,
    start,
)
from machine import Container

pytestmark = [pytest.mark.fault("neighbours"), pytest.mark.divided]

# -- the display's two addresses --

# Listens where it is told, accepts everybody, and writes down what they say.
SQUATTER = r"""
import socket, sys, threading
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1].replace("@", "\0"))
listener.listen(50)
print("listens", flush=True)
while True:
    client, _ = listener.accept()
    print("came", client.recv(1000), flush=True)
"""


class Squatter:
    """bob, listening on an address."""

    def __init__(self, machine: Container, address: str) -> None:
        self.machine = machine
        self.address = address
        machine.run("cat >/dev/shm/squatter.py", stdin=SQUATTER)
        command = f"python3 /dev/shm/squatter.py {address} >/dev/shm/squatter 2>&1 & echo $!"
        self.pid = machine.output(command, "bob")

    def __enter__(self) -> "Squatter":
        self.machine.wait("grep -q listens /dev/shm/squatter", 5)
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.run(f"kill {self.pid}; rm -f {self.address} /dev/shm/squatter*")

    @property
    def heard(self) -> str:
        return self.machine.output("grep came /dev/shm/squatter || true")


@pytest.mark.parametrize("address", ["@/tmp/.X11-unix/X0", "/tmp/.X11-unix/X0"])
def test_another_user_has_an_address(container: Container, address: str) -> None:
    with Squatter(container, address) as squatter:
        with Session(container) as session:
            session.wait_until_up(1)
            assert "name of display:    :1" in container.output(f"{ON_DISPLAY} xdpyinfo", "alice")
            assert session.stop().status == 0
        refused = start(container, "--display :0 true")
        assert refused.status == 125
        assert said(refused).startswith("display :0 is taken: ")
        # A look may knock there; what matters is that nobody says anything, least a cookie.
        assert "MIT-MAGIC" not in squatter.heard
        assert squatter.heard in ("", "came b''")


# systemd tells that it cannot take the path; then the next number is tried.
@pytest.mark.journal(r"xorg@0\.socket")
def test_another_user_has_something_at_the_path(container: Container) -> None:
    for thing in ("touch", "mkdir", "mkfifo", "ln -s /nowhere", "ln -s /run/user/1000/bus"):
        container.run(f"{thing} /tmp/.X11-unix/X0", "bob")
        try:
            assert start(container, "sh -c '[ $DISPLAY = :1 ] && xdpyinfo'").status == 0, thing
            assert start(container, "--display :0 true").status == 125, thing
        finally:
            container.run("rm -rf /tmp/.X11-unix/X0")


def test_a_foreign_lock_has_no_effect(container: Container) -> None:
    container.run("echo '         1' >/tmp/.X0-lock; chmod 600 /tmp/.X0-lock", "bob")
    try:
        assert start(container, "sh -c '[ $DISPLAY = :0 ] && xdpyinfo'").status == 0
        container.run("[ -e /tmp/.X0-lock ]")
    finally:
        container.run("rm /tmp/.X0-lock")


def test_a_stale_path_of_her_own_is_replaced(container: Container) -> None:
    leave = "import socket; socket.socket(socket.AF_UNIX).bind('/tmp/.X11-unix/X0')"
    container.run(f'python3 -c "{leave}"', "alice")
    assert start(container, "sh -c '[ $DISPLAY = :0 ] && xdpyinfo'").status == 0


@pytest.mark.parametrize("option", ["-nolisten local", "-nolisten unix", ""])
def test_a_server_that_runs_is_not_harmed(container: Container, option: str) -> None:
    other = Session(container, f":0 -ac {option}", command="Xvfb")
    with other:
        container.wait("DISPLAY=:0 xdpyinfo", 10, user="alice")
        before = container.output("ls -i /tmp/.X11-unix", "alice")
        assert start(container, "sh -c '[ $DISPLAY = :1 ] && xdpyinfo'").status == 0
        assert start(container, "--display :0 true").status == 125
        container.run("DISPLAY=:0 xdpyinfo", "alice")
        assert container.output("ls -i /tmp/.X11-unix", "alice") == before
        other.kill("TERM")


def test_all_displays_are_taken(container: Container) -> None:
    container.run("for n in $(seq 0 63); do touch /tmp/.X11-unix/X$n; done", "bob")
    try:
        refused = start(container, "true")
        assert refused.status == 125
        assert said(refused).startswith("all displays from :0 to :63 are taken")
        assert start(container, "xdpyinfo -- :64").status == 0
    finally:
        container.run("rm /tmp/.X11-unix/X*")


SPOILT = {
    "true": "No such file or directory",
    "ln -s /home/bob /tmp/.X11-unix": "is a symbolic link",
    "install -d -m 1777 -o bob /tmp/.X11-unix": "belongs to uid 1001",
    "install -d -m 0755 /tmp/.X11-unix": "has mode 0755",
    "install -d -m 0777 /tmp/.X11-unix": "has mode 0777",
    "touch /tmp/.X11-unix": "is not a folder",
}


def test_the_folder_of_the_addresses_cannot_be_trusted(container: Container) -> None:
    for spoil, reason in SPOILT.items():
        container.run(f"mv /tmp/.X11-unix /tmp/kept; {spoil}")
        try:
            refused = start(container, "true")
            assert refused.status == 125
            assert reason in said(refused)
            # The way out that it names is one.
            container.run(refused.stderr.splitlines()[1].removeprefix("  as root: "))
            assert start(container, "xdpyinfo").status == 0
        finally:
            container.run("rm -rf /tmp/.X11-unix; mv /tmp/kept /tmp/.X11-unix")


# -- between our look and our bind --

# The first `systemctl` in alice's PATH: it lets somebody in before the addresses are bound.
SLOW_SYSTEMCTL = """\
#!/bin/sh
case "$*" in *start*xorg@0.socket)
    touch {home}/now
    until [ -e {home}/go ]; do sleep 0.05; done
esac
exec /usr/bin/systemctl "$@"
"""


@pytest.fixture
def slow(container: Container, home: str) -> Iterator[Session]:
    """A start that has looked, and has not bound anything yet; `go` has it go on."""
    path = f"{home}/systemctl"
    script = SLOW_SYSTEMCTL.format(home=home)
    container.run(f"cat >{path}; chmod +x {path}", "alice", stdin=script)
    with Session(container, before=f"PATH={home}:$PATH") as session:
        container.wait(f"[ -e {home}/now ]", 10, "the start to bind")
        yield session


@pytest.mark.journal(r"xorg@0\.socket")
@pytest.mark.parametrize("address", ["@/tmp/.X11-unix/X0", "/tmp/.X11-unix/X0"])
def test_another_user_is_quicker(
    container: Container, home: str, slow: Session, address: str
) -> None:
    with Squatter(container, address) as squatter:
        container.run(f"touch {home}/go")
        slow.wait_until_up(1)
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        assert manager_has(container, "DISPLAY") == ":1"
        assert slow.stop().status == 0
        assert squatter.heard in ("", "came b''")


def test_the_folder_of_the_addresses_becomes_another_user_s(
    container: Container, home: str, slow: Session
) -> None:
    container.run("mv /tmp/.X11-unix /tmp/kept; install -d -m 1777 -o bob /tmp/.X11-unix")
    try:
        container.run(f"touch {home}/go")
        refused = slow.result()
        assert refused.status == 125
        assert "/tmp/.X11-unix belongs to uid 1001" in said(refused)
    finally:
        container.run("rm -rf /tmp/.X11-unix; mv /tmp/kept /tmp/.X11-unix")


# -- the cookie --


def test_nobody_sees_the_cookie(container: Container) -> None:
    with Session(container, f"xterm -e {IDLE}") as session:
        session.wait_until_up()
        container.wait(f"{ON_DISPLAY} xwininfo -root -tree | grep -q xterm", 10, user="alice")
        assert container.output(f"stat -c '%U %a' {FOLDER} {FOLDER}/authority").split("\n") == [
            "alice 700",
            "alice 600",
        ]
        cookies = container.output(f"xauth -q -f {FOLDER}/authority list | awk '{{print $3}}'")
        (cookie,) = set(cookies.split())
        assert len(cookie) == 32
        # `cookie` itself must not stand in the command line that looks for it.
        seen = container.run(
            "read -r cookie; { cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; journalctl;"
            " runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show '*';"
            " } 2>/dev/null | tr '\\0' '\\n' | grep -ciF -f <(echo $cookie)",
            stdin=cookie + "\n",
            check=False,
        )
        assert seen.stdout == "0\n"
        assert session.stop().status == 0
    # And the next session has another.
    with Session(container) as session:
        session.wait_until_up()
        assert cookie not in container.output(f"xauth -q -f {FOLDER}/authority list")
        assert session.stop().status == 0


def test_without_the_cookie_nobody_else_connects(container: Container) -> None:
    with Session(container) as session:
        session.wait_until_up()
        # She could read it: what she started before the session knows DISPLAY alone.
        container.run("XAUTHORITY=/dev/null DISPLAY=:0 xdpyinfo", "alice")
        for user in ("bob", "root"):
            asked = container.run(
                "XAUTHORITY=/dev/null DISPLAY=:0 xdpyinfo", user, check=False, timeout=5
            )
            assert asked.status == 1, user
            assert "unable to open display" in asked.stderr
        stolen = container.run(
            f"XAUTHORITY={FOLDER}/authority DISPLAY=:0 xdpyinfo", "bob", check=False, timeout=5
        )
        assert stolen.status == 1
        assert session.stop().status == 0


# -- the holder's socket --

# Does something named to the holder's socket; what it prints tells how that went.
TALK = r"""
import os, socket, sys, time

def line():
    it = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    it.connect("/run/user/1000/xsession/0/holder")
    it.settimeout(5)
    return it

def say(*packets, fds=()):
    with line() as it:
        for packet in packets:
            try:
                socket.send_fds(it, [packet], fds)
            except OSError as error:
                print(error.strerror)
        it.shutdown(socket.SHUT_WR)
        try:
            while it.recv(100):
                pass
        except OSError as error:
            print(error.strerror)

def many():
    lines = []
    for _ in range(100):
        try:
            lines.append(line())
        except OSError as error:
            print(error.strerror)
            break
    for it in lines:
        it.close()

null = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
{
    "garbage": lambda: say(os.urandom(1000), b"\xff\xfe", b"serve\0" * 100),
    "NULs": lambda: say(b"\0", b"\0" * 4000),
    "nothing": lambda: say(b""),
    "a megabyte": lambda: say(b"x" * 1_000_000, b"x" * 100_000, b"x" * 5000),
    "20 descriptors": lambda: say(b"serve", fds=null),
    "4 descriptors": lambda: say(b"serve", fds=null[:4]),
    "8 descriptors": lambda: say(b"stopp", fds=null[:8]),
    "a second serve": lambda: say(b"serve"),
    "what a bridge says": lambda: say(b"ready\0I am", b"failed\0I did", b"ended\0001\0me"),
    "numbers that are none": lambda: say("ended\0²\0x".encode(), b"ended\0" + b"9" * 4000 + b"\0x"),
    "a hundred lines": many,
    "lines that are closed at once": lambda: [line().close() for _ in range(200)],
}[sys.argv[1]]()
"""

TALKS = [
    "garbage",
    "NULs",
    "nothing",
    "a megabyte",
    "20 descriptors",
    "4 descriptors",
    "8 descriptors",
    "a second serve",
    "what a bridge says",
    "numbers that are none",
    "a hundred lines",
    "lines that are closed at once",
]


def test_the_holder_survives_whatever_is_said_to_it(container: Container, home: str) -> None:
    container.run(f"cat >{home}/talk.py", "alice", stdin=TALK)
    with Session(container) as session:
        session.wait_until_up()
        socket = container.output(f"stat -c '%F %U %a' {FOLDER} {FOLDER}/holder")
        assert socket.splitlines() == ["directory alice 700", "socket alice 600"]
        descriptors = f"ls /proc/{session.pid}/fd | sort -n"
        before = container.output(descriptors)
        for what in TALKS:
            container.run(f"timeout 20 python3 {home}/talk.py '{what}'", "alice", timeout=30)
            assert session.runs, what
            container.wait(f'[ "$({descriptors})" = "{before}" ]', 5, f"no descriptor after {what}")
        container.run(f"{ON_DISPLAY} xdpyinfo", "alice")
        assert container.output("pgrep -cx Xvfb") == "1"
        result = session.stop()
    assert (result.status, result.stderr) == (0, "")


def test_lines_that_stay_open_do_not_keep_out_a_stop(container: Container, home: str) -> None:
    hold = "import socket,time\nheld=[]\nfor _ in range(40):\n"
    hold += "    held.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))\n"
    hold += f"    held[-1].connect('{FOLDER}/holder')\ntime.sleep(600)\n"
    container.run(f"cat >{home}/hold.py", "alice", stdin=hold)
    with Session(container) as session:
        session.wait_until_up()
        pid = container.output(f"python3 {home}/hold.py & echo $!", "alice")
        try:
            container.wait(f"[ $(ls /proc/{pid}/fd | wc -l) -gt 40 ]", 5)
            container.run("xsession stop", "alice")
            assert session.result().status == 0
        finally:
            container.run(f"kill {pid}")


def test_another_user_at_the_holders_socket(container: Container) -> None:
    """The folder keeps bob out; and if he came in, the holder asks who he is."""
    connect = (
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
        f" s.connect('{FOLDER}/holder'); s.send(b'stop'); print(s.recv(10))"
    )
    with Session(container) as session:
        session.wait_until_up()
        refused = container.run(f'python3 -c "{connect}"', "bob", check=False)
        assert "Permission denied" in refused.stderr
        journal = Journal(container)
        container.run(f"chmod 711 /run/user/1000 {FOLDER}/.. {FOLDER}; chmod 666 {FOLDER}/holder")
        try:
            came = container.run(f'python3 -c "{connect}"', "bob", check=False)
            assert "b''" in came.stdout or "Error" in came.stderr
            journal.wait_for("refused a connection from PID")
        finally:
            container.run("chmod 700 /run/user/1000")
        assert session.runs
        assert session.stop().status == 0
