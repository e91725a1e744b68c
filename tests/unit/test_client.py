"""The client: what is tried when none is named, and what an rc file is run by."""

from pathlib import Path

import pytest

from xsession import client, session
from xsession.client import Candidate, Client, Sort
from xsession.plan import Request

XSESSION = "/etc/X11/Xsession"
OLD = (
    Candidate("/home/alice/.xinitrc", Sort.RC),
    Candidate("/home/alice/.xsession", Sort.RC, XSESSION),
    Candidate("/home/alice/.Xsession", Sort.RC, XSESSION),
    Candidate("/etc/X11/xinit/xinitrc", Sort.RC),
    Candidate(XSESSION, Sort.RC),
)
PROGRAMS = (Candidate("x-session-manager"), Candidate("x-window-manager"), Candidate("xterm"))


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for what the system has in /etc/X11."""
    for name, file in (("SYSTEM_RC", "etc/xinitrc"), ("XSESSION", "etc/Xsession")):
        monkeypatch.setattr(client, name, str(tmp_path / file))


@pytest.mark.parametrize(
    ("environ", "config"),
    [
        ({"HOME": "/home/alice"}, "/home/alice/.config"),
        ({"HOME": "/home/alice", "XDG_CONFIG_HOME": ""}, "/home/alice/.config"),
        ({"HOME": "/home/alice", "XDG_CONFIG_HOME": "/etc/alice"}, "/etc/alice"),
    ],
)
def test_the_order(environ: dict[str, str], config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert client.defaults(environ, safe=False) == (
        Candidate(f"{config}/xsession/rc", Sort.RC),
        Candidate("wm.target", Sort.TARGET),
        Candidate(f"{config}/sx/sxrc", Sort.RC),
        *OLD,
        *PROGRAMS,
    )
    moved = client.defaults({**environ, "XINITRC": "/home/alice/.config/xinitrc"}, safe=False)
    assert moved[3:5] == (Candidate("/home/alice/.config/xinitrc", Sort.RC), OLD[0])


def test_safe_is_xterm_alone() -> None:
    assert client.defaults({"HOME": "/home/alice"}, safe=True) == (Candidate("xterm"),)


@pytest.mark.parametrize(
    ("files", "argv"),
    [
        ({}, ()),
        ({"bin/xterm": 0o755}, ("bin/xterm",)),
        ({"bin/xterm": 0o755, "bin/x-window-manager": 0o755}, ("bin/x-window-manager",)),
        ({"bin/xterm": 0o755, "bin/x-window-manager": 0o644}, ("bin/xterm",)),
        ({"bin/xterm": 0o755, ".xinitrc": 0o644}, ("/bin/sh", ".xinitrc")),
        ({"bin/xterm": 0o755, ".xinitrc": 0o755}, (".xinitrc",)),
        ({".config/sx/sxrc": 0o755, ".xinitrc": 0o755}, (".config/sx/sxrc",)),
        ({"bin/xterm": 0o755, "etc/xinitrc": 0o644}, ("/bin/sh", "etc/xinitrc")),
        ({"bin/x-session-manager": 0o755, "etc/Xsession": 0o755}, ("etc/Xsession",)),
        ({"etc/xinitrc": 0o755, "etc/Xsession": 0o755}, ("etc/xinitrc",)),
        ({"etc/xinitrc": 0o755, ".xinitrc": 0o755}, (".xinitrc",)),
        # Debian's Xsession runs ~/.xsession, after Xsession.d; elsewhere it is an rc file as others
        ({"etc/xinitrc": 0o755, "etc/Xsession": 0o755, ".xsession": 0o644}, ("etc/Xsession",)),
        ({"etc/xinitrc": 0o755, ".xsession": 0o644}, ("/bin/sh", ".xsession")),
        ({"etc/xinitrc": 0o755, ".Xsession": 0o755}, (".Xsession",)),
    ],
)
def test_the_first_that_is_there(
    tmp_path: Path, files: dict[str, int], argv: tuple[str, ...]
) -> None:
    for name, mode in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(mode)
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    wanted = tuple(word if word.startswith("/") else str(tmp_path / word) for word in argv)
    rc = any(word.endswith(("rc", "session")) for word in argv)
    expected = Client(wanted, script=rc) if wanted else None
    assert session._client(Request(), environ) == expected


def test_an_rc_file_that_cannot_be_run_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".xinitrc").mkdir()
    (tmp_path / "xterm").touch(0o755)
    found = session._client(Request(), {"HOME": str(tmp_path), "PATH": str(tmp_path)})
    objection = (f"{tmp_path}/.xinitrc is a folder, not a file", "move it away")
    assert found == Client(objection=objection)


def test_an_rc_file_that_is_named_has_arguments(tmp_path: Path) -> None:
    file = str(tmp_path / ".xinitrc")
    (tmp_path / ".xinitrc").touch(0o644)
    asked = Request(client=(f"{tmp_path}/./.xinitrc", "i3"))
    environ = {"HOME": str(tmp_path)}
    assert session._client(asked, environ) == Client(("/bin/sh", file, "i3"), script=True)


@pytest.mark.parametrize(("first", "script"), [("#!/bin/sh\n", True), ("\x7fELF", False)])
def test_what_has_an_interpreter_is_a_script(tmp_path: Path, first: str, script: bool) -> None:
    program = tmp_path / "wm"
    program.write_text(first)
    program.chmod(0o755)
    asked = Request(client=(str(program), "-x"))
    assert session._client(asked, {}) == Client((str(program), "-x"), script=script)
