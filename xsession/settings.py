"""The settings: the one table that parser, defaults, manual page and `xsession config` are made of.

A field of these classes is a setting: what it can be, one sentence on what it is, its default. In a
file `_` is spelled `-`, and `import_` is `import`. They are tuples, as every start has to make the
classes, and a dataclass takes a millisecond.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

from xsession import variables
from xsession.server import SERVERS

Value = str | float | tuple[str, ...] | Mapping[str, str]

DAY = 86400


class Type(NamedTuple):
    """What a setting can be: in words, and what makes our value of TOML's.

    `take` raises ValueError, with a reason if the words alone do not tell.
    """

    words: str
    take: Callable[[object], Value]


def _kind(value: object) -> str:
    if value not in tuple(SERVERS):
        raise ValueError
    return str(value)


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < DAY:
        raise ValueError
    return float(value)


def _wait(value: object) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else _seconds(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    if "\0" in value:
        raise ValueError("a NUL cannot be in it")
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(_text(word) for word in value)


def _patterns(value: object) -> tuple[str, ...]:
    for word in (words := _words(value)):
        if word != "*" and (reason := variables.refusal(word.removesuffix("*"), "")):
            raise ValueError(f"{word!r}: {reason}")
        if reason := variables.never(word):
            raise ValueError(f"{word!r} is never imported: {reason}")
    return words


def _assignments(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError
    for name, text in value.items():
        if not isinstance(text, str):
            raise ValueError
        reason = variables.refusal(name, text)
        if not reason and variables.never(name) == variables.SETS:
            reason = variables.SETS
        if reason:
            raise ValueError(f"{name!r}: {reason}")
    return value


KIND = Type("one of " + ", ".join(f'"{kind}"' for kind in SERVERS), _kind)
SECONDS = Type(f"a number of seconds, more than 0 and less than {DAY}", _seconds)
WAIT = Type(f"a number of seconds, 0 or more and less than {DAY}", _wait)
TEXT = Type("a string", _text)
WORDS = Type("an array of strings", _words)
PATTERNS = Type("an array of names of variables, as strings", _patterns)
ASSIGNMENTS = Type('a table of strings, NAME = "value"', _assignments)


# What people set in ~/.profile for their desktop. Not what is one shell's, one terminal's or one
# login session's, nor what changes how programs are loaded: variables.NEVER.
_IMPORT = """
PATH MANPATH INFOPATH LANG LANGUAGE LC_* TZ
EDITOR VISUAL PAGER MANPAGER BROWSER TERMINAL TERMCMD LESS* LS_COLORS INPUTRC ENV ZDOTDIR
EMAIL DEBEMAIL DEBFULLNAME
SSH_AUTH_SOCK SSH_AGENT_PID SSH_ASKPASS* SUDO_ASKPASS GNUPGHOME PASSWORD_STORE_*
XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_CONFIG_DIRS XDG_DATA_DIRS
XDG_MENU_PREFIX
XCURSOR_* XCOMPOSEFILE XCOMPOSECACHE XMODIFIERS XKB_DEFAULT_* IBUS_* INPUT_METHOD
GTK_* GTK2_RC_FILES GDK_* QT_* CLUTTER_* ELM_* SDL_* MOZ_* WINIT_* SAL_USE_VCLPLUGIN
NO_AT_BRIDGE _JAVA_AWT_WM_NONREPARENTING _JAVA_OPTIONS JAVA_HOME AWT_TOOLKIT
LIBGL_* LIBVA_* VDPAU_* MESA_* DRI_PRIME VK_* __GL* __NV_* PULSE_* PIPEWIRE_* ALSA_*
http_proxy https_proxy ftp_proxy all_proxy no_proxy
HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
CARGO_HOME RUSTUP_HOME GOPATH
"""


class Server(NamedTuple):
    """The X server."""

    kind: Annotated[str, KIND, "Which server; --server overrides it."] = "xorg"
    arguments: Annotated[
        tuple[str, ...],
        WORDS,
        "Arguments for a server of that kind, before those of the command line; where they are set,"
        " be it to none, ~/.xserverrc is not read.",
    ] = ()
    timeout: Annotated[
        float,
        SECONDS,
        "How long until a server that does not answer is given up; --timeout overrides it.",
    ] = 30.0


class Session(NamedTuple):
    """The graphical session."""

    client: Annotated[
        tuple[str, ...],
        WORDS,
        "The command line of the client if none is named; it goes before what xsession default has"
        " remembered, and before any rc file.",
    ] = ()
    managed_timeout: Annotated[
        float, WAIT, "How long a window manager has to show itself, by EWMH."
    ] = 10.0
    stop_timeout: Annotated[
        float, SECONDS, "How long the client has to end: from SIGTERM to SIGKILL."
    ] = 5.0


class Environment(NamedTuple):
    """What is set in the user manager while the graphical session lasts."""

    import_: Annotated[
        tuple[str, ...],
        PATTERNS,
        "Variables of the login shell that reach the user manager; one with a * at its end means"
        " all that begin so.",
    ] = tuple(_IMPORT.split())
    set: Annotated[
        Mapping[str, str],
        ASSIGNMENTS,
        "Variables to set, over those imported; nothing in the values is expanded.",
    ] = MappingProxyType({})


class Hardware(NamedTuple):
    """What the server needs of the machine."""

    wait: Annotated[
        float,
        WAIT,
        "How long a graphics device has to appear, as with a slow driver at boot; --wait overrides"
        " it.",
    ] = 10.0
    gpu: Annotated[
        str,
        TEXT,
        "The graphics device to use, by its ID_PATH, PCI address or driver, as xsession seats"
        " prints them; if empty, one with a monitor, or that the machine booted with; --gpu"
        " overrides it.",
    ] = ""


class Config(NamedTuple):
    """What holds: every table with every setting."""

    server: Server = Server()
    session: Session = Session()
    environment: Environment = Environment()
    hardware: Hardware = Hardware()


class Setting(NamedTuple):
    """A row of the table. `key` as in a file, `attribute` as in its class."""

    table: str
    key: str
    attribute: str
    type: Type
    meaning: str

    @property
    def name(self) -> str:
        return f"{self.table}.{self.key}"

    def of(self, config: Config) -> Value:
        """Its value."""
        value: Value = getattr(getattr(config, self.table), self.attribute)
        return value


def settings() -> tuple[Setting, ...]:
    """The table."""
    return tuple(
        Setting(table, attribute.rstrip("_").replace("_", "-"), attribute, *annotated.__metadata__)
        for table, default in Config()._asdict().items()
        for attribute, annotated in type(default).__annotations__.items()
    )


def make(values: Mapping[str, Value]) -> Config:
    """The configuration in which these settings, by their names, are other than the default."""
    tables: dict[str, dict[str, Value]] = {}
    for setting in settings():
        if setting.name in values:
            tables.setdefault(setting.table, {})[setting.attribute] = values[setting.name]
    default = Config()
    return default._replace(
        **{name: getattr(default, name)._replace(**told) for name, told in tables.items()}
    )
