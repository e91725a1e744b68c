"""Unix sockets: the display's two addresses, and the line between holder and bridge.

The line carries packets (SOCK_SEQPACKET keeps their bounds): words divided by NUL, the first is
the verb, with descriptors beside them. Source: unix(7).
"""

import contextlib
import errno
import os
import socket
import stat
import struct
import time
from collections.abc import Iterable

from xsession.display import FOLDER, Display

CONNECT = 5.0  # seconds until a listener that accepts nobody, its queue full, is given up
PACKET = 1 << 17  # bytes; more than a socket buffer takes, so all that could be sent
MOST_FDS = 8
LONGEST = 107  # bytes of a path: sun_path, unix(7)


def folder_objection() -> str:
    """Why the folder of the displays' addresses cannot be trusted, or nothing."""
    try:
        status = os.lstat(FOLDER)
    except OSError as error:
        return f"{FOLDER}: {error.strerror}"
    if stat.S_ISLNK(status.st_mode):
        return f"{FOLDER} is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return f"{FOLDER} is not a folder"
    if status.st_uid != 0:
        return f"{FOLDER} belongs to uid {status.st_uid}, not to root"
    if status.st_mode & 0o1777 != 0o1777:
        return f"{FOLDER} has mode {status.st_mode & 0o7777:04o}, not 1777"
    return ""


def taken(display: Display) -> str:
    """Why `display` cannot be ours, found by binding and connecting; or nothing."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(display.abstract)
        except OSError as error:
            return f"its abstract address is in use: {error.strerror}"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(display.path)
        except (FileNotFoundError, ConnectionRefusedError):
            pass  # nobody listens: a left-over, ours to replace or another's to keep
        except OSError as error:
            return f"{display.path}: {error.strerror}"
        else:
            return f"somebody answers on {display.path}"
    try:
        owner = os.lstat(display.path).st_uid
    except FileNotFoundError:
        return ""
    return "" if owner == os.getuid() else f"{display.path} belongs to uid {owner}"


def remove(display: Display) -> None:
    """Remove the path of a display if it is ours and nobody listens there. Who has bound it and
    is about to listen has the abstract address."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as lock:
        lock.bind(display.abstract)
        _remove_left_over(display)


def _remove_left_over(display: Display) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(display.path)
        except ConnectionRefusedError:
            os.unlink(display.path)


def reserve(display: Display, runtime: str) -> socket.socket | None:
    """Bind the abstract address where nobody has it; None where the user manager does, for us.

    An abstract name is one per network namespace (unix(7)). If the user manager, which binds it
    for us, is in another one than we (NetworkNamespacePath= in user@.service), it is free in ours,
    and somebody else's server there would get the cookie. Bound and not listening, it is nobody's:
    clients are refused, and go on to the path. Raises OSError if another user was quicker.
    """
    reserved = socket.socket(socket.AF_UNIX)
    try:
        reserved.bind(display.abstract)
    except OSError:
        reserved.close()
        if shares_our_network(runtime):
            return None
        raise
    return reserved


def shares_our_network(runtime: str) -> bool:
    """Whether the user manager, which listens at its bus's path, does so in our network namespace.

    proc(5), net/unix: the table of our namespace. Flags 10000: it listens; a connection has the
    same path. (/proc/PID/ns/net of a manager with CAP_WAKE_ALARM is closed to a login without.)
    """
    bus = f"{runtime}/bus"
    with open("/proc/net/unix", errors="replace") as table:
        return any(row.split()[3::4] == ["00010000", bus] for row in table)


def listen(path: str) -> socket.socket:
    """A listener for packets at `path`, private (0600) from its first moment."""
    if len(os.fsencode(path)) > LONGEST:  # of which Python's own error has no number
        raise OSError(errno.ENAMETOOLONG, f"longer than {LONGEST} bytes", path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen()
    return listener


def knock(display: Display) -> None:
    """Connect to a display and say nothing; what listens there is started by it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(CONNECT)
        line.connect(display.path)


def connect(path: str) -> socket.socket | None:
    """A connection to the listener at `path`; None if nobody listens there."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.setblocking(False)
    try:
        _connect(line, path, time.monotonic() + CONNECT)
        line.setblocking(True)
    except OSError as error:
        line.close()
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
            return None
        raise
    return line


def _connect(line: socket.socket, path: str, end: float) -> None:
    """Until the moment `end`; connect(2) does not wait where the queue is full."""
    while True:
        try:
            return line.connect(path)
        except BlockingIOError:
            if time.monotonic() > end:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        time.sleep(0.05)


def peer(line: socket.socket) -> tuple[int, int]:
    """PID and uid of the process at the other end."""
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("iII", credentials)
    return pid, uid


def send(line: socket.socket, *words: str, fds: Iterable[int] = ()) -> bool:
    """Send one packet; False if the other end has gone or does not read."""
    try:
        socket.send_fds(
            line,
            ["\0".join(words).encode("utf-8", "surrogateescape")],
            list(fds),
            socket.MSG_NOSIGNAL,
        )
    except OSError:
        return False
    return True


def receive(line: socket.socket) -> tuple[list[str], list[int]] | None:
    """One packet: its words and descriptors, the latter the caller's to close. None at the end.

    Raises ValueError for a packet that is too long, or is no text.
    """
    try:
        try:
            data, fds, flags, _ = socket.recv_fds(line, PACKET, MOST_FDS)
        except ConnectionResetError:
            # It closed with something of ours unread, which is told once, and before what it had
            # sent (unix_release_sock in the kernel's af_unix.c).
            data, fds, flags, _ = socket.recv_fds(line, PACKET, MOST_FDS)
    except ConnectionError:
        return None
    for fd in fds:  # MSG_CMSG_CLOEXEC would be of no use: recv_fds ignores what flags it is given
        os.set_inheritable(fd, False)
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("packet too long")
        if data:
            return data.decode("utf-8", "surrogateescape").split("\0"), fds
    except ValueError:
        close(fds)
        raise
    close(fds)
    return None


def close(fds: Iterable[int]) -> None:
    """Close descriptors that came with a packet."""
    for fd in fds:
        os.close(fd)
