"""Test machines: a `Guest` is a whole computer under QEMU, a `Container` a systemd without a VT.

Both are made of the same image, take the same commands and are thrown away when the process that
booted them ends. What only a guest has: a screen, a keyboard, VTs, seats, snapshots.

    with Guest.boot("bookworm") as guest:
        guest.type("startx\\n")
        guest.wait("pidof Xorg", timeout=20)
        guest.picture(Path("screen.png"))
"""

import abc
import dataclasses
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import image
import xwd

PROMPT = "alice@xsession-guest:~$"


class MachineError(Exception):
    """What a machine was asked for did not come."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended: a negative status is the signal that killed it."""

    status: int
    stdout: str
    stderr: str


class Machine(abc.ABC):
    """What guests and containers have in common: an agent inside that runs commands."""

    slower = 1  # time-outs are that many times as long

    def __init__(self, suite: str, name: str) -> None:
        self.suite = suite
        self.name = name

    @abc.abstractmethod
    def connect(self) -> socket.socket:
        """A new connection to the agent."""

    @abc.abstractmethod
    def close(self) -> None:
        """Power off and leave nothing behind."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        command: str,
        user: str = "root",
        *,
        check: bool = True,
        timeout: float = 60,
        stdin: str | bytes = "",
    ) -> Result:
        """Run a line of bash as the user, outside of any login session."""
        timeout *= self.slower
        answer = self.ask(command, user, timeout, stdin=stdin)
        result = result_of(answer)
        if answer["late"]:
            raise MachineError(
                f"{self.name}: after {timeout} s still running: {told(result, command)}"
            )
        if check and result.status != 0:
            raise MachineError(f"{self.name}: status {result.status} of {told(result, command)}")
        return result

    def output(self, command: str, user: str = "root", *, timeout: float = 60) -> str:
        """What a command that succeeds prints, without the last line's end."""
        return self.run(command, user, timeout=timeout).stdout.rstrip("\n")

    def wait(
        self, command: str, timeout: float = 30, what: str = "", *, user: str = "root"
    ) -> Result:
        """Repeat a command, inside the machine, until it succeeds."""
        timeout *= self.slower
        for left in patience(timeout):
            result = result_of(self.ask(command, user, max(left, 5)))
            if result.status == 0:
                return result
        raise MachineError(
            f"{self.name}: waited {timeout} s in vain for {what or 'success'};"
            f" at last: status {result.status} of {told(result, command)}"
        )

    def push(self, local: Path, remote: str) -> None:
        self.run(f"cat >{image.quote(remote)}", stdin=local.read_bytes())

    def pull(self, remote: str, local: Path) -> None:
        answer = self.ask(f"cat {image.quote(remote)}", "root", 60)
        if answer["status"] != 0:
            raise MachineError(f"{self.name}: no {remote}: {answer['stderr']}")
        local.write_bytes(answer["stdout"].encode("latin-1"))

    def ask(
        self,
        command: str,
        user: str,
        timeout: float,
        *,
        stdin: str | bytes = "",
    ) -> dict[str, Any]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        request = {
            "command": command,
            "user": user,
            "timeout": timeout,
            "stdin": data.decode("latin-1"),
        }
        with self.connect() as connection:
            connection.settimeout(timeout + 60)
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                line = stream.readline()
        if not line:
            raise MachineError(f"{self.name}: the agent went away during {command!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def wait_for_agent(self, timeout: float, alive: Callable[[], bool]) -> None:
        end = time.monotonic() + timeout
        while True:
            if not alive():
                raise MachineError(f"{self.name}: ended while it booted")
            try:
                self.run("true", timeout=5)
                return
            except (OSError, MachineError) as error:
                if time.monotonic() > end:
                    raise MachineError(
                        f"{self.name}: no agent {timeout} s after the start: {error}"
                    ) from error
            time.sleep(0.1)


class Guest(Machine):
    """A QEMU machine: kernel, seat0, VTs, GPUs, keyboard, logind, alice at the prompt of tty1."""

    slower = 4  # emulated, and the host may have other things to do

    def __init__(self, folder: Path) -> None:
        state = json.loads((folder / "state.json").read_text())
        super().__init__(state["suite"], folder.name)
        self.folder = folder
        self.pid: int = state["pid"]
        self.agent_port: int = state["agent_port"]
        self.ssh_port: int = state["ssh_port"]

    @classmethod
    def boot(
        cls, suite: str, name: str = "", *, gpus: int = 1, keep: bool = False, timeout: float = 900
    ) -> "Guest":
        """Boot a fresh copy of the image up to alice's prompt; keep: it outlives this process."""
        base = image.build(suite)
        name = name or f"{suite}-{os.getpid()}"
        forget_dead_guests()
        folder = guests_folder() / name
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise MachineError(f"A guest named {name} is up already") from error
        disk = folder / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base / "disk.img", disk],
            check=True,
        )
        used = image.use(base)
        with (folder / "qemu.log").open("wb") as log:
            process = subprocess.Popen(
                [*([] if keep else DIE_WITH_US), *qemu_command(suite, base, folder, gpus)],
                pass_fds=(used,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(used)
        (folder / "pid").write_text(str(process.pid))
        alive = lambda: process.poll() is None  # noqa: E731
        try:
            ports = forwarded_ports(folder / "qmp", alive)
            state = {
                "suite": suite,
                "pid": process.pid,
                "agent_port": ports[image.AGENT_PORT],
                "ssh_port": ports[22],
            }
            (folder / "state.json").write_text(json.dumps(state))
            guest = cls(folder)
            guest.wait_for_agent(timeout, alive)
            guest.wait_for_prompt(timeout)
        except BaseException as error:
            process.kill()
            process.wait()
            reason = (folder / "qemu.log").read_text() + (folder / "serial.log").read_text()[-2000:]
            shutil.rmtree(folder)
            error.add_note(reason)
            raise
        return guest

    @classmethod
    def attach(cls, name: str) -> "Guest":
        """A guest that somebody else booted."""
        forget_dead_guests()
        try:
            return cls(guests_folder() / name)
        except FileNotFoundError as error:
            names = ", ".join(running_guests()) or "none"
            raise MachineError(f"No guest {name} is up (up: {names})") from error

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.agent_port), timeout=10)

    def close(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except ProcessLookupError:
            pass
        except ChildProcessError:  # booted by another process
            while process_runs(self.pid):
                time.sleep(0.05)
        shutil.rmtree(self.folder)

    # A person's hands and eyes

    def type(self, text: str, *, gpu: int = 0) -> None:
        """Press the keys that write the text on an American keyboard, as fast as a good typist.

        Each GPU has a keyboard of its own, whoever's seat both are.
        """
        for character in text:
            self.press(keys_of_character(character), gpu=gpu)

    def key(self, combination: str) -> None:
        """Press keys together, in QEMU's names: "ctrl-alt-f2", "ret", "alt-shift-minus"."""
        self.press(combination.split("-"))

    def press(self, keys: list[str], *, gpu: int = 0) -> None:
        moves = [(key, True) for key in keys] + [(key, False) for key in reversed(keys)]
        events = [
            {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": key}}}
            for key, down in moves
        ]
        where = {"device": f"gpu{gpu}"} if gpu else {}
        qmp(self.folder / "qmp", "input-send-event", {"events": events, **where})
        # The keyboard holds 64 events: a guest that stands still for longer loses the rest.
        time.sleep(0.03)

    def picture(self, path: Path, *, gpu: int = 0) -> None:
        """What is on the screen now, as PNG."""
        self.screendump(path, "png", gpu)

    def pixels(self, *, gpu: int = 0) -> bytes:
        """What is on the screen now, three bytes for each point."""
        path = self.folder / "screen.ppm"
        self.screendump(path, "ppm", gpu)
        return path.read_bytes().split(b"\n", 3)[3]  # ppm(5): P6, width and height, depth

    def screendump(self, path: Path, form: str, gpu: int) -> None:
        qmp(
            self.folder / "qmp",
            "screendump",
            {"filename": str(path.absolute()), "format": form, "device": f"gpu{gpu}"},
        )

    def console(self, vt: int = 1) -> str:
        """The text on a VT, also while X hides it; without blank ends of lines."""
        dump = self.run(f"head -c 2 /dev/vcsa{vt} | od -An -tu1 && cat /dev/vcs{vt}").stdout
        sizes, text = dump.split("\n", 1)
        columns = int(sizes.split()[1])
        lines = [text[at : at + columns].rstrip() for at in range(0, len(text), columns)]
        return "\n".join(lines).rstrip("\n")

    def wait_for_prompt(self, timeout: float = 30, *, vt: int = 1) -> None:
        """Until the last line that is not empty on the VT is alice's prompt and nothing else."""
        timeout *= self.slower
        for _ in patience(timeout):
            screen = self.console(vt)
            if screen.endswith(PROMPT):
                return
        raise MachineError(
            f"{self.name}: waited {timeout} s in vain for alice's prompt on VT {vt};"
            f" it says:\n{screen}"
        )

    # The machine itself

    def wait_for_another_boot(self, boot: str, timeout: float) -> None:
        """Until the machine answers after the boot with this id (boot_id, random(4))."""
        for _ in patience(timeout * self.slower):
            try:
                if self.output("cat /proc/sys/kernel/random/boot_id", timeout=10) != boot:
                    return
            except (OSError, MachineError, json.JSONDecodeError):  # it is down, or on its way
                if not process_runs(self.pid):
                    raise
        raise MachineError(f"{self.name}: waited {timeout} s in vain for another boot")

    def reset(self) -> None:
        """As the button on its front does: no program is told."""
        qmp(self.folder / "qmp", "system_reset", {})

    def save(self, tag: str) -> None:
        """Remember the whole machine, memory and disk, under a name."""
        self.monitor(f"savevm {tag}")

    def restore(self, tag: str) -> None:
        self.monitor(f"loadvm {tag}")

    def monitor(self, line: str) -> str:
        """A command of QEMU's monitor; those used here answer only when they fail."""
        answer = qmp(self.folder / "qmp", "human-monitor-command", {"command-line": line})
        if answer:
            raise MachineError(f"{self.name}: {line}: {answer.strip()}")
        return str(answer)


class Container(Machine):
    """systemd as PID 1 at native speed: logind, buses, alice's user manager; no VT, no seat."""

    slower = 3  # than what the tests ask for; waiting costs nothing where it is not needed

    numbers = itertools.count()

    def __init__(self, suite: str, name: str, folder: Path, process: subprocess.Popen[bytes]):
        super().__init__(suite, name)
        self.folder = folder
        self.process = process

    @classmethod
    def boot(cls, suite: str, *, timeout: float = 60) -> "Container":
        """Boot a fresh copy of the image; it ends with this process at the latest."""
        base = image.build(suite)
        forget_dead_containers()
        name = f"{suite}-{os.getpid()}-{next(cls.numbers)}"
        folder = containers_folder() / name
        folder.mkdir(parents=True)
        for group in (hierarchy / f"xsession-{name}" for hierarchy in cgroup_hierarchies()):
            group.mkdir()
        used = image.use(base)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*DIE_WITH_US, *nspawn_command(base, name, folder)],
                pass_fds=(used,),
                env=os.environ
                | {
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                    "SYSTEMD_NSPAWN_LOCK": "0",  # the tree is only read: several may share it
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(used)
        container = cls(suite, name, folder, process)
        try:
            container.wait_for_agent(timeout, lambda: process.poll() is None)
            container.run("systemctl is-system-running --wait", check=False, timeout=timeout)
            container.run("loginctl enable-linger alice && systemctl start user@1000")
            container.run("systemctl --user is-system-running --wait", "alice")
        except BaseException as error:
            error.add_note((folder / "log").read_text())
            container.close()
            raise
        return container

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.folder / "socket"))
        return connection

    def picture(self, path: Path) -> None:
        """The screen of the display that alice's manager knows, as PNG."""
        environment = "export $(systemctl --user show-environment | grep -E '^(DISPLAY|XAUTH)')"
        dump = self.ask(f"{environment} && xwd -root -silent", "alice", 30)
        if dump["status"] != 0:
            raise MachineError(f"{self.name}: no picture: {dump['stderr']}")
        path.write_bytes(xwd.png(dump["stdout"].encode("latin-1")))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        end = time.monotonic() + 10
        while not forget_container(self.name):
            if time.monotonic() > end:
                raise MachineError(f"{self.name}: its cgroup is in use 10 s after its end")
            time.sleep(0.02)


def nspawn_command(base: Path, name: str, folder: Path) -> list[str]:
    # nspawn's own death would leave its PID 1 alive; that of a PID namespace around it does not.
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command += ["systemd-nspawn", "--quiet", "--boot", "--directory", str(base / "rootfs")]
    command += ["--volatile=overlay", "--private-network", "--link-journal=no", "--console=pipe"]
    command += ["--machine", name, "--hostname=xsession-guest", "--register=no"]
    command += [f"--bind={folder}:/run/agent"]
    groups = [str(group / f"xsession-{name}") for group in cgroup_hierarchies()]
    if not groups:
        return command
    # No systemd here that would make a scope: a cgroup of its own for each, or two containers
    # would share one tree and end each other's services.
    join = 'for group in $0; do echo $$ >"$group/cgroup.procs"; done; exec "$@"'
    return ["sh", "-c", join, " ".join(groups), *command, "--keep-unit"]


def cgroup_hierarchies() -> list[Path]:
    """Where systemd-nspawn looks for its own cgroup; empty when this host's systemd manages it."""
    if Path("/run/systemd/system").is_dir():
        return []
    mounts = [Path("/sys/fs/cgroup", part) for part in ("", "unified", "systemd")]
    return [mount for mount in mounts if (mount / "cgroup.procs").exists()]


def containers_folder() -> Path:
    return image.cache() / "containers"


def forget_dead_containers() -> None:
    """Remove what is left of containers whose owner was killed."""
    for folder in containers_folder().glob("*"):
        if not process_runs(int(folder.name.split("-")[1])):
            forget_container(folder.name)


def forget_container(name: str) -> bool:
    for hierarchy in cgroup_hierarchies():
        tree = hierarchy / f"xsession-{name}"
        groups = [tree, *(path for path in tree.rglob("*") if path.is_dir())]
        try:
            for group in sorted(groups, reverse=True):
                group.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # busy: processes are still ending
            return False
    shutil.rmtree(containers_folder() / name, ignore_errors=True)
    return True


# With two emulated CPUs Debian 13's kernel panics in QEMU 7.2 (int3 while it patches itself).
CPUS = {"bookworm": 2, "trixie": 1}

DIE_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


def qemu_command(suite: str, base: Path, folder: Path, gpus: int) -> list[str]:
    append = "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off fsck.mode=skip"
    command = ["qemu-system-x86_64", "-name", folder.name, "-nodefaults", "-display", "none"]
    # Not KVM: in some sandboxes /dev/kvm opens and the guest then hangs.
    command += ["-accel", "tcg,thread=multi", "-cpu", "max"]
    command += ["-smp", str(CPUS[suite]), "-m", "1024"]
    command += ["-kernel", f"{base}/vmlinuz", "-initrd", f"{base}/initrd", "-append", append]
    command += ["-drive", f"file={folder}/disk.qcow2,if=virtio,cache=unsafe"]
    command += ["-device", "virtio-vga,id=gpu0"]
    for number in range(1, gpus):
        # Addresses of their own, by which a test can tell udev whose seat they are.
        command += ["-device", f"virtio-gpu-pci,id=gpu{number},addr={0x10 * number:#x}.0"]
        for slot, device in enumerate(("keyboard", "mouse"), 1):
            address = f"addr={0x10 * number + slot:#x}.0"
            command += ["-device", f"virtio-{device}-pci,display=gpu{number},{address}"]
    command += ["-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci"]
    command += ["-device", "virtio-rng-pci"]
    forward = f"hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:0-:{image.AGENT_PORT}"
    command += ["-netdev", f"user,id=net0,restrict=on,{forward}"]
    command += ["-device", "virtio-net-pci,netdev=net0"]
    command += ["-serial", f"file:{folder}/serial.log"]
    command += ["-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
    return command


def guests_folder() -> Path:
    return image.cache() / "guests"


def running_guests() -> list[str]:
    forget_dead_guests()
    return sorted(path.parent.name for path in guests_folder().glob("*/state.json"))


def forget_dead_guests() -> None:
    """Remove the folders of guests that were killed together with their owner."""
    for folder in guests_folder().glob("*"):
        try:
            pid = int((folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            continue  # just being made
        if not process_runs(pid):
            shutil.rmtree(folder, ignore_errors=True)


def process_runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def forwarded_ports(
    monitor: Path, alive: Callable[[], bool], timeout: float = 20
) -> dict[int, int]:
    """The ports of this host that QEMU chose, by the guest's port."""
    end = time.monotonic() + timeout
    while True:
        if not alive():
            raise MachineError("QEMU ended at once")
        try:
            table = qmp(monitor, "human-monitor-command", {"command-line": "info usernet"})
            break
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if time.monotonic() > end:
                raise MachineError(f"QEMU does not answer on {monitor}") from error
            time.sleep(0.05)
    rows = [row.split() for row in str(table).splitlines() if "HOST_FORWARD" in row]
    return {int(row[5]): int(row[3]) for row in rows}


def qmp(monitor: Path, command: str, arguments: Mapping[str, object]) -> Any:
    """One command to QEMU. QEMU serves one connection at a time, the next ones wait their turn."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(str(monitor))
        with connection.makefile("rwb") as stream:
            stream.readline()  # the greeting
            for execute, given in (("qmp_capabilities", {}), (command, arguments)):
                request = {"execute": execute, "arguments": given}
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                answer = next(answers(stream))
    if "error" in answer:
        raise MachineError(f"QEMU: {command}: {answer['error']['desc']}")
    return answer["return"]


def answers(stream: Any) -> Iterator[dict[str, Any]]:
    """What is not an event."""
    for line in stream:
        message = json.loads(line)
        if "event" not in message:
            yield message
    raise MachineError("QEMU went away")


PLAIN = {
    " ": "spc",
    "\n": "ret",
    "\t": "tab",
    "-": "minus",
    "=": "equal",
    "[": "bracket_left",
    "]": "bracket_right",
    ";": "semicolon",
    "'": "apostrophe",
    "`": "grave_accent",
    "\\": "backslash",
    ",": "comma",
    ".": "dot",
    "/": "slash",
}
SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))


def keys_of_character(character: str) -> list[str]:
    if character in SHIFTED:
        return ["shift", *keys_of_character(SHIFTED[character])]
    if character in PLAIN:
        return [PLAIN[character]]
    if character.isascii() and character.isalnum():
        return [*(["shift"] if character.isupper() else []), character.lower()]
    raise ValueError(f"No key for {character!r}")


def patience(timeout: float) -> Iterator[float]:
    """Until time is up, and at least once: look now, so many seconds are left.

    Between two looks as long as three of them take: on an emulated CPU a look costs enough to
    hold up what is waited for.
    """
    end = time.monotonic() + timeout
    while True:
        begun = time.monotonic()
        yield end - begun
        if time.monotonic() > end:
            return
        time.sleep(max(0.05, 3 * (time.monotonic() - begun)))


def result_of(answer: dict[str, Any]) -> Result:
    def text(data: str) -> str:
        return data.encode("latin-1").decode(errors="replace")

    return Result(answer["status"], text(answer["stdout"]), text(answer["stderr"]))


def told(result: Result, command: str) -> str:
    """A command and what it said, for a person who looks for the reason."""
    said = "\n".join(part.rstrip() for part in (result.stdout, result.stderr) if part.strip())
    return f"{command}\n{said}"


def install(machine: Machine, deb: Path) -> None:
    """Install a .deb, all of whose dependencies are in the image."""
    remote = f"/root/{deb.name}"
    machine.push(deb, remote)
    machine.run(f"dpkg -i {image.quote(remote)} && rm {image.quote(remote)}", timeout=300)
    for user, number in (("alice", 1000), ("bob", 1001)):
        reload = f"[ ! -e /run/user/{number}/bus ] || systemctl --user daemon-reload"
        machine.run(reload, user)
