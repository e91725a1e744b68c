"""`xsession select`: choose the default session from a menu on the terminal.

The keys and sequences are those that VTs and the descendants of the VT100 have in common
(console_codes(4)). Where TERM promises none of them, it is a list with numbers, and a question.
"""

import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xsession import choice, entry, process, sessions, tty
from xsession.errors import BY_SIGNAL, Failure
from xsession.sessions import Kind, Session

DUMB = ("", "dumb", "unknown")
LEFT = BY_SIGNAL + signal.SIGINT
PATIENCE = 0.1  # seconds in which the rest of a key's sequence follows its Esc

KEYS = {
    **{b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down"},
    **{b"\x1b[5~": "page up", b"\x1b[6~": "page down"},
    **{b"\n": "enter", b"\r": "enter", b"\x7f": "erase", b"\x08": "erase", b"\x15": "clear"},
    **{b"\x1b": "leave", b"\x03": "leave", b"\x04": "leave"},
}
_KEY = re.compile(
    rb"\x1b\[\[?[0-9;]*[A-Za-z~]|\x1bO.|\x1b.?|[\x00-\x1f\x7f]|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)
_BEGUN = re.compile(rb".*\x1b(O|\[\[?[0-9;]*)?", re.DOTALL)  # the beginning of a sequence

WRAP, NO_WRAP, REVERSE, PLAIN = "\x1b[?7h", "\x1b[?7l", "\x1b[7m", "\x1b[0m"


# -- pure --


@dataclass(frozen=True)
class Menu:
    """The rows, what was typed, and the row that Enter takes (by its index, from 0)."""

    rows: tuple[str, ...]
    typed: str = ""
    at: int = 0

    @property
    def shown(self) -> tuple[int, ...]:
        """The rows that have what was typed in them, or whose number begins so."""
        typed = self.typed.casefold()
        return tuple(
            index
            for index, row in enumerate(self.rows)
            if str(index + 1).startswith(typed) or typed in row.casefold()
        )

    @property
    def taken(self) -> int | None:
        """The row that Enter takes; None if no row is shown."""
        return self.at if self.at in self.shown else None

    def typing(self, text: str) -> "Menu":
        """The menu when `text` has been typed: a number is that row; else one that begins so goes
        before those that only have it in them."""
        new = replace(self, typed=text)
        shown = new.shown
        number = int(text) - 1 if text.isascii() and text.isdecimal() else -1
        if number in shown:
            return replace(new, at=number)
        best = [it for it in shown if text and self.rows[it].casefold().startswith(text.casefold())]
        if new.at in (best or shown):
            return new
        return replace(new, at=(best or shown)[0]) if shown else new

    def moved(self, by: int) -> "Menu":
        shown = self.shown
        if not shown:
            return self
        place = shown.index(self.at) + by
        return replace(self, at=shown[max(0, min(place, len(shown) - 1))])

    def press(self, key: str, page: int) -> "Menu":
        """The menu after a key; `page` is how many rows a page key moves."""
        match key:
            case "up" | "down":
                return self.moved(-1 if key == "up" else 1)
            case "page up" | "page down":
                return self.moved(-page if key == "page up" else page)
            case "erase":
                return self.typing(self.typed[:-1])
            case "clear":
                return self.typing("")
            case _:
                return self.typing(self.typed + key.removeprefix("text "))

    def lines(self, height: int) -> list[str]:
        """What is drawn: so many rows at most, and the question last."""
        shown = self.shown
        place = shown.index(self.at) if self.at in shown else 0
        top = max(0, min(place - height // 2, len(shown) - height))
        width = len(str(len(self.rows)))
        lines = []
        for index in shown[top : top + height]:
            row = f"{index + 1:{width}} {self.rows[index]}"
            lines.append(f"{REVERSE}>{row}{PLAIN}" if index == self.at else f" {row}")
        return [*(lines or [" none"]), f"session: {self.typed}"]


def keys(data: bytes) -> list[str]:
    """What was pressed: names of KEYS, or `text …`; unknown sequences are nothing."""
    pressed = []
    for match in _KEY.finditer(data):
        if match["text"]:
            text = match["text"].decode("utf-8", "ignore")
            pressed.append("text " + "".join(filter(str.isprintable, text)))
        elif match[0] in KEYS:
            pressed.append(KEYS[match[0]])
    return pressed


def name_of(session: Session, *, hidden: bool) -> str:
    """What `xsession start` takes for it. `hidden`: its name alone would mean an entry."""
    if session.kind is Kind.RC or hidden:
        return session.source
    return session.name


# -- on the terminal --


def select() -> int:
    """`xsession select`: remember what is chosen, and print it; 130 if nothing was."""
    if not (os.isatty(0) and os.isatty(1)):
        hint = "see: xsession list; then: xsession default NAME"
        raise Failure("a menu needs a terminal for input and output", hint)
    environ = dict(os.environ)
    every, default = sessions.every(environ)
    possible = [it for it in every if not it.objection and it.kind is not Kind.CONFIG]
    if not possible:
        raise Failure("no session can be started", "see: xsession list")
    column = min(24, max(len(entry.printable(it.name)) for it in possible))
    rows = tuple(
        f"{entry.printable(it.name):{column}}  "
        + (entry.printable(it.title) or sessions.source(it, environ))
        for it in possible
    )
    menu = Menu(rows, at=possible.index(default) if default in possible else 0)
    dumb = environ.get("TERM", "") in DUMB
    number = _ask(menu, possible) if dumb else _choose(menu)
    if number is None:
        return LEFT
    chosen = possible[number]
    program = chosen.kind is Kind.PROGRAM
    hidden = program and any(it.name == chosen.name and it.kind is Kind.ENTRY for it in possible)
    choice.remember(name_of(chosen, hidden=hidden), environ)
    tty.say(f"{entry.printable(chosen.name)}  {sessions.source(chosen, environ)}")
    return 0


def _choose(menu: Menu) -> int | None:
    """The number of the row that is chosen by keys. The terminal is then as it was."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(BY_SIGNAL + number))
    drawn = 0
    with tty.key_by_key(0):
        try:
            while True:
                height = max(1, tty.height() - 2)
                drawn = _draw(menu.lines(height), drawn)
                for key in keys(_read()) or ():
                    if key == "leave":
                        return None
                    if key != "enter":
                        menu = menu.press(key, height)
                    elif menu.taken is not None:
                        return menu.taken
        finally:
            _draw([], drawn)


def _draw(lines: Sequence[str], before: int) -> int:
    """Draw over the lines that were drawn before, or with none erase them; how many there are.

    Without wrapping a line is cut at the terminal's edge, however wide its characters are.
    """
    up = f"\x1b[{before - 1}A" if before > 1 else ""
    text = tty.encodable("\n".join(lines))
    sys.stdout.write(f"\r{up}\x1b[J{NO_WRAP if lines else WRAP}{text}")
    sys.stdout.flush()
    return len(lines)


def _read() -> bytes:
    """The next keys; Ctrl-D's where the terminal has gone."""
    try:
        data = os.read(0, 256)
        while _BEGUN.fullmatch(data) and process.readable(0, PATIENCE):
            data += os.read(0, 256)
    except OSError:
        return b"\x04"
    return data or b"\x04"


def _ask(menu: Menu, possible: Sequence[Session]) -> int | None:
    """The same for a terminal that can only print."""
    width = tty.width()
    for number, row in enumerate(menu.rows):
        line = f"{'*' if number == menu.at else ' '}{number + 1:{len(str(len(menu.rows)))}} {row}"
        tty.say(line if len(line) <= width else f"{line[: width - 1]}…")
    while True:
        print("number or name: ", end="", flush=True)
        answer = sys.stdin.buffer.readline().decode(errors="replace")
        words = answer.strip()
        if not words:  # Enter, or Ctrl-D
            print(end="" if answer else "\n")
            return None
        for number, session in enumerate(possible):
            if words in (str(number + 1), session.name):
                return number
        tty.say(f"{entry.quoted(entry.printable(words))} is none of them")
