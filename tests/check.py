"""The common check around every test on a machine, and the evidence kept of those that fail."""

import dataclasses
import re
import subprocess
import time
from pathlib import Path

import leftovers
import pytest
from machine import Guest, Machine, MachineError
from person import START, type_command, wait_for_end

FAILURES = Path(__file__).resolve().parent.parent / "dist" / "failures"
FAILED = pytest.StashKey[bool]()


@dataclasses.dataclass(frozen=True)
class Before:
    """A machine's state before a test, and where its journal ended."""

    state: leftovers.State
    cursor: str

    @classmethod
    def of(cls, machine: Machine) -> "Before":
        return cls(leftovers.look(machine), leftovers.cursor(machine))


def check(
    machine: Machine, before: Before, request: pytest.FixtureRequest, *, patience: float
) -> None:
    """After a test: the machine is as it was before, or the test has failed."""
    marks = request.node.iter_markers("journal")
    allowed = [str(regex) for mark in marks for regex in mark.args]
    try:
        found = lasting_differences(machine, before.state, patience)
        if isinstance(machine, Guest):
            a_person_goes_on(machine, starts=request.node.get_closest_marker("fault") is not None)
        found += leftovers.unexpected(leftovers.journal_since(machine, before.cursor), allowed)
    except MachineError as error:
        found = [f"the check itself: {error}"]
    if found or request.node.stash.get(FAILED, False):
        keep_evidence(machine, request.node.nodeid, before.cursor)
    assert not found, "\n".join(["left behind:", *found])


def lasting_differences(machine: Machine, before: leftovers.State, patience: float) -> list[str]:
    end = time.monotonic() + patience
    while True:
        found = leftovers.differences(before, leftovers.look(machine))
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)


# What was typed had its effect, and no program but the login shell reads the keys.
AT_THE_PROMPT = """
[ -e /tmp/typed ] && shell=$(pgrep --oldest -t tty1 -x bash) &&
    [ $(ps -o tpgid= -p $shell) = $shell ] && rm /tmp/typed
"""


def a_person_goes_on(guest: Guest, *, starts: bool) -> None:
    """The shell does what is typed at the prompt; after a fault that is a session as well."""
    guest.type("touch /tmp/typed\n")
    guest.wait(AT_THE_PROMPT, 15, "what is typed at the prompt to be done, and to be over")
    if starts:
        type_command(guest, f"{START} true")
        status, screen = wait_for_end(guest)
        if status:
            raise MachineError(f"another start ended with status {status}:\n{screen}")


def keep_evidence(machine: Machine, test: str, start: str) -> None:
    """Leave what a person wants to see after a failure in dist/failures/TEST/."""
    folder = FAILURES / re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if isinstance(machine, Guest):
            machine.picture(folder / "screen.png")
            (folder / "console.txt").write_text(machine.console() + "\n")
        journal = f"journalctl --output=short-precise --after-cursor='{start}'"
        (folder / "journal.txt").write_text(machine.output(journal, timeout=120) + "\n")
        machine.run(
            "tar -czf /root/logs.tar.gz --ignore-failed-read --exclude=authority*"
            " /run/user/*/xsession /home/*/.local/share/xorg /var/log/Xorg* 2>/dev/null",
            check=False,
        )
        machine.pull("/root/logs.tar.gz", folder / "logs.tar.gz")
        machine.run("rm /root/logs.tar.gz")
        subprocess.run(["tar", "-xzf", "logs.tar.gz", "--no-same-owner"], cwd=folder, check=True)
        (folder / "logs.tar.gz").unlink()
    except (MachineError, OSError, subprocess.CalledProcessError) as error:
        (folder / "evidence.txt").write_text(f"could not be had: {error}\n")
