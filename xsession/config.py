"""The configuration: files in TOML, the person's over the system's, that say what settings are.

Where: XDG Base Directory Specification. Each setting is taken whole from the most important file
that has it. What is wrong in a file is named with its line, and nothing is started.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from xsession import files
from xsession.errors import Failure
from xsession.settings import Config, Setting, Value, make, settings

NAME = "xsession/config.toml"
MANUAL = "the settings: man xsession.toml"
NARROWEST = 20  # columns that a value is given beside the rest of its row
MOST_SHOWN = 40  # characters of a wrong value that are shown
MOST_DOTS = 64  # in one line, of keys: with one of thousands of parts tomllib takes minutes


def paths(environ: Mapping[str, str]) -> list[str]:
    """Where files can be, the most important first."""
    folders = [files.config_home(environ), *files.config_dirs(environ)]
    return [f"{folder}/{NAME}" for folder in folders]


def load(environ: Mapping[str, str]) -> tuple[Config, dict[str, str]]:
    """What holds, and where what is not the default was said, as `PATH:LINE`, by names."""
    values: dict[str, Value] = {}
    sources: dict[str, str] = {}
    for path in reversed(paths(environ)):
        content = files.read(path)
        if content is not None:
            for name, (value, line) in parse(content, path).items():
                values[name], sources[name] = value, f"{path}:{line}"
    return (make(values) if values else Config()), sources


# -- one file --


def parse(content: bytes, path: str) -> dict[str, tuple[Value, int]]:
    """The settings of a file, by names, with their lines. Raises Failure for the first fault."""
    import tomllib

    try:
        text = content.decode("utf-8-sig")
        for number, words in enumerate(_without_strings(text).split("\n"), 1):
            if words.count(".") > MOST_DOTS:
                raise Failure(f"{path}:{number}: more than {MOST_DOTS} dots in one line", MANUAL)
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Failure(f"{path}:{line}: this is not UTF-8", MANUAL) from None
    except RecursionError:
        raise Failure(f"{path}: nested too deeply", MANUAL) from None
    except ValueError as error:
        raise _syntax(path, text, str(error)) from None
    table = settings()
    found = {}
    for name, keys in document.items():
        if name not in {setting.table for setting in table}:
            _unknown(path, text, (name,), table)
        if not isinstance(keys, dict):
            what = f"{_at(path, text, (name,))}: {name} is a table, not a value"
            raise Failure(what, f"write: [{name}]")
        for key, value in keys.items():
            setting = next((s for s in table if (s.table, s.key) == (name, key)), None)
            if setting is None:
                _unknown(path, text, (name, key), table)
            found[setting.name] = (_take(path, text, setting, value), _line(text, (name, key)))
    return found


def _without_strings(text: str) -> str:
    """What is left of TOML when strings and comments are made empty, in as many lines."""
    import re

    said = r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*' + r"|'''.*?'''|'[^'\n]*'"
    return re.sub(said, lambda it: "\n" * it[0].count("\n"), text, flags=re.DOTALL)


def _syntax(path: str, text: str, message: str) -> Failure:
    """tomllib's `Invalid value (at line 1, column 5)` as `PATH:1:5: invalid value`."""
    import re

    what, where = message, ""
    if found := re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message):
        last = text.count("\n") + (not text.endswith("\n"))
        what, where = found[1], f"{found[2]}:{found[3]}" if found[2] else str(last)
    what = "".join(c if c.isprintable() else "?" for c in what[:1].lower() + what[1:])
    return Failure(
        f"{path}:{where}: {what}" if where else f"{path}: {what}", "see: https://toml.io"
    )


def _take(path: str, text: str, setting: Setting, value: object) -> Value:
    try:
        return setting.type.take(value)
    except ValueError as error:
        wrong = str(error) or f"it must be {setting.type.words}, and is {_shortened(toml(value))}"
        where = _at(path, text, (setting.table, setting.key))
        raise Failure(f"{where}: {setting.name}: {wrong}", MANUAL) from None


def _unknown(path: str, text: str, name: tuple[str, ...], table: Sequence[Setting]) -> NoReturn:
    """A key or table that is none, with the one that was perhaps meant."""
    import difflib

    word, within = name[-1], name[:-1]
    choice = {s.key for s in table if (s.table,) == within} or {f"[{s.table}]" for s in table}
    elsewhere = [setting for setting in table if setting.key == word]
    if elsewhere:
        hint = f"it belongs to another table: [{elsewhere[0].table}]"
    elif near := difflib.get_close_matches(word if within else f"[{word}]", choice, 1):
        hint = f"is it this: {near[0]}?"
    else:
        hint = MANUAL
    kind = f"setting in [{name[0]}]" if within else "table"
    raise Failure(f"{_at(path, text, name)}: {_shortened(toml(word))} is no {kind}", hint)


def _at(path: str, text: str, name: Sequence[str]) -> str:
    return f"{path}:{_line(text, name)}"


def _line(text: str, name: Sequence[str]) -> int:
    """The line in which a name gets its value, or the nearest before it: tomllib tells no lines.

    A search, so what looks like a key inside of a string can mislead it.
    """
    here: list[str] = []
    nearest = 1
    for number, line in enumerate(text.split("\n"), 1):
        key, equals, _ = line.partition("=")
        bare = line.partition("#")[0].strip()
        if bare.startswith("[") and bare.endswith("]"):
            said = here = _parts(bare.strip("[]"))
        elif equals and not key.lstrip().startswith("#"):
            said = here + _parts(key)
        else:
            continue
        if said == list(name):
            return number
        if said == list(name[: len(said)]) or said[: len(name)] == list(name):
            nearest = number
    return nearest


def _parts(key: str) -> list[str]:
    return [part.strip().strip("\"'") for part in key.split(".")]


# -- values as text --


def toml(value: object) -> str:
    """A value as it would be written in a file. Nothing in it moves a terminal's cursor."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(_escaped(character) for character in value) + '"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        pairs = (f"{key if _bare(key) else toml(key)} = {toml(v)}" for key, v in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return str(value)


def _bare(key: str) -> bool:
    return key.isascii() and key.replace("-", "_").replace("_", "a").isalnum()


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 1 << 16 else f"\\U{ord(character):08x}"


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


# -- xsession config --


class Row(NamedTuple):
    """A setting, what it is, and where that was said."""

    setting: Setting
    value: Value
    source: str


def rows(config: Config, sources: Mapping[str, str]) -> list[Row]:
    """Every setting."""
    return [Row(s, s.of(config), sources.get(s.name, "default")) for s in settings()]


def table(rows: Sequence[Row], width: int, home: str = "") -> str:
    """What is printed: columns, no line longer than `width`; or if that is 0, a file with all."""
    lines: list[str] = []
    before = ""
    sources = [_from_home(row.source, home) for row in rows]
    keys = max(len(row.setting.key) for row in rows) + 2
    room = width - keys - max(map(len, sources)) - 4 if width else 0
    for row, source in zip(rows, sources, strict=True):
        key, value = row.setting.key, toml(row.value)
        if row.setting.table != before:
            before = row.setting.table
            lines += ["", *_wrapped(f"[{before}]", width or len(before) + 2)]
        if not width:
            lines.append(f"{key} = {value}  # {source}")
        elif room >= NARROWEST:
            first, *more = _wrapped(value, room)
            lines.append(f"  {key:{keys - 2}}  {first:{room}}  {source}")
            lines += [" " * (keys + 2) + line for line in more]
        else:
            for indent, text in ((2, key), (4, value), (4, source)):
                indent = min(indent, width - 1)
                lines += [" " * indent + line for line in _wrapped(text, width - indent)]
    return "\n".join(lines[1:])


def _from_home(path: str, home: str) -> str:
    return f"~{path.removeprefix(home)}" if home and path.startswith(f"{home}/") else path


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False)


def show(as_json: bool) -> int:
    """`xsession config`: every setting, what holds, and where it was said."""
    found = rows(*load(os.environ))
    if as_json:
        import json

        told = {r.setting.name: {"value": r.value, "source": r.source} for r in found}
        print(json.dumps(told, indent=2, default=dict))
        return 0
    import shutil

    from xsession import tty

    wide = not (sys.stdout and sys.stdout.isatty()) and "COLUMNS" not in os.environ
    text = table(
        found, 0 if wide else shutil.get_terminal_size().columns, os.environ.get("HOME", "")
    )
    tty.say(text)
    return 0
