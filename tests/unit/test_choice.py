"""The choice: what is remembered, where it stands among the defaults, and when it is lost."""

import os
from pathlib import Path

import pytest

from xsession import cli, client, sessions
from xsession.client import Client
from xsession.errors import FAILED, NOT_FOUND


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an rc file, a session, and two programs."""
    for name, content in {
        ".xinitrc": "exec wm\n",
        "data/xsessions/wm.desktop": "[Desktop Entry]\nName=The WM\nExec=wm -x\n",
        "bin/wm": "",
        "bin/xterm": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    for name, value in {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}/bin",
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
        "XDG_CONFIG_DIRS": f"{tmp_path}/xdg",
        "XDG_DATA_HOME": f"{tmp_path}/data",
        "XDG_DATA_DIRS": "/no/such",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XINITRC", raising=False)
    monkeypatch.setattr(client, "SYSTEM_RC", f"{tmp_path}/xinitrc")
    monkeypatch.setattr(client, "XSESSION", f"{tmp_path}/Xsession")
    return tmp_path


Typed = tuple[int, str, str]


class Type:
    """Types `xsession …`; status, output, messages."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str) -> Typed:
        status = cli.main(words)
        out, err = self.capsys.readouterr()
        return status, out, err


@pytest.fixture
def type_(capsys: pytest.CaptureFixture[str]) -> Type:
    return Type(capsys)


def usual() -> Client | None:
    return sessions.usual(dict(os.environ), safe=False)


def test_shown_set_and_forgotten(home: Path, type_: Type) -> None:
    assert type_("default") == (0, ".xinitrc  ~/.xinitrc\n", "")
    assert type_("default", "wm") == (0, "", "")
    assert (home / "config/xsession/default").read_text() == "wm\n"
    assert type_("default") == (0, "wm  ~/data/xsessions/wm.desktop\n", "")
    assert usual() == Client((f"{home}/bin/wm", "-x"), desktop={"DESKTOP_SESSION": "wm"})
    assert sessions.usual({"PATH": f"{home}/bin"}, safe=True) == Client((f"{home}/bin/xterm",))
    assert type_("default", "--unset") == (0, "", "")
    assert type_("default", "--unset") == (0, "", "")
    assert type_("default")[1] == ".xinitrc  ~/.xinitrc\n"


def test_the_list_has_each_once_and_marks_the_choice(home: Path, type_: Type) -> None:
    before = type_("list")[1]
    for name, line in (
        ("wm", "* wm        ~/data/xsessions/wm.desktop  The WM"),
        ("wm.desktop", "* wm        ~/data/xsessions/wm.desktop  The WM"),
        ("xterm", "* xterm     ~/bin/xterm"),
        (f"{home}/.xinitrc", "* .xinitrc  ~/.xinitrc"),
    ):
        type_("default", name)
        listed = type_("list")[1]
        assert [it for it in listed.splitlines() if it[0] == "*"] == [line]
        assert listed.replace("*", " ") == before.replace("*", " ")


def test_a_choice_that_was_uninstalled(home: Path, type_: Type) -> None:
    type_("default", "wm.desktop")
    (home / "data/xsessions/wm.desktop").unlink()
    said = "the default, 'wm.desktop', is left out: session 'wm.desktop': not found"
    found = usual()
    assert found == Client(("/bin/sh", f"{home}/.xinitrc"), script=True, complaint=said)
    assert type_("default") == (0, ".xinitrc  ~/.xinitrc\n", f"xsession: {said}\n")
    lines = type_("list")[1].splitlines()
    assert lines[0] == "* .xinitrc  ~/.xinitrc"
    assert lines[-1] == f"! ~/config/xsession/default: {said}"


def test_the_configuration_goes_before_it_and_that_is_said(home: Path, type_: Type) -> None:
    file = home / "config/xsession/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[session]\nclient = ["xterm", "-e", "top"]\n')
    said = (
        f"xsession: wm is remembered, but session.client in {file}:2 goes before it\n"
        "  take that line out, and wm is the default\n"
    )
    assert type_("default", "wm") == (0, "", said)
    assert type_("default") == (0, "xterm  ~/config/xsession/config.toml:2\n", "")
    assert file.read_text() == '[session]\nclient = ["xterm", "-e", "top"]\n'


def test_what_cannot_be_the_default(home: Path, type_: Type) -> None:
    for word, status in (
        ("none", NOT_FOUND),
        ("none.desktop", NOT_FOUND),
        ("a\nb", FAILED),
        ("\x1b[2J", FAILED),
    ):
        result = type_("default", word)
        assert result[0] == status
        assert result[2].startswith("xsession: ")
        assert "\x1b" not in result[2]
    assert not (home / "config").exists()
    assert type_("default", "wm", "--unset")[0] == FAILED


def test_where_it_cannot_be_written(home: Path, type_: Type) -> None:
    (home / "config").touch()
    status, _, said = type_("default", "wm")
    assert status == FAILED
    assert said.startswith(f"xsession: could not write {home}/config/xsession/default: ")


def test_it_may_be_a_link(home: Path, type_: Type) -> None:
    (home / "dotfiles").mkdir()
    (home / "config/xsession").mkdir(parents=True)
    (home / "config/xsession/default").symlink_to(home / "dotfiles/default")
    (home / "dotfiles/default").write_text("xterm\n")
    type_("default", "wm")
    assert (home / "dotfiles/default").read_text() == "wm\n"
    assert (home / "config/xsession/default").is_symlink()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n", b"\0", b"wm\r\n", b"\n\nwm"])
def test_a_file_with_anything_in_it(home: Path, type_: Type, content: bytes) -> None:
    file = home / "config/xsession/default"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    status, shown, said = type_("default")
    assert status == 0
    assert shown.split()[0] == ("wm" if content == b"wm\r\n" else ".xinitrc")
    assert said.startswith("xsession: the default, ") or content.strip() in (b"", b"wm", b"\n\nwm")
