"""The common check around every test in a box, and the evidence kept of those that fail."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import leftovers
import pytest
from machine import Box, BoxError, patience

FAILURES = Path(__file__).resolve().parent.parent / "dist" / "failures"
FAILED = pytest.StashKey[bool]()


@contextlib.contextmanager
def checked(box: Box, request: pytest.FixtureRequest) -> Iterator[None]:
    """The box is afterwards as it was before, or the test has failed."""
    before, cursor = leftovers.look(box), leftovers.cursor(box)
    yield
    if request.node.stash.get(FAILED, False):
        keep_evidence(box, request.node.nodeid)
        return
    marks = request.node.iter_markers("journal")
    allowed = [str(regex) for mark in marks for regex in mark.args]
    try:
        found = lasting_differences(box, before)
        if box.vts:
            found += [it for it in box.screen().splitlines() if it.startswith("Traceback")]
            a_person_goes_on(box)
        found += leftovers.unexpected(leftovers.journal_since(box, cursor), allowed)
    except BoxError as error:
        found = [f"the check itself: {error}"]
    if found:
        keep_evidence(box, request.node.nodeid)
    assert not found, "\n".join(["left behind:", *found])


def lasting_differences(box: Box, before: leftovers.State, timeout: float = 5) -> list[str]:
    """What differs from before, and goes on doing so."""
    for _ in patience(timeout):
        found = leftovers.differences(before, leftovers.look(box))
        if not found:
            break
    return found


# What was typed had its effect, and no program but the login shell reads the keys.
AT_THE_PROMPT = """
[ -e /tmp/typed ] && shell=$(pgrep --oldest -t tty1 -x bash) &&
    [ $(ps -o tpgid= -p $shell) = $shell ] && rm /tmp/typed
"""


def a_person_goes_on(box: Box) -> None:
    """The shell does what is typed at the prompt."""
    box.type("touch /tmp/typed\n")
    box.wait(AT_THE_PROMPT, 15, "what is typed at the prompt to be done, and to be over")


def keep_evidence(box: Box, test: str) -> None:
    """Leave what a person wants to see after a failure in dist/failures/TEST/."""
    folder = FAILURES / re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if box.vts:
        (folder / "screen.txt").write_text(box.screen() + "\n")
    with contextlib.suppress(BoxError):
        (folder / "journal.txt").write_text(box.output("journalctl -b -o short-precise") + "\n")
    with contextlib.suppress(BoxError):  # there may be no display any more
        box.picture(folder / "picture.png")
    for runtime in box.path("/run/user").iterdir():
        for log in runtime.glob("xsession/*.log*"):
            shutil.copyfile(log, folder / log.name)
