"""The streak of short sessions, kept so that a login that starts one does not do so for ever.

One line for each session that lasted less than 10 s, with the time of its end; a longer one ends
the streak, also if it was stopped. In `$XDG_STATE_HOME/xsession`, or where that cannot be written
in the runtime folder.
"""

import contextlib
import os
import time
from collections.abc import Mapping

SHORT = 10.0  # seconds
MOST = 3  # short sessions in a row
FORGOTTEN = 600.0  # seconds after its end


def _files(environ: Mapping[str, str]) -> list[str]:
    state = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME', '')}/.local/state"
    return [
        f"{it}/xsession/short-sessions" for it in (state, environ.get("XDG_RUNTIME_DIR", "")) if it
    ]


def note(environ: Mapping[str, str], lasted: float) -> None:
    """A session has ended after so many seconds."""
    for file in _files(environ):
        with contextlib.suppress(OSError):
            if lasted >= SHORT:
                os.unlink(file)
                continue
            os.makedirs(os.path.dirname(file), 0o700, exist_ok=True)
            with open(file, "a") as lines:
                lines.write(f"{int(time.time())}\n")
            return


def too_many(environ: Mapping[str, str]) -> str:
    """Why a login should not start another session; or nothing."""
    for file in _files(environ):
        with contextlib.suppress(OSError, ValueError), open(file) as lines:
            now = time.time()
            ended = [now - float(line) for line in lines.read()[-4096:].splitlines()]
            recent = [ago for ago in ended if 0 <= ago < FORGOTTEN]
            if len(recent) >= MOST:
                return (
                    f"the last {len(recent)} sessions lasted less than {SHORT:.0f} s each, the last"
                    f" ended {recent[-1]:.0f} s ago"
                )
    return ""
