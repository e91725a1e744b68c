"""`xsession install` and `uninstall`: all that is placed goes again, and nothing else does."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xsession import cli, files, install, units
from xsession.errors import FAILED
from xsession.install import Layout, Manifest

Tree = dict[str, bytes]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a systemctl that notes what it was asked for."""
    for name in ("home", "bin", "run"):
        (tmp_path / name).mkdir()
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    systemctl.chmod(0o755)
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path / "home"


def tree(folder: Path) -> Tree:
    return {
        str(path.relative_to(folder)): b"/" if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def run(*words: str) -> int:
    return cli.main([*words, "--user"])


def test_what_is_placed_for_one_person_and_removed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".local").mkdir()
    (home / ".profile").write_text("mine")
    before = tree(home)
    assert run("install") == 0
    said = capsys.readouterr().out
    placed = tree(home)
    for name in (
        ".local/share/systemd/user/xorg@.service",
        ".local/share/systemd/user/xorg@.socket",
        ".local/share/man/man1/xsession.1",
        ".local/share/man/man7/xsession-units.7",
        ".local/share/bash-completion/completions/xsession",
        ".local/share/zsh/site-functions/_xsession",
        ".local/share/fish/vendor_completions.d/xsession.fish",
        ".local/bin/xsession",
    ):
        assert placed[name]
        assert f"{home}/{name}\n" in said
    assert not [name for name in placed if "systemd/system" in name]
    unit = placed[".local/share/systemd/user/xorg@.service"].decode()
    assert f'ExecStart="{sys.executable}" -I' in unit
    told = subprocess.run(
        [home / ".local/bin/xsession", "--version"], check=True, capture_output=True, text=True
    )
    assert told.stdout.startswith("xsession ")
    assert run("install") == 0, "again does no harm"
    assert tree(home) == placed
    assert run("uninstall") == 0
    assert tree(home) == before
    assert (home.parent / "asked").read_text() == "--user daemon-reload\n" * 3
    assert run("uninstall") == FAILED
    assert "nothing is installed" in capsys.readouterr().err


def test_a_file_of_anothers_is_not_overwritten(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("systemd/user/xorg@.service", "man/man1/xsession.1"):
        path = home / ".local/share" / name
        path.parent.mkdir(parents=True)
        path.write_text("another's")
    before = tree(home)
    assert run("install") == FAILED
    assert tree(home) == before
    path = home / ".local/share/systemd/user/xorg@.service"
    assert f"{path} (and 1 more) is there, and not as" in capsys.readouterr().err


def test_a_link_is_anothers(home: Path) -> None:
    path = home / ".local/share/systemd/user/xorg@.service"
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/null")  # masked
    assert run("install") == FAILED
    assert path.is_symlink()


def test_the_program_of_pipx_stays(home: Path) -> None:
    program = home / ".local/bin/xsession"
    program.parent.mkdir(parents=True)
    program.symlink_to("../pipx/xsession")
    assert run("install") == run("uninstall") == 0
    assert program.is_symlink()
    assert list(home.rglob("*.*")) == [home / ".local"]


def test_what_was_changed_since_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("install") == 0
    page = home / ".local/share/man/man1/xsession.1"
    page.write_text("changed")
    assert run("install") == FAILED
    assert run("uninstall") == 0
    assert f"left, as it was changed since: {page}" in capsys.readouterr().out
    assert {path for path in home.rglob("*") if path.is_file()} == {page}


def test_a_file_of_an_older_version_goes(home: Path) -> None:
    assert run("install") == 0
    old = home / ".local/share/man/man1/old.1"
    old.write_text("old")
    where = install.layout(os.environ, system=False)
    manifest = Manifest.read(where.manifest)
    manifest.files[str(old)] = [install._digest(b"old")]
    page = home / ".local/share/man/man1/xsession.1"  # this version has another one
    page.write_text("before")
    manifest.files[str(page)] = [install._digest(b"before")]
    manifest.write(where.manifest)
    assert run("install") == 0
    assert not old.exists()
    assert page.read_text() != "before"


def test_half_an_installation_can_be_removed_and_repeated(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = files.write_whole, iter(range(100))

    def failing(path: str, content: bytes, mode: int = 0o644) -> None:
        if next(count) == 5:
            raise OSError(28, "No space left on device", path)
        write(path, content, mode)

    monkeypatch.setattr(files, "write_whole", failing)
    assert run("install") == FAILED
    monkeypatch.setattr(files, "write_whole", write)
    assert run("install") == run("uninstall") == 0
    assert list(home.iterdir()) == []


def test_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = install.layout({}, system=True)
    assert set(map(str, where.units.values())) == {
        "/usr/local/lib/systemd/user",
        "/usr/local/lib/systemd/system",
    }
    assert str(where.manifest) == "/usr/local/share/xsession/installed.json"
    monkeypatch.setattr(units, "source", lambda _kind="user": tmp_path)
    (tmp_path / "xlogin@.service").write_text("ExecStart=/usr/bin/xsession login\n")
    found = install.files(where)
    unit = found[Path("/usr/local/lib/systemd/system/xlogin@.service")].decode()
    assert shlex.split(unit)[0] == f"ExecStart={sys.executable}"
    alone = install.files(Layout({"user": tmp_path}, tmp_path, tmp_path))
    assert not [path for path in alone if "system" in path.parts]


@pytest.mark.usefixtures("home")
def test_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "PACKAGE", tmp_path)
    (tmp_path / "__main__.py").touch(0o666)
    tmp_path.chmod(0o777)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert cli.main(["install", "--system"]) == FAILED
    assert "root would run what is in it" in capsys.readouterr().err
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert cli.main(["install", "--system"]) == FAILED
    assert "only root can install for everybody" in capsys.readouterr().err
    monkeypatch.setattr(install, "PACKAGE", Path("/usr/lib/python3/dist-packages/xsession"))
    assert cli.main(["install"]) == FAILED
    assert "is a package of the system's" in capsys.readouterr().err


def test_not_while_a_session_runs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("install") == 0
    (tmp_path / "run/xsession/0").mkdir(parents=True)
    assert run("uninstall") == FAILED
    assert "a graphical session is running on :0" in capsys.readouterr().err
    assert (home / ".local/bin/xsession").exists()


def test_the_old_names(home: Path) -> None:
    """If they are asked for; and gone when it is installed without."""
    assert run("install", "--old-names") == 0
    for name in ("startx", "sx"):
        assert " start " in (home / ".local/bin" / name).read_text()
    assert run("install") == 0
    assert not list((home / ".local/bin").glob("s*x"))
    assert run("uninstall") == 0
