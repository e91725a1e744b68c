"""The same rc file under Debian's startx and under xsession: the same programs and windows."""

import shlex

import pytest
from machine import Guest
from person import START, type_command, wait_for_end, x
from rc_files import OPENBOX, SHAPES, Shape

pytestmark = [
    pytest.mark.divided,
    pytest.mark.journal(r"A connection to the bus can't be made"),
]
# All of them run in the containers' tier.
DAILY = ("template", "settings and helpers", "a case", "ssh-agent around")
# Not: one that goes on for ever, what startx does not read, what goes on after its session.
LEFT_OUT = ("a loop", "sxrc", "xsession", "nothing is left")

# Openbox has more of its own, which come when it has the time.
NAMES = 'xwininfo -root -tree | grep -oE \'\\("[^"]+" [^)]*\\)\' | grep -v OPENBOX_ | sort'
UNDER_STARTX = "export DISPLAY=:0 XAUTHORITY=~/.Xauthority; {}"


def windows(guest: Guest, with_display: str, shape: Shape) -> str:
    """The classes of all windows, once its programs run and no more windows come."""
    for program in shape.programs:
        guest.wait(f"pgrep -u alice -x {program}", 120, program)
    seen = with_display.format(f"bash -c {shlex.quote(shape.seen)}")
    guest.wait(seen, 60, shape.seen, user="alice")
    names = with_display.format(NAMES)
    if "openbox" in shape.programs:  # it takes its time, and is deaf meanwhile
        managed = with_display.format("xprop -root _NET_SUPPORTING_WM_CHECK | grep 'window id'")
        guest.wait(managed, 60, "Openbox", user="alice")
    there = with_display.format("xwininfo -root >/dev/null")
    settled = f'{there} && before=$({names}) && sleep 8 && [ "$before" = "$({names})" ]'
    guest.wait(settled, 120, "the last window", user="alice")
    return guest.output(names, "alice")


def end(guest: Guest, with_display: str, shape: Shape) -> int:
    command = with_display.format(f"bash -c {shlex.quote(shape.end)} >/dev/null 2>&1")
    guest.run(command, "alice", check=False)
    if shape.end == OPENBOX:  # who may not have heard it
        guest.wait(f"({command}); ! pgrep -u alice -x openbox", 60, "Openbox's end", user="alice")
    return wait_for_end(guest)[0]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in DAILY else pytest.mark.slow("a sample is enough"))
        for name in SHAPES
        if name not in LEFT_OUT
    ],
)
def test_the_same_desktop(guest: Guest, name: str) -> None:
    shape = SHAPES[name]
    write = f"cat >{shape.path}; chmod {shape.mode:o} {shape.path}"
    guest.run(write, "alice", stdin=shape.text)
    type_command(guest, f"startx {shape.words}")
    expected = windows(guest, UNDER_STARTX, shape)
    end(guest, UNDER_STARTX, shape)

    guest.restore("installed")  # startx leaves a bus of its own at times
    guest.run(write, "alice", stdin=shape.text)
    type_command(guest, f"{START} {shape.words}")
    assert windows(guest, x("{}"), shape) == expected
    assert end(guest, x("{}"), shape) == shape.status
    # What it has told the manager of its own is its own affair.
    guest.run("systemctl --user unset-environment _JAVA_AWT_WM_NONREPARENTING", "alice")
