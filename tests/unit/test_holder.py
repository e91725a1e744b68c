"""The holder: what anybody may say to it, and servers that end too early. Its plan is a real one,
as are sockets, server and steps; each program is a small one that does one thing."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import syslog
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsession import forked, holder, plan, sockets
from xsession.client import Client
from xsession.holder import MOST_LINES, Cause, Holder, Outcome, take_signals
from xsession.logind import LoginSession
from xsession.plan import Facts, Kind, Plan, Request, Step
from xsession.process import Deadline, Signals
from xsession.runtime import Folder
from xsession.tty import Terminal
from xsession.udev import Gpu

STAYS = "exec sleep 600"


@pytest.fixture(scope="module")
def signals() -> Iterator[Signals]:
    """Those of the holder; it takes them for good, as it is a process of its own."""
    numbers = [number for number in signal.valid_signals() if number not in (9, 19, 32, 33)]
    before = {number: signal.getsignal(number) for number in numbers}
    wakeup = signal.set_wakeup_fd(-1)
    yield take_signals()
    signal.set_wakeup_fd(wakeup)
    for number, handler in before.items():
        if handler is not None:
            signal.signal(number, handler)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder. Of the programs of others there is none."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def program(path: Path, script: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(0o755)
    return str(path)


def planned(runtime: Path, server: str, *, listen: bool = False, vt: bool = False) -> Plan:
    """What `xsession start PROGRAM`, or `listen`, is on tty1; but the VT mostly stays as it is."""
    facts = Facts(
        uid=1000,
        environ={"HOME": str(runtime)},
        runtime=str(runtime),
        manager={},
        login=LoginSession("1", 1000, "seat0", 1, active=True, type="tty"),
        vt=1,
        text=True,
        gpus=(Gpu("card0", "virtio_gpu", boot_vga=True, seat="seat0", path="/sys/2/card0"),),
        x11_folder="",
        taken={0: ""},
        programs={"xorg": program(runtime / "server", server)},
        client=Client(("/usr/bin/openbox",)),
        running=(),
        units=True,
    )
    made = plan.make(Request(listen=listen), facts)
    assert made.login
    return made._replace(login=made.login._replace(active=False) if vt else None, gpu=None)


def read(path: Path) -> str:
    """Once all of its first line is there."""
    text = path.read_text() if path.exists() else ""
    return text.strip() if text.endswith("\n") else ""


def ask_for_a_server(bridge: socket.socket) -> None:
    """As the bridge does; for the addresses something else will do."""
    with open(os.devnull) as null:
        sockets.send(bridge, "serve", fds=[null.fileno()] * 2)


class Held:
    """A holder that runs the steps and serves; all is down at the end."""

    def __init__(self, plan: Plan, signals: Signals, *steps: Step) -> None:
        signals.read()  # those of the holder before this one
        folder = Folder(plan.runtime, plan.display)
        folder.create()
        self._folder = folder
        self._null = open(os.devnull, "rb")  # noqa: SIM115  closed at the end
        listener = sockets.listen(folder.holder)
        self.holder = Holder(plan, folder, listener, Terminal(self._null.fileno()), signals)
        self.holder.bring_up(steps)

    def line(self) -> socket.socket:
        line = sockets.connect(self._folder.holder)
        assert line
        line.settimeout(10)
        return line

    def ends(self) -> Outcome:
        """As session.start has it."""
        while (outcome := self.holder.wait()).cause is Cause.RESTART:
            self.holder.go_back(())
            self.holder.bring_up(())
            self.holder.let_askers_go()
        return outcome

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.holder.take_down((), lambda: True)
        self.holder.close()
        self._folder.remove()
        self._null.close()


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


# -- what is said to it --

VERBS = ("serve", "ready", "failed", "inactive", "ended", "stop", "restart", "forked", "")
WORDS = st.lists(st.one_of(st.sampled_from((*VERBS, "0", "-1", "²")), st.text()), max_size=4)
# On which of three lines, a verb and what follows it, how many descriptors.
SAID = st.tuples(
    st.integers(0, 2),
    st.tuples(st.sampled_from(VERBS), WORDS).map(lambda it: [it[0], *it[1]]),
    st.sampled_from((0, 2, 2, 1, 8, 9)),
)


@pytest.mark.parametrize("listen", [True, False])
@pytest.mark.usefixtures("runtime")
def test_whatever_is_said_it_lives_and_can_be_stopped(
    tmp_path: Path, signals: Signals, listen: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    made = planned(tmp_path, STAYS, listen=listen)

    @settings(max_examples=200)
    @given(st.lists(SAID, max_size=12))
    def say(all_said: list[tuple[int, Sequence[str], int]]) -> None:
        before = descriptors()
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(Held(made, signals))
            lines = [stack.enter_context(held.line()) for _ in range(3)]
            null = os.open(os.devnull, os.O_RDONLY)
            for line, words, fds in all_said:
                sockets.send(lines[line], *words, fds=[null] * fds)
            os.close(null)
            sockets.send(stack.enter_context(held.line()), "stop")
            ended = held.ends()
            assert ended.cause is Cause.STOP or (not listen and ended.cause is not Cause.CLIENT)
        assert descriptors() == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    say()
    capsys.readouterr()


def test_who_asks_for_the_end_again_and_again_takes_no_descriptor(
    runtime: Path, signals: Signals
) -> None:
    with (
        Held(planned(runtime, STAYS, listen=True), signals) as held,
        contextlib.ExitStack() as stack,
    ):
        lines = [stack.enter_context(held.line()) for _ in range(3 * MOST_LINES)]
        before = len(descriptors())
        for line in lines:
            sockets.send(line, "stop")
        assert held.ends().cause is Cause.STOP
        held.holder.take_down((Step(Kind.MAY, ("/bin/sleep", "0.5")),), lambda: True)
        assert len(descriptors()) == before + MOST_LINES


def test_without_descriptors_it_waits_for_one(
    runtime: Path, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _, text: logged.append(text))
    with Held(planned(runtime, STAYS, listen=True), signals) as held, held.line() as line:
        sockets.send(line, "stop")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))

        def enough() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.kill(os.getpid(), signal.SIGCHLD)

        threading.Timer(0.5, enough).start()
        begun = time.process_time()
        assert held.ends().cause is Cause.STOP
        assert time.process_time() - begun < 0.2
    assert logged == ["a connection was not accepted: Too many open files"]


# -- a refusal --


def test_a_refusal_is_told_once_and_by_the_bridge(
    runtime: Path,
    signals: Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(
        runtime / "bin" / "loginctl",
        "case $1 in activate) echo not you; exit 1;; *) echo Id=1; echo Active=no;; esac",
    )
    logged: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _, text: logged.append(text))
    made = planned(runtime, STAYS, listen=True, vt=True)
    with Held(made, signals) as held, held.line() as bridge, held.line() as other:
        ask_for_a_server(bridge)
        reason = "could not put seat0, vt1 on the screen: not you"
        sockets.send(bridge, "failed", reason)
        sockets.send(other, "stop")
        assert held.ends().cause is Cause.STOP
        assert sockets.receive(bridge) == (["refused", reason], [])
    assert logged == [f"no X server on :0: {reason}"]
    assert capsys.readouterr().err == f"xsession: {logged[0]}\n"


def test_a_server_that_was_not_given_its_device_is_tried_once_more(
    runtime: Path, signals: Signals
) -> None:
    with Held(planned(runtime, STAYS), signals) as held:
        with held.line() as bridge:
            ask_for_a_server(bridge)
            sockets.send(bridge, "inactive", "no device")
            assert held.holder.wait().cause is Cause.RESTART
        held.holder._turn()  # its line is closed when the unit has been stopped
        held.holder.go_back(())
        assert held.holder.outcome is None
        held.holder.bring_up(())
        with held.line() as bridge:
            ask_for_a_server(bridge)
            sockets.send(bridge, "inactive", "no device")
            assert held.holder.wait() == (Cause.FAILED, 125, "no X server on :0: no device")


# -- the client --


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("exit 1", "the user manager has gone"),
        ("echo ActiveState=inactive", "the client could not be started: Failed to connect"),
    ],
)
def test_the_end_of_its_watcher(runtime: Path, signals: Signals, answer: str, reason: str) -> None:
    """Whatever the watcher says; the manager knows, if it is there."""
    program(runtime / "bin" / "systemctl", answer)
    watcher = program(runtime / "bin" / "systemd-run", "echo Failed to connect; exit 1")
    with Held(planned(runtime, STAYS), signals, Step(Kind.CLIENT, (watcher,))) as held:
        assert held.ends() == Outcome(Cause.FAILED, 125, reason)


def test_a_bus_that_is_gone_for_good_keeps_nobody_busy(runtime: Path, signals: Signals) -> None:
    count = runtime / "count"
    says = f"echo . >>{count}; case $* in *show*) echo ActiveState=active;; *) exit 1;; esac"
    program(runtime / "bin" / "systemctl", says)
    watcher = program(runtime / "bin" / "systemd-run", "exit 1")
    with Held(planned(runtime, STAYS), signals, Step(Kind.CLIENT, (watcher,))) as held:
        deadline = Deadline(1)
        while deadline.left:
            held.holder._turn(deadline)
        assert held.holder.outcome is None
        assert len(count.read_text().split()) <= 3  # a look, a watcher, a look


# -- the end --


def test_a_client_has_its_time_after_its_server(runtime: Path, signals: Signals) -> None:
    """The bridge goes at once, which is no reason to end the client."""
    program(runtime / "bin" / "systemctl", "echo ActiveState=inactive; echo ExecMainStatus=0")
    watcher = program(runtime / "bin" / "systemd-run", "sleep 0.5; exit 0")
    step = Step(Kind.CLIENT, (watcher,))
    with Held(planned(runtime, STAYS), signals, step) as held, held.line() as bridge:
        ask_for_a_server(bridge)
        sockets.send(bridge, "ended", "0", "")
        assert held.ends().cause is Cause.SERVER
        bridge.close()
        held.holder.let_client_end(10)
        assert not held.holder._client_runs()
        assert held.holder.outcome == Outcome(Cause.SERVER)


def test_the_client_that_ends_with_its_server_is_not_the_cause(
    runtime: Path, signals: Signals
) -> None:
    """Whoever is quicker: what the bridge has yet to tell of the server's end came first."""
    program(runtime / "bin" / "systemctl", "echo ActiveState=inactive; echo ExecMainStatus=1")
    watcher = program(runtime / "bin" / "systemd-run", f"while [ -e {runtime}/on ]; do :; done")
    (runtime / "on").touch()
    made = planned(runtime, STAYS)
    with Held(made, signals, Step(Kind.CLIENT, (watcher,))) as held, held.line() as bridge:
        ask_for_a_server(bridge)
        while not held.holder._server.pid:
            held.holder._turn()
        os.kill(held.holder._server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, held.holder._server.pid, os.WEXITED | os.WNOWAIT)
        (runtime / "on").unlink()
        deadline = Deadline(0.5)
        while deadline.left:
            held.holder._turn(deadline)
        assert held.holder.outcome is None
        sockets.send(bridge, "ended", "137", "the server ended, and said why")
        assert held.ends() == (Cause.SERVER, 125, "the server ended, and said why")


def test_a_bridge_that_stands_still_is_not_waited_for(
    runtime: Path, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder, "KILL_AFTER", 0.2)
    with Held(planned(runtime, STAYS), signals) as held, held.line() as bridge:
        ask_for_a_server(bridge)
        while not held.holder._server.pid:
            held.holder._turn()
        os.kill(held.holder._server.pid, signal.SIGKILL)
        assert held.ends() == (Cause.SERVER, 125, "Xorg ended with signal 9 (SIGKILL)")


def test_the_clients_status_counts_where_its_server_ended_in_order(
    runtime: Path, signals: Signals
) -> None:
    program(runtime / "bin" / "systemctl", "echo ActiveState=inactive; echo ExecMainStatus=7")
    watcher = program(runtime / "bin" / "systemd-run", "exit 7")
    made = planned(runtime, STAYS)
    with Held(made, signals) as held, held.line() as bridge:
        ask_for_a_server(bridge)
        while not held.holder._server.pid:
            held.holder._turn()
        os.kill(held.holder._server.pid, signal.SIGTERM)
        os.waitid(os.P_PID, held.holder._server.pid, os.WEXITED | os.WNOWAIT)
        child = held.holder._begin(Step(Kind.CLIENT, (watcher,)))
        assert child
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        held.holder._turn()  # both have ended, and the bridge has yet to tell
        sockets.send(bridge, "ended", "0", "")
        assert held.ends() == (Cause.SERVER, 0, "")
        held.holder.let_client_end(5)
        assert held.holder.outcome == (Cause.SERVER, 7, "")


def test_no_server_is_forked_for_who_connects_at_the_end(runtime: Path, signals: Signals) -> None:
    with Held(planned(runtime, STAYS), signals) as held:
        with held.line() as line:
            sockets.send(line, "stop")
            assert held.ends().cause is Cause.STOP
        with held.line() as bridge:
            ask_for_a_server(bridge)
            held.holder.take_down((Step(Kind.MAY, ("/bin/sleep", "0.3")),), lambda: True)
            assert sockets.receive(bridge) == (["refused", "the session on :0 is ending"], [])
        assert held.holder._server.pid == 0


def test_the_bridge_is_told_when_the_terminal_is_freed(runtime: Path, signals: Signals) -> None:
    with Held(planned(runtime, STAYS), signals) as held, held.line() as bridge:
        ask_for_a_server(bridge)
        while held.holder._bridge is None:
            held.holder._turn()
        os.kill(os.getpid(), signal.SIGHUP)
        assert held.ends().cause is Cause.SIGNAL
        words, given = sockets.receive(bridge) or ([], [])
        assert words[0] == "forked"
        sockets.close(given)
        held.holder.free_terminal()
        assert sockets.receive(bridge) == (["ended", "0"], [])


def test_a_stop_during_a_restart_begins_no_server(runtime: Path, signals: Signals) -> None:
    with Held(planned(runtime, STAYS), signals) as held:
        held.holder._end(Cause.RESTART)
        held.holder._end(Cause.STOP)
        held.holder.go_back(())
        held.holder.bring_up(())
        assert held.holder._server.pid == 0
        assert held.ends().cause is Cause.STOP


# -- what cannot be ended --

# ptrace(2): whoever traces a process is the first to hear of its end, its parent waits for that.
TRACE = """
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
print(libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), 0, 0), flush=True)
time.sleep(600)
"""


def test_a_server_that_cannot_be_ended_keeps_nobody(
    runtime: Path, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "KILL_AFTER", 0.2)
    made = planned(runtime, f"echo $$ >{runtime}/pid; {STAYS}")
    with Held(made, signals) as held, held.line() as bridge:
        ask_for_a_server(bridge)
        while not held.holder._server.pid:
            held.holder._turn()
        while not (pid := read(runtime / "pid")):
            time.sleep(0.01)
        with subprocess.Popen(
            (sys.executable, "-c", TRACE, pid), stdout=subprocess.PIPE, text=True
        ) as debugger:
            assert debugger.stdout
            if debugger.stdout.readline() != "0\n":
                pytest.skip("this machine lets nobody trace (Yama)")
            with held.line() as line:
                sockets.send(line, "stop")
                assert held.ends().cause is Cause.STOP
            begun = time.monotonic()
            held.holder.take_down((), lambda: True)
            assert time.monotonic() - begun < 5
            debugger.kill()
    os.waitpid(int(pid), 0)
