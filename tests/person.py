"""What a person does at alice's prompt on tty1, and what can be seen of it from elsewhere."""

import re
from pathlib import Path

from machine import PROMPT, Box, BoxError, patience

PICTURES = Path(__file__).resolve().parent.parent / "dist" / "pictures"

HOLDER = "^/usr/bin/python3 -IS /usr/bin/xsession (start|listen)"
BRIDGE = "^/usr/bin/python3 -IS /usr/bin/xsession bridge"
SERVER = "^/usr/lib/xorg/Xorg :"
OPENBOX = "^/usr/bin/openbox"
XTERM = "^/usr/bin/xterm"

ENDED = re.compile(r"status=(\d+)$", re.MULTILINE)

# As a unit or a timer would: the manager knows the display.
ON_DISPLAY = "export $(systemctl --user show-environment | grep -E '^(DISPLAY|XAUTHORITY)=')"


def type_command(box: Box, command: str) -> None:
    """Type a command on a clean screen; its exit status is printed after it."""
    box.type("clear\n")
    for _ in patience(10):
        if box.screen() == PROMPT:
            box.type(f"{command}; echo status=$?\n")
            return
    raise BoxError(f"{box.name}: what is typed has no effect:\n{box.screen()}")


def start(box: Box, command: str = "xsession start openbox", *, display: int = 0) -> None:
    """Type a start, and wait until the server answers and the client runs."""
    type_command(box, command)
    units = f"xorg@{display}.service xsession-client@{display}.service"
    for _ in patience(20):
        answer = box.run(f"systemctl --user is-active {units}", "alice", check=False)
        if answer.stdout.split() == ["active"] * 2:
            return
        if ENDED.search(box.screen()):
            break
    raise BoxError(f"{box.name}: no session; {answer.stdout}\n{box.screen()}")


def wait_until_managed(box: Box, display: int = 0) -> None:
    """Until the window manager is there, and all that the session starts."""
    units = f"xsession@{display}.target xdg-desktop-autostart.target"
    box.wait(
        f'[ "$(systemctl --user is-active {units} | uniq)" = active ]'
        ' && [ -z "$(systemctl --user list-jobs --no-legend)" ]',
        20,
        f"{units} to be active",
        user="alice",
    )


def wait_for_end(box: Box) -> tuple[int, str]:
    """Until the prompt is back: the exit status, and what stands on the console, as one line."""
    for _ in patience(30):
        screen = box.screen()
        match = ENDED.search(screen)
        if match and screen.endswith(PROMPT):
            return int(match[1]), screen.replace("\n", "")
    raise BoxError(f"{box.name}: the command does not end:\n{screen}")


def wait_for_text_mode(box: Box) -> None:
    """Until logind has taken the console back from a server that was not ended in order."""
    for _ in patience(10):
        if box.in_text_mode():
            return
    raise BoxError(f"{box.name}: tty1 is not in text mode")


def stop(box: Box) -> None:
    """From another login, as over ssh."""
    box.run("xsession stop", "alice", login=True)


def pid(box: Box, pattern: str) -> int:
    """The PID of alice's process whose command line matches; a fork of its looks the same."""
    return int(box.output(f"pgrep --oldest -u alice -f '{pattern}'"))


def shown(box: Box, unit: str, name: str) -> str:
    """A property of a unit of alice's manager."""
    return box.output(f"systemctl --user show '{unit}' -p {name} --value", "alice")


def picture(box: Box, name: str) -> None:
    """Keep for people to look at what the display shows: dist/pictures/SUITE-NAME.png."""
    box.picture(PICTURES / f"{box.suite}-{name}.png")
