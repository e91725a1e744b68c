"""However a session on tty1 ends: the console is as it was, and the exit status tells why.

That nothing is left, and that the prompt can be typed at, is the common check after every test.
"""

import pytest
from machine import Box
from person import (
    BRIDGE,
    HOLDER,
    ON_DISPLAY,
    OPENBOX,
    SERVER,
    pid,
    start,
    stop,
    type_command,
    wait_for_end,
    wait_for_text_mode,
    wait_until_managed,
)

# What systemd says of what is killed, and of the unit of a server that was.
KILLED = pytest.mark.journal(
    r"(xorg|xsession-client)@0\.service: Main process exited",
    r"(xorg|xsession-client)@0\.service: Failed with result '(signal|core-dump|exit-code)'",
)


@pytest.mark.parametrize(
    ("client", "status"),
    [
        ("true", 0),
        ("sh -c 'xdpyinfo >/dev/null && exit 3'", 3),
        ("sh -c 'exit 255'", 255),
        ("sh -c 'kill -TERM $$'", 143),
        pytest.param("sh -c 'kill -SEGV $$'", 139, marks=KILLED),
    ],
)
def test_the_exit_status_is_the_clients(box: Box, client: str, status: int) -> None:
    type_command(box, f"xsession start {client}")
    ended, screen = wait_for_end(box)
    assert (ended, "xsession:" in screen) == (status, False)


def test_the_client_is_closed(box: Box) -> None:
    """Openbox, as by its menu's Exit."""
    start(box)
    wait_until_managed(box)
    box.run(f"{ON_DISPLAY}; openbox --exit", "alice")
    assert wait_for_end(box)[0] == 0
    assert box.in_text_mode()


def test_stop_from_another_login(box: Box) -> None:
    """It returns when all is down."""
    start(box)
    wait_until_managed(box)
    box.run("xsession stop && [ ! -e /tmp/.X11-unix/X0 ] && ! pgrep -x Xorg", "alice", login=True)
    assert box.in_text_mode()
    assert wait_for_end(box)[0] == 0


@pytest.mark.parametrize(("name", "status"), [("TERM", 143), ("INT", 130), ("HUP", 129)])
def test_a_signal_to_xsession_start(box: Box, name: str, status: int) -> None:
    start(box)
    wait_until_managed(box)
    box.run(f"kill -{name} {pid(box, HOLDER)}")
    assert wait_for_end(box)[0] == status
    assert box.in_text_mode()


@pytest.mark.parametrize("keys", ["\x03", "\x1c"], ids=["Ctrl-C", "Ctrl-backslash"])
def test_a_key_that_interrupts(box: Box, keys: str) -> None:
    """It reaches us, and not the server; this one has no keyboard that it could take away."""
    start(box)
    wait_until_managed(box)
    box.type(keys)
    assert wait_for_end(box)[0] == {"\x03": 130, "\x1c": 131}[keys]


@KILLED
@pytest.mark.parametrize(
    ("process", "sentence", "status"),
    [
        (SERVER, "the server ended with signal 9 (SIGKILL)", 125),
        (BRIDGE, "xorg@0.service ended, and the server with it", 125),
        (OPENBOX, "", 137),
    ],
    ids=["Xorg", "bridge", "client"],
)
def test_killed(box: Box, process: str, sentence: str, status: int) -> None:
    start(box)
    wait_until_managed(box)
    box.run(f"kill -KILL {pid(box, process)}")
    ended, screen = wait_for_end(box)
    assert (ended, sentence in screen, "xsession:" in screen) == (status, True, sentence != "")
    assert box.in_text_mode()


@KILLED
def test_the_holder_is_killed(box: Box) -> None:
    """The bridge sees that, and ends all that is left; another start works at once."""
    start(box)
    wait_until_managed(box)
    box.run(f"kill -KILL {pid(box, HOLDER)}")
    assert wait_for_end(box)[0] == 137
    # The shell prompts at once, behind a screen that is still the server's; with its end Xorg
    # throws away what was typed meanwhile. A person sees the prompt after that.
    box.wait("! pgrep -x Xorg && [ ! -e /tmp/.X11-unix/X0 ]")
    wait_for_text_mode(box)
    start(box)
    stop(box)
    assert wait_for_end(box)[0] == 0
