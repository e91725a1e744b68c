"""Our runtime folder, `$XDG_RUNTIME_DIR/xsession`: one folder per display, private from birth.

N/authority    the cookie file of display :N
N/holder       the holder's listener
N/environment  what we set in the user manager, and what was there before
N/record       what the session says of itself
N/desktop      there if the client has a window manager beside it, and what else a desktop needs
N/units        there if we wrote the unit files ourselves
session.env    XDG_SESSION_ID and the like, for units that ask for them (EnvironmentFile=)
Xorg.N.log     the server's log; it stays, for the day after
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from xsession import sockets
from xsession.display import Display
from xsession.errors import Failure
from xsession.process import Deadline

PATIENCE = 20.0  # seconds that another may take to look and to make, or to clear up
AT_THE_END = 3.0  # the same, where a session ends


class Folder:
    """The runtime folder of one display."""

    def __init__(self, runtime: str, display: Display) -> None:
        self.runtime = runtime
        self._all = f"{runtime}/xsession"
        self.path = f"{self._all}/{display.number}"
        self.authority = f"{self.path}/authority"
        self.holder = f"{self.path}/holder"
        self.environment = f"{self.path}/environment"
        self.record = f"{self.path}/record"
        self.desktop = f"{self.path}/desktop"
        self.units = f"{self.path}/units"
        self.private = f"{self._all}/session.env"
        # The drop-in that is there while a desktop is started anew (control._as_a_whole).
        self.whole = f"{runtime}/systemd/user/{display.client_unit}.d/xsession-whole.conf"
        self.log = f"{self._all}/Xorg.{display.number}.log"

    def create(self) -> None:
        """Make it; the one who makes it has the display's name among this user's processes."""
        try:
            _make_all(self._all)
            os.mkdir(self.path, 0o700)
        except FileExistsError as error:
            if os.path.isdir(self.path):
                what = f"{self.path} exists: another xsession has just started"
                raise Failure(what, "xsession status") from None
            raise Failure(f"{error.filename} is in the way", "move it away") from None
        except OSError as error:
            raise Failure(
                f"could not make {self.path}: {error.strerror}",
                f"look at it: ls -ld {self._all} {self.runtime}",
            ) from None

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def write(self, path: str, content: bytes) -> None:
        """A new file, 0600, whole or not at all."""
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(content)
        except OSError as error:
            raise Failure(f"could not write {path}: {error.strerror}") from None

    def replace(self, path: str, content: bytes) -> None:
        """Another content for a file: the old one or the new, never half of it."""
        new = f"{path}.new"
        self.drop(new)
        self.write(new, content)
        os.replace(new, path)

    def drop(self, path: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def drop_whole(self) -> None:
        """Remove the drop-in, and its folder if nothing else is there."""
        with contextlib.suppress(OSError):
            os.unlink(self.whole)
            os.rmdir(os.path.dirname(self.whole))

    def remove(self) -> None:
        """All of it, the log excepted. Not by shutil: people wait, and its import is 15 ms."""
        for path, folders, files in os.walk(self.path, topdown=False):
            for remove, names in ((os.unlink, files), (os.rmdir, folders)):
                for name in names:
                    with contextlib.suppress(OSError):
                        remove(f"{path}/{name}")
        with contextlib.suppress(OSError):
            os.rmdir(self.path)

    def holder_lives(self) -> bool:
        """Whether somebody listens on the holder's socket."""
        try:
            line = sockets.connect(self.holder)
        except OSError:
            return True  # it is there but cannot be asked: leave it alone
        if line is not None:
            line.close()
        return line is not None


@contextlib.contextmanager
def lock(runtime: str, *, ending: bool = False) -> Iterator[None]:
    """Let one process at a time clear what is dead and make what is new.

    A folder that was just made looks like one whose holder was killed, until it listens. This
    is flock(2) on the folder of them all: the kernel frees it, however its owner ends. An owner
    that stands still keeps it: a Failure names that one; a session that is `ending` goes on.
    """
    ours = f"{runtime}/xsession"
    fd = -1
    try:
        with contextlib.suppress(OSError):  # then none can be made in it, which `create` will tell
            # After `su` it is another's, and none of ours is made there.
            if runtime and os.stat(runtime).st_uid == os.getuid():
                _make_all(ours)
                fd = os.open(ours, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                if not _locks(fd, AT_THE_END if ending else PATIENCE) and not ending:
                    pid = _owner(fd)
                    raise Failure(
                        f"another xsession (PID {pid}) has been starting or clearing up for more"
                        f" than {PATIENCE:.0f} s",
                        f"look at it: ps -o stat,args {pid}; if it was stopped: kill -CONT {pid}",
                    )
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def _locks(fd: int, seconds: float) -> bool:
    """Lock it as soon as nobody else does; False after `seconds`. flock(2) has no time-out."""
    deadline = Deadline(seconds)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not deadline.left:
                return False
            time.sleep(0.02)
        else:
            return True


def _owner(fd: int) -> str:
    """The PID of the process that has locked it (proc(5), locks)."""
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    with open("/proc/locks") as locks:
        rows = [row.split() for row in locks]
    return next((row[4] for row in rows if f"{device}:{status.st_ino}" in row), "unknown")


def _make_all(path: str) -> None:
    """The folder of all displays, if it is not there."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def displays(runtime: str) -> list[Display]:
    """The displays that have a folder, whether their holder lives or not."""
    if not runtime:  # else it would be a folder `xsession` right here, and not ours to clear
        return []
    with contextlib.suppress(OSError):
        names = [entry.name for entry in os.scandir(f"{runtime}/xsession") if entry.is_dir()]
        return sorted(Display(int(name)) for name in names if name.isdecimal())
    return []


def abandoned(number: int) -> bool:
    """Whether display `:number` has a folder, and no holder."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Folder(runtime, Display(number))
    return bool(runtime) and os.path.isdir(folder.path) and not folder.holder_lives()


def running() -> tuple[str, list[Display]]:
    """The runtime folder, and the displays whose holders live."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not runtime:
        raise Failure("XDG_RUNTIME_DIR is not set", "log in on a VT or by ssh, not by su")
    return runtime, [it for it in displays(runtime) if Folder(runtime, it).holder_lives()]
