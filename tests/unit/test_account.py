"""Who may be logged in without being asked, and how a login shell is started."""

import shutil
import subprocess
from pathlib import Path

import pytest

from xsession import account
from xsession.account import Account

TODAY = 20_000
HASH = "$y$j9T$abcdefghijk$lmnopqrstuvwxyz"
ALICE = Account("alice", 1000, "/home/alice", "/bin/bash")


@pytest.mark.parametrize(
    ("password", "locked"),
    [
        (HASH, False),
        ("", False),
        ("!", False),  # useradd: there has never been a password
        ("*", False),
        ("!!", False),
        ("!*", False),
        ("*LK*", False),
        (f"!{HASH}", True),  # usermod -L, passwd -l
        (f"!!{HASH}", True),
        ("!aZ0123456789.", True),  # DES
    ],
)
def test_locked_password(password: str, locked: bool) -> None:
    line = f"alice:{password}:19000:0:99999:7:::"
    assert account.of_shadow(line) == (locked, -1, 19000 + 99999)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("", (False, -1, -1)),
        ("alice:x", (False, -1, -1)),
        ("alice:*:::::::", (False, -1, -1)),
        ("alice:*:19000::::::", (False, -1, -1)),
        ("alice:*:0:0:90:7:::", (False, -1, 0)),
        ("alice:*:19000:0:90:7::1:", (False, 1, 19090)),
        ("alice:*:19000:0:-1:7::0:", (False, 0, -1)),
    ],
)
def test_days(line: str, seen: tuple[bool, int, int]) -> None:
    assert account.of_shadow(line) == seen


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        ({"expires": TODAY + 1, "password_until": TODAY}, ""),
        ({"uid": 0}, "this is root, with whose rights no X server is to run"),
        ({"locked": True}, "the password is locked"),
        ({"expires": TODAY}, "the account has expired"),
        ({"expires": 0}, "the account has expired"),
        ({"password_until": TODAY - 1}, "the password has expired"),
        ({"password_until": 0}, "the password has expired"),
        ({"shell": "/usr/sbin/nologin"}, "the login shell is /usr/sbin/nologin"),
        ({"shell": "/bin/false"}, "the login shell is /bin/false"),
        (
            {"shell": "/bin/zsh", "shell_runs": False},
            "the login shell /bin/zsh cannot be executed",
        ),
        ({"home_there": False}, "the home folder /home/alice is not there"),
    ],
)
def test_objection(changes: dict[str, object], sentence: str) -> None:
    what, hint = account.objection(ALICE._replace(**changes), TODAY)  # type: ignore[arg-type]
    assert what == sentence
    assert bool(hint) == bool(sentence)


def test_no_such_user() -> None:
    assert account.look("nobody-of-that-name") is None
    assert account.objection(None, TODAY)[0] == "there is no such user"


def test_logins_closed() -> None:
    what, _ = account.objection(ALICE, TODAY, "/run/nologin")
    assert what == "logins are closed (/run/nologin is there)"


def test_look() -> None:
    root = account.look("root")
    assert root is not None
    assert (root.uid, root.home, root.home_there, root.shell_runs) == (0, "/root", True, True)


@pytest.mark.parametrize(
    ("shell", "argv"),
    [
        ("/bin/bash", ("-bash", "-l", "-c", "exec it")),
        ("/usr/bin/fish", ("-fish", "-l", "-c", "exec it")),
        ("/bin/tcsh", ("-tcsh", "-c", "exec it")),
    ],
)
def test_login_shell(shell: str, argv: tuple[str, ...]) -> None:
    assert account.login_shell(shell, "exec it") == argv


@pytest.mark.parametrize("name", ["sh", "dash", "bash", "zsh", "ksh", "mksh", "fish", "tcsh"])
def test_a_login_shell_reads_its_files(name: str, tmp_path: Path) -> None:
    shell = shutil.which(name)
    if shell is None:
        pytest.skip(f"there is no {name} here")
    for file in (".profile", ".zprofile", ".config/fish/config.fish"):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("export FROM_PROFILE=yes\n")
    (tmp_path / ".login").write_text("setenv FROM_PROFILE yes\n")
    ran = subprocess.run(
        account.login_shell(shell, "exec env"),
        executable=shell,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "FROM_PROFILE=yes" in ran.stdout.splitlines()
