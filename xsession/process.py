"""Other programs: the only place that forks, executes and waits.

The holder and the bridge live as long as the desktop, and starting up is a
feature: so this is fork and exec, and not subprocess (16 ms to import, and it
cannot set LISTEN_PID to the child's own PID, as sd_listen_fds(3) demands).
"""

import contextlib
import errno
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from xsession.errors import BY_SIGNAL, CANNOT_EXECUTE, FAILED, NOT_FOUND, Failure

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
SAFE_FD = 64  # above every descriptor that a child of ours is given by number


class Completed(NamedTuple):
    """A program that ended: exit status as a shell gives it (128+n for signal n), and its words."""

    status: int
    output: str


def exit_status(wait_status: int) -> int:
    """The status of waitpid(2) as a shell would put it: 0…255, 128+n for signal n."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def spawn(
    argv: Sequence[str],
    *,
    fds: Mapping[int, int],
    environ: Mapping[str, str],
    listen_fds: int = 0,
    ignore: Iterable[int] = (),
) -> int:
    """Start `argv` in a process group of its own; return its PID. Raise OSError if exec fails.

    `fds` maps the child's descriptors to ours; it has no others. `listen_fds`
    says how many of them, from 3 on, are listening sockets (sd_listen_fds(3)).
    """
    report, child_report = os.pipe()  # closed by a successful exec, else it carries errno
    try:
        try:
            pid = os.fork()
            if pid == 0:
                _become(argv, fds, dict(environ), listen_fds, ignore, child_report)
        finally:
            os.close(child_report)
        error = os.read(report, 16)
    finally:
        os.close(report)
    if error:
        os.waitpid(pid, 0)
        raise OSError(int(error), os.strerror(int(error)), argv[0])
    return pid


def fork(work: Callable[[], int], *, fds: Mapping[int, int], environ: Mapping[str, str]) -> int:
    """Run `work` in a child and return its PID; the child's exit status is what that returns.

    It is no other program, so what we have loaded is there. `fds` maps the child's descriptors to
    ours; it has no others. `environ`: what it has in its environment beside ours.
    """
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            _settle(fds, ())
            for fd in map(int, os.listdir("/proc/self/fd")):
                if fd not in fds:
                    with contextlib.suppress(OSError):  # the listing's own has gone by now
                        os.close(fd)
            os.environ |= environ
            status = work()
        except BaseException:
            sys.excepthook(*sys.exc_info())  # nobody above us is to go on with what is theirs
        finally:
            os._exit(status)
    return pid


def _become(
    argv: Sequence[str],
    fds: Mapping[int, int],
    environ: dict[str, str],
    listen_fds: int,
    ignore: Iterable[int],
    report: int,
) -> NoReturn:
    """In the child, between fork and exec."""
    try:
        report = _out_of_the_way(report)
        _settle(fds, ignore)
        if listen_fds:
            environ |= {"LISTEN_FDS": str(listen_fds), "LISTEN_PID": str(os.getpid())}
        os.execve(argv[0], list(argv), environ)  # noqa: S606  no shell is the point
    except OSError as error:
        os.write(report, str(error.errno).encode())
    finally:
        os._exit(NOT_FOUND)


def _settle(fds: Mapping[int, int], ignore: Iterable[int]) -> None:
    """In a child: nothing of its parent's signals; all descriptors but `fds` go with an exec."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_IGN if number in ignore else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the listing's own has gone by now
            os.set_inheritable(fd, False)
    # All out of the way first: a source may have the number of another's target.
    moved = {number: _out_of_the_way(fd) for number, fd in fds.items()}
    for target, source in moved.items():
        os.dup2(source, target)


def _out_of_the_way(fd: int) -> int:
    """A copy above SAFE_FD, closed by exec."""
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SAFE_FD)
    except OSError as error:  # EINVAL: no descriptor may have so high a number, fcntl(2)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from error


def describe(status: int) -> str:
    """An exit status in words: `status 1`, `signal 11 (SIGSEGV)`."""
    if status <= BY_SIGNAL:
        return f"status {status}"
    try:
        return f"signal {status - BY_SIGNAL} ({signal.Signals(status - BY_SIGNAL).name})"
    except ValueError:
        return f"status {status}"


# What systemd's programs say is read, whatever a profile has them say, and where.
PLAIN = {"SYSTEMD_LOG_LEVEL": "info", "SYSTEMD_LOG_TARGET": "console", "SYSTEMD_COLORS": "0"}


class Child:
    """A program under way whose words are kept."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self.argv = tuple(argv)
        # Files, not pipes: they never block the writer.
        self._said = os.memfd_create("xsession")
        try:
            self._errors = os.memfd_create("xsession")
        except OSError:  # there are no more descriptors
            os.close(self._said)
            raise
        try:
            with open("/dev/null", "rb") as null:
                fds = {0: null.fileno(), 1: self._said, 2: self._errors}
                self.pid = spawn((find(argv[0], environ), *argv[1:]), fds=fds, environ=environ)
        except OSError:
            self.close()
            raise

    def said(self) -> str:
        """What it has written so far to standard output."""
        return _written(self._said)

    def words(self) -> str:
        """What it has written to standard error, and that, for an error message."""
        return f"{_written(self._errors)}\n{self.said()}".strip()

    def close(self) -> None:
        os.close(self._said)
        os.close(self._errors)


def _written(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "replace").strip()


def run(
    argv: Sequence[str], timeout: float = 20.0, variables: Mapping[str, str] | None = None
) -> Completed:
    """Run a program to its end; after `timeout` seconds it is killed and counts as failed.

    `variables`: what it has in its environment that we have not.
    """
    return Question(argv, variables).answer(timeout)


class Question:
    """A program under way, and in the end what it says: its standard output; if it failed, all."""

    def __init__(self, argv: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        self._child: Child | None = None
        self._answer: Completed | None = None
        try:
            self._child = Child(argv, {**os.environ, **PLAIN, **(variables or {})})
        except OSError as error:
            self._answer = Completed(NOT_FOUND, f"{argv[0]}: {error.strerror}")

    def answer(self, timeout: float = 20.0) -> Completed:
        """Wait for it, for `timeout` seconds at most."""
        if self._answer is None:
            assert self._child  # noqa: S101
            self._answer = _completed(self._child, timeout)
        return self._answer

    def close(self) -> None:
        """Nobody wants to know any more."""
        if self._answer is None:
            self.answer(0)


def _completed(child: Child, timeout: float) -> Completed:
    ended = wait_for_end(child.pid, timeout)
    if not ended:
        os.kill(child.pid, signal.SIGKILL)
    status = exit_status(os.waitpid(child.pid, 0)[1])
    words = child.words() if status else child.said()
    child.close()
    if not ended:
        return Completed(status, f"{' '.join(child.argv)}: did not end within {timeout:.0f} s")
    return Completed(status, words)


def wait_for_end(pid: int, timeout: float) -> bool:
    """Wait until our child `pid` has ended (it is not reaped); False after `timeout` seconds."""
    pidfd = os.pidfd_open(pid)
    try:
        return readable(pidfd, timeout)
    finally:
        os.close(pidfd)


def of_group(group: str) -> list[int]:
    """A pidfd for each process of a control group and those below it; the caller's to close.

    cgroups(7), cgroup.procs; pidfd_open(2): readable when the process has ended.
    """
    pidfds = []
    for folder, _, _ in os.walk(f"/sys/fs/cgroup{group}") if group else ():
        with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs") as file:
            for pid in map(int, file.read().split()):
                with contextlib.suppress(ProcessLookupError):
                    pidfds.append(os.pidfd_open(pid))
    return pidfds


def of_user(names: Collection[str]) -> list[tuple[int, str, str]]:
    """This user's processes with one of these names (proc(5), comm: 15 characters): PID, command
    line, control group."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                continue
            with open(f"/proc/{pid}/comm", errors="replace") as file:
                if file.read().strip() not in names:
                    continue
            with (
                open(f"/proc/{pid}/cmdline", errors="replace") as words,
                open(f"/proc/{pid}/cgroup", errors="replace") as group,
            ):
                line = words.read().replace("\0", " ").strip()
                printable = "".join(it if it.isprintable() else "?" for it in line)
                found.append((int(pid), printable, group.read().strip()))
    return found


def readable(fd: int, timeout: float) -> bool:
    """Wait until `fd` can be read or has been hung up; False after `timeout` seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout) * 1000))


def began() -> float:
    """When this process began, on the monotonic clock: to a hundredth of a second (proc(5), stat,
    which counts the time that the machine was suspended too)."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    suspended = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return ticks / os.sysconf("SC_CLK_TCK") - suspended


def variable(pid: int, name: str) -> str:
    """A variable that a process of ours was executed with; nothing if it had none (proc(5))."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        entries = file.read().decode("utf-8", "surrogateescape").split("\0")
    return dict(entry.partition("=")[::2] for entry in entries).get(name, "")


def become(
    argv: Sequence[str], environ: Mapping[str, str] | None = None, program: str = ""
) -> NoReturn:
    """Go on as another program, found in PATH; `program`: its path, if that is not argv[0]'s.

    Failure where it cannot be executed.
    """
    environ = os.environ if environ is None else environ
    if sys.stdout:
        sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and so would the program
    try:
        path = find(program or argv[0], environ)
        os.execve(path, list(argv), environ)  # noqa: S606  no shell is the point
    except OSError as error:
        what = f"could not execute {program or argv[0]}: {error.strerror}"
        raise Failure(what) from None


def shell(line: str) -> int:
    """Run a line on this terminal as its person would; the exit status."""
    return exit_status(os.system(line))  # noqa: S605  the person's own words: EDITOR


def find(name: str, environ: Mapping[str, str]) -> str:
    """The absolute path of program `name`, looked up in PATH as a shell would.

    Raises FileNotFoundError, PermissionError or IsADirectoryError.
    """
    folders = [""] if "/" in name else environ.get("PATH", os.defpath).split(":")
    seen_but_not_executable = False
    for folder in folders:
        path = os.path.abspath(os.path.join(folder, name))
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            seen_but_not_executable = True
        elif os.path.isdir(path) and "/" in name:
            raise IsADirectoryError(21, "a folder", name)
    if seen_but_not_executable:
        raise PermissionError(13, "not executable", name)
    raise FileNotFoundError(2, "not found", name)


def find_client(name: str, environ: Mapping[str, str]) -> str:
    """`find_program`, for the client."""
    return find_program("client", name, environ)


def find_program(role: str, name: str, environ: Mapping[str, str]) -> str:
    """`find`, with the failures that env(1) has for a command that cannot be run."""
    try:
        path = find(name, environ)
    except FileNotFoundError:
        hint = "is it installed, and its folder in PATH?"
        raise Failure(f"{role} '{name}': not found", hint, NOT_FOUND) from None
    except IsADirectoryError:
        hint = f"name a program in it: ls {name}"
        raise Failure(f"{role} '{name}': is a folder", hint, CANNOT_EXECUTE) from None
    except PermissionError:
        hint = f"to make it executable: chmod +x {name}"
        raise Failure(f"{role} '{name}': not executable", hint, CANNOT_EXECUTE) from None
    program = interpreter(path)
    if program and not os.access(program, os.X_OK):
        what = f"{role} '{name}': its interpreter {program} cannot be executed"
        raise Failure(what, f"look at its first line: head -1 {path}", CANNOT_EXECUTE)
    return path


def interpreter(path: str) -> str:
    """What the first line of a script names after `#!` (execve(2)), or nothing."""
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:  # a program that may be run and not read
        return ""
    words = first.removeprefix(b"#!").split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""


def exit_by_signals() -> None:
    """Until there are `Signals`: what ends a program ends us in order, with the shell's status."""
    for number in ENDING:
        signal.signal(number, _exit_by_signal)


def _exit_by_signal(number: int, _frame: object) -> NoReturn:
    sys.exit(BY_SIGNAL + number)


class Signals:
    """Signals as a descriptor for poll(2): each arrives as a byte with its number.

    From here on they do nothing else: what they would interrupt comes to its end.
    """

    def __init__(self, *numbers: int) -> None:
        self.fd, self._end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def read(self) -> list[int]:
        """The numbers that have come since the last call."""
        try:
            return list(os.read(self.fd, 512))
        except BlockingIOError:
            return []


class Deadline:
    """A moment some seconds from now, on a clock that nobody sets back."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, 0 when it has passed."""
        return max(0.0, self._at - time.monotonic())
