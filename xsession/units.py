"""Our own unit files, for a manager that does not have them: a checkout, a venv, pipx.

They go into the runtime unit folder, calling this very interpreter, and are removed at the end.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from xsession import program
from xsession.errors import Failure
from xsession.program import INSTALLED

PACKAGE = Path(program.PACKAGE)


def source(kind: str = "user") -> Path:
    """Where our unit files lie: in a wheel inside the package, in a checkout beside it."""
    for folder in (PACKAGE / "units" / kind, PACKAGE.parent / "units" / kind):
        if folder.is_dir():
            return folder
    raise Failure(
        f"xsession's unit files are neither installed nor beside {PACKAGE}",
        "install the package again",
    )


def runtime_folder(runtime: str) -> Path:
    return Path(runtime, "systemd", "user")


def texts(kind: str = "user") -> dict[str, str]:
    """The unit files by name, calling this very interpreter."""
    line = f"{_word(sys.executable)} -I {_word(PACKAGE / '__main__.py')}"
    return {
        file.name: file.read_text().replace(INSTALLED, line)
        for file in sorted(source(kind).iterdir())
    }


def at(runtime: str) -> dict[str, str]:
    """The unit files by their paths in the runtime unit folder."""
    return {str(runtime_folder(runtime) / name): text for name, text in texts().items()}


def write(files: Mapping[str, str]) -> None:
    """Write unit files to their paths."""
    for path, text in files.items():
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        except OSError as error:
            raise Failure(f"could not write {path}: {error.strerror}") from None


def _word(path: str | Path) -> str:
    """A path as one word of ExecStart= (systemd.service(5), "Command lines")."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'
