"""What is asked of a session that runs, where it does not do it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xsession import control, record
from xsession.display import Display
from xsession.errors import Failure
from xsession.record import Record
from xsession.runtime import Folder

# A holder that listens at argv[1] and does nothing else, as one would that hangs.
HANGS = """
import signal, sys
from xsession import sockets
listener = sockets.listen(sys.argv[1])
print("listening", flush=True)
signal.pause()
"""


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """The holder of a session on :4 that hangs."""
    monkeypatch.setattr(control, "LONGEST", 0.1)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = Folder(str(tmp_path), Display(4))
    folder.create()
    argv = (sys.executable, "-c", HANGS, folder.holder)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        told = Record(":4", "Xvfb", "", "", "", (), (), False, False, 1.0, process.pid, 0.0)
        folder.write(folder.record, record.encode(told))
        yield process
        process.kill()


def test_a_holder_that_hangs_is_killed(holder: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    assert control.stop(None) == 0
    assert holder.wait() == -signal.SIGKILL
    assert os.listdir(tmp_path / "xsession") == []


@pytest.mark.parametrize(
    ("editor", "said"),
    [("true", "nothing was changed\n"), ("rm", "nothing is set\n"), ("truncate -s 0", "PATH\nIt ")],
)
def test_an_editor(
    editor: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever it does to the file, in a folder whose name a shell would make more of."""
    monkeypatch.setenv("XDG_CONFIG_HOME", f'{tmp_path}/"$HOME" `x`')
    monkeypatch.setenv("VISUAL", editor)
    assert control.edit("client") == 0
    path = f'{tmp_path}/"$HOME" `x`/systemd/user/xsession-client@.service.d/override.conf'
    assert capsys.readouterr().out.startswith(said.replace("PATH", path))
    assert os.path.exists(path) == said.startswith("PATH")


def test_a_holder_that_hangs_restarts_nothing(holder: "subprocess.Popen[bytes]") -> None:
    with pytest.raises(Failure, match="the session on :4 did not restart its server"):
        control.restart("server", None)
    assert holder.poll() is None
