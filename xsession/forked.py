"""The server that the holder has forked, as its parent sees it: its birth, what a bridge is handed
of it, and its end. Whether the display answers is the bridge's to find out."""

import os
import signal
from collections.abc import Sequence

from xsession import process, server, sockets

KILL_AFTER = 5.0  # seconds from SIGTERM to SIGKILL
# Becomes the server, which the kernel then tells if we die, and with us perhaps the bridge.
WITH_US = ("/usr/bin/setpriv", "--pdeathsig", "TERM", "--")


class Forked:
    """One server at a time, or none.

    `pid`: 0 while there is none. `descriptors`: what its bridge is to be handed: pidfd, and where
    it says that it is ready, and anything else.
    """

    def __init__(self) -> None:
        self.pid = 0
        self.descriptors: tuple[int, ...] = ()

    def fork(self, argv: Sequence[str], addresses: Sequence[int]) -> None:
        """Fork it with its two listening sockets. Raise OSError if that cannot be done."""
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for _ in range(2):
                end, other = os.pipe()
                ours.append(end)
                theirs.append(other)
            # A pipe, not the bridge's journal stream: journald files a line under the unit of its
            # writer, and a server in the login session is in none of the user manager's.
            self.pid = _spawn(argv, addresses, *theirs)
            self.descriptors = (os.pidfd_open(self.pid), *ours)
        except OSError:
            sockets.close(ours)
            self.end()
            raise
        finally:
            sockets.close(theirs)

    def hand_over(self) -> None:
        """Its bridge has them."""
        sockets.close(self.descriptors)
        self.descriptors = ()

    def reap(self) -> int | None:
        """Its exit status if it has ended, of which the kernel tells its parent alone."""
        if not self.pid or not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            return None
        self.pid = 0
        return process.exit_status(ended[1])

    def end(self) -> bool:
        """SIGTERM, SIGKILL after a while. False if the kernel, or a debugger, does not let go."""
        self.hand_over()
        if not self.pid:
            return True
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(self.pid, number)
            if process.wait_for_end(self.pid, KILL_AFTER):
                break
        ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        self.pid = 0
        return ended


def _spawn(argv: Sequence[str], addresses: Sequence[int], display_fd: int, words: int) -> int:
    """Standard input is the VT, all that it says goes to its bridge.

    In a process group of its own, so that no hang-up, Ctrl-C or Ctrl-Z of the terminal
    reaches it (a SIGHUP resets it and destroys its listeners); it then is a background
    process of the terminal, hence SIGTTOU and SIGTTIN.
    """
    listening = dict(enumerate(addresses, server.LISTEN_FDS_START))
    return process.spawn(
        (*WITH_US, *argv),
        fds={0: 0, 1: words, 2: words, **listening, server.DISPLAY_FD: display_fd},
        environ=os.environ,
        listen_fds=server.LISTEN_FDS,
        ignore=(signal.SIGTTOU, signal.SIGTTIN),
    )
