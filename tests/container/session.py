"""Sessions of alice's in a container, as she would have them: begun, looked at, ended."""

import contextlib
import itertools
import json
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from machine import Container, Machine, Result

XVFB = "xsession start --server xvfb"
# A client that draws nothing and lasts until it is told to end.
IDLE = "sleep infinity"
RUNTIME = "/run/user/1000"
FOLDER = f"{RUNTIME}/xsession/0"
# Runs what follows with the display that the user manager knows, as any unit or timer would.
ON_DISPLAY = "env $(systemctl --user show-environment | grep -E '^(DISPLAY|XAUTHORITY)=')"


def start(machine: Machine, words: str, *, before: str = "", timeout: float = 30) -> Result:
    """`xsession start --server xvfb WORDS`, as typed, to its end."""
    return machine.run(f"{before} {XVFB} {words}", "alice", check=False, timeout=timeout)


class Session:
    """A command of alice's under way (`xsession start …`), and its exit status and words at last.

    with Session(container) as session:
        session.wait_until_up()
        assert session.stop().status == 0
    """

    numbers = itertools.count()

    def __init__(
        self, machine: Container, words: str = IDLE, *, command: str = XVFB, before: str = ""
    ) -> None:
        self.machine = machine
        self._pid_file = f"/dev/shm/session-{next(self.numbers)}"
        line = f"{before}\necho $$ >{self._pid_file}; exec {command} {words}"
        self._pool = ThreadPoolExecutor(1)
        self._result: Future[Result] = self._pool.submit(
            machine.run, line, "alice", check=False, timeout=90
        )
        machine.wait(f"[ -s {self._pid_file} ]", 10, "the command to begin")
        self.pid = int(machine.output(f"cat {self._pid_file}; rm {self._pid_file}"))

    def wait_until_up(self, display: int = 0) -> None:
        """Until the display answers and the client runs."""
        units = f"xorg@{display}.service xsession-client@{display}.service"
        self.machine.wait(
            f'[ "$(systemctl --user is-active {units} | uniq)" = active ]',
            15,
            f"{units} to be active",
            user="alice",
        )

    def wait_until_managed(self, display: int = 0, timeout: float = 40) -> None:
        """Until the graphical session is reached, with all that it starts."""
        units = f"xsession@{display}.target xdg-desktop-autostart.target"
        self.machine.wait(
            f'[ "$(systemctl --user is-active {units} | uniq)" = active ]'
            ' && [ -z "$(systemctl --user list-jobs --no-legend)" ]',
            timeout,
            f"{units} to be active",
            user="alice",
        )

    @property
    def runs(self) -> bool:
        return not self._result.done()

    def result(self, timeout: float = 90) -> Result:
        """How it ended; waits for that."""
        return self._result.result(timeout)

    def stop(self) -> Result:
        """`xsession stop` from elsewhere; how the session ended."""
        self.machine.run("xsession stop", "alice")
        return self.result()

    def kill(self, signal: str) -> Result:
        """Send a signal to the command itself; how it ended."""
        self.machine.run(f"kill -{signal} {self.pid}")
        return self.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.runs:
            self.machine.run(f"kill -TERM {self.pid}", check=False)
        self._pool.shutdown()


def shown(machine: Machine, unit: str, name: str) -> str:
    """A property of a unit of alice's manager."""
    return machine.output(f"systemctl --user show {shlex.quote(unit)} -p {name} --value", "alice")


def main_pid(machine: Machine, unit: str) -> int:
    return int(shown(machine, unit, "MainPID"))


def manager_has(machine: Machine, name: str) -> str:
    """The value of a variable in the environment of alice's manager; nothing if it has none."""
    lines = machine.output("systemctl --user show-environment", "alice").splitlines()
    return dict(line.split("=", 1) for line in lines).get(name, "")


def manager_variables(machine: Machine) -> dict[str, str]:
    """All variables of alice's manager, as they are and not as a shell would be told them."""
    answer = machine.output(
        "busctl --user --json=short get-property org.freedesktop.systemd1"
        " /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Environment",
        "alice",
    )
    return dict(entry.split("=", 1) for entry in json.loads(answer)["data"])


@contextlib.contextmanager
def files_of_alice(
    machine: Machine, files: Mapping[str, str], *, enable: str = ""
) -> Iterator[None]:
    """Files in alice's ~/.config, known to her manager; units enabled. Gone at the end."""
    for path, text in files.items():
        target = shlex.quote(f"/home/alice/.config/{path}")
        machine.run(f'mkdir -p "$(dirname {target})" && cat >{target}', "alice", stdin=text)
    try:
        machine.run("systemctl --user daemon-reload", "alice")
        if enable:
            machine.run(f"systemctl --user enable --quiet {enable}", "alice")
        yield
    finally:
        machine.run("rm -rf ~/.config && systemctl --user daemon-reload", "alice")


class Journal:
    """What alice's units say from now on."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        cursor = machine.output("journalctl --sync; journalctl --lines=0 --show-cursor --quiet")
        self.cursor = cursor.removeprefix("-- cursor: ")

    def of(self, unit: str = "") -> str:
        """The messages of one unit, as `journalctl --user -u UNIT` shows them; or of all."""
        return self.machine.output(self._command(unit))

    def wait_for(self, text: str, unit: str = "", timeout: float = 10) -> None:
        """Until a message has `text`.

        While its writer lives: journald asks /proc for the unit of a process, and files the
        words of one that has ended by then under none.
        """
        self.machine.wait(f"{self._command(unit)} | grep -qF {shlex.quote(text)}", timeout, text)

    def _command(self, unit: str) -> str:
        which = f"-u {shlex.quote(unit)}" if unit else ""
        return (
            "journalctl --sync; runuser -u alice -- journalctl --user --quiet -o cat"
            f" --after-cursor={shlex.quote(self.cursor)} {which}"
        )


def said(result: Result) -> str:
    """The one sentence that xsession gave as the reason, without its hint."""
    lines = result.stderr.splitlines()
    ours = [line for line in lines if line.startswith("xsession: ")]
    assert len(ours) == 1, f"one clear line, not {result.stderr!r}"
    assert "Traceback" not in result.stderr
    return ours[0].removeprefix("xsession: ")
