"""An rc file: what runs it, and which are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xsession import rc
from xsession.errors import CANNOT_EXECUTE, Failure


@pytest.mark.parametrize(
    ("content", "mode", "by_sh"),
    [
        (b"#!/bin/sh\nexec i3\n", 0o755, False),
        (b"#!/bin/sh\nexec i3\n", 0o644, True),
        (b"exec i3\n", 0o755, True),
        (b"exec i3\n", 0o600, True),
        (b"", 0o755, True),
        (b"", 0o644, True),
        (b"\x7fELF" + bytes(1 << 20), 0o755, False),
        (b"#!/bin/sh\necho 'a\r\nb'\n", 0o755, False),
        (b"#!/bin/sh\nexec i3\n", 0o775, False),
    ],
)
def test_what_runs_it(tmp_path: Path, content: bytes, mode: int, by_sh: bool) -> None:
    file = tmp_path / "rc file"
    file.write_bytes(content)
    file.chmod(mode)
    assert rc.command(str(file)) == (("/bin/sh", str(file)) if by_sh else (str(file),))


def test_none(tmp_path: Path) -> None:
    assert rc.command(f"{tmp_path}/rc") == ()
    assert rc.command(f"{tmp_path}/no/rc") == ()


def fifo(file: Path) -> None:
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.mkdir()


def nowhere(file: Path) -> None:
    file.symlink_to("nowhere")


def of_dos(file: Path) -> None:
    file.write_bytes(b"#!/bin/sh\r\nexec i3\r\n")


def without_interpreter(file: Path) -> None:
    file.write_text("#!/no/such -x\n")
    file.chmod(0o755)


def for_everybody(file: Path) -> None:
    file.touch()
    file.chmod(0o666)


def of_another(file: Path) -> None:
    file.touch()
    os.chown(file, 12345, -1)


@pytest.mark.parametrize(
    ("make", "reason", "hint"),
    [
        (fifo, "{} is not a regular file", "move it away"),
        (folder, "{} is a folder, not a file", "move it away"),
        (nowhere, "{} is a link to nothing", "see: ls -l {}"),
        (of_dos, "{} has the line ends of DOS", "sed -i 's/\\r$//' {}"),
        (for_everybody, "{} can be written by everybody", "chmod o-w {}"),
        (of_another, "{} belongs to uid 12345, neither to you nor to root", "see: ls -lL {}"),
        (
            without_interpreter,
            "rc file '{}': its interpreter /no/such cannot be executed",
            "look at its first line: head -1 {}",
        ),
    ],
)
def test_what_is_refused(
    tmp_path: Path, make: Callable[[Path], None], reason: str, hint: str
) -> None:
    file = tmp_path / "rc"
    try:
        make(file)
    except PermissionError:
        pytest.skip("only root can give a file away")
    with pytest.raises(Failure) as caught:
        rc.command(str(file))
    failure = caught.value
    wanted = (reason.format(file), hint.format(file), CANNOT_EXECUTE)
    assert (failure.what, failure.hint, failure.status) == wanted
