"""What a start asks of logind and the user manager.

To ask is a program, and takes its time: all are under way at once, while our modules are still
being loaded, and their answers are read when they are wanted.
"""

import contextlib
import os
from typing import NamedTuple

from xsession import logind, systemd
from xsession.process import Question


class Asked(NamedTuple):
    """The questions, and how the folder of the displays was when they were put.

    `own`: the id of our login session, "" for none, `login` what logind knows of that.
    """

    folder: str
    changed: int
    own: str
    login: Question | None
    manager: Question
    graphical: Question

    def hold(self) -> bool:
        """Whether no session of ours has come or gone since: each has its folder in that of all."""
        from xsession import runtime

        now = _changed(self.folder)
        # The first one of this login finds it made by its own lock.
        return now == self.changed or (not self.changed and not runtime.displays(self.folder))

    def close(self) -> None:
        """None is under way any more."""
        for question in (self.login, self.manager, self.graphical):
            if question:
                question.close()


def ask(folder: str) -> Asked:
    """Put them. `folder`: $XDG_RUNTIME_DIR."""
    changed = _changed(folder)
    own = logind.own_id()
    return Asked(
        folder=folder,
        changed=changed,
        own=own,
        login=Question(logind.showing(own)) if own else None,
        manager=Question(systemd.ENVIRONMENT),
        graphical=Question(systemd.showing("graphical-session.target")),
    )


def _changed(folder: str) -> int:
    """When the folder of the displays was last changed: nanoseconds, 0 if there is none."""
    with contextlib.suppress(OSError):
        return os.stat(f"{folder}/xsession").st_mtime_ns
    return 0
