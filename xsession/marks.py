"""Marks: moments of a start, noted by the process that starts and written to the journal at once.

process    this process began, unless it took its login shell's place
main       Python is up and has its modules
look       we begin to look; looked: we have seen all
prepared   the plan is made, the display's folder has its files
since      a start before has come to its end, and from here on another can begin
start      from here on units are started
addresses  both are bound
client     the command that starts the client begins
asked      a bridge wants a server
forking    we begin to fork it; forked: there is one, or the bridge is told to fork it
serves     the server says that it serves
"""

import time

MESSAGE_ID = "1ba78d8b7b9a45f4a37357729766e2c4"  # of the entry that has them

# Seconds on the monotonic clock, by mark; of two that are alike the last one counts.
MARKS: dict[str, float] = {}


def note(name: str) -> None:
    """It is now."""
    MARKS[name] = time.monotonic()
