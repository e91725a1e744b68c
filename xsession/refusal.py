"""The X server's own "Failed" reply to a client, so that every X program prints why.

Source: X Window System Protocol, "Connection Setup". The client's first byte is its byte order,
`B` or `l`; the lengths of the two strings at offset 6 say how long its request is.
"""

import socket
import struct
from collections.abc import Iterable

REQUEST_BYTES = 12
MOST_ASKING = 256  # clients that are heard at a time
REASON_BYTES = 255  # the length is one byte


def order(request: bytes) -> str:
    """The byte order of a connection request, as struct(3py) spells it."""
    return ">" if request[:1] == b"B" else "<"


def rest(request: bytes) -> int:
    """How many bytes follow the first 12 of a connection request (name and data, each padded)."""
    name, data = struct.unpack_from(order(request) + "HH", request, 6)
    return int(-name % 4 + name + -data % 4 + data)


def whole(request: bytes) -> bool:
    """Whether these first bytes of a connection are all of its request."""
    return len(request) >= REQUEST_BYTES and len(request) >= REQUEST_BYTES + rest(request)


def failed(request: bytes, reason: str) -> bytes:
    """The reply that refuses `request` and says `reason`."""
    text = reason.encode("ascii", "replace")[:REASON_BYTES]
    padded = text + b"\0" * (-len(text) % 4)
    header = struct.pack(order(request) + "BBHHH", 0, len(text), 11, 0, len(padded) // 4)
    return header + padded


class Refuser:
    """Tells all clients of a display why it has no server; one that is silent delays no other."""

    def __init__(self, listeners: Iterable[int], reason: str) -> None:
        self._listeners = {fd: socket.socket(fileno=fd) for fd in listeners}
        for listener in self._listeners.values():
            listener.setblocking(False)
        self._reason = reason
        # Those that have not said all of their request, and what they have said of it.
        self._asking: dict[int, tuple[socket.socket, bytes]] = {}

    @property
    def fds(self) -> list[int]:
        """What to wait for."""
        return [*self._listeners, *self._asking]

    def serve(self, fd: int) -> None:
        """Something has come at `fd`."""
        if fd in self._listeners:
            try:
                client, _ = self._listeners[fd].accept()
            except BlockingIOError:  # it went away, or another had it
                return
            except OSError:  # there are no more descriptors
                self._make_room()
                return
            client.setblocking(False)
            if len(self._asking) >= MOST_ASKING:
                self._make_room()
            self._asking[client.fileno()] = client, b""
            fd = client.fileno()  # it mostly has said all by now
        if fd in self._asking:
            self._hear(fd)

    def _hear(self, fd: int) -> None:
        client, request = self._asking[fd]
        try:
            more = client.recv(65536)
            request += more
            if more and not whole(request):
                self._asking[fd] = client, request
                return
            if more:
                client.sendall(failed(request, self._reason))
        except BlockingIOError:
            return
        except OSError:
            pass  # it went away: nobody to tell
        self._drop(fd)

    def _make_room(self) -> None:
        """The oldest that is silent goes."""
        for fd in list(self._asking)[:1]:
            self._drop(fd)

    def _drop(self, fd: int) -> None:
        client, _ = self._asking.pop(fd)
        client.close()

    def close(self) -> None:
        for fd in list(self._asking):
            self._drop(fd)
        for listener in self._listeners.values():  # they are not ours
            listener.detach()
