"""Variables of the environment: what the login shell and files of ours have for the user manager.

The files are in the syntax of environment.d(5), as systemd's env-file.c and env-util.c
(replace_env()) read it: a single quote does not keep a `$` from being expanded, `$$` does.
Otherwise than there, `NAME=` is an empty value, a default (`${NAME:-…}`) stands for an empty value
too, as the man page says, and `export` may lead a line. What systemd passes over in silence (a line
without `=`, a quote or brace that is not closed) is an error.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from xsession import files
from xsession.errors import Failure

# execve(2): a string has at most 32 pages, with its NUL, and `--setenv=` stands before this one.
# systemd takes up to ARG_MAX (env-util.c), for units that could not be started then.
LONGEST = 131000  # bytes of NAME=VALUE
MOST = 1 << 20  # bytes of all that a file sets: execve(2) has 2 MiB, of which arguments need some
DEEPEST = 16  # references in references

# Compiled when there is a file to parse; most people have none.
BLANK = r"(?:[ \t\r\n]+|[#;][^\r\n]*)*"
KEY = r"(?:export[ \t]+(?=[^= \t]))?([^=\r\n]*)(=?)"
QUOTED = r"""[ \t]*(?:'([^']*)'|"([^"\\]*(?:\\.[^"\\]*)*)")"""
PLAIN = r"[ \t]*((?:[^\\\r\n]+|\\(?:\r\n|.|\Z))*)"
PIECES = r"\\(?:\r\n|.|\Z)|[ \t]+|[^\\ \t]+"
DOLLAR = r"\$(?:(\$)|\{([A-Za-z0-9_]*)(\}|:[-+]|)|([A-Za-z0-9_]+))"

SETS = "xsession sets it"
_LOADED = "it changes how programs are loaded, be they of this session or not"
_MANAGER = "it is the user manager's own"
_BUS = "there is one bus, the user manager's"
_LOGIN = "it is true of one login session only"
_PROCESS = "it is true of one process only"
_TERMINAL = "it is true of one terminal only"
_SHELL = "it is true of one shell only"

# Variables of the login shell that are never imported, whatever patterns say, and why.
# systemd.exec(5), "Environment Variables Set or Propagated by the Service Manager"; bash(1).
NEVER = {
    **dict.fromkeys(("DISPLAY", "XAUTHORITY", "XDG_SESSION_TYPE"), SETS),
    **dict.fromkeys(("LD_*", "PYTHON*"), _LOADED),
    **dict.fromkeys(("HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR"), _MANAGER),
    "DBUS_SESSION_BUS_*": _BUS,
    **dict.fromkeys(("XDG_SESSION_*", "XDG_SEAT*", "XDG_VTNR", "WAYLAND_*"), _LOGIN),
    "XSESSION_LOGIN": _LOGIN,
    **dict.fromkeys(("LISTEN_*", "NOTIFY_SOCKET", "WATCHDOG_*", "INVOCATION_ID"), _PROCESS),
    **dict.fromkeys(("JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_*"), _PROCESS),
    **dict.fromkeys(("MAINPID", "MANAGERPID*", "FDSTORE", "CREDENTIALS_DIRECTORY"), _PROCESS),
    **dict.fromkeys(("TERM", "GPG_TTY", "LINES", "COLUMNS", "WINDOWID"), _TERMINAL),
    **dict.fromkeys(("PWD", "OLDPWD", "SHLVL", "SHELL_SESSION_ID", "BASH_FUNC_*", "_"), _SHELL),
}
# Of these, what the client of a session is not given either.
NOT_PASSED = (SETS, _BUS, _LOGIN, _PROCESS, _TERMINAL, _SHELL)
# What desktops tell the manager of themselves.
_DESKTOP = ("XDG_CURRENT_DESKTOP", "XDG_SESSION_DESKTOP", "DESKTOP_SESSION", "SESSION_MANAGER")


class Variable(NamedTuple):
    """A value and where it was said: `PATH:LINE`."""

    value: str
    source: str


def refusal(name: str, value: str) -> str:
    """Why a variable cannot be carried to the user manager; or nothing.

    systemd, env-util.c: env_name_is_valid(), env_value_is_valid(). A value may have control
    characters there, and often has (LESS_TERMCAP_md); it must be UTF-8 without noncharacters
    (utf8.c: unichar_is_valid()).
    """
    if not (name.isascii() and name.isidentifier()):
        return "its name has more than letters, digits and _, or begins with a digit"
    if "\0" in value:
        return "its value has a NUL byte"
    if not value.isascii() and not _is_utf8(value):
        return "its value is not UTF-8"
    size = len(f"{name}={value}".encode())
    return f"it is too long: {size} bytes, and {LONGEST} can be" if size > LONGEST else ""


def _is_utf8(value: str) -> bool:
    """Whether `value` has neither surrogates, which stand for bytes that are not UTF-8 (PEP 383),
    nor noncharacters."""
    codes = map(ord, value)
    return not any(
        0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
        for code in codes
    )


def fits(name: str, pattern: str) -> bool:
    """Whether `pattern` means `name`: it is the name, or its beginning and a `*`."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def never(name: str) -> str:
    """Why the variable, or all that a pattern means, is never imported; or nothing."""
    beginning = name.removesuffix("*")
    if name.endswith("*"):  # only what can mean nothing else: `*` means others too
        reasons = (r for p, r in NEVER.items() if p.endswith("*") and fits(beginning, p))
    else:
        reasons = (r for p, r in NEVER.items() if fits(name, p))
    return next(reasons, "")


def passing(name: str) -> bool:
    """Whether a variable tells of what passes, so that a manager must not keep it for longer. One
    that tells of a login session may be another's, which goes on."""
    return name in _DESKTOP or never(name) in (_BUS, _PROCESS, _TERMINAL, _SHELL)


def imported(
    patterns: Iterable[str], environ: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The login shell's variables that the patterns mean, and complaints of those that cannot be
    carried."""
    patterns = tuple(patterns)
    chosen: dict[str, str] = {}
    complaints = []
    for name, value in sorted(environ.items()):
        if never(name) or not any(fits(name, pattern) for pattern in patterns):
            continue
        if reason := refusal(name, value):
            complaints.append(f"{name!r} is not imported: {reason}")
        else:
            chosen[name] = value
    return chosen, complaints


def parse(text: bytes, path: str, environ: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """The variables of a file and their lines. References are to those before it, and `environ`.

    Raises Failure that names file and line.
    """
    words = text.decode("utf-8-sig", "surrogateescape")
    known = dict(environ)
    found: dict[str, tuple[str, int]] = {}
    line, counted, size = 1, 0, 0
    while (at := _skip(words, counted)) < len(words):
        line += words.count("\n", counted, at)
        counted = at
        try:
            name, raw, at = _assignment(words, at)
            value = _expand(raw, known)
            reason = refusal(name, value)
            size += len(name) + len(value)
            if reason or size > MOST:
                raise ValueError(f"{name!r}: {reason}" if reason else "too much is set here")
        except ValueError as error:
            raise Failure(f"{path}:{line}: {error}", "the syntax: man environment.d") from None
        known[name] = value
        found[name] = (value, line)
        line += words.count("\n", counted, at)
        counted = at
    return found


def _skip(words: str, at: int) -> int:
    """The next place that is neither blank nor in a comment."""
    blank = re.compile(BLANK).match(words, at)
    return blank.end() if blank else at


def _assignment(words: str, at: int) -> tuple[str, str, int]:
    """The assignment that begins here: its name, its value without quotes, and its end."""
    key = re.compile(KEY).match(words, at)
    if key is None or not key[2]:
        raise ValueError("there is no '=' in this line")
    at = key.end()
    value = ""
    while quoted := re.compile(QUOTED, re.DOTALL).match(words, at):
        value += quoted[1] if quoted[2] is None else _unescape(quoted[2])
        at = quoted.end()
    plain = re.compile(PLAIN, re.DOTALL).match(words, at)
    rest, at = (plain[1], plain.end()) if plain else ("", at)
    if rest.startswith(("'", '"')):
        raise ValueError(f"a quote ({rest[0]}) is not closed")
    pieces = re.findall(PIECES, rest, re.DOTALL)
    if pieces and pieces[-1].isspace():
        pieces.pop()
    value += "".join(
        piece[1:].strip("\r\n") if piece.startswith("\\") else piece for piece in pieces
    )
    return key[1].strip(" \t"), value, at


def _unescape(words: str) -> str:
    """What stands between double quotes, as a shell has it: `\\` is special before few."""
    return re.sub(
        r"\\(.)",
        lambda match: {"\n": ""}.get(match[1], match[1 if match[1] in '"\\`$' else 0]),
        words,
        flags=re.DOTALL,
    )


def _expand(value: str, known: Mapping[str, str], depth: int = 0) -> str:
    """`value` with its references replaced. Raises ValueError for one that is none of ours."""
    if depth > DEEPEST:
        raise ValueError("references are nested too deeply")
    dollar = re.compile(DOLLAR)
    parts, size, at = [], 0, 0
    while match := dollar.search(value, at):
        part, end = _refer(value, match, known, depth)
        parts += [value[at : match.start()], part]
        at = end
        size += len(part)
        if size > LONGEST:
            raise ValueError(f"the value is too long; {LONGEST} bytes can be")
    return "".join((*parts, value[at:]))


def _refer(
    value: str, match: re.Match[str], known: Mapping[str, str], depth: int
) -> tuple[str, int]:
    """What a reference stands for, and where it ends."""
    dollar, braced, then, plain = match.groups()
    if dollar:
        return "$", match.end()
    if plain is not None:
        return known.get(plain, ""), match.end()
    if then == "}":
        return known.get(braced, ""), match.end()
    if not then:
        form = "only ${NAME}, ${NAME:-DEFAULT} and ${NAME:+ALTERNATE} can be"
        raise ValueError(f"{value[match.start() : match.end() + 1]!r}: {form}")
    end = _closing(value, match.end())
    has = known.get(braced, "")
    if bool(has) is (then == ":+"):
        return _expand(value[match.end() : end], known, depth + 1), end + 1
    return ("" if then == ":+" else has), end + 1


def _closing(value: str, at: int) -> int:
    """Where the brace is closed that was opened before `at`."""
    depth = 1
    for brace in re.compile("[{}]").finditer(value, at):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.start()
    raise ValueError("a brace ({) is not closed")


def read(environ: Mapping[str, str]) -> tuple[dict[str, Variable], list[str]]:
    """The variables of $XDG_CONFIG_HOME/xsession/env and env.d/*, the later ones over the earlier.

    A file with an error is left out whole; the second value tells which and why.
    """
    folder = f"{files.config_home(environ)}/xsession"
    complaints: list[str] = []
    try:
        names = sorted(os.listdir(f"{folder}/env.d"))
    except (FileNotFoundError, PermissionError):
        names = []
    except OSError as error:
        names = []
        complaints.append(f"could not read {folder}/env.d: {error.strerror}")
    found: dict[str, Variable] = {}
    for path in (f"{folder}/env", *(f"{folder}/env.d/{name}" for name in names if _counts(name))):
        try:
            known = {**environ, **{name: variable.value for name, variable in found.items()}}
            values = parse(files.read(path) or b"", path, known)
        except Failure as failure:
            complaints.append(failure.what)
            continue
        found |= {n: Variable(value, f"{path}:{line}") for n, (value, line) in values.items()}
    return found, complaints


def _counts(name: str) -> bool:
    """Whether a file in env.d is meant: not one that an editor or a package left beside it."""
    return not name.startswith(".") and not name.endswith(("~", ".bak", ".dpkg-old", ".dpkg-new"))
