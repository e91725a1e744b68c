"""What a person does at alice's prompt on tty1, and what can be seen of it from elsewhere."""

import re
import time
from pathlib import Path

from machine import Guest

PICTURES = Path(__file__).resolve().parent.parent / "dist" / "pictures"
WHITE, SOME_LINES = b"\xff\xff\xff", 100

# On an emulated CPU what clears up (Python, five times systemctl) takes longer than 10 s at times,
# and so does a window manager until it shows itself, and a server until it answers.
PATIENCE = """
mkdir -p /etc/xdg/xsession
printf 'session.managed-timeout = 300\\nserver.timeout = 200\\n' >/etc/xdg/xsession/config.toml
for unit in xorg@.service xsession-client@.service; do
    mkdir -p /etc/systemd/user/$unit.d
    printf '[Service]\\nTimeoutStopSec=90s\\n' >/etc/systemd/user/$unit.d/slow.conf
done
# Without a GPU these load LLVM, which takes longer than all the rest of the server's start.
mkdir -p /etc/X11/xorg.conf.d
cat >/etc/X11/xorg.conf.d/slow.conf <<END
Section "Module"
    Disable "glx"
EndSection
Section "OutputClass"
    Identifier "no glamor"
    MatchDriver "virtio_gpu"
    Driver "modesetting"
    Option "AccelMethod" "none"
EndSection
END
runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user daemon-reload
"""

# As a person would who has a slow computer.
START = "xsession start --timeout 200"
LISTEN = "xsession listen --timeout 200"
READY = "systemctl --user is-active --quiet {unit}"


def type_command(guest: Guest, command: str) -> None:
    """Type a command on a clean screen; its exit status is printed after it."""
    guest.type(f"clear; {command}; echo status=$?\n")


def log_in(guest: Guest, vt: int, user: str = "alice") -> None:
    """Go to another VT and log in there, up to a clean screen with a prompt."""
    guest.key(f"ctrl-alt-f{vt}")
    for question in ("login:", "Password:"):
        guest.wait(f"grep -aq {question} /dev/vcs{vt}", 60, f"{question} on tty{vt}")
        guest.type(f"{user}\n")
    guest.wait(f"grep -aqF '{user}@xsession-guest:~$' /dev/vcs{vt}", 60, f"a prompt on tty{vt}")
    guest.type("clear\n")


def start(guest: Guest, command: str = f"{START} xterm", *, display: int = 0) -> None:
    """Type a start and wait until the server answers."""
    type_command(guest, command)
    wait_until_ready(guest, display)


def wait_until_ready(guest: Guest, display: int = 0) -> None:
    unit = f"xorg@{display}.service"
    guest.wait(READY.format(unit=unit), 180, f"{unit} to be ready", user="alice")


def wait_for_end(guest: Guest) -> tuple[int, str]:
    """Until the prompt is back: the exit status, and what stands on the console."""
    guest.wait("grep -aq status= /dev/vcs1", 60, "the command's end")
    guest.wait_for_prompt(60)
    screen = guest.console()
    match = re.search(r"status=(\d+)", screen)
    assert match, screen
    return int(match[1]), screen


def wait_for_journal(guest: Guest, text: str, times: int = 1, user: str = "alice") -> None:
    """Until what the user's units say has `text` so many times."""
    guest.wait(
        f"[ $(journalctl --user -q -b -o cat | grep -cF '{text}') -ge {times} ]",
        60,
        f"{text!r} in the journal",
        user=user,
    )


def wait_until_managed(guest: Guest, user: str = "alice") -> None:
    """Until the window manager of the user's session is there, and with it the session."""
    wait_for_journal(guest, "manages :0", user=user)
    guest.wait("systemctl --user is-active graphical-session.target", 60, user=user)


def picture(guest: Guest, name: str, *, seconds: float = 180) -> None:
    """Wait until a terminal is on the screen, which is white, and keep that for people to look at:
    dist/pictures/SUITE-NAME.png."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{guest.suite}-{name}.png"
    deadline = time.monotonic() + seconds
    while guest.pixels().count(WHITE * 100) < SOME_LINES:
        if time.monotonic() > deadline:
            guest.picture(path)
            raise AssertionError(f"no terminal on the screen after {seconds} s: {path}")
        time.sleep(0.5)
    guest.picture(path)


def x(command: str, display: int = 0) -> str:
    """A command line as a program of alice's that was told display and authority."""
    authority = f"$XDG_RUNTIME_DIR/xsession/{display}/authority"
    return f"export DISPLAY=:{display} XAUTHORITY={authority}; {command}"


def said(screen: str) -> str:
    """What stands on a console as one line: a VT wraps long lines anywhere."""
    return screen.replace("\n", "")


def stop(guest: Guest) -> None:
    guest.run("xsession stop", "alice")


def pid(guest: Guest, pattern: str) -> int:
    """The PID of alice's process whose command line matches; a fork of its looks the same."""
    return int(guest.output(f"pgrep --oldest -u alice -f {pattern!r}"))


HOLDER = "^/usr/bin/python3 -IS /usr/bin/xsession (start|listen)"
BRIDGE = "^/usr/bin/python3 -IS /usr/bin/xsession bridge"
SERVER = "^/usr/lib/xorg/Xorg :"
OPENBOX = "^/usr/bin/openbox"
XTERM = "^/usr/bin/xterm"
