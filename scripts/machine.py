"""A box: a throwaway Debian with systemd, logind, seat0 and real VTs, up in half a second.

systemd-nspawn boots it, with an overlay in memory, from an image that is only read. The kernel is
this computer's, and so are the VTs: one box with VTs at a time (a lock sees to that), and none
where somebody uses them. There is no GPU and no keyboard: Xorg draws into memory (its dummy
driver), typing is TIOCSTI (ioctl_tty(2)), the screen is /dev/vcsaN (vcs(4)).

    with Box.boot("bookworm", deb) as box:
        box.type("xsession start openbox\\n")
        box.wait("pidof openbox", 20)
        box.picture(Path("screen.png"))
"""

import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import image

RUN = Path("/run/xsession-box")
VTS = range(1, 13)
LOCK = "/dev/tty63"  # which no computer uses: the VTs are the kernel's, and so is their lock
PROMPT = "alice@box:~$"
USERS = {"alice": 1000, "bob": 1001}

# linux/kd.h and linux/vt.h
KDGETMODE, KDSETMODE, KD_TEXT = 0x4B3B, 0x4B3A, 0
KDGKBMODE, KDSKBMODE, K_UNICODE, K_OFF = 0x4B44, 0x4B45, 3, 4
TIOCLINUX, TIOCL_SETKMSGREDIRECT = 0x541C, 11
VT_SETMODE, VT_ACTIVATE, VT_WAITACTIVE = 0x5602, 0x5606, 0x5607


class BoxError(Exception):
    """What a box was asked for did not come."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


class Box:
    """A machine that is up, and a person's hands and eyes at it."""

    numbers = itertools.count()

    def __init__(self, suite: str, name: str, leader: int, *, vts: bool) -> None:
        self.suite = suite
        self.name = name
        self.vts = vts
        self._leader = leader  # PID of its PID 1
        self._end = contextlib.ExitStack()

    @classmethod
    def boot(cls, suite: str, deb: Path | None = None, *, vts: bool = True) -> "Box":
        """Boot a fresh one, with our package in it. It ends with this process at the latest.

        With VTs alice is logged in on tty1, and her prompt is there. Without, she has her user
        manager and no login session.
        """
        name = f"{suite}-{os.getpid()}-{next(cls.numbers)}"
        with contextlib.ExitStack() as end:
            root = image.build(suite)
            fds = [image.use(root)]
            end.callback(os.close, fds[0])
            if vts:
                fds.append(end.enter_context(_terminals()))
            layer = _layer(root, deb) if deb else None
            leader = end.enter_context(_machine(name, root, layer, vts=vts, fds=fds))
            box = cls(suite, name, leader, vts=vts)
            if vts:
                box.wait("systemctl --user is-active default.target", 20, user="alice")
                box.wait_for_prompt()
            else:
                box.run("loginctl enable-linger alice && systemctl start user@1000")
            box._end = end.pop_all()
        return box

    def close(self) -> None:
        """Switch it off; nothing of it stays."""
        self._end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- commands --

    def run(
        self,
        command: str,
        user: str = "root",
        *,
        check: bool = True,
        timeout: float = 60,
        stdin: str | bytes = "",
        login: bool = False,
    ) -> Result:
        """Run a line of bash as a unit of the system manager: in no login session, as cron's jobs.

        `login`: in one of its own without a seat, as over ssh.
        """
        words = [*self._inside(), "systemd-run", "--quiet", "--pipe", "--wait", "--collect"]
        properties = ["WorkingDirectory=~", f"User={user}", f"RuntimeMaxSec={timeout}"]
        variables = ["LANG=C.UTF-8", f"PATH={PATH}"]
        if login:
            properties += ["PAMName=login"]
        else:
            properties += ["KillMode=process"]  # what it leaves running is the test's
            if uid := USERS.get(user):
                variables += [f"XDG_RUNTIME_DIR=/run/user/{uid}"]
                variables += [f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus"]
        words += [f"--property={it}" for it in properties] + [f"--setenv={it}" for it in variables]
        # systemd-run before 254 expands variables in arguments and cannot be told not to.
        words += ["/bin/bash", "-lc" if login else "-c", command.replace("$", "$$")]
        # Files and no pipes: what a command leaves running would keep a pipe open.
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile("a+b") as out,  # two that write at once both append
            tempfile.TemporaryFile("a+b") as err,
        ):
            given.write(stdin.encode() if isinstance(stdin, str) else stdin)
            given.seek(0)
            status = subprocess.run(
                words, stdin=given, stdout=out, stderr=err, env=ENV, timeout=timeout + 30
            ).returncode
            result = Result(status, _text(out), _text(err))
        if check and status:
            raise BoxError(f"{self.name}: {user}: {command}\nstatus {status}\n{_told(result)}")
        return result

    def output(self, command: str, user: str = "root", *, timeout: float = 60) -> str:
        """What a command that succeeds prints, without the last line's end."""
        return self.run(command, user, timeout=timeout).stdout.rstrip("\n")

    def wait(
        self, command: str, timeout: float = 20, what: str = "", *, user: str = "root"
    ) -> Result:
        """Repeat a command until it succeeds."""
        for _ in patience(timeout):
            result = self.run(command, user, check=False)
            if not result.status:
                return result
        raise BoxError(
            f"{self.name}: waited {timeout:.0f} s for {what or command}; at last"
            f" status {result.status}\n{_told(result)}"
        )

    def path(self, inside: str) -> Path:
        """A file of the box, as it is reached from outside."""
        return Path(f"/proc/{self._leader}/root{inside}")

    def _inside(self) -> list[str]:
        return ["nsenter", f"--target={self._leader}", "--all", "--root", "--wd"]

    # -- hands and eyes --

    def type(self, text: str, vt: int = 1) -> None:
        """Type on a VT."""
        with open(f"/dev/tty{vt}", "wb", buffering=0) as tty:
            for byte in text.encode():
                fcntl.ioctl(tty, termios.TIOCSTI, bytes([byte]))

    def switch(self, vt: int) -> None:
        """What Ctrl-Alt-FN does."""
        _put_on_screen(vt)

    def active_vt(self) -> int:
        """Which VT is on the screen."""
        return int(Path("/sys/class/tty/tty0/active").read_text().strip().removeprefix("tty"))

    def screen(self, vt: int = 1) -> str:
        """The text on a VT, also while X hides it; without blank ends of lines."""
        with open(f"/dev/vcsa{vt}", "rb") as file:
            _, columns, _, _ = file.read(4)
            text = file.read()[::2].decode("latin-1")
        lines = (text[at : at + columns].rstrip() for at in range(0, len(text), columns))
        return "\n".join(lines).rstrip("\n")

    def wait_for_screen(self, text: str, timeout: float = 20, *, vt: int = 1) -> str:
        """Until a VT shows the text, wherever a line of it ends; all that it shows."""
        for _ in patience(timeout):
            screen = self.screen(vt)
            if text in screen.replace("\n", ""):
                return screen
        raise BoxError(f"{self.name}: waited {timeout:.0f} s for {text!r} on VT {vt}:\n{screen}")

    def wait_for_prompt(self, timeout: float = 20, *, vt: int = 1) -> None:
        """Until the last line on a VT is alice's prompt and nothing else."""
        for _ in patience(timeout):
            screen = self.screen(vt)
            if screen.endswith(PROMPT):
                return
        raise BoxError(f"{self.name}: waited {timeout:.0f} s for a prompt on VT {vt}:\n{screen}")

    def in_text_mode(self, vt: int = 1) -> bool:
        """Whether a VT shows text and has its keyboard (KDGETMODE, KDGKBMODE: ioctl_console(2))."""
        with open(f"/dev/tty{vt}", "rb", buffering=0) as tty:
            return _ask(tty, KDGETMODE) == KD_TEXT and _ask(tty, KDGKBMODE) != K_OFF

    def picture(self, path: Path) -> None:
        """The display that alice's user manager knows, as a PNG."""
        inside = "/run/user/1000/picture.png"
        self.run(
            "export $(systemctl --user show-environment | grep -E '^(DISPLAY|XAUTHORITY)=')"
            f" && import -window root {inside}",
            "alice",
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.path(inside), path)
        self.path(inside).unlink()


def patience(timeout: float) -> Iterator[None]:
    """Look now, again and again, until time is up, and once more then."""
    end = time.monotonic() + timeout
    late = False
    while not late:
        late = time.monotonic() > end
        yield
        time.sleep(0.03)


PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
ENV = {"PATH": PATH, "LANG": "C.UTF-8"}


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _told(result: Result) -> str:
    return "\n".join(it.rstrip() for it in (result.stdout, result.stderr) if it.strip())


# -- the virtual terminals of this computer --


def vts_objection() -> str:
    """Why a box cannot have the VTs of this computer, or nothing."""
    if not os.path.exists("/dev/tty0"):
        return "this computer has no virtual terminals (/dev/tty0)"
    with open(LOCK, "rb", buffering=0) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # else those of another box would look like a person's
        return _in_use()


def _in_use() -> str:
    """Who uses the VTs; nothing if nobody does."""
    with contextlib.suppress(OSError):
        seat = Path("/run/systemd/seats/seat0").read_text()  # logind's own notes
        if session := re.search(r"(?m)^ACTIVE=(.+)$", seat):
            return f"login session {session[1]} is at this computer's screen"
    for vt in VTS:
        with contextlib.suppress(OSError), open(f"/dev/tty{vt}", "rb", buffering=0) as tty:
            if _ask(tty, KDGETMODE) != KD_TEXT:
                return f"VT {vt} is in graphics mode: somebody has a desktop there"
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
            vt = int(rest.split()[4]) - (4 << 8)  # proc(5), tty_nr: major 4 are the VTs
            if vt in VTS:
                hint = f"; as root: systemctl stop getty@tty{vt}" if "getty" in name else ""
                return f"{name}, PID {path.parent.name}, is on VT {vt}{hint}"
    return ""


@contextlib.contextmanager
def _terminals() -> Iterator[int]:
    """All VTs, text on them, the first on the screen. The descriptor is their lock: it is to be
    held by the box as well, which may live longer than we do."""
    with open(LOCK, "rb", buffering=0) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if objection := _in_use():
            raise BoxError(f"A box cannot have this computer's VTs: {objection}")
        _clean_terminals()
        _send_kernel_messages_to(vt=63)
        try:
            yield lock.fileno()
        finally:
            _send_kernel_messages_to(vt=0)
            _clean_terminals()


def _clean_terminals() -> None:
    for vt in VTS:
        with open(f"/dev/tty{vt}", "wb", buffering=0) as tty:
            fcntl.ioctl(tty, VT_SETMODE, bytes(8))  # VT_AUTO
            fcntl.ioctl(tty, KDSETMODE, KD_TEXT)
            fcntl.ioctl(tty, KDSKBMODE, K_UNICODE)
            tty.write(b"\033c")
    _put_on_screen(1)


def _send_kernel_messages_to(vt: int) -> None:
    """And not to the VT on the screen, where a test reads; 0: there (ioctl_console(2))."""
    with open("/dev/tty0", "rb", buffering=0) as tty:
        fcntl.ioctl(tty, TIOCLINUX, bytes((TIOCL_SETKMSGREDIRECT, vt)))


def _put_on_screen(vt: int) -> None:
    with open("/dev/tty0", "rb", buffering=0) as tty:
        fcntl.ioctl(tty, VT_ACTIVATE, vt)
        fcntl.ioctl(tty, VT_WAITACTIVE, vt)


def _ask(tty: IO[bytes], request: int) -> int:
    return int(struct.unpack("i", fcntl.ioctl(tty, request, bytes(4)))[0])


# -- the machine --


def _layer(root: Path, deb: Path) -> Path:
    """The folder of what our package adds to an image: installed once, and read by every box."""
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()[:12]
    layer = RUN / f"{root.name}-{digest}"
    RUN.mkdir(exist_ok=True)
    with open(RUN / "layers.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if layer.is_dir():
            return layer
        for old in RUN.glob(f"{root.name}-*"):  # of a package of the day before
            if old.stat().st_mtime < time.time() - 24 * 3600:
                shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=RUN, prefix="install-") as folder:
            upper, work, merged = (Path(folder, it) for it in ("upper", "work", "merged"))
            for it in (upper, work, merged):
                it.mkdir()
            options = f"lowerdir={root},upperdir={upper},workdir={work}"
            # In a mount namespace of its own: however it ends, nothing stays mounted.
            script = (
                f"mount -t overlay -o {options} overlay {merged}"
                f" && cp {shlex.quote(str(deb))} {merged}/root/xsession.deb"
                f" && chroot {merged} dpkg -i /root/xsession.deb && rm {merged}/root/xsession.deb"
            )
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=ENV,
            )
            if done.returncode:
                raise BoxError(f"Could not install {deb}:\n{done.stdout}{done.stderr}")
            upper.rename(layer)
    return layer


# SIGTERM has systemd-nspawn switch the machine off.
WITH_US = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation=slave"]


@contextlib.contextmanager
def _machine(
    name: str, root: Path, layer: Path | None, *, vts: bool, fds: list[int], timeout: float = 60
) -> Iterator[int]:
    """Boot it; the PID of its PID 1. At the end it is gone."""
    words = ["systemd-nspawn", "--quiet", "--boot", "--volatile=overlay", "--private-network"]
    words += ["--link-journal=no", "--console=pipe", "--notify-ready=yes", "--register=no"]
    words += [f"--machine=box-{name}", "--hostname=box"]
    if vts:
        words += [f"--bind=/dev/tty{it}" for it in (0, *VTS)]
    with _folder(name) as folder, _control_groups(name) as groups:
        merged = folder / "root"
        merged.mkdir()
        layers = f"{layer or merged}:{root}"  # one alone would be none; the folder is empty
        script = [f"mount -t overlay -o lowerdir={layers} overlay {merged}"]
        script += [f"echo $$ >{group}/cgroup.procs" for group in groups]
        if groups:
            words.append("--keep-unit")
        script.append(f'exec "$@" --directory={merged}')
        env = ENV | {
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_LOCK": "0",  # the tree is only read: several share it
            "NOTIFY_SOCKET": str(folder / "notify"),
        }
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
            (folder / "log").open("wb") as log,
        ):
            notify.bind(env["NOTIFY_SOCKET"])
            process = subprocess.Popen(
                [*WITH_US, "sh", "-ec", "\n".join(script), "sh", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                pass_fds=fds,
                start_new_session=True,
            )
            try:
                leader = _wait_until_booted(process, notify, time.monotonic() + timeout)
                yield leader
            except BoxError as error:
                error.add_note((folder / "log").read_text()[-3000:])
                raise
            finally:
                _switch_off(process)


def _wait_until_booted(process: subprocess.Popen[bytes], notify: socket.socket, end: float) -> int:
    """systemd-nspawn(1), --notify-ready: it says the leader's PID, and when the machine is up."""
    leader = 0
    while True:
        if process.poll() is not None or time.monotonic() > end:
            raise BoxError(f"It did not boot: status {process.poll()}")
        if select.select([notify], [], [], 0.5)[0]:
            for line in notify.recv(4096).decode(errors="replace").splitlines():
                name, _, value = line.partition("=")
                if name == "X_NSPAWN_LEADER_PID":
                    leader = int(value)
                elif line == "READY=1" and leader:
                    return leader


def _switch_off(process: subprocess.Popen[bytes]) -> None:
    """In order, or by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = RUN / name
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _control_groups(name: str) -> Iterator[list[Path]]:
    """Its own where no systemd makes them: two boxes would share one tree, and end each other's
    services. None where systemd-nspawn has one made."""
    if Path("/run/systemd/system").is_dir():
        yield []
        return
    mounts = [Path("/sys/fs/cgroup", it) for it in ("", "unified", "systemd")]
    trees = [it / f"xsession-{name}" for it in mounts if (it / "cgroup.procs").exists()]
    for tree in trees:
        tree.mkdir()
    try:
        yield trees
    finally:
        for tree in trees:
            for _ in patience(10):  # the last of them are ending
                with contextlib.suppress(OSError):
                    for group in sorted(tree.glob("**/"), reverse=True)[:-1]:
                        group.rmdir()
                    tree.rmdir()
                    break
