"""The X server's "Failed" reply, as bytes and as X programs read it."""

import contextlib
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator

import pytest
from Xlib import error
from Xlib.display import Display as Connection

from xsession import refusal
from xsession.display import Display

REASON = "xsession: nobody is logged in on a VT"


def request(order: str, name: bytes = b"", data: bytes = b"") -> bytes:
    """A connection request: X Window System Protocol, "Connection Setup"."""
    first = b"l" if order == "<" else b"B"
    lengths = struct.pack(order + "HHHHH", 11, 0, len(name), len(data), 0)
    return first + b"\0" + lengths + b"".join(s + b"\0" * (-len(s) % 4) for s in (name, data))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("reason", ["", "no", "four", "x" * 255, "x" * 300, "für Élise ✓"])
def test_the_reply(order: str, reason: str) -> None:
    reply = refusal.failed(request(order), reason)
    status, length, major, minor, words = struct.unpack_from(order + "BBHHH", reply)
    text = "".join(c if c.isascii() else "?" for c in reason)[:255]
    assert (status, major, minor) == (0, 11, 0)
    assert len(reply) == 8 + 4 * words
    assert reply[8 : 8 + length] == text.encode()
    assert set(reply[8 + length :]) <= {0}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("name", "data"), [(b"", b""), (b"MIT-MAGIC-COOKIE-1", b"\1" * 16), (b"1", b"22222")]
)
def test_the_length_of_a_request(order: str, name: bytes, data: bytes) -> None:
    whole = request(order, name, data)
    assert refusal.REQUEST_BYTES + refusal.rest(whole[: refusal.REQUEST_BYTES]) == len(whole)


# -- the bridge's use of it, on a real address --


@pytest.fixture
def display() -> Iterator[Display]:
    """A display far away from those in use, on its abstract address, that refuses everybody."""
    display = Display(900 + os.getpid() % 90)
    over, end = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(display.abstract)
        listener.listen()
        thread = threading.Thread(target=refuse_all, args=(listener.fileno(), over))
        thread.start()
        yield display
        os.close(end)
        thread.join()
    os.close(over)


def refuse_all(listener: int, until: int) -> None:
    refuser = refusal.Refuser([listener], REASON)
    poll = select.poll()
    while True:
        for fd in (fds := {until, *refuser.fds}):
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll()]
        for fd in fds:
            poll.unregister(fd)
        if until in ready:
            break
        for fd in ready:
            refuser.serve(fd)
    refuser.close()


def asked(client: socket.socket) -> bytes:
    """All that a display answers, until it closes the connection."""
    client.settimeout(10)
    return b"".join(iter(lambda: client.recv(4096), b""))


def connected(display: Display) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(display.abstract)
    return client


def test_python_xlib_reads_the_reason(display: Display) -> None:
    with pytest.raises(error.DisplayConnectionError, match=REASON):
        Connection(display.name)


@pytest.mark.skipif(not shutil.which("xdpyinfo"), reason="needs xdpyinfo")
def test_an_x_program_prints_the_reason(display: Display) -> None:
    said = subprocess.run(["xdpyinfo", "-display", display.name], capture_output=True, text=True)
    assert said.returncode == 1
    assert REASON in said.stderr


def test_a_client_that_goes_away_is_no_error(display: Display) -> None:
    with connected(display) as client:
        client.send(b"l")
    with connected(display) as client:
        client.send(request("<"))
        assert asked(client) == refusal.failed(request("<"), REASON)


def test_those_who_are_silent_keep_nobody_waiting(display: Display) -> None:
    """More of them than are heard at a time: the oldest go."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(display)) for _ in range(refusal.MOST_ASKING + 10)]
        client = stack.enter_context(connected(display))
        client.send(request(">"))
        assert asked(client) == refusal.failed(request(">"), REASON)
        assert asked(silent[0]) == b""
        silent[-1].send(request("<"))
        assert asked(silent[-1]) == refusal.failed(request("<"), REASON)


def test_a_request_that_comes_byte_by_byte(display: Display) -> None:
    whole = request("<", b"MIT-MAGIC-COOKIE-1", b"\1" * 16)
    with connected(display) as client:
        for at in range(len(whole)):
            client.send(whole[at : at + 1])
        assert asked(client) == refusal.failed(whole, REASON)
