"""The command line: words to a request, and one line and a hint for what is no command."""

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from xsession import cli, parser, seats, session, typed, xserverrc
from xsession.errors import FAILED, Failure
from xsession.plan import Request


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("XSERVERRC", raising=False)
    monkeypatch.setattr(xserverrc, "SYSTEM", f"{tmp_path}/xserverrc")


def request(*words: str) -> Request:
    before, after = typed.split(words)
    made = typed.request(parser.start(before), after)
    assert made.imports
    return made._replace(imports=())


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        ([], [], []),
        (["start", "xterm"], ["start", "xterm"], []),
        (["start", "--", "-dpi", "96"], ["start"], ["-dpi", "96"]),
        (["start", "sh", "--", "-a", "--", "-b"], ["start", "sh"], ["-a", "--", "-b"]),
        (["run", "sh", "--", "-a"], ["run", "sh", "--", "-a"], []),
    ],
)
def test_the_server_s_arguments_come_after_two_dashes(
    words: list[str], before: list[str], after: list[str]
) -> None:
    assert typed.split(words) == (before, after)


@pytest.mark.parametrize(
    "words", ["start", "listen", "start x", "start x --safe -fn y", "start ./x -d", "start x -h"]
)
def test_argparse_is_for_options_of_ours(words: str) -> None:
    plain = typed.plain(words.split())
    assert plain
    assert plain == parser.start(words.split())._replace(client=plain.client)
    assert list(plain.client) == list(parser.start(words.split()).client)
    assert typed.plain(["start", "--safe"]) is typed.plain(["start", "-fn", "y"]) is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("start", Request()),
        ("start openbox", Request(client=("openbox",))),
        ("start xterm -e top --help", Request(client=("xterm", "-e", "top", "--help"))),
        ("start --safe", Request(safe=True)),
        ("start xterm --safe", Request(client=("xterm", "--safe"))),
        ("start --server xvfb x", Request(server="xvfb", client=("x",))),
        ("start --vt 2 --display :5 --timeout 1.5", Request(vt=2, display=5, timeout=1.5)),
        ("start --gpu amdgpu --explain", Request(gpu="amdgpu", explain=True)),
        ("start --wait 0", Request(wait=0.0)),
        ("listen --wait 2.5", Request(listen=True, wait=2.5)),
        ("start --display 5", Request(display=5)),
        # as startx has it
        (
            "start xterm -- :1 vt1 -dpi 96",
            Request(client=("xterm",), display=1, vt=1, arguments=("-dpi", "96")),
        ),
        ("start -- vt3 :2", Request(display=2, vt=3)),
        ("start -- -dpi 96 :1", Request(arguments=("-dpi", "96", ":1"))),  # plan.make refuses it
        ("start -- -dpi 96 vt3", Request(vt=3, arguments=("-dpi", "96"))),
        ("start -- /usr/bin/X :1", Request(program="/usr/bin/X", display=1)),
        (
            "start -- /opt/x/Xvfb vt2 -ac",
            Request(server="xvfb", program="/opt/x/Xvfb", vt=2, arguments=("-ac",)),
        ),
        (
            "start --server xephyr -- /bin/Xephyr",
            Request(server="xephyr", program="/bin/Xephyr"),
        ),
        ("start -- -ac /usr/bin/X", Request(arguments=("-ac", "/usr/bin/X"))),
        # as xinit has it
        ("start -e top", Request(client=("xterm", "-e", "top"))),
        ("start --vt 2 -fg red -- vt2", Request(client=("xterm", "-fg", "red"), vt=2)),
        ("start ./client -e --safe", Request(client=("./client", "-e", "--safe"))),
        ("listen", Request(listen=True)),
        ("listen --display :3 -- -ac", Request(listen=True, display=3, arguments=("-ac",))),
    ],
)
def test_words_to_a_request(words: str, wanted: Request) -> None:
    assert request(*words.split()) == wanted


@pytest.mark.parametrize(
    ("words", "command", "slice_name", "scope"),
    [
        ("run xterm", "xterm", "app", False),
        ("run xterm -e top --scope --help", "xterm -e top --scope --help", "app", False),
        ("run --scope --slice session x", "x", "session", True),
        ("run -- -x", "-x", "app", False),
        ("run --scope -- -x -- y", "-x -- y", "app", True),
        ("run x -- y", "x -- y", "app", False),
        ("run -- -- y", "-- y", "app", False),
    ],
)
def test_what_is_to_be_run(words: str, command: str, slice_name: str, scope: bool) -> None:
    told = parser.parser().parse_args(typed.split(words.split())[0])
    assert " ".join(cli._command(told.command)) == command
    assert (told.slice, told.scope) == (slice_name, scope)


@pytest.mark.parametrize(
    ("words", "line", "prog"),
    [
        ("", "the following arguments are required: VERB", "xsession"),
        ("start --foo", "unrecognized arguments: --foo", "xsession"),
        ("start --saf", "unrecognized arguments: --saf", "xsession"),
        ("listen xterm", "unrecognized arguments: xterm", "xsession"),
        ("start --vt", "argument --vt: expected one argument", "xsession start"),
        ("start --vt 0", "argument --vt: '0' is no VT; they are 1 to 63", "xsession start"),
        (
            "start --display 1.0",
            "argument --display: '1.0' is no display; one is such as :0",
            "xsession start",
        ),
        (
            "start --timeout nan",
            "argument --timeout: 'nan' is no number of seconds from 1 to 86399",
            "xsession start",
        ),
        ("stop :x", "argument :N: ':x' is no display; one is such as :0", "xsession stop"),
        ("run", "what is to be run?", "xsession run"),
        ("run --scope --", "what is to be run?", "xsession run"),
        ("list x", "unrecognized arguments: x", "xsession"),
        ("start --vt -e", "argument --vt: expected one argument", "xsession start"),
        ("listen -e top", "unrecognized arguments: -e top", "xsession"),
        (
            "start -- /bin/Xvnc",
            "/bin/Xvnc is no server that xsession knows: Xorg, Xvfb, Xephyr, Xnest",
            "xsession start",
        ),
        ("start -- :1 vt1 vt2", "'vt2' is one too many", "xsession start"),
        ("start -- vt99", "'99' is no VT; they are 1 to 63", "xsession start"),
        ("start -- :99999", "':99999' is no display; one is such as :0", "xsession start"),
    ],
)
def test_what_is_no_command_gets_one_line_a_hint_and_125(
    words: str, line: str, prog: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words.split()) == FAILED
    assert capsys.readouterr() == ("", f"xsession: {line}\n  see: {prog} --help\n")


def test_two_words_for_two_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", "--server", "xorg", "--", "./Xvfb"]) == FAILED
    said = f"--server xorg, but {Path.cwd()}/Xvfb after the --"
    assert capsys.readouterr().err == f"xsession: {said}\n  leave out one of them\n"


def test_a_relative_server_is_that_of_this_folder() -> None:
    assert request("start", "--", "./Xvfb").program == f"{Path.cwd()}/Xvfb"


def test_a_client_that_is_not_there_is_127(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", "no-such-client"]) == 127
    assert capsys.readouterr().err.startswith("xsession: client 'no-such-client': not found\n")


@pytest.mark.parametrize(
    ("words", "error", "read"),
    [
        ("start", Failure("it rains"), True),
        ("listen", Failure("it rains"), True),
        ("start", OSError(errno.EMFILE, "Too many open files"), True),
        ("stop", Failure("it rains"), False),
        ("start", OSError(errno.EIO, "Input/output error"), False),  # nobody is there to read it
    ],
)
def test_a_reason_that_a_getty_would_wipe(
    words: str, error: Exception, read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Sequence[str]) -> int:
        raise error

    seen: list[str] = []
    monkeypatch.setattr(cli, "_run", fail)
    monkeypatch.setattr(session, "let_read", lambda: seen.append(words))
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert cli.main([words]) == FAILED
    assert seen == [words] * read


def test_a_reason_for_which_there_is_no_room() -> None:
    with Path("/dev/full").open("wb") as full:
        argv = (sys.executable, "-m", "xsession", "stop", ":x")
        assert subprocess.run(argv, stderr=full, check=False).returncode == FAILED


def test_every_verb_that_is_meant_for_people_is_in_the_help() -> None:
    text = parser.parser().format_help()
    for verb in ("start", "listen", "stop", "status", "config", "run", "list", "doctor"):
        assert f"\n  {verb} " in text or f"\n    {verb} " in text


# Each takes as long to import as ten modules of ours: 3 to 10 ms of CPU.
@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("session, parser, config", {"dataclasses", "pathlib", "shutil", "inspect", "subprocess"}),
        ("bridge, runtime", {"argparse", "dataclasses", "pathlib", "shutil", "json"}),
        ("x11", {"argparse", "dataclasses", "pathlib", "shutil", "json", "Xlib.display"}),
        ("control, x11", {"argparse", "dataclasses", "pathlib", "shutil"}),
    ],
)
def test_what_is_on_the_way_of_a_start_imports_little(modules: str, unwanted: set[str]) -> None:
    line = f"import sys; bare = set(sys.modules); from xsession import cli, {modules};"
    line += " print(*set(sys.modules) - bare)"
    told = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert not unwanted & set(told.stdout.split())


def test_a_failure_is_a_sentence_a_hint_and_a_status() -> None:
    assert str(Failure("it rains")) == "it rains"
    assert str(Failure("it rains", "take an umbrella")) == "it rains\n  take an umbrella"
    assert Failure("it rains").status == 125


def test_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def main(seat: str, as_json: bool) -> int:
        told.append((seat, as_json))
        return 0

    monkeypatch.setattr(seats, "main", main)
    assert cli.main(["seats"]) == cli.main(["seats", "--json", "seat1"]) == 0
    assert told == [("", False), ("seat1", True)]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/usr/bin/xsession", "stop"], ["stop"]),
        (["startx"], ["start"]),
        (["/usr/bin/startx", "i3", "--", "-dpi", "96"], ["start", "i3", "--", "-dpi", "96"]),
        (["/home/alice/bin/sx", "sh", "-c", "x"], ["start", "sh", "-c", "x"]),
    ],
)
def test_by_an_old_name_it_is_a_start(argv: list[str], words: list[str]) -> None:
    assert cli._typed(argv) == words


def test_arguments_of_a_server_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stop", "--", ":1"]) == FAILED
    assert "':1' after --: stop has no server to tell it" in capsys.readouterr().err
