"""An rc file: what runs it, and why it cannot be run."""

import os
import shlex

from xsession import files, process
from xsession.errors import CANNOT_EXECUTE, Failure

BEGINNING = 4096  # bytes that are looked at
ELF = b"\x7fELF"


def command(path: str) -> tuple[str, ...]:
    """The command line that runs the file; none if it is not there.

    As xinit(1) has it: what cannot be executed by itself is run by sh, be it that it has no
    permission, or no interpreter (execvp(3)). Raises Failure for a file that is not the person's
    own or root's, that everybody can write to, or that is none.
    """
    try:
        beginning = files.read(path, BEGINNING)
        if beginning is None:
            return ()
        first = beginning.split(b"\n", 1)[0]
        if first.endswith(b"\r"):
            hint = f"sed -i 's/\\r$//' {shlex.quote(path)}"
            raise Failure(f"{path} has the line ends of DOS", hint)
        if not os.access(path, os.X_OK) or not first.startswith((b"#!", ELF)):
            return ("/bin/sh", path)
        return (process.find_program("rc file", path, {}),)
    except Failure as failure:  # it is the client's, so it has the status of such
        raise Failure(failure.what, failure.hint, CANNOT_EXECUTE) from None
