"""The record of a session: what it says of itself to the other verbs, in a file of its folder."""

import json
import os
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xsession.plan import Plan


class Record(NamedTuple):
    """One session. `server`: Xorg; `place`: `seat0, vt1` or nothing; `client`: its command line,
    or nothing; `units`: those that are the client; `private`: not the manager's DISPLAY; `managed`:
    seconds that a window manager has to show itself; `holder`: its PID; `since`: UNIX time;
    `stopping`: seconds that the client has to end, twice."""

    display: str
    server: str
    place: str
    login: str
    authority: str
    client: tuple[str, ...]
    units: tuple[str, ...]
    script: bool
    private: bool
    managed: float
    holder: int
    since: float
    stopping: float = 0.0  # which an older xsession does not tell


def of(plan: "Plan") -> Record:
    """The record of a plan that this process is about to carry out."""
    return Record(
        display=plan.display.name,
        server=plan.kind.title,
        place=plan.where,
        login=plan.login.id if plan.login else "",
        authority=plan.authority,
        client=plan.client.argv if plan.client else (),
        units=plan.client_units,
        script=plan.client.script if plan.client else False,
        private=plan.private,
        managed=plan.managed,
        holder=os.getpid(),
        since=time.time(),
        stopping=plan.stopping,
    )


def encode(record: Record) -> bytes:
    return json.dumps(record._asdict(), indent=1).encode()


def decode(text: bytes) -> Record:
    """Raises ValueError for a record that is not ours or only half there."""
    try:
        fields = json.loads(text)
        fields |= {name: tuple(fields[name]) for name in ("client", "units")}
        return Record(**fields)
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("not a record of ours") from error
