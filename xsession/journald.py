"""The journal: what we write to it with fields of our own, and how entries are read.

Sources: systemd's "Native Journal Protocol", systemd.journal-fields(7), sd-messages.h.
"""

import contextlib
import json
import socket
from collections.abc import Mapping
from typing import NamedTuple

from xsession import process
from xsession.errors import Failure

SOCKET = "/run/systemd/journal/socket"
# The manager's messages about its units; sd-messages.h: SD_MESSAGE_UNIT_STARTING and so on
UNITS = {
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
    "39f53479d3a045ac8e11786248231fbf": "started",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
}


class Entry(NamedTuple):
    """An entry: its fields, and when it was written, in seconds on the monotonic clock of its
    boot and as UNIX time."""

    fields: Mapping[str, str]
    at: float
    time: float


def send(message: str, **fields: str) -> None:
    """Write an entry; where no journal listens it is lost."""
    lines = {"MESSAGE": message, "PRIORITY": "5", "SYSLOG_IDENTIFIER": "xsession", **fields}
    text = "".join(f"{name}={' '.join(value.split())}\n" for name, value in lines.items())
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(text.encode("utf-8", "replace"), SOCKET)


def entries(*words: str, fields: str) -> list[Entry]:
    """What journalctl finds with these words, with these fields of each (comma-separated)."""
    wanted = f"--output-fields=_SOURCE_REALTIME_TIMESTAMP,{fields}"
    answer = process.run(("journalctl", "--user", "--quiet", "--output=json", wanted, *words))
    lines = answer.output.splitlines()
    found = [_entry(json.loads(line)) for line in lines if line.startswith("{")]
    if lines and not found:
        raise Failure(
            f"could not read the journal: {' '.join(lines)}", "look at it: journalctl --user"
        )
    return found


def _entry(fields: Mapping[str, str]) -> Entry:
    """journald notes when it has read an entry, on both clocks; the kernel, when it was sent."""
    read = int(fields["__REALTIME_TIMESTAMP"])
    sent = int(fields.get("_SOURCE_REALTIME_TIMESTAMP", read))
    return Entry(fields, (int(fields["__MONOTONIC_TIMESTAMP"]) - read + sent) / 1e6, sent / 1e6)
