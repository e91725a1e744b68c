"""The holder: the process in the login session that has the VT and forks the server.

It serves the bridge (xorg@N.service), runs the plan's steps, and waits until the
session's end: of the client, of the server, or by somebody's wish. No polling; what
it waits for are descriptors (listener, lines, signals) and children.

Line with the bridge (packets of words, see sockets):
    bridge → holder   serve + the display's two addresses            a server, please
                      ready TEXT SERVES | failed REASON              how it goes
                      inactive REASON                                it failed for want of its VT
                      ended STATUS REASON
    holder → bridge   forked TIMEOUT WHERE + pidfd, displayfd, stderr
                                                                     it runs in the login session
                      run TIMEOUT NAME=VALUE… -- ARGV…               run it yourself
                      refused REASON
                      ended STATUS                                   we know, being the parent
    anybody of ours → holder   stop                                the line is closed when it is
                               restart                             done
"""

import contextlib
import os
import select
import signal
import socket
import sys
import syslog
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from xsession import (
    hotplug,
    journald,
    logind,
    marks,
    process,
    seat,
    server,
    sockets,
    systemd,
    tty,
)
from xsession.errors import BY_SIGNAL, CANNOT_EXECUTE, FAILED
from xsession.forked import KILL_AFTER, Forked
from xsession.placement import Place
from xsession.plan import Kind, Plan, Step
from xsession.process import ENDING, Child, Deadline, Signals
from xsession.runtime import Folder
from xsession.tty import Terminal

GRAPHICAL = "graphical-session.target"
MOST_LINES = 16  # connections at a time; a bridge needs one
STEP_TIMEOUT = 20.0  # seconds for one step of taking down
STOP_AGAIN, MOST_STOPS = 0.3, 10  # seconds, times: see _see_client_end


def take_signals() -> Signals:
    """To be called before the first effect, so that none is cut short."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return Signals(signal.SIGCHLD, *ENDING)


class Cause(Enum):
    """Why a session ends."""

    CLIENT = "the client ended"
    SERVER = "the server ended"
    STOP = "xsession stop"
    RESTART = "xsession restart server"
    SIGNAL = "a signal came"
    ADDRESS = "the display's addresses could not be bound"
    FAILED = "it could not be started"


PAUSE = ("/usr/bin/sleep", "5")
LAST_WORDS = (Cause.CLIENT, Cause.STOP, Cause.SIGNAL)


class Outcome(NamedTuple):
    """How a session ended: the exit status to give, and a sentence if something was wrong."""

    cause: Cause
    status: int = 0
    reason: str = ""


class Holder:
    """Holds one display from the first step to the last."""

    def __init__(
        self,
        plan: Plan,
        folder: Folder,
        listener: socket.socket,
        terminal: Terminal,
        signals: Signals,
    ) -> None:
        self.plan = plan
        self.outcome: Outcome | None = None
        self.helpless = False  # no program could be run in taking down, so it was not done
        self._folder = folder
        self._terminal = terminal
        self._listener = listener
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._lines: dict[int, socket.socket] = {}
        self._children: dict[int, tuple[Child, Callable[[Child, int], None]]] = {}
        self._server = Forked()
        self._bridge: socket.socket | None = None
        self._told = False  # the bridge has said its last: that there is no server (any more)
        self._last_words: Deadline | None = None  # for that, when the server has ended
        self._status = 0  # of the server then
        self._put_off = False  # of children: see _reap
        self._ending = False  # no server is forked any more
        self._answered = False
        self._tried_again = False  # see _on_inactive
        self._all_begun = False  # of the steps up
        self._reserved: socket.socket | None = None  # see sockets.reserve
        self._askers: list[socket.socket] = []  # of what is under way
        self._seen: dict[str, systemd.Unit] = {}  # when the client had ended
        self._signals = signals
        self._read_from(signals.fd, self._on_signals)
        self._read_from(listener.fileno(), self._accept)
        self._watch = hotplug.watch(plan.gpu.gpu, plan.gpus) if plan.gpu else None
        if self._watch:
            self._read_from(self._watch.fd, self._on_devices)

    # -- the three parts of its life --

    def bring_up(self, steps: Sequence[Step]) -> None:
        """Run the steps in order, serving meanwhile, until all have begun or it is over."""
        self._answered = self._all_begun = False
        if self.plan.client:
            marks.note("start")
        else:  # a server is asked for at any time from now on, perhaps in hours
            self._forget_marks()
        for step in steps:
            if self.outcome:
                return
            if step.kind is Kind.CLIENT:
                marks.note("client")
            self._begin(step)
            if step.argv == systemd.start(self.plan.display.socket_unit):
                self._reserve()
                if self.plan.client:
                    marks.note("addresses")
        self._all_begun = True
        if self._answered:
            self._write_marks()

    def _reserve(self) -> None:
        """Both addresses are bound: see to it that they are also ours where we are."""
        if self._reserved or self.outcome:
            return
        if objection := sockets.folder_objection():  # it is another one than when we looked
            self._end(Cause.ADDRESS, FAILED, objection)
            return
        try:
            self._reserved = sockets.reserve(self.plan.display, self.plan.runtime)
        except OSError as error:
            name = self.plan.display.abstract.replace("\0", "@")
            where = (
                "the user manager has another network namespace than this login session, and here"
            )
            reason = f"{where} another user has {name}: {error.strerror}"
            self._end(Cause.ADDRESS, FAILED, reason)

    def wait(self) -> Outcome:
        """Until the session's end."""
        while self.outcome is None:
            self._turn()
        return self.outcome

    def take_down(self, steps: Sequence[Step], meanwhile: Callable[[], bool]) -> None:
        """Run the steps in order whatever they say, then see to it that no server is left.

        `meanwhile`: what is done beside the last of them; False if it could not be. The listener
        stays: as long as it does, no other start takes what is left for dead.
        """
        self._ending = True
        self._run_all(steps, meanwhile)
        self._end_server()
        if len(marks.MARKS) > 1:  # else they were written
            self._write_marks()

    def go_back(self, steps: Sequence[Step]) -> None:
        """Run the steps as far back as the addresses, so that all can be brought up again, unless
        somebody wants it to end meanwhile."""
        server = self._server.pid
        self._run_all(steps)
        if self._server.pid == server:  # its bridge, which stands still say, has not ended it
            self._end_server()
        self._forget_marks()
        if self.outcome and self.outcome.cause is Cause.RESTART:
            self.outcome = None

    def _run_all(self, steps: Sequence[Step], meanwhile: Callable[[], bool] | None = None) -> None:
        last = []
        for step in steps:
            child = self._begin(step)
            if step.kind is Kind.END and self._client_runs():
                self._see_client_end(steps[0])
            if step.kind is Kind.LAST and child:
                last.append((step, child))
        if meanwhile and not self.helpless:
            self.helpless = not meanwhile()
        for step, child in last:
            self._finish(step, child)
        for pid, (child, _) in list(self._children.items()):
            os.kill(pid, signal.SIGKILL)  # one that was stopped would take no other
            os.waitpid(pid, 0)
            child.close()
        self._children.clear()

    def close(self) -> None:
        """All is down and undone: let those know who asked for it."""
        self._listener.close()
        if self._reserved is not None:
            self._reserved.close()
        self._release()
        for line in self._lines.values():
            line.close()

    def let_askers_go(self) -> None:
        """What they asked for is done; those who asked for the end meanwhile wait for that."""
        if self.outcome and self.outcome.cause is not Cause.RESTART:
            return
        self._release()

    def _release(self) -> None:
        for line in self._askers:
            line.close()
        self._askers.clear()

    def _see_client_end(self, stop: Step) -> None:
        """Stop the client until its watcher has ended: a systemd-run that had just begun may
        have started the unit only after it was stopped."""
        for _ in range(MOST_STOPS):
            deadline = Deadline(STOP_AGAIN)
            while self._client_runs() and deadline.left:
                self._turn(deadline)
            if not self._client_runs():
                return
            self._begin(stop)

    def free_terminal(self) -> None:
        """After a hang-up: the terminal's next owner, a getty, is about to set it up."""
        self._ending = True
        if self._server.pid:
            self._end_server()
            if self._bridge:  # whom nobody else will tell
                sockets.send(self._bridge, "ended", "0")

    def let_client_end(self, seconds: float) -> None:
        """Give the client that much time to notice that its server has gone."""
        self._ending = True
        deadline = Deadline(seconds)
        outcome = self.outcome
        ended: Outcome | None = None
        while self._client_runs() and ended is None and deadline.left:
            self.outcome = None
            self._turn(deadline)
            if self.outcome and self.outcome.cause in LAST_WORDS:  # not what follows from the end
                ended = self.outcome
        if outcome and not outcome.status and ended and ended.cause is Cause.CLIENT:
            outcome = outcome._replace(status=ended.status)
        self.outcome = outcome

    # -- events --

    def _read_from(self, fd: int, reader: Callable[[], None]) -> None:
        self._readers[fd] = reader
        self._poll.register(fd, select.POLLIN)

    def _stop_reading(self, fd: int) -> None:
        del self._readers[fd]
        self._poll.unregister(fd)

    def _turn(self, deadline: Deadline | None = None) -> None:
        """Wait for events and serve them: lines before children, so that what a bridge said
        comes before the end of a client that it caused."""
        limits = [it.left for it in (deadline, self._last_words) if it]
        if self._put_off and not self._last_words:
            limits = [0]
        ended = self.outcome is not None
        ready = [fd for fd, _ in self._poll.poll(min(limits) * 1000 + 1 if limits else None)]
        self._read_from(self._listener.fileno(), self._accept)  # again, where there was no room
        for fd in sorted(ready, key=lambda fd: fd == self._signals.fd):
            if fd in self._readers:
                self._readers[fd]()
        if self.outcome and not ended:
            self._put_off = True  # who waits for the end decides first
        else:
            self._reap()

    def _reap(self) -> None:
        """See who has ended: the server, then children. Not the latter while a bridge is to tell of
        the server's end, as that of the client follows from it."""
        if (status := self._server.reap()) is not None:
            self._on_server_end(status)
        if self._last_words and not self._last_words.left:
            self._last_words = None
            self._on_server_gone(self._status, "")
        self._put_off = self._last_words is not None
        for pid in () if self._put_off else list(self._children):
            if (ended := os.waitpid(pid, os.WNOHANG))[0]:
                child, then = self._children.pop(pid)
                then(child, process.exit_status(ended[1]))
                child.close()

    def _end(self, cause: Cause, status: int = 0, reason: str = "") -> None:
        first = self.outcome is None  # it counts, the others follow from it
        wish = cause in (Cause.STOP, Cause.SIGNAL)
        again = self.outcome and self.outcome.cause in (Cause.RESTART, Cause.ADDRESS)
        if first or (wish and again):
            self.outcome = Outcome(cause, status, reason)

    def _on_signals(self) -> None:
        for number in self._signals.read():
            if number in ENDING:
                self._end(Cause.SIGNAL, BY_SIGNAL + number)

    def _on_devices(self) -> None:
        """Something happened to the machine's devices, perhaps to the one that is drawn on."""
        assert self._watch and self.plan.gpu  # noqa: S101
        gone, connectors = self._watch.read()
        if gone and not self.plan.gpu.left_to:  # else another may be drawn on
            name = seat.title(self.plan.gpu.gpu)
            self._end(Cause.SERVER, FAILED, f"graphics device {name} has gone")
        if not (self.plan.shared and self._server.pid):
            return  # the hook has the manager's DISPLAY, and would start a server that is none
        for connector in connectors:
            argv = systemd.hook(f"xsession-output@{connector}.service")
            try:
                child = Child(argv, os.environ)
            except OSError as error:  # of processes or descriptors there are no more
                self._log(f"could not run {argv[0]}: {error.strerror}")
                return
            self._children[child.pid] = (child, lambda *_: None)

    # -- steps --

    def _begin(self, step: Step) -> Child | None:
        """Start a step, and wait for its end if the next one does."""
        if step.kind is Kind.END:
            self._end_client(step)
            return None
        if step.kind is Kind.PARTS:
            step = Step(Kind.MAY, (*step.argv, *self._look(GRAPHICAL).parts))
        then = {
            Kind.MUST: self._on_must,
            Kind.MAY: self._on_may,
            Kind.LAST: lambda *_: None,
            Kind.SERVER: self._on_server_step,
            Kind.CLIENT: self._on_client_step,
        }[step.kind]
        try:
            child = Child(step.argv, {**os.environ, **process.PLAIN, **step.variables})
        except OSError as error:
            reason = f"could not run {step.argv[0]}: {error.strerror}"
            if self.outcome:  # in taking down
                self.helpless = True
            elif step.kind is Kind.MAY:
                self._log(reason)
            else:
                self._end(Cause.FAILED, FAILED, reason)
            return None
        self._children[child.pid] = (child, then)
        if step.kind in (Kind.MUST, Kind.MAY):
            self._finish(step, child)
        return child

    def _finish(self, step: Step, child: Child) -> None:
        """Until a step is done, or has had its time."""
        self._wait_for_step(step, child, STEP_TIMEOUT)
        late = child.pid in self._children
        if late and step.argv[:3] == systemd.stop() and (jobs := systemd.stopping()):
            # What does not stop is left alone; what waits for it is stopped in its order.
            process.run(systemd.cancel(jobs))
            self._wait_for_step(step, child, KILL_AFTER)
        if child.pid in self._children:
            os.kill(child.pid, signal.SIGKILL)
        while child.pid in self._children:
            self._turn()

    def _wait_for_step(self, step: Step, child: Child, seconds: float) -> None:
        """Until it is done; if that takes too long, the journal has what is under way."""
        deadline = Deadline(seconds)
        while child.pid in self._children and deadline.left:
            self._turn(deadline)
        if child.pid in self._children:
            self._log(
                f"{' '.join(step.argv)}: not done after {seconds:.0f} s;"
                f" still under way: {systemd.jobs() or 'nothing'}"
            )

    def _end_client(self, step: Step) -> None:
        """SIGTERM to all that the client's unit still has, SIGKILL after a while."""
        unit = step.argv[-1]
        processes = process.of_group(self._look(unit).group)
        left = processes
        for argv in (step.argv, systemd.kill(unit, "SIGKILL")):
            if not left or process.run(argv).status:
                break
            deadline = Deadline(self.plan.stopping)
            left = [it for it in left if not process.readable(it, deadline.left)]
        sockets.close(processes)

    def _on_must(self, child: Child, status: int) -> None:
        if status:
            socket_ = child.argv == systemd.start(self.plan.display.socket_unit)
            taken = socket_ and sockets.taken(self.plan.display)  # and not masked, say
            cause = Cause.ADDRESS if taken else Cause.FAILED
            self._end(cause, FAILED, f"{' '.join(child.argv)}: {child.words()}")

    def _on_may(self, child: Child, status: int) -> None:
        """It went on without it; who misses something then finds the reason."""
        if status and not self.outcome:
            words = " ".join(child.words().split()) or process.describe(status)
            self._log(f"{' '.join(child.argv)}: {words}")

    def _on_server_step(self, child: Child, status: int) -> None:
        if status and not self._answered:
            unit = self.plan.display.service_unit
            told = systemd.status_text(unit) or child.words()
            self._end(Cause.FAILED, FAILED, f"{unit} did not start: {told}")

    def _look(self, unit: str) -> systemd.Unit:
        """How a unit stands: as it was just seen when the client had ended, or else by a look."""
        return self._seen.pop(unit, None) or systemd.show(unit)

    def _client_runs(self) -> bool:
        return any(then == self._on_client_step for _, then in self._children.values())

    def _on_client_step(self, child: Child, status: int) -> None:
        """The watcher of the client ended; whether the client did, the manager knows."""
        if self.outcome or self.plan.client is None:
            return
        names = self.plan.client_units
        *units, graphical = systemd.shown(*names, GRAPHICAL)
        failed = next((unit.status for unit in units if unit.status), 0)
        if any(unit.runs for unit in units):  # the watcher was killed, or the bus it listens on
            again = systemd.watch(*names)
            # That ends at once where the bus is gone for good: then a look every few seconds.
            self._begin(Step(Kind.CLIENT, again if child.argv != again else PAUSE))
            return
        seen = zip((*names, GRAPHICAL), (*units, graphical), strict=True)
        self._seen = {name: unit for name, unit in seen if unit.active}  # else nobody answered
        if status == 0:
            self._end(Cause.CLIENT, systemd.good_signal(child.words()))
        elif failed == systemd.EXIT_EXEC and child.words().startswith("Job for"):
            reason = f"client '{self.plan.client.argv[0]}': its interpreter cannot be executed"
            self._end(Cause.FAILED, CANNOT_EXECUTE, reason)
        elif failed:
            self._end(Cause.CLIENT, failed)
        elif not self._seen:
            self._end(Cause.FAILED, FAILED, "the user manager has gone")
        else:
            self._end(Cause.FAILED, FAILED, f"the client could not be started: {child.words()}")

    # -- lines --

    def _accept(self) -> None:
        try:
            line, _ = self._listener.accept()
        except OSError as error:  # there are no more descriptors
            self._log(f"a connection was not accepted: {error.strerror}")
            if not self._make_room():
                self._stop_reading(self._listener.fileno())  # until something else has happened
            return
        pid, uid = sockets.peer(line)
        if uid not in (os.getuid(), 0):
            self._log(f"refused a connection from PID {pid}, uid {uid}")
            line.close()
            return
        if len(self._lines) + len(self._askers) >= MOST_LINES:
            self._make_room()
        line.setblocking(False)
        self._lines[line.fileno()] = line
        self._read_from(line.fileno(), lambda: self._on_line(line))

    def _make_room(self) -> bool:
        """The oldest line goes: silence keeps nobody's `stop` out. False if there is none."""
        others = [it for it in self._lines.values() if it is not self._bridge]
        if others:
            self._drop(others[0])
        elif self._askers:
            self._askers.pop(0).close()
        else:
            return False
        return True

    def _on_line(self, line: socket.socket) -> None:
        try:
            packet = sockets.receive(line)
        except BlockingIOError:
            return
        except (ValueError, OSError) as error:
            self._log(f"dropped a connection: {error}")
            packet = None
        if packet is None:
            self._drop(line)
            return
        words, fds = packet
        match words:
            case ["serve"] if len(fds) == server.LISTEN_FDS:
                self._serve(line, fds)
            case ["ready", text, serves] if line is self._bridge and _is_moment(serves):
                self._answered = True
                self._tried_again = False
                self._log(f"{text} answers")
                marks.MARKS["serves"] = int(serves) / 1e9
                if self._all_begun:
                    self._write_marks()
            case ["failed", reason] if line is self._bridge:
                self._told, self._last_words = True, None
                self._on_server_failed(reason)
            case ["inactive", reason] if line is self._bridge:
                self._told, self._last_words = True, None
                self._on_inactive(reason)
            case ["ended", status, reason] if line is self._bridge and _is_status(status):
                self._told, self._last_words = True, None
                self._on_server_gone(int(status), reason)
            case ["stop" | "restart" as verb]:
                self._stop_reading(line.fileno())
                self._askers.append(self._lines.pop(line.fileno()))
                self._end(Cause.STOP if verb == "stop" else Cause.RESTART)
            case _:
                pid, _uid = sockets.peer(line)
                self._log(f"dropped the connection of PID {pid}: it says {words[0][:40]!r}")
                self._drop(line)
        sockets.close(fds)

    def _drop(self, line: socket.socket) -> None:
        self._stop_reading(line.fileno())
        del self._lines[line.fileno()]
        if line is self._bridge:
            self._bridge = self._last_words = None
            self._on_bridge_gone()
        line.close()

    # -- the server --

    def _serve(self, line: socket.socket, fds: list[int]) -> None:
        """A bridge wants a server: fork it, or tell the bridge to, as the plan says."""
        if self._bridge is not None or self._server.pid:
            sockets.send(line, "refused", f"a server runs on {self.plan.display.name} already")
            return
        self._bridge = line
        self._told = self._answered = False
        if self._ending:  # a program that connects once more is not to have another one begun
            sockets.send(line, "refused", f"the session on {self.plan.display.name} is ending")
            return
        timeout = f"{self.plan.timeout:g}"
        marks.note("asked")
        if self.plan.place is Place.UNIT:
            marks.note("forking")
            environ = (f"{n}={v}" for n, v in self.plan.server_environment.items())
            words = ("run", timeout, *environ, "--", *self.plan.server)
            if not sockets.send(line, *words):
                sockets.send(line, "refused", "the server's command line is too long")
            marks.note("forked")
            return
        if reason := self._fork_server(fds):
            sockets.send(line, "refused", reason)  # it says so to those who wait, then to us
            return
        sockets.send(line, "forked", timeout, self.plan.where, fds=self._server.descriptors)
        self._server.hand_over()

    def _fork_server(self, addresses: Sequence[int]) -> str:
        """Put our VT on the screen and fork the server there; why that could not be, or nothing."""
        marks.note("forking")
        login = self.plan.login
        if login and login.seat and (self._tried_again or not logind.stays_active(login)):
            objection = logind.make_active(login.id)
            if objection:
                return f"could not put {self.plan.where} on the screen: {objection}"
        try:
            self._server.fork(self.plan.server, addresses)
        except OSError as error:
            return f"could not execute {error.filename or self.plan.server[0]}: {error.strerror}"
        marks.note("forked")
        self._log(self.plan.graphics)
        return ""

    def _on_server_end(self, status: int) -> None:
        """The server that we forked has ended: only its parent knows how, so tell its bridge,
        which knows what it said last."""
        if self._bridge is None or not sockets.send(self._bridge, "ended", str(status)):
            self._on_server_gone(status, "")
        elif not self._told:
            self._last_words, self._status = Deadline(KILL_AFTER), status

    def _on_server_failed(self, reason: str) -> None:
        """No server could be had; in the session of a client that is its end."""
        vt = self.plan.login.vt if self.plan.login else 0
        if vt and tty.active_vt() not in (0, vt) and "on the screen" not in reason:
            reason += f"; VT {vt} is not on the screen"  # a server that begins waits for that
        said = f"no X server on {self.plan.display.name}: {reason}{self._log_hint()}"
        if self.plan.client:
            self._end(Cause.FAILED, FAILED, said)
        else:
            self._tell(said)

    def _on_inactive(self, reason: str) -> None:
        """Somebody switched VTs while it began, and logind, which is a moment behind, gave it a
        graphics device that it could not use: once more, when logind has seen where we are."""
        if self._tried_again or not self.plan.client:
            self._on_server_failed(reason)
            return
        self._tried_again = True
        self._log(f"{reason}; once more")
        self._end(Cause.RESTART)

    def _on_server_gone(self, status: int, reason: str) -> None:
        """A server that had answered is gone. A listener waits for the next connection."""
        if not self.plan.client:
            self._tell(f"{self.plan.kind.title} ended with {process.describe(status)}")
        elif status == 0:
            self._end(Cause.SERVER)
        else:
            said = reason or f"{self.plan.kind.title} ended with {process.describe(status)}"
            self._end(Cause.SERVER, FAILED, said + self._log_hint())

    def _log_hint(self) -> str:
        return f" (log: {self._folder.log})" if os.path.exists(self._folder.log) else ""

    def _on_bridge_gone(self) -> None:
        """The bridge's line is closed, after the server's end; or else the bridge was killed."""
        if self._server.pid:
            self._end_server()
        unit = self.plan.display.service_unit
        if self.plan.client:
            self._end(Cause.SERVER, FAILED, f"{unit} ended, and the server with it")
        else:  # no display answers any more, until the next program connects
            process.run(systemd.stop("--no-block", "xorg.target"))

    def _end_server(self) -> None:
        pid = self._server.pid
        if not self._server.end():
            self._log(f"{self.plan.kind.title}, PID {pid}, could not be ended")

    # -- words --

    def _write_marks(self) -> None:
        """To the journal, when all has begun, or at the end of a start that came to nothing; from
        here on another one can begin."""
        name = self.plan.display.name
        journald.send(
            f"{name} is up" if self._answered else f"{name} did not come up",
            MESSAGE_ID=marks.MESSAGE_ID,
            XSESSION_DISPLAY=name,
            XSESSION_CLIENT=" ".join(self.plan.client_units),
            XSESSION_PRIVATE=str(self.plan.private).lower(),
            XSESSION_MARKS=" ".join(f"{mark}={at:.6f}" for mark, at in marks.MARKS.items()),
        )
        self._forget_marks()

    def _forget_marks(self) -> None:
        marks.MARKS.clear()
        marks.note("since")

    def _log(self, text: str) -> None:
        """To the journal; the VT may be in graphics mode or gone."""
        syslog.syslog(syslog.LOG_NOTICE, text.encode("utf-8", "replace").decode())

    def _tell(self, text: str) -> None:
        """To the person at the terminal as well, once it can be read again."""
        self._log(text)
        self._terminal.give_back()
        with contextlib.suppress(OSError):
            print(f"xsession: {text}", file=sys.stderr, flush=True)


def _is_status(word: str) -> bool:
    """Whether this is an exit status."""
    return word.isdecimal() and len(word) <= 3


def _is_moment(word: str) -> bool:
    """Whether these are nanoseconds on a clock; 20 digits are 3000 years."""
    return word.isdecimal() and len(word) <= 20
