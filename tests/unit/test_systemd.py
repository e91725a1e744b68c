"""The user manager's programs: what they are told, and how their answers are read."""

import os
from pathlib import Path

import pytest

from xsession import systemd
from xsession.process import Completed
from xsession.systemd import Unit


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("xterm", "xterm"),
        ("", ""),
        ("$HOME", "$$HOME"),
        ("${x} and $$", "$${x} and $$$$"),
        ("100%", "100%"),
    ],
)
def test_the_manager_expands_nothing_in_a_client_s_arguments(word: str, told: str) -> None:
    assert systemd.unexpanded(word) == told


def test_a_client_s_command() -> None:
    command = systemd.run_client(
        "xsession-client@0.service",
        ("/opt/a $b/wm", "-e", "echo $HOME"),
        description="Client of :0: wm",
        folder="/home/alice",
        variables=("A", "DISPLAY"),
        properties=("After=xorg@0.socket",),
    )
    options, argv = command[: command.index("--")], command[command.index("--") + 1 :]
    assert options == (
        *("systemd-run", "--user", "--wait", "--unit=xsession-client@0.service"),
        "--description=Client of :0: wm",
        *("--slice=session.slice", "--service-type=exec"),
        *("--property=WorkingDirectory=-/home/alice", "--property=After=xorg@0.socket"),
        *("--setenv=A", "--setenv=DISPLAY"),  # values are in its environment, which is not public
    )
    # systemd-run looks its first word up as it stands; the manager expands the others
    assert argv == ("/opt/a $b/wm", "-e", "echo $$HOME")


@pytest.mark.parametrize(
    ("output", "values"),
    [
        ("", {}),
        ("ActiveState=active\nExecMainStatus=0", {"ActiveState": "active", "ExecMainStatus": "0"}),
        ("Seat=\nStatusText=a=b", {"Seat": "", "StatusText": "a=b"}),
    ],
)
def test_properties(output: str, values: dict[str, str]) -> None:
    assert systemd.properties(output) == values


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """A small real program that takes the place of `name`."""
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


# waitid(2): CLD_EXITED 1, CLD_KILLED 2, CLD_DUMPED 3
@pytest.mark.parametrize(
    ("active", "code", "status", "unit", "runs"),
    [
        ("inactive", 0, 0, Unit("inactive", 0), False),
        ("inactive", 1, 0, Unit("inactive", 0), False),
        ("failed", 1, 7, Unit("failed", 7), False),
        ("failed", 2, 9, Unit("failed", 137), False),
        ("failed", 3, 11, Unit("failed", 139), False),
        ("active", 0, 0, Unit("active", 0), True),
        ("deactivating", 1, 7, Unit("deactivating", 7), True),
    ],
)
def test_how_a_unit_stands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    active: str,
    code: int,
    status: int,
    unit: Unit,
    runs: bool,
) -> None:
    said = f"ActiveState={active}\\nExecMainCode={code}\\nExecMainStatus={status}"
    fake(tmp_path, monkeypatch, "systemctl", f"printf '{said}\\n'")
    assert systemd.show("xsession-client@0.service") == unit
    assert unit.runs is runs


def test_how_several_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "ActiveState=inactive\\nControlGroup=\\n\\n"
    said += "ActiveState=active\\nConsistsOf=a.service b.service"
    fake(tmp_path, monkeypatch, "systemctl", f"printf '{said}\\n'")
    parts = ("a.service", "b.service")
    assert systemd.shown("x.service", "x.target") == [
        Unit("inactive", 0),
        Unit("active", 0, parts=parts),
    ]
    fake(tmp_path, monkeypatch, "systemctl", "exit 1")
    assert systemd.shown("x.service", "x.target") == [Unit("", 0)] * 2


def test_how_a_unit_stands_when_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, "systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    assert systemd.show("x.service") == Unit("", 0)
    assert not systemd.show("x.service").runs


def test_the_manager_s_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"type":"as","data":["LANG=C","A=b=c","EMPTY=","TWO=1\\n2"]}'
    fake(tmp_path, monkeypatch, "busctl", f"cat <<'END'\n{answer}\nEND")
    assert systemd.environment() == {"LANG": "C", "A": "b=c", "EMPTY": "", "TWO": "1\n2"}
    fake(tmp_path, monkeypatch, "busctl", "exit 1")
    assert systemd.environment() is None


def test_unit_files_are_looked_for_where_the_manager_looks(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    name = "xsession-test-of-this-name.socket"
    assert systemd.unit_file(name, environ) == ""
    for folder in (".local/share/systemd/user", "run/systemd/user", ".config/systemd/user"):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True)
        path.touch()
        assert systemd.unit_file(name, environ) == str(path)  # the later ones come first


def test_a_signal_that_the_manager_thinks_good() -> None:
    for words, status in (
        ("Main processes terminated with: code=killed/status=TERM", 143),  # before 254
        ("Main processes terminated with: code=killed, status=15/TERM", 143),
        ("Main processes terminated with: code=killed, status=1/HUP", 129),
        ("Main processes terminated with: code=exited, status=0/SUCCESS", 0),
        ("", 0),
    ):
        assert systemd.good_signal(words) == status


def test_the_environment_as_a_shell_would_be_told_it() -> None:
    """As systemctl 252 and 257 have quoted it."""
    words = r"""A=$'it\'s $x'
B=$'a\nb\033\t'
C=ü
D=
E=$'a\\b"c'
F=$' x'
G=a=b"""
    told = systemd.shown_environment(Completed(0, words))
    assert told and list(told.values()) == [
        *("it's $x", "a\nb\033\t", "ü", "", 'a\\b"c', " x", "a=b")
    ]
    assert systemd.shown_environment(Completed(1, "Failed to connect to bus")) is None
