"""The runtime folder: private, made by one only, and nothing outside of it is ever removed."""

import os
import stat
from pathlib import Path

import pytest

from xsession import runtime, session, sockets
from xsession.display import Display
from xsession.errors import Failure
from xsession.runtime import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path), Display(4))


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_it_is_private_whatever_the_mask(folder: Folder) -> None:
    mask = os.umask(0)
    try:
        folder.create()
        folder.write(folder.authority, b"secret")
    finally:
        os.umask(mask)
    assert (mode(Path(folder.path).parent), mode(folder.path)) == (0o700, 0o700)
    assert mode(folder.authority) == 0o600


def test_only_one_can_make_it(folder: Folder) -> None:
    folder.create()
    with pytest.raises(Failure, match="another xsession has just started"):
        folder.create()


def test_a_file_is_never_written_over(folder: Folder, tmp_path: Path) -> None:
    folder.create()
    (tmp_path / "other").touch()
    os.symlink(tmp_path / "other", folder.authority)
    with pytest.raises(Failure, match=r"could not write .*/4/authority: File exists"):
        folder.write(folder.authority, b"secret")
    assert (tmp_path / "other").read_bytes() == b""


def test_removing_leaves_the_log(folder: Folder) -> None:
    folder.create()
    folder.write(folder.authority, b"secret")
    Path(folder.log).touch()
    folder.remove()
    folder.remove()
    assert list(Path(folder.path).parent.iterdir()) == [Path(folder.log)]


def test_whether_the_holder_lives(folder: Folder) -> None:
    assert not folder.holder_lives()
    folder.create()
    assert not folder.holder_lives()
    with sockets.listen(folder.holder):
        assert folder.holder_lives()
    assert not folder.holder_lives()


def test_whether_it_was_abandoned(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder.runtime)
    assert not runtime.abandoned(4)
    folder.create()
    assert runtime.abandoned(4)
    with sockets.listen(folder.holder):
        assert not runtime.abandoned(4)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert not runtime.abandoned(4)


def test_a_lock_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another is told by whom; a session that ends goes on. Both after their time."""
    monkeypatch.setattr(runtime, "PATIENCE", 0.1)
    monkeypatch.setattr(runtime, "AT_THE_END", 0.1)
    with runtime.lock(str(tmp_path)):
        refused = rf"another xsession \(PID {os.getpid()}\) has been starting or clearing up"
        with pytest.raises(Failure, match=refused), runtime.lock(str(tmp_path)):
            pass
        with runtime.lock(str(tmp_path), ending=True):
            pass
    with runtime.lock(str(tmp_path)):
        pass


def test_the_displays_that_have_a_folder(tmp_path: Path) -> None:
    assert runtime.displays(str(tmp_path)) == []
    for name in ("10", "9", "session.env", "-1"):
        (tmp_path / "xsession" / name).mkdir(parents=True)
    (tmp_path / "xsession" / "3").touch()
    assert runtime.displays(str(tmp_path)) == [Display(9), Display(10)]


def test_without_a_runtime_folder_the_current_one_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "xsession" / "0" / "thesis.tex"
    mine.parent.mkdir(parents=True)
    mine.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    session._clear_dead()
    session.clear(0)
    assert mine.exists()


def test_no_folder_is_made_in_another_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `su`, which leaves XDG_RUNTIME_DIR as it was."""
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with runtime.lock(str(tmp_path)):
        assert not (tmp_path / "xsession").exists()
