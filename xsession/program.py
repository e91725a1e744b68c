"""The program that this is: what starts it once more."""

import os
import sys

PACKAGE = os.path.dirname(os.path.realpath(__file__))
OLD_NAMES = ("startx", "sx")  # that it may have beside its own: then it is a start
INSTALLED = "/usr/bin/xsession"  # what the unit files of the distribution call


def command() -> tuple[str, ...]:
    """What runs this very xsession: the distribution's program, or this interpreter."""
    if PACKAGE.startswith("/usr/") and not PACKAGE.startswith("/usr/local/"):
        return (INSTALLED,)
    return sys.executable, "-I", f"{PACKAGE}/__main__.py"
