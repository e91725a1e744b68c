"""What undoes what was set in the manager, where it cannot know what that was."""

import os
from pathlib import Path

import pytest

from xsession import exports
from xsession.display import Display
from xsession.errors import Failure
from xsession.runtime import Folder


def test_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    """Of another version: what belongs to it must not be in the way of the next start."""
    folder = Folder(str(tmp_path), Display(0))
    folder.create()
    folder.write(folder.environment, b'{"version": 2}')
    folder.write(folder.private, b"")
    assert exports.undo(folder)
    assert not os.path.exists(folder.private)


def test_another_session_has_set_it(tmp_path: Path) -> None:
    """A private display has no journal, and what lies there is not its own."""
    folder = Folder(str(tmp_path), Display(1))
    folder.create()
    folder.write(folder.private, b"")
    assert exports.undo(folder)
    assert os.path.exists(folder.private)


@pytest.mark.parametrize("shell", [True, False])
def test_a_manager_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: bool
) -> None:
    """A shell that evaluates what is printed then keeps what it has."""
    monkeypatch.setattr(exports, "_journal", lambda: ("", Folder(str(tmp_path), Display(0)), []))
    monkeypatch.setattr("xsession.systemd.environment", lambda: None)
    with pytest.raises(Failure, match="does not answer"):
        exports.show(shell)
