"""The bridge: the main process of xorg@N.service, in the user manager.

It has the display's listening sockets and gets a server for them: forked by the holder in the
login session, or run here in the unit, as the holder says. It stands for that server: READY when
an authenticated client got an answer, its exit status, its end. Where no server can be had it
tells every client why, in X's own words.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Collection
from typing import NamedTuple

from xsession import process, refusal, runtime, server, sockets, systemd
from xsession.display import Display
from xsession.errors import BY_SIGNAL
from xsession.notify import Notifier
from xsession.process import Deadline, Signals
from xsession.runtime import Folder

QUIET = 1.0  # seconds without a word from anybody until a refusing bridge goes
LONGEST = 10.0  # seconds that it stays, whoever asks
TAIL = 16384  # bytes of the server's last words that are kept
MOST_SAID = 64  # bytes of the server's word that it is ready, which is a number
IN_TIME = 0.8  # of WatchdogSec=: before the manager kills this unit, which could say nothing
KILL_AFTER = 5.0  # seconds from SIGTERM to SIGKILL
NO_HOLDER = "nobody is logged in on a VT; type `xsession listen` there"


class NoServer(Exception):
    """No server could be had, and why."""


class Forked(NamedTuple):
    """A server under way: its pidfd, its PID if it is our child, seconds it may take, where."""

    pidfd: int
    child: int
    timeout: float
    where: str


NONE = Forked(-1, 0, 0.0, "")


class Bridge:
    """One server, from the request to its end."""

    def __init__(self, display: Display, listeners: list[int]) -> None:
        self.display = display
        self._listeners = listeners
        self._folder = Folder(os.environ["XDG_RUNTIME_DIR"], display)
        self._notifier = Notifier()
        self._signals = Signals(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        self._holder: socket.socket | None = None
        self._server = NONE
        self._words = -1  # where the server's standard error comes in
        self._tail = b""  # the last of them
        self._serves = 0  # when the server said that it does: nanoseconds, monotonic clock
        self._ended: int | None = None  # its exit status, as the holder tells it
        self._stopping = False  # the manager wants this unit to end
        self._orphaned = False  # the holder has gone

    def run(self) -> int:
        """The unit's whole life; its exit status: 0 unless a server that had answered crashed."""
        try:
            answer, display_fd = self._get_server()
            text = self._wait_for_answer(answer, display_fd)
        except NoServer as reason:
            return self._refuse(str(reason))
        except OSError as error:  # of descriptors or processes there are no more
            return self._refuse(error.strerror or str(error))
        if self._stopping:
            self._end_server()
            return 0
        self._notifier.ready(text)
        self._tell("ready", text, str(self._serves))
        return self._stand()

    # -- a server --

    def _get_server(self) -> tuple[Forked, int]:
        """Ask the holder. Returns the server and the end of the pipe where it says it is ready."""
        self._notifier.status(f"asking for a server for {self.display.name}")
        self._holder = sockets.connect(self._folder.holder)
        if self._holder is None:
            raise NoServer(NO_HOLDER)
        sockets.send(self._holder, "serve", fds=self._listeners)
        self._holder.settimeout(30)
        packet = self._receive()
        if packet is None:
            raise NoServer("the holder has gone")
        words, fds = packet
        match words:
            case ["forked", timeout, where]:
                pidfd, ready, self._words = fds
                self._server = Forked(pidfd, 0, float(timeout), where)
            case ["run", timeout, *words]:
                ready, display_fd = os.pipe()
                self._words, server_words = os.pipe()
                try:
                    self._server = self._run_here(float(timeout), words, display_fd, server_words)
                finally:
                    sockets.close((display_fd, server_words))
            case ["refused", reason]:
                raise NoServer(reason)
            case _:
                raise NoServer(f"the holder said {words[0]!r}")
        os.set_blocking(self._words, False)
        return self._server, ready

    def _run_here(self, timeout: float, words: list[str], display_fd: int, journal: int) -> Forked:
        """Placement `unit`: words are NAME=VALUE for its environment, --, its command line."""
        divide = words.index("--")
        environ = {**os.environ, **dict(word.split("=", 1) for word in words[:divide])}
        for name in ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"):
            environ.pop(name, None)  # ours: the server would say READY before anybody was served
        argv = words[divide + 1 :]
        listening = dict(enumerate(self._listeners, server.LISTEN_FDS_START))
        with open("/dev/null", "rb") as null:
            fds = {0: null.fileno(), 1: journal, 2: journal, server.DISPLAY_FD: display_fd}
            try:
                child = process.spawn(
                    argv,
                    fds={**fds, **listening},
                    environ=environ,
                    listen_fds=server.LISTEN_FDS,
                )
            except OSError as error:
                raise NoServer(f"could not execute {argv[0]}: {error.strerror}") from None
        return Forked(os.pidfd_open(child), child, timeout, "")

    def _wait_for_answer(self, forked: Forked, ready: int) -> str:
        """Until an authenticated client got an answer; the unit's STATUS line."""
        self._notifier.status(f"waiting for the server to answer on {self.display.name}")
        with contextlib.closing(Asker(self.display, self._folder)) as asker:
            words = self._ask_when_it_serves(asker, Deadline(forked.timeout), ready)
            if words == "" and asker.was_killed():
                raise NoServer("the program that asks whether the server answers was killed")
        if self._stopping:
            return ""
        if words is None:
            raise NoServer(
                f"the server did not answer on {self.display.name} within {forked.timeout:g} s"
            )
        if not words:
            raise NoServer(f"the server on {self.display.name} refused our own cookie")
        title, _, size = words.partition("\t")
        place = f"{forked.where}, " if forked.where else ""
        return f"{title} on {self.display.name}, {place}{size}"

    def _ask_when_it_serves(self, asker: "Asker", deadline: Deadline, ready: int) -> str | None:
        """The asker's words; None if time is up, or this unit is to stop."""
        said = b""
        while not said.endswith(b"\n"):  # it writes number and newline one by one, and must not
            # find the pipe closed between the two
            if not self._until(ready, deadline) or self._stopping:
                return None
            more = os.read(ready, 16)
            said += more
            if not more or len(said) > MOST_SAID:  # closed, and about to end; or no number
                self._until(-1, deadline)
                return None
        os.close(ready)
        self._serves = time.monotonic_ns()
        asker.ask()
        return asker.words() if self._until(asker.fd, deadline) and not self._stopping else None

    def _until(self, fd: int, deadline: Deadline) -> bool:
        """Wait for `fd`, or to be told to stop; False when time is up. NoServer if it ends."""
        while True:
            events = self._poll([fd, self._server.pidfd], deadline)
            if self._orphaned:
                raise NoServer("the holder has gone")
            if self._stopping or (fd in events and self._server.pidfd not in events):
                return True
            if self._server.pidfd in events:
                _status, reason = self._how_it_ended()
                self._server = NONE
                raise NoServer(reason)
            if not deadline.left:
                return False

    # -- events --

    def _poll(self, fds: list[int], deadline: Deadline | None) -> list[int]:
        """Wait for descriptors, signals and the holder. SIGTERM, or the holder's end: stop."""
        poll = select.poll()
        holder = self._holder.fileno() if self._holder is not None else -1
        for fd in (*fds, self._signals.fd, self._words, holder):
            if fd >= 0:
                poll.register(fd, select.POLLIN)
        events = [fd for fd, _ in poll.poll(deadline.left * 1000 if deadline else None)]
        if self._signals.fd in events and {signal.SIGTERM, signal.SIGINT} & set(
            self._signals.read()
        ):
            self._stopping = True
        if self._words in events:
            self._pass_on_words()
        if holder in events:
            self._read_holder()
        return events

    def _pass_on_words(self) -> None:
        """Write to the journal, as ours, what the server has said."""
        with contextlib.suppress(BlockingIOError):
            while words := os.read(self._words, 65536):
                self._tail = (self._tail + words)[-TAIL:]
                with contextlib.suppress(OSError):  # journald restarts: these lines are lost
                    os.write(2, words)
            os.close(self._words)
            self._words = -1

    def _read_holder(self) -> None:
        packet = self._receive()
        match packet:
            case (["ended", status], _):
                self._ended = int(status)
            case None:  # the holder died; the server must not outlive its login session
                self._orphaned = True

    def _receive(self) -> tuple[list[str], list[int]] | None:
        packet = None
        if self._holder is not None:
            with contextlib.suppress(OSError, ValueError):
                packet = sockets.receive(self._holder)
            if packet is None:
                self._holder.close()
                self._holder = None
        return packet

    def _tell(self, *words: str) -> None:
        if self._holder is not None:
            sockets.send(self._holder, *words)

    # -- its end --

    def _stand(self) -> int:
        """A server serves: wait for its end, or to be told to end it, or until it hangs."""
        watchdog = Watchdog(self.display, self._folder, self._notifier)
        while not (self._stopping or self._orphaned):
            events = self._poll([self._server.pidfd, *watchdog.fds], watchdog.deadline)
            if self._server.pidfd in events:
                status, reason = self._how_it_ended()
                self._notifier.stopping(reason)
                self._tell("ended", str(status), reason)
                return 1 if status else 0
            if watchdog.bites(events):
                watchdog.close()
                reason = f"the server hangs (it did not answer; WatchdogSec={watchdog.seconds:g}s)"
                self._end_server()
                self._turn_away(reason)
                self._tell("ended", str(BY_SIGNAL + signal.SIGKILL), reason)
                return 1
        watchdog.close()
        self._end_server()
        self._tell("ended", "0", "")
        return 0

    def _how_it_ended(self) -> tuple[int, str]:
        """Exit status of the server that has ended, and a sentence with what it said was wrong."""
        if self._server.child:
            status = process.exit_status(os.waitpid(self._server.child, 0)[1])
        else:  # only its parent knows: the holder
            deadline = Deadline(KILL_AFTER)
            while self._ended is None and self._holder is not None and deadline.left:
                self._poll([], deadline)
            status = self._ended or 0
        if self._words >= 0:
            self._pass_on_words()
        words = self._tail.decode("utf-8", "replace")
        # One that was killed did not get to say why; its last (EE) line is of another matter.
        cut_off = status > BY_SIGNAL and server.FATAL not in words
        said = server.errors(words) if status and not cut_off else ""
        sentence = f"the server ended with {process.describe(status)}"
        return status, f"{sentence}: {said}" if said else sentence

    def _end_server(self) -> None:
        """SIGTERM, SIGKILL after a while."""
        if self._server is NONE:
            return
        self._notifier.stopping("ending the server")
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                signal.pidfd_send_signal(self._server.pidfd, number)
            except ProcessLookupError:
                break
            if process.readable(self._server.pidfd, KILL_AFTER):
                break
        if self._server.child:
            os.waitpid(self._server.child, 0)
        if self._words >= 0:
            self._pass_on_words()
        self._server = NONE

    def _turn_away(self, reason: str) -> None:
        """Answer those who wait for a server that hung, our own question among them: a connection
        that is still queued makes the manager start this unit anew, for nobody perhaps."""
        refuser = refusal.Refuser(self._listeners, f"xsession: {reason}")
        while events := set(refuser.fds).intersection(self._poll(refuser.fds, Deadline(0))):
            for fd in events:
                refuser.serve(fd)
        refuser.close()

    def _refuse(self, reason: str) -> int:
        """Answer every client with `reason` until none has come for a while, then stop this unit.

        To exit would leave it `failed`; so it asks the manager to stop it, which
        cancels its start job: what depends on it fails, as it must.
        """
        self._end_server()
        print(f"no server on {self.display.name}: {reason}", file=sys.stderr, flush=True)
        self._notifier.status(f"no server: {reason}")
        refuser = refusal.Refuser(self._listeners, f"xsession: {reason}")
        deadline = Deadline(QUIET)
        longest = Deadline(LONGEST)  # somebody may never stop to knock
        verb = "inactive" if server.PAUSED.encode() in self._tail else "failed"
        told = False  # the holder, which then ends its client: first those who wait are told
        while not self._stopping and deadline.left and longest.left:
            fds = refuser.fds
            events = set(fds).intersection(self._poll(fds, deadline if told else Deadline(0)))
            for fd in events:
                refuser.serve(fd)
                deadline = Deadline(QUIET)
            if not told and (not events or longest.left < LONGEST - QUIET):
                self._tell(verb, reason)
                told = True
        refuser.close()
        if not self._stopping:
            stop = systemd.stop("--no-block", self.display.service_unit)
            process.run(stop)
            patience = Deadline(KILL_AFTER)  # where no program can be run nobody stops us
            while not self._stopping and patience.left:
                self._poll([], patience)
        return 0


class Asker:
    """A child that asks the display as a client would, once it is told to: until then it loads
    python-xlib, beside the server. A question may block, and a child can be killed."""

    def __init__(self, display: Display, folder: Folder) -> None:
        go, self._go = os.pipe()
        self.fd, answer = os.pipe()
        environ = {"DISPLAY": display.name, "XAUTHORITY": folder.authority}
        try:
            self._pid = process.fork(_ask, fds={0: go, 1: answer, 2: 2}, environ=environ)
        except OSError:
            sockets.close((self._go, self.fd))
            raise
        finally:
            sockets.close((go, answer))

    def ask(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, b"\n")

    def words(self) -> str:
        """What it was answered, once `fd` can be read; nothing if it was refused, or killed."""
        return os.read(self.fd, 4096).decode("ascii", "replace").strip()

    def was_killed(self) -> bool:
        """Whether that is why it said nothing."""
        ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        return ended is not None and ended.si_code != os.CLD_EXITED

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._go)
        os.close(self.fd)


def _ask() -> int:
    from xsession import x11

    return x11.answers(admit=True)


class Watchdog:
    """Where xorg@N.service has a WatchdogSec=, the display is asked as a client would ask, three
    times in that time; the manager hears of each answer (sd_watchdog_enabled(3))."""

    def __init__(self, display: Display, folder: Folder, notifier: Notifier) -> None:
        told = os.environ.get("WATCHDOG_USEC", "")
        meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.seconds = int(told) / 1e6 if told.isdecimal() and meant else 0.0
        self._display, self._folder, self._notifier = display, folder, notifier
        self._asker: Asker | None = None
        self._next = Deadline(self.seconds / 3)
        self._last = Deadline(self.seconds * IN_TIME)

    @property
    def fds(self) -> list[int]:
        """What to wait for."""
        return [self._asker.fd] if self._asker else []

    @property
    def deadline(self) -> Deadline | None:
        """When it wants to be asked whether it bites; None: never."""
        if not self.seconds:
            return None
        soon = (self._last,) if self._asker else (self._last, self._next)
        return min(soon, key=lambda it: it.left)

    def bites(self, events: Collection[int]) -> bool:
        """Whether there was no answer in all that time."""
        if not self.seconds:
            return False
        if self._asker is None:
            if not self._next.left:
                self._next = Deadline(self.seconds / 3)
                with contextlib.suppress(OSError):  # of processes there are no more: no answer yet
                    self._asker = Asker(self._display, self._folder)
                    self._asker.ask()
        elif self._asker.fd in events:
            answered = self._asker.words()
            self.close()
            self._next = Deadline(self.seconds / 3)
            if answered:
                self._last = Deadline(self.seconds * IN_TIME)
                self._notifier.alive()
        if self._last.left:
            return False
        self._notifier.alive()  # of us: the end takes a while
        return True

    def close(self) -> None:
        if self._asker:
            self._asker.close()
        self._asker = None


def main(number: int) -> int:
    """`xsession bridge N`, run by xorg@N.service with the display's two addresses."""
    display = Display(number)
    ours = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    os.environ.pop("LISTEN_FDNAMES", None)
    if not (ours and count == server.LISTEN_FDS):
        print(
            f"xsession bridge: this is for {display.service_unit}, which was given {count}"
            f" sockets and not 2; try: systemctl --user cat {display.socket_unit}",
            file=sys.stderr,
        )
        return 125
    listeners = [server.LISTEN_FDS_START + it for it in range(server.LISTEN_FDS)]
    for fd in listeners:
        os.set_inheritable(fd, False)
    status = Bridge(display, listeners).run()
    sockets.close(listeners)
    if status == 0 and runtime.abandoned(number):
        from xsession import session  # large, and rarely needed

        os.environ.pop("NOTIFY_SOCKET", None)  # systemctl would speak to it, and is not heard
        session.clear(number)
    return status
