"""Completion: the three scripts, made from the parser, each tried in its own shell."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xsession import cli, completion, parser, shells
from xsession.completion import Kind, Place

ROOT = Path(__file__).resolve().parents[2]

Offered = Callable[[str, set[str]], set[str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two sessions, a service and an application; `xsession` is this checkout's."""
    files = {
        "bin/xsession": f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m xsession "$@"\n',
        "bin/wm": "",
        "bin/wm2": "",
        "data/xsessions/wm-session.desktop": "[Desktop Entry]\nExec=wm\n",
        "data/xsessions/$(touch run).desktop": "[Desktop Entry]\nExec=wm\n",
        "data/xsessions/broken.desktop": "[Desktop Entry]\nExec=none\n",
        "data/applications/kde/viewer.desktop": "",
        "config/systemd/user/awesome.service": "",
        "config/systemd/user/some@.service": "",
        "config/systemd/user/default.target.wants/picom.service": "",
        "data/systemd/user/bspwm.service": "",
        "data/systemd/user/xorg-answers.service": "",
        "bin/loginctl": (
            "#!/bin/sh\ncase $* in *list-seats) printf 'seat0\\nseat-usb\\n';;"
            " *) printf 'Id=seat0\\n\\nId=seat-usb\\n';; esac\n"
        ),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        if name.startswith("bin/"):
            path.chmod(0o755)
    for shell, make in shells.SHELLS.items():
        (tmp_path / {"zsh": "_xsession"}.get(shell, shell)).write_text(make(parser.parser()))
    for name, value in {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "XDG_DATA_HOME": f"{tmp_path}/data",
        "XDG_DATA_DIRS": "/no/such",
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
        "XDG_RUNTIME_DIR": f"{tmp_path}/run",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def on_terminal(argv: list[str], setup: str, line: str, wanted: set[str]) -> set[str]:
    """The words that a shell shows when `line` is typed on its terminal and Tab is pressed.

    Read until all that are wanted are there: no shell tells that it has shown all.
    """
    pid, terminal = pty.fork()
    if not pid:
        os.execvp(argv[0], argv)  # noqa: S606
    try:
        os.write(terminal, f"{setup}\nstty cols 200; PS1='' PS2=; echo rea''dy\n".encode())
        shown_until(terminal, {"ready"})
        os.write(terminal, f"{line}\t".encode())
        return shown_until(terminal, wanted)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def shown_until(terminal: int, wanted: set[str], patience: float = 20) -> set[str]:
    shown = ""
    words: set[str] = set()
    while not wanted <= words and select.select([terminal], [], [], patience)[0]:
        shown += os.read(terminal, 65536).decode(errors="replace")
        words = set(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x07\x08]|\x1b[=>]", " ", shown).split())
    return words


BASH = """
for it in 'show-all-if-ambiguous on' 'enable-bracketed-paste off' 'completion-query-items 0' \
    'page-completions off'; do bind "set $it"; done; . ./bash"""
ZSH = """
fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=999
setopt no_list_ambiguous; unset zle_bracketed_paste"""


def in_bash(line: str, wanted: set[str]) -> set[str]:  # noqa: ARG001
    return set(bash_replies(*line.split()[1:], *([""] if line[-1] == " " else [])))


def bash_replies(*words: str) -> list[str]:
    """What is offered for the last of the words, which are as bash divides them."""
    told = subprocess.run(
        [
            *("bash", "-c"),
            '. ./bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xsession xsession;'
            'printf "%s\\n" "${COMPREPLY[@]}"',
            *("bash", "xsession", *words),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr == ""
    return told.stdout.splitlines()


def in_zsh(line: str, wanted: set[str]) -> set[str]:
    return on_terminal(["zsh", "-f", "-i"], ZSH, line, wanted)


def in_fish(line: str, wanted: set[str]) -> set[str]:  # noqa: ARG001
    told = subprocess.run(
        ["fish", "--no-config", "-c", f". ./fish; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stderr == ""
    return {it.split("\t")[0] for it in told.stdout.splitlines()}


@pytest.fixture(params=["bash", "zsh", "fish"])
def offered(request: pytest.FixtureRequest, home: Path) -> Offered:  # noqa: ARG001
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    return {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}[request.param]


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("xsession ", "start listen stop logs run", "bridge ask clear managed words --help"),
        ("xsession --", "--version --help", "--safe start"),
        (
            "xsession start ",
            "wm-session awesome.service bspwm.service",
            "broken some@.service default.target.wants/picom.service xorg-answers.service listen",
        ),
        ("xsession seats ", "seat0 seat-usb", "wm-session"),
        ("xsession autologin enable --seat seat", "seat0 seat-usb", "wm-session"),
        ("xsession start --", "--safe --server --vt --dry-run", "--scope --version"),
        ("xsession start --server ", "xorg xvfb xephyr xnest", "wm-session"),
        ("xsession start --safe --server x", "xorg xvfb", "wm-session"),
        ("xsession start --vt 1 wm", "wm-session wm2", "--safe broken"),
        ("xsession restart ", "client server", "restart"),
        ("xsession logs server --", "--follow", "--json"),
        ("xsession env ", "import", "HOME"),
        ("xsession env import XDG_DATA_", "XDG_DATA_HOME XDG_DATA_DIRS", ""),
        ("xsession run kde", "kde-viewer.desktop", "wm-session"),
        ("xsession run --slice ", "app background session", "kde-viewer.desktop"),
    ],
)
def test_what_is_offered(offered: Offered, line: str, wanted: str, unwanted: str) -> None:
    shown = offered(line, set(wanted.split()))
    assert not set(wanted.split()) - shown, shown
    assert not set(unwanted.split()) & (shown - set(line.split())), shown


def test_a_name_is_not_run(offered: Offered, home: Path) -> None:
    offered("xsession start ", {"wm-session"})
    assert not (home / "run").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["stop", ""], [":0", ":1"]),
        (["stop", ":"], ["0", "1"]),
        (["stop", ":", "1"], ["1"]),
        (["restart", "client", ":", ""], ["0", "1"]),
        (["start", "--server", "=", "xv"], ["xvfb"]),
        (["start", "--server", "="], ["xorg", "xvfb", "xephyr", "xnest"]),
        (["start", "wm", "--", "-"], []),
        (["start", "--", "v"], []),
    ],
)
def test_words_as_bash_divides_them(home: Path, words: list[str], wanted: list[str]) -> None:
    (home / "bin/xsession").write_text(
        '#!/bin/sh\n[ "$*" = "words displays" ] && printf ":0\\n:1\\n"\n'
    )
    assert bash_replies(*words) == (wanted or [""])


@pytest.mark.usefixtures("home")
def test_bash_on_a_terminal() -> None:
    wanted = {"wm-session", "awesome.service"}
    argv = ["bash", "--norc", "--noprofile", "-i"]
    assert wanted <= on_terminal(argv, BASH, "xsession start ", wanted)
    assert "wm-session" in on_terminal(argv, BASH, "xsession start wm-s", {"wm-session"})


def test_each_value_has_its_place_in_the_table() -> None:
    """The parser lists its words, or completion.PLACES tells; `verbs` raises KeyError if not."""
    known = {verb.name: verb for verb in completion.verbs(parser.parser())}
    assert known["stop"].places == (Place(kind=Kind.DISPLAYS),)
    assert known["start"].command
    assert "words" not in known


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("sessions", "$(touch run)\nawesome.service\nbspwm.service\nwm-session\n"),
        ("seats", "seat-usb\nseat0\n"),
        ("applications", "kde-viewer.desktop\n"),
        ("displays", ""),
    ],
)
def test_words_that_only_a_look_tells(
    home: Path,  # noqa: ARG001
    kind: str,
    wanted: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["words", kind]) == 0
    assert capfd.readouterr().out == wanted
