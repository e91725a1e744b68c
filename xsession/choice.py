"""The choice: the session that its person wants by default, remembered by its name.

One line in `$XDG_CONFIG_HOME/xsession/default`: whatever `xsession start NAME` takes. Beside
config.toml and not in it, as that is the person's own text.
"""

import contextlib
import os
import sys
from collections.abc import Mapping

from xsession import entry, files
from xsession.errors import Failure


def path(environ: Mapping[str, str]) -> str:
    return f"{files.config_home(environ)}/xsession/default"


def read(environ: Mapping[str, str]) -> str:
    """The name; nothing if none was chosen. Raises Failure for a file that we will not read."""
    lines = (files.read(path(environ)) or b"").decode("utf-8", "surrogateescape").splitlines()
    return lines[0].strip() if lines else ""


def write(name: str, environ: Mapping[str, str]) -> None:
    """Remember a name, or with none forget it: the file is there whole or as it was."""
    file = os.path.realpath(path(environ))  # which may be a link into a collection of dotfiles
    try:
        if not name:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path(environ))
            return
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        with open(f"{file}.new", "w", errors="surrogateescape") as new:
            new.write(f"{name}\n")
        os.replace(f"{file}.new", file)
    except OSError as error:
        raise Failure(f"could not write {file}: {error.strerror}", f"see: ls -ld {file}") from None


# -- xsession default --


def default(name: str, *, unset: bool) -> int:
    """`xsession default`: show what `xsession start` alone starts; remember NAME for it; or, with
    `unset`, forget that."""
    environ = dict(os.environ)
    if name:
        remember(name, environ)
    elif unset:
        write("", environ)
    else:
        return _show(environ)
    return 0


def remember(name: str, environ: Mapping[str, str]) -> None:
    """Make a session the default. Raises Failure if it cannot be started."""
    from xsession import config, sessions

    if not name.isprintable():
        raise Failure(f"session {entry.quoted(entry.printable(name))}: a name is one line")
    sessions.named((name,), environ)
    write(os.path.abspath(name) if "/" in name else name, environ)
    holds, sources = config.load(environ)
    if holds.session.client:
        where = sources["session.client"]
        print(
            f"xsession: {name} is remembered, but session.client in {where} goes before it\n"
            f"  take that line out, and {name} is the default",
            file=sys.stderr,
        )


def _show(environ: Mapping[str, str]) -> int:
    """The default's name and source, as in a line of `xsession list`."""
    from xsession import sessions, tty

    possible = list(sessions.defaults(environ))
    found = sessions.first(possible)
    for session in possible:
        if session.kind is sessions.Kind.CHOICE:
            print(f"xsession: {session.objection}", file=sys.stderr)
    if found is None:
        raise Failure("there is no default: no rc file, no window manager, no xterm", SEE)
    if found.objection:
        raise Failure(found.objection, SEE)
    tty.say(f"{entry.printable(found.name)}  {sessions.source(found, environ)}")
    return 0


SEE = "what there is: xsession list; then: xsession default NAME"
