"""Other programs: started, waited for and described; every one here is a real program."""

import contextlib
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from xsession import process
from xsession.errors import CANNOT_EXECUTE, FAILED, NOT_FOUND, Failure
from xsession.process import Child, Deadline, Signals

SH = "/bin/sh"


def spawn(
    *argv: str,
    fds: Mapping[int, int] | None = None,
    environ: Mapping[str, str] | None = None,
    listen_fds: int = 0,
    ignore: tuple[int, ...] = (),
) -> tuple[int, int, str]:
    """A program's PID, exit status and words."""
    with tempfile.TemporaryFile() as words, open(os.devnull, "rb") as null:
        pid = process.spawn(
            argv,
            fds={0: null.fileno(), 1: words.fileno(), 2: words.fileno(), **(fds or {})},
            environ=environ or {},
            listen_fds=listen_fds,
            ignore=ignore,
        )
        status = process.exit_status(os.waitpid(pid, 0)[1])
        words.seek(0)
        return pid, status, words.read().decode().strip()


# -- spawn --


def test_the_child_has_the_environment_that_it_was_given_and_no_more() -> None:
    _, status, words = spawn(SH, "-c", "/usr/bin/env -u PWD -u _ -u SHLVL", environ={"A": "1"})
    assert (status, words) == (0, "A=1")


def test_listen_pid_is_the_child_s_own() -> None:
    pid, _, words = spawn(SH, "-c", "echo $LISTEN_PID $LISTEN_FDS $$", listen_fds=2)
    assert words == f"{pid} 2 {pid}"


def test_it_is_in_a_process_group_of_its_own() -> None:
    pid, _, words = spawn(
        SH, "-c", "cut -d' ' -f5 /proc/self/stat", environ={"PATH": "/usr/bin:/bin"}
    )
    assert words == str(pid)


@contextlib.contextmanager
def files(*words: str) -> Iterator[list[int]]:
    """Descriptors of files that hold `words`."""
    with contextlib.ExitStack() as stack:
        fds = []
        for word in words:
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(f"{word}\n".encode())
            file.flush()
            file.seek(0)
            fds.append(file.fileno())
        yield fds


def test_descriptors_get_their_numbers_even_when_they_collide() -> None:
    with files("one", "two") as (one, two):
        names = (f"/proc/self/fd/{one}", f"/proc/self/fd/{two}")
        assert spawn("/bin/cat", *names, fds={one: two, two: one})[2].split() == ["two", "one"]


def test_the_child_has_no_other_descriptors() -> None:
    """Not even one that a careless parent of ours left inheritable."""
    with files("leak") as (leak,):
        os.set_inheritable(leak, True)
        _, _, words = spawn(SH, "-c", "/bin/ls /proc/$$/fd; true")
        assert words.split() == ["0", "1", "2"]


def test_it_ignores_what_it_shall_and_nothing_else() -> None:
    previous = signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # ours, not to be inherited
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        _, _, words = spawn(
            "/bin/cat", "/proc/self/status", ignore=(signal.SIGTTOU, signal.SIGTTIN)
        )
    finally:
        signal.signal(signal.SIGUSR1, previous)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
    masks = {n: int(v, 16) for n, v in re.findall(r"Sig(Blk|Ign):\s*(\w+)", words)}
    assert masks == {"Blk": 0, "Ign": 1 << signal.SIGTTOU - 1 | 1 << signal.SIGTTIN - 1}


@pytest.mark.parametrize(
    ("mode", "content", "error"),
    [
        (None, "", FileNotFoundError),
        (0o644, "#!/bin/sh\n", PermissionError),
        (0o755, "#!/no/such/interpreter\n", FileNotFoundError),
        (0o755, "neither program nor script", OSError),
    ],
)
def test_a_failing_exec_raises_and_leaves_no_child(
    tmp_path: Path, mode: int | None, content: str, error: type[OSError]
) -> None:
    program = tmp_path / "program"
    if mode is not None:
        program.write_text(content)
        program.chmod(mode)
    with pytest.raises(error):
        process.spawn((str(program),), fds={}, environ={})
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")


def test_where_nothing_can_be_forked_no_descriptor_is_left() -> None:
    """Tried in a process of its own, of a user who may have no other."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):
            if os.getuid() == 0:  # who is not limited
                os.setresuid(54321, 54321, 54321)
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            before = descriptors()
            try:
                process.spawn((SH,), fds={}, environ={})
            except BlockingIOError:
                os._exit(0 if descriptors() == before else 1)
        os._exit(2)
    assert process.exit_status(os.waitpid(pid, 0)[1]) == 0


# -- run and Child --


def test_run_gives_status_and_words_of_both_kinds() -> None:
    done = process.run((SH, "-c", "echo out; echo err >&2; exit 3"))
    assert done == process.Completed(3, "err\nout")


def test_run_of_a_program_that_was_killed() -> None:
    assert process.run((SH, "-c", "kill -KILL $$")).status == 128 + signal.SIGKILL


def test_run_of_what_is_not_there() -> None:
    assert process.run(("no-such-program",)) == (NOT_FOUND, "no-such-program: not found")


def test_of_what_could_not_be_run_no_descriptor_is_left() -> None:
    before = descriptors()
    process.run(("no-such-program",))
    assert descriptors() == before


def test_run_kills_what_takes_too_long() -> None:
    done = process.run(("sleep", "60"), timeout=0.05)
    assert done == (128 + signal.SIGKILL, "sleep 60: did not end within 0 s")


def test_several_are_under_way_at_once() -> None:
    begun = time.monotonic()
    answers = [process.Question((SH, "-c", f"sleep 0.5; echo {number}")) for number in range(4)]
    assert [answer.answer().output for answer in answers] == ["0", "1", "2", "3"]
    assert time.monotonic() - begun < 1.5
    assert process.Question(("no-such-program",)).answer().status == NOT_FOUND


def test_much_is_said_and_nobody_reads_it_and_yet_it_ends() -> None:
    assert len(process.run((sys.executable, "-c", "print('x' * 999999)")).output) == 999999


def test_the_words_of_a_child_under_way_can_be_read() -> None:
    child = Child((SH, "-c", "echo one; kill -STOP $$; echo two"), os.environ)
    os.waitpid(child.pid, os.WUNTRACED)
    assert child.words() == "one"
    os.kill(child.pid, signal.SIGCONT)
    assert process.wait_for_end(child.pid, 10)
    assert child.words() == "one\ntwo"
    os.waitpid(child.pid, 0)
    child.close()


def test_wait_for_end_waits_no_longer_than_told() -> None:
    child = Child(("sleep", "60"), os.environ)
    assert not process.wait_for_end(child.pid, 0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert process.wait_for_end(child.pid, 10)
    os.waitpid(child.pid, 0)
    child.close()


# -- statuses --


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("exit 0", 0, "status 0"),
        ("exit 1", 1, "status 1"),
        ("exit 128", 128, "status 128"),
        ("exit 255", 255, "status 255"),
        ("kill -SEGV $$", 139, "signal 11 (SIGSEGV)"),
        ("kill -TERM $$", 143, "signal 15 (SIGTERM)"),
    ],
)
def test_an_exit_status_and_its_words(script: str, status: int, words: str) -> None:
    pid = process.spawn((SH, "-c", f"ulimit -c 0; {script}"), fds={}, environ={})
    assert process.exit_status(os.waitpid(pid, 0)[1]) == status
    assert process.describe(status) == words


# -- find --


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """Two folders in PATH. The first has a file and a folder by a program's name."""
    for path, mode in {"a/wm": 0o644, "b/wm": 0o755, "b/only": 0o644, "b/rc": 0o755}.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.touch()
        file.chmod(mode)
    (tmp_path / "a" / "rc").mkdir()
    return {"PATH": f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/no-such-folder"}


@pytest.mark.parametrize(
    ("name", "found"), [("wm", "b/wm"), ("rc", "b/rc"), ("./b/wm", "b/wm"), ("b/../b/wm", "b/wm")]
)
def test_find(
    programs: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    found: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert process.find(name, programs) == str(tmp_path / found)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        (
            "none",
            ("client 'none': not found", "is it installed, and its folder in PATH?", NOT_FOUND),
        ),
        ("", ("client '': not found", "is it installed, and its folder in PATH?", NOT_FOUND)),
        (
            "only",
            ("client 'only': not executable", "to make it executable: chmod +x only", 126),
        ),
        (
            "./b/only",
            ("client './b/only': not executable", "to make it executable: chmod +x ./b/only", 126),
        ),
    ],
)
def test_a_client_that_cannot_be_run(
    programs: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    failure: tuple[str, str, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as failed:
        process.find_client(name, programs)
    assert (failed.value.what, failed.value.hint, failed.value.status) == failure


def test_a_folder_is_no_client(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failed:
        process.find_client(str(tmp_path), {})
    assert failed.value.status == CANNOT_EXECUTE


# -- signals and time --


def test_signals_arrive_at_a_descriptor_in_order() -> None:
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    previous = [signal.getsignal(number) for number in numbers]
    try:
        signals = Signals(*numbers)
        assert signals.read() == []
        assert not process.readable(signals.fd, 0)
        for number in numbers:
            os.kill(os.getpid(), number)
        assert process.readable(signals.fd, 10)
        assert signals.read() == list(numbers)
        assert signals.read() == []
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
    os.close(signals.fd)
    os.close(signals._end)


def test_a_deadline_never_goes_below_zero() -> None:
    assert 59 < Deadline(60).left <= 60
    assert Deadline(-1).left == 0


def test_a_child_that_is_no_other_program(capfd: pytest.CaptureFixture[str]) -> None:
    """It has the descriptors that it is given and no others, and ends as its work does."""
    end, answer = os.pipe()
    kept, _other = os.pipe()

    def work() -> int:
        closed = not os.path.exists(f"/proc/self/fd/{kept}")
        default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        os.write(1, f"{os.environ['NAME']} {closed} {default}".encode())
        return 7

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pid = process.fork(work, fds={1: answer, 2: 2}, environ={"NAME": "value"})
    signal.signal(signal.SIGTERM, before)
    os.close(answer)
    assert os.read(end, 99) == b"value True True"
    assert process.exit_status(os.waitpid(pid, 0)[1]) == 7
    assert "NAME" not in os.environ

    pid = process.fork(lambda: 1 // 0, fds={2: 2}, environ={})
    assert process.exit_status(os.waitpid(pid, 0)[1]) == FAILED
    assert "ZeroDivisionError" in capfd.readouterr().err
    for fd in (end, kept, _other):
        os.close(fd)


def test_what_is_asked_says_no_more_than_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's programs would tell of their own work as well, of which no JSON can be made."""
    monkeypatch.setenv("SYSTEMD_LOG_LEVEL", "debug")
    assert process.run(("sh", "-c", "echo $SYSTEMD_LOG_LEVEL")).output == "info"


def test_an_answer_is_what_stands_on_standard_output() -> None:
    """Anything may say something on the other one, as ld.so does of an LD_PRELOAD that is gone."""
    both = "echo answer; echo warning >&2; exit"
    assert process.run(("sh", "-c", f"{both} 0")).output == "answer"
    assert process.run(("sh", "-c", f"{both} 1")).output == "warning\nanswer"
