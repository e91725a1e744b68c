#!/usr/bin/env python3
"""Makes docs/man/xsession.toml.5 from the table of settings; a unit test holds it to that."""

import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from xsession import __version__  # noqa: E402
from xsession.config import toml  # noqa: E402
from xsession.settings import Config, Setting, settings  # noqa: E402
from xsession.variables import NEVER  # noqa: E402

PAGE = ROOT / "docs" / "man" / "xsession.toml.5"

HEAD = r""".\" Made by scripts/manpage.py from xsession/settings.py: change it there.
.TH XSESSION.TOML 5 "2026-11-23" "xsession {version}" "File Formats"
.SH NAME
xsession.toml \- the configuration of xsession(1)
.SH SYNOPSIS
.I $XDG_CONFIG_HOME/xsession/config.toml
.br
.I /etc/xdg/xsession/config.toml
.SH DESCRIPTION
The configuration is written in TOML (https://toml.io).
Each setting is taken from the first of the files that has it:
.I xsession/config.toml
in
.B $XDG_CONFIG_HOME
.RI ( ~/.config ),
and then in each folder of
.B $XDG_CONFIG_DIRS
.RI ( /etc/xdg ).
A setting is taken whole: an array or a table in one file is not joined with that in
another, nor with the default.
No file needs to be there.
.PP
A key that is unknown or a value of the wrong type is named with file and line, and nothing is
started; the exit status is 125.
A file is not read, which is an error too, if it is larger than 256 KiB or no regular file, if it
belongs to somebody other than you and root, or if everybody can write to it.
.PP
What is said on the command line goes before the configuration.
.B "xsession start \-\-safe"
reads none.
.B "xsession config"
prints every setting, its value, and the file and line where that was said.
"""

TAIL = r""".SH "VARIABLES THAT ARE NEVER IMPORTED"
Whatever
.B import
says, these stay behind:
{never}
To name one there is an error; of those that a wider pattern means, nothing is said.
.SH FILES
.TP
.I $XDG_CONFIG_HOME/xsession/config.toml
The person's.
.TP
.I /etc/xdg/xsession/config.toml
The system's.
.SH EXAMPLES
One's own window manager, on a screen with many dots:
.PP
.RS
.nf
[server]
arguments = ["\-dpi", "192"]

[session]
client = ["awesome", "\-\-no\-argb"]

[environment]
set = {{ QT_SCALE_FACTOR = "2" }}
.fi
.RE
.PP
All settings as they are now, as a file to begin with:
.PP
.RS
.nf
xsession config > config.toml
.fi
.RE
.SH "SEE ALSO"
.BR xsession (1),
.BR environment.d (5),
.BR systemd.exec (5)
"""


def page() -> str:
    """The manual page."""
    default = Config()
    parts = [HEAD.format(version=__version__), ".SH SETTINGS\n"]
    table = ""
    for setting in settings():
        if setting.table != table:
            table = setting.table
            parts.append(f'.SS "[{table}]"\n{getattr(default, table).__doc__}\n')
        parts.append(_setting(setting, default))
    *names, last = map(_escape, NEVER)
    parts.append(
        TAIL.format(never="\n".join([*(f".BR {name} ," for name in names), f".BR {last} ."]))
    )
    return "".join(parts)


def _setting(setting: Setting, default: Config) -> str:
    value = textwrap.fill(toml(setting.of(default)), 79, break_on_hyphens=False)
    kind = setting.type.words
    return (
        f".TP\n.B {_escape(setting.key)}\n{_escape(setting.meaning)}\n"
        f"{_escape(kind[0].upper() + kind[1:])}.\nThe default is\n{_escape(value)}.\n"
    )


def _escape(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


if __name__ == "__main__":
    PAGE.write_text(page())
