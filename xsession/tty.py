"""The terminal on standard input and its VT.

Sources: ioctl_console(2), Linux Documentation/admin-guide/devices.txt (major 4),
/sys/class/tty/tty0/active (Documentation/ABI/testing/sysfs-tty).
"""

import contextlib
import fcntl
import os
import struct
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

from xsession.process import Deadline, readable

MAJOR = 4
LAST_VT = 63
KDSETMODE, KDGETMODE = 0x4B3A, 0x4B3B
KD_TEXT = 0
KDGKBMODE, KDSKBMODE = 0x4B44, 0x4B45
K_XLATE, K_UNICODE = 1, 3  # the modes in which a person can type
VT_SETMODE = 0x5602
VT_ACTIVATE = 0x5606
VT_AUTO = struct.pack("bbhhh", 0, 0, 0, 0, 0)


def vt_of(fd: int) -> int | None:
    """The number of the VT that `fd` is, or None."""
    try:
        device = os.fstat(fd).st_rdev
    except OSError:
        return None
    minor = os.minor(device)
    return minor if os.major(device) == MAJOR and 1 <= minor <= LAST_VT else None


def is_text(fd: int) -> bool:
    """Whether the VT is in text mode. A terminal that was hung up counts as text: nothing to do."""
    try:
        mode = fcntl.ioctl(fd, KDGETMODE, struct.pack("l", 0))
    except OSError:
        return True
    return bool(struct.unpack("l", mode)[0] == KD_TEXT)


def keyboard_mode(fd: int) -> int | None:
    """What the VT makes of its keys; None for another terminal."""
    try:
        mode = fcntl.ioctl(fd, KDGKBMODE, struct.pack("l", 0))
    except OSError:
        return None
    return int(struct.unpack("l", mode)[0])


def active_vt() -> int:
    """The VT on the screen; 0 where the machine has none."""
    try:
        with open("/sys/class/tty/tty0/active") as file:
            return int(file.read().strip().removeprefix("tty"))
    except (OSError, ValueError):
        return 0


def allocated() -> tuple[int, ...]:
    """The VTs that the kernel holds: on them is something, or was and has not been deallocated."""
    with contextlib.suppress(OSError):  # no VTs on this machine
        names = (name.removeprefix("vcs") for name in os.listdir("/sys/class/vc"))
        return tuple(sorted(int(name) for name in names if name.isdecimal()))
    return ()


def put_on_screen(vt: int) -> None:
    """Switch to a VT, which needs root rights here; the switch itself may come a moment later."""
    with open("/dev/tty0", "rb", buffering=0) as screen:
        fcntl.ioctl(screen, VT_ACTIVATE, vt)


class Terminal:
    """The VT as it was when we came, to be given back whole."""

    def __init__(self, fd: int = 0) -> None:
        self.fd = fd
        self.vt = vt_of(fd)
        self._attributes: list[Any] | None = None
        with contextlib.suppress(termios.error):  # not a terminal
            self._attributes = termios.tcgetattr(fd)
        self._keyboard = K_XLATE if keyboard_mode(fd) == K_XLATE else K_UNICODE

    def give_back(self, seconds: float = 3.0) -> None:
        """Text mode, keyboard and stty settings as before.

        logind restores the VT when its controller, the server, has gone: on a
        kill -9 a moment later, and no event tells when. Only if it does not
        (it was restarted, say) is it done here; the VT is our controlling
        terminal, so that needs no rights.
        """
        if self.vt is not None:
            deadline = Deadline(seconds)
            while not is_text(self.fd) and deadline.left:
                time.sleep(0.01)
            if not is_text(self.fd):
                self._force_text()
        if self._attributes is not None:
            with contextlib.suppress(termios.error):  # hung up: the next to open it sets it up
                termios.tcsetattr(self.fd, termios.TCSANOW, self._attributes)

    def _force_text(self) -> None:
        for request, argument in (
            (KDSETMODE, KD_TEXT),
            (KDSKBMODE, self._keyboard),
            (VT_SETMODE, VT_AUTO),
        ):
            with contextlib.suppress(OSError):  # hung up, or another session's VT by now
                fcntl.ioctl(self.fd, request, argument)

    def wait_for_key(self, seconds: float) -> None:
        """Until a key is pressed, or for `seconds`."""
        if self._attributes is None:
            return
        try:
            termios.tcflush(self.fd, termios.TCIFLUSH)
            attributes = termios.tcgetattr(self.fd)
            attributes[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
            readable(self.fd, seconds)
            termios.tcflush(self.fd, termios.TCIFLUSH)
            termios.tcsetattr(self.fd, termios.TCSANOW, self._attributes)
        except (termios.error, OSError):
            pass  # hung up: there is nobody to wait for


@contextlib.contextmanager
def key_by_key(fd: int) -> Iterator[None]:
    """Keys arrive as they are pressed and are not shown, Ctrl-C among them; then as before."""
    before = termios.tcgetattr(fd)
    attributes = termios.tcgetattr(fd)
    attributes[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, attributes)
        yield
    finally:
        with contextlib.suppress(termios.error):  # hung up: the next to open it sets it up
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def height() -> int:
    """The lines of the terminal on standard output."""
    try:
        return os.get_terminal_size(1).lines or 24
    except OSError:
        return 24


def width() -> int:
    """The columns of the terminal on standard output; where that is no terminal, no end of them."""
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return sys.maxsize


def has_colours() -> bool:
    """Whether standard output is a terminal that knows colours, and its person wants them
    (https://no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in (None, "", "dumb")
    return wanted and os.isatty(1)


def can_show(character: str) -> bool:
    """Whether standard output's encoding has it."""
    try:
        character.encode(sys.stdout.encoding if sys.stdout else "ascii")
    except UnicodeEncodeError:
        return False
    return True


def folded(text: str, indent: int = 4) -> str:
    """Lines no longer than the terminal is wide; what has to go to the next one is indented."""
    text, columns = encodable(text), width()  # what is escaped is longer
    if all(len(line) <= columns for line in text.split("\n")):
        return text
    import textwrap

    return "\n".join(
        textwrap.fill(
            line,
            columns,
            subsequent_indent=" " * min(indent, columns // 2),
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


def say(text: str) -> None:
    """Print `text`; what standard output's encoding does not have is escaped."""
    print(encodable(text))


def encodable(text: str) -> str:
    """`text`, of which what standard output's encoding does not have is escaped."""
    encoding = sys.stdout.encoding if sys.stdout else "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
