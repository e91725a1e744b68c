"""The menu: what keys do, what is drawn, and how the terminal is left."""

import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from xsession import cli, menu
from xsession.menu import Menu
from xsession.sessions import Kind, Session

ROOT = Path(__file__).resolve().parents[2]
ROWS = ("i3", "Openbox", "xterm")


@pytest.mark.parametrize(
    ("data", "pressed"),
    [
        (b"", []),
        (b"\x1b[A\x1bOB", ["up", "down"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"ab\r", ["text ab", "enter"]),
        (b"\x7f\x08\x15", ["erase", "erase", "clear"]),
        (b"\x1b", ["leave"]),
        (b"\x03", ["leave"]),
        ("ö☃\n".encode(), ["text ö☃", "enter"]),
        (b"\xff\xc3", ["text "]),
        (b"\x1b[[A\x1b[1;5C\x1b[15~\x1bx\x00\x1a\t", []),  # F1, Ctrl-Right, F5, Alt-x, …
    ],
)
def test_keys(data: bytes, pressed: list[str]) -> None:
    assert menu.keys(data) == pressed


@pytest.mark.parametrize(
    ("pressed", "typed", "shown", "taken"),
    [
        ([], "", (0, 1, 2), 0),
        (["down"], "", (0, 1, 2), 1),
        (["down", "down", "down", "down"], "", (0, 1, 2), 2),
        (["down", "up", "up"], "", (0, 1, 2), 0),
        (["page down"], "", (0, 1, 2), 2),
        (["page down", "page up"], "", (0, 1, 2), 0),
        (["text o", "text p"], "op", (1,), 1),
        (["text OPEN"], "OPEN", (1,), 1),
        (["text x"], "x", (1, 2), 2),  # which begins so
        (["text x", "up"], "x", (1, 2), 1),
        (["text 2"], "2", (1,), 1),
        (["text 3"], "3", (0, 2), 2),  # a number goes before a name that has it
        (["text 3", "up"], "3", (0, 2), 0),
        (["text zz"], "zz", (), None),
        (["text zz", "down", "up"], "zz", (), None),
        (["text zz", "erase", "erase"], "", (0, 1, 2), 0),
        (["text zz", "clear"], "", (0, 1, 2), 0),
        (["erase"], "", (0, 1, 2), 0),
        (["text ²"], "²", (), None),
    ],
)
def test_what_keys_do(
    pressed: list[str], typed: str, shown: tuple[int, ...], taken: int | None
) -> None:
    made = Menu(ROWS)
    for key in pressed:
        made = made.press(key, 10)
    assert (made.typed, made.shown, made.taken) == (typed, shown, taken)


def test_what_is_drawn() -> None:
    assert Menu(ROWS, at=1).lines(10) == [
        " 1 i3",
        "\x1b[7m>2 Openbox\x1b[0m",
        " 3 xterm",
        "session: ",
    ]
    assert Menu(ROWS, "zz").lines(10) == [" none", "session: zz"]
    many = Menu(tuple(f"row {number}" for number in range(1, 1001)))
    assert many.lines(2) == ["\x1b[7m>   1 row 1\x1b[0m", "    2 row 2", "session: "]
    end = many.moved(10**6).lines(3)
    assert end == ["  998 row 998", "  999 row 999", "\x1b[7m>1000 row 1000\x1b[0m", "session: "]
    assert len(many.moved(500).lines(1)) == 2


@pytest.mark.parametrize(
    ("kind", "hidden", "name"),
    [
        (Kind.RC, False, "/source"),
        (Kind.ENTRY, False, "name"),
        (Kind.UNITS, False, "name"),
        (Kind.PROGRAM, False, "name"),
        (Kind.PROGRAM, True, "/source"),
    ],
)
def test_what_is_remembered(kind: Kind, hidden: bool, name: str) -> None:
    assert menu.name_of(Session("name", kind, "/source"), hidden=hidden) == name


# -- on a terminal --


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with three sessions, one of which has a long and strange title."""
    for name, content in {
        "data/xsessions/i3.desktop": "[Desktop Entry]\nName=i3\nExec=wm\n",
        "data/xsessions/openbox.desktop": "[Desktop Entry]\nName=Größe 漢字 and more\nExec=wm\n",
        "bin/wm": "",
        "bin/xterm": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    (tmp_path / ".xinitrc").touch()
    return tmp_path


class OnTerminal:
    """`xsession select` on a terminal of its own."""

    def __init__(self, home: Path, *, columns: int = 80, **environ: str) -> None:
        environ = {
            "HOME": str(home),
            "PATH": f"{home}/bin:{os.environ['PATH']}",
            "XDG_DATA_HOME": f"{home}/data",
            "XDG_DATA_DIRS": "/no/such",
            "PYTHONPATH": str(ROOT),
            "TERM": "linux",
            "LC_ALL": "C.UTF-8",
            **environ,
        }
        self.master, self.slave = pty.openpty()
        ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.shown = b""
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(self.slave, fd)
            command = [sys.executable, "-m", "xsession", "select"]
            os.execve(command[0], command, environ)  # noqa: S606

    def until(self, text: str) -> None:
        end = time.monotonic() + 30
        while text.encode() not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)

    def type(self, *keys: str) -> None:
        for key in keys:
            os.write(self.master, key.encode())
            time.sleep(0.02)

    def end(self) -> int:
        """The exit status; the terminal is as it was, and nothing of the menu is on it."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        while select.select([self.master], [], [], 0.1)[0]:
            self.shown += os.read(self.master, 65536)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status


def chosen(home: Path) -> str:
    file = home / ".config/xsession/default"
    return file.read_text().strip() if file.exists() else ""


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["open", "\r"], "openbox"),
        (["3", "\n"], "openbox"),
        (["\x1b[B", "\r"], "i3"),
        (["\r"], "{home}/.xinitrc"),
        (["zz", "\r", "\x15", "xt", "\r"], "xterm"),
    ],
)
def test_a_choice(home: Path, keys: list[str], name: str) -> None:
    terminal = OnTerminal(home)
    terminal.until("session: ")
    # The system's files, where there are any, stand between; so it is by what is typed.
    listed = re.findall(rb"(\d+) (\.xinitrc|i3|openbox|xterm) ", terminal.shown)
    numbers = {word.decode(): number.decode() for number, word in listed}
    keys = [numbers["openbox"] if key == "3" else key for key in keys]
    if keys[0] == "\x1b[B":
        keys = ["\x1b[B"] * (int(numbers["i3"]) - 1) + keys[1:]
    terminal.type(*keys)
    assert terminal.end() == 0, terminal.shown
    assert chosen(home) == name.format(home=home)
    assert b"\x1b[J\x1b[?7h" in terminal.shown  # erased, and lines wrap again


def test_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["select"]) == 125
    said = "xsession: a menu needs a terminal for input and output\n"
    hint = "  see: xsession list; then: xsession default NAME\n"
    assert capsys.readouterr().err == said + hint


@pytest.mark.parametrize("key", ["\x1b", "\x03", "\x04"])
def test_nothing_is_changed(home: Path, key: str) -> None:
    terminal = OnTerminal(home, columns=20)
    terminal.until("session: ")
    terminal.type("open", key)
    assert terminal.end() == 130
    assert chosen(home) == ""


def test_a_signal(home: Path) -> None:
    terminal = OnTerminal(home)
    terminal.until("session: ")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 143


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "no_SUCH"])
def test_other_languages(home: Path, locale: str) -> None:
    terminal = OnTerminal(home, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    terminal.until("session: ")
    terminal.type("openbox", "\r")
    assert (terminal.end(), chosen(home)) == (0, "openbox"), terminal.shown


@pytest.mark.parametrize(
    ("typed", "status", "name"),
    [
        ("i3\n", 0, "i3"),
        ("none\ni3\n", 0, "i3"),
        ("1\n", 0, "{home}/.xinitrc"),
        ("\n", 130, ""),
        ("\x04", 130, ""),
        ("\x03", -signal.SIGINT, ""),
    ],
)
@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_can_only_print(
    home: Path, typed: str, status: int, name: str, term: str
) -> None:
    terminal = OnTerminal(home, columns=20, TERM=term)
    terminal.until("number or name: ")
    terminal.type(typed)
    assert terminal.end() == status
    assert chosen(home) == name.format(home=home)
    assert b"\x1b" not in terminal.shown
    assert max(map(len, terminal.shown.decode().split("\r\n")[:3])) <= 20
