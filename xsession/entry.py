"""A desktop entry: a file that tells how a program is started and what it is called.

Source: Desktop Entry Specification 1.5, https://specifications.freedesktop.org/desktop-entry/1.5/,
and where published files go beyond it, what GLib and thereby every display manager makes of them
(each such place says so). `parse` and `argv` are pure; `read`, `find` and `command` look at files.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from xsession import process
from xsession.errors import FAILED, NOT_FOUND, Failure

SUFFIX = ".desktop"
MAIN = "Desktop Entry"
ACTION = "Desktop Action "
LARGEST = 512 * 1024  # bytes; the largest that are published, with all translations, have 100 KB
TYPES = ("Application", "XSession", "")  # XSession: of display managers before the specification


class BadEntry(Failure):
    """A desktop entry that is refused: its file, the line (0 for none) and the reason."""

    def __init__(
        self, path: str, line: int, reason: str, hint: str = "", status: int = FAILED
    ) -> None:
        where = f"{printable(path)}, line {line}" if line else printable(path)
        self.reason = printable(reason)
        super().__init__(f"{where}: {self.reason}", hint, status)


class Group(NamedTuple):
    """A group of the file: its values as they stand there, by key, each with its line."""

    path: str
    line: int
    values: Mapping[str, tuple[int, str]]

    def bad(self, key: str, reason: str, hint: str = "", status: int = FAILED) -> BadEntry:
        """What to raise because of the value of `key`."""
        return BadEntry(self.path, self.values.get(key, (self.line, ""))[0], reason, hint, status)

    def text(self, key: str) -> str:
        """A string; "" if it is not there."""
        return unescaped(self.values[key][1]) if key in self.values else ""

    def localized(self, key: str, locales: Sequence[str]) -> str:
        """The string for the first of `locales` that there is, or else the one without any."""
        for locale in locales:
            if f"{key}[{locale}]" in self.values:
                return self.text(f"{key}[{locale}]")
        return self.text(key)

    def flag(self, key: str) -> bool:
        """As GLib has it, `False` and all that is not understood is false; numbers are of the
        specification before 1.0."""
        return self.values.get(key, (0, ""))[1] in ("true", "1")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, divided by `;`."""
        if key not in self.values:
            return ()
        value = self.values[key][1]
        items = re.findall(r"((?:[^;\\]|\\.|\\$)+)(?:;|$)", value, re.DOTALL)
        return tuple(unescaped(item) for item in items)


class Entry(NamedTuple):
    """A desktop entry. `actions`: further ways to start the program, by identifier."""

    path: str
    main: Group
    actions: Mapping[str, Group]
    locales: tuple[str, ...]
    name: str
    comment: str
    type: str
    hidden: bool
    no_display: bool
    terminal: bool
    try_exec: str
    folder: str
    icon: str
    window_class: str
    desktop_names: tuple[str, ...]
    only_show_in: tuple[str, ...]
    not_show_in: tuple[str, ...]

    def shown_in(self, desktops: Sequence[str]) -> bool:
        """Whether a desktop shows it; `desktops` are the names in XDG_CURRENT_DESKTOP."""
        for desktop in desktops:
            if desktop in self.only_show_in:
                return True
            if desktop in self.not_show_in:
                return False
        return not self.only_show_in

    def group(self, action: str) -> Group:
        """The group of an action; the main one for ""."""
        if not action:
            return self.main
        if action not in self.actions:
            known = printable(", ".join(self.actions))
            hint = f"it has: {known}" if known else "it has none"
            raise BadEntry(self.path, 0, f"no action {quoted(action)}", hint, NOT_FOUND)
        return self.actions[action]


# -- pure --


def parse(content: bytes, path: str = "", locales: tuple[str, ...] = ()) -> Entry:
    """Read the content of a file; of its translations only those for `locales`.

    Raises BadEntry, and nothing else, if it is no desktop entry.
    """
    groups = _groups(content, path, locales)
    if MAIN not in groups:
        raise BadEntry(path, 0, f"no [{MAIN}] in it")
    main = groups[MAIN]
    # Spec, "Additional applications actions": a group that is not in the list is to be ignored.
    actions = {
        name: groups[ACTION + name] for name in main.texts("Actions") if ACTION + name in groups
    }
    return Entry(
        path=path,
        main=main,
        actions=actions,
        locales=locales,
        name=main.localized("Name", locales),
        comment=main.localized("Comment", locales),
        type=main.text("Type"),
        hidden=main.flag("Hidden"),
        no_display=main.flag("NoDisplay"),
        terminal=main.flag("Terminal"),
        try_exec=main.text("TryExec"),
        folder=main.text("Path"),
        icon=main.text("Icon"),
        window_class=main.text("StartupWMClass"),
        desktop_names=main.texts("DesktopNames"),
        only_show_in=main.texts("OnlyShowIn"),
        not_show_in=main.texts("NotShowIn"),
    )


_BLANK = " \t\r"  # \r: GLib takes files from other systems too
_KEY = re.compile(r"[^\[\]]+(?:\[[^\[\]]+\])?")
_HEADER = re.compile(r"\[([^\[\]\x00-\x1f\x7f]+)\]")


def _groups(content: bytes, path: str, locales: tuple[str, ...]) -> dict[str, Group]:
    if len(content) > LARGEST:
        raise BadEntry(path, 0, f"larger than {LARGEST // 1024} KiB, so no desktop entry")
    if (nul := content.find(b"\0")) >= 0:
        raise BadEntry(path, content.count(b"\n", 0, nul) + 1, "a NUL byte in it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content.count(b"\n", 0, error.start)
        raise BadEntry(path, before + 1, "not in UTF-8") from None
    # Nine lines of ten are translations. Made empty they cost nothing, and the others keep
    # their numbers.
    known = "|".join(map(re.escape, locales))
    text = re.sub(rf"(?m)^[A-Za-z0-9-]+\[(?!(?:{known})\])[^\[\]\n]+\][ \t]*=.*$", "", text)
    groups: dict[str, tuple[int, dict[str, tuple[int, str]]]] = {}
    values: dict[str, tuple[int, str]] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        key, equals, value = line.partition("=")
        key = key.strip(_BLANK)
        if not key or key[0] == "#":
            if equals and not key:
                raise BadEntry(path, number, f"{quoted(line)} has no key")
        elif equals and (key.isalnum() or _KEY.fullmatch(key)):
            value = value.strip(_BLANK)
            if values is None:
                raise BadEntry(path, number, f"{quoted(key)} stands before the first group")
            values[key] = (number, value)  # GLib: the last one counts
        elif header := _HEADER.fullmatch(line.strip(_BLANK)):
            # GLib: where it is there twice, it goes on
            _, values = groups.setdefault(header[1], (number, {}))
        else:
            raise BadEntry(path, number, f"{quoted(line)} is neither [GROUP] nor KEY=VALUE")
    return {name: Group(path, begun, values) for name, (begun, values) in groups.items()}


_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\", ";": ";"}


def unescaped(value: str) -> str:
    """A string as it is meant. What is no escape stands for itself, for the unquoting of Exec:
    many a file has `\\"` where the specification asks for `\\\\"`."""
    if "\\" not in value:
        return value
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), value)


_WORD = re.compile(
    r'"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"'
    r"|'(?P<single>[^']*)'"
    r"|\\(?P<escaped>.)"
    r"|(?P<plain>[^ \t\n\"'\\]+)"
    r"|(?P<space>[ \t\n]+)",
    re.DOTALL,
)


def unquoted(line: str) -> list[str]:
    """The words of an Exec line (spec, "The Exec key"). Raises ValueError with the reason.

    Single quotes, a quote within a word and a backslash outside of quotes are read as GLib does,
    which is as a shell does. No shell is involved: other reserved characters are themselves.
    """
    words: list[str] = []
    word: str | None = None
    at = 0
    while at < len(line):
        match = _WORD.match(line, at)
        if match is None:
            what = "a backslash at its end" if line[at] == "\\" else f"no closing {line[at]}"
            raise ValueError(f"Exec has {what}")
        at = match.end()
        if match.lastgroup == "space":
            words += [] if word is None else [word]
            word = None
            continue
        part = match[match.lastgroup or 0]
        if match.lastgroup == "double":
            part = re.sub(r'\\(["`$\\])', r"\1", part)
        word = (word or "") + part
    return words if word is None else [*words, word]


FILES = "fFuU"
DEPRECATED = "dDnNvm"


def argv(entry: Entry, action: str = "", arguments: Sequence[str] = ()) -> tuple[str, ...]:
    """The command line of the entry or of one of its actions.

    `arguments` (files, URLs, options) stand where Exec has its field code, or else at the end.
    """
    group = entry.group(action)
    if "Exec" not in group.values:
        raise group.bad("Exec", "it has no Exec, so nothing can be started by it")
    try:
        words = unquoted(group.text("Exec"))
        told = _expand(words, entry, arguments)
    except ValueError as error:
        raise group.bad("Exec", str(error)) from None
    if not told or not told[0]:
        raise group.bad("Exec", "Exec names no program")
    if "=" in told[0]:
        hint = "variables are set by env(1): Exec=env NAME=VALUE PROGRAM"
        raise group.bad("Exec", f"the program's name {quoted(told[0])} has a =", hint)
    return told


def _expand(words: Sequence[str], entry: Entry, arguments: Sequence[str]) -> tuple[str, ...]:
    """Replace field codes. Raises ValueError with the reason."""
    codes = [code for word in words for code in re.findall(r"%(.?)", word, re.DOTALL)]
    for code in codes:
        if not code or code not in f"{FILES}{DEPRECATED}ick%":
            raise ValueError(f"Exec has {quoted('%' + code)}, which is no field code; %% is a %")
    files = [code for code in codes if code in FILES]
    if len(files) > 1:
        raise ValueError(f"Exec has %{files[0]} and %{files[1]}, and may have but one of them")
    if files and files[0] in "fu" and len(arguments) > 1:
        raise ValueError(f"Exec has %{files[0]}, for one argument, and was given {len(arguments)}")
    several = {"%F": list(arguments), "%U": list(arguments)}
    several["%i"] = ["--icon", entry.icon] if entry.icon else []
    single = {
        "f": arguments[0] if arguments else "",
        "c": entry.name,
        "k": entry.path,
        "%": "%",
    }
    single["u"] = single["f"]
    told: list[str] = []
    for word in words:
        if word in several:
            told += several[word]
        elif alone := re.search(r"(?<!%)(?:%%)*(%[FUi])", word):
            raise ValueError(f"Exec has {alone[1]} within a word; it is one of its own")
        else:
            new = re.sub(r"%(.)", lambda match: single.get(match[1], ""), word, flags=re.DOTALL)
            # A word that is nothing but a code without a value is none: `vi %f` is `vi`.
            told += [new] if new or not re.fullmatch(r"(?:%[^%])+", word) else []
    return (*told, *([] if files else arguments))


def locales(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The locales whose text may be shown, the best first (spec, "Localized values for keys")."""
    wanted = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    match = re.fullmatch(r"([^_.@]+)(_[^.@]+)?(?:\.[^@]*)?(@.+)?", wanted)
    if not match or match[1] in ("C", "POSIX"):
        return ()
    language, country, modifier = match[1], match[2] or "", match[3] or ""
    forms = (language + country + modifier, language + country, language + modifier, language)
    return tuple(dict.fromkeys(forms))


def printable(text: str) -> str:
    """`text` for a line of a message or a table: what would control a terminal is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: str) -> str:
    """Some of a file, for a message."""
    return f"'{text}'" if len(text) <= 40 else f"'{text[:40]}…'"


# -- files --


def folders(name: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The folders `name` for data, the most important first (XDG Base Directory Specification)."""
    home = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '')}/.local/share"
    others = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    paths = dict.fromkeys(path.rstrip("/") for path in (home, *others.split(":")))
    return tuple(f"{path}/{name}" for path in paths if path.startswith("/"))


def read(path: str, locales: tuple[str, ...] = ()) -> Entry:
    """The desktop entry in a file. Raises BadEntry."""
    return parse(content(path), path, locales)


def content(path: str) -> bytes:
    """The bytes of a file, a few more than LARGEST at most. Raises BadEntry."""
    try:
        # Without O_NONBLOCK the opening of a FIFO would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise BadEntry(path, 0, "not a file")
            return os.read(fd, min(status.st_size, LARGEST) + 1)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise BadEntry(path, 0, "not found", status=NOT_FOUND) from None
    except OSError as error:
        raise BadEntry(path, 0, f"could not be read: {error.strerror}") from None


def find(name: str, environ: Mapping[str, str]) -> Entry:
    """The application with desktop file ID `name` (`org.example.Viewer.desktop`), or at a path.

    One that is Hidden was deleted, there and in the folders after (spec, "Hidden").
    """
    if "/" in name:
        return read(os.path.abspath(name), locales(environ))
    for folder in folders("applications", environ):
        for path in _paths(folder, name):
            entry = read(path, locales(environ))
            if entry.hidden:
                hint = f"its user has deleted it: {printable(path)}"
                raise Failure(f"application {quoted(name)}: not found", hint, NOT_FOUND)
            return entry
    where = ":".join(folders("applications", environ))
    raise Failure(f"application {quoted(name)}: not found", f"looked in {where}", NOT_FOUND)


def _paths(folder: str, name: str) -> Iterator[str]:
    """Files whose desktop file ID is `name`: of a/b.desktop it is a-b.desktop."""
    path = f"{folder}/{name}"
    if os.path.lexists(path):
        yield path
    for dash in re.finditer("-", name):
        inner = f"{folder}/{name[: dash.start()]}"
        if dash.start() and os.path.isdir(inner):
            yield from _paths(inner, name[dash.end() :])


Finder = Callable[[str, str, Mapping[str, str]], str]


def command(
    entry: Entry,
    environ: Mapping[str, str],
    action: str = "",
    arguments: Sequence[str] = (),
    find_program: Finder = process.find_program,
) -> tuple[str, ...]:
    """`argv` with its program found. Raises BadEntry where that cannot be started."""
    if entry.hidden:
        raise entry.main.bad("Hidden", "it is Hidden, which means deleted", status=NOT_FOUND)
    if entry.type not in TYPES:
        raise entry.main.bad("Type", f"its Type is {quoted(entry.type)}, not Application")
    told = argv(entry, action, arguments)
    program = told[0]
    for group, key, name in (
        (entry.main, "TryExec", entry.try_exec),
        (entry.group(action), "Exec", told[0]),
    ):
        try:
            program = find_program(f"{key}'s program", name, environ) if name else program
        except Failure as failure:
            raise group.bad(key, failure.what, failure.hint, failure.status) from None
    return (program, *told[1:])
