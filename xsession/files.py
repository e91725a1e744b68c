"""Files that a person writes and we read: only if they are the person's own or root's, and small.

Nothing here can block: a FIFO is opened without waiting for its writer (open(2), O_NONBLOCK).
"""

import os
import stat
from collections.abc import Mapping

from xsession.errors import Failure

MOST = 1 << 18  # bytes; a configuration that is larger is something else


def config_home(environ: Mapping[str, str]) -> str:
    """$XDG_CONFIG_HOME (XDG Base Directory Specification: a path that is not absolute is none)."""
    home = environ.get("XDG_CONFIG_HOME", "")
    return home if home.startswith("/") else f"{environ.get('HOME', '')}/.config"


def config_dirs(environ: Mapping[str, str]) -> list[str]:
    """$XDG_CONFIG_DIRS, the most important first."""
    folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    return [folder for folder in folders if folder.startswith("/")]


def read(path: str, beginning: int = 0) -> bytes | None:
    """What is in the file; None if there is none, or no way to it: a home that is closed is as good
    as one that is missing. Raises Failure for one that we will not read.

    `beginning`: so many bytes at most, however large it is.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise Failure(f"{path} is a link to nothing", f"see: ls -l {path}") from None
        return None
    except OSError as error:
        if not _can_be_reached(path):
            return None
        raise Failure(f"could not open {path}: {error.strerror}", f"see: ls -l {path}") from None
    try:
        reason, hint = _objection(path, os.fstat(fd))
        content = b"" if reason else _content(fd, beginning or MOST + 1)
        if not beginning and len(content) > MOST:
            reason, hint = f"is larger than {MOST >> 10} KiB", "is it the right file?"
    except OSError as error:
        raise Failure(f"could not read {path}: {error.strerror}") from None
    finally:
        os.close(fd)
    if reason:
        raise Failure(f"{path} {reason}", hint)
    return content


def _can_be_reached(path: str) -> bool:
    """Whether we may look for it: a folder on the way may be closed to us (path_resolution(7))."""
    try:
        os.lstat(path)
    except OSError:
        return False
    return True


def _objection(path: str, status: os.stat_result) -> tuple[str, str]:
    """Why a file is not read, and what to do; or nothing."""
    if stat.S_ISDIR(status.st_mode):
        return "is a folder, not a file", "move it away"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file", "move it away"
    if status.st_uid not in (os.getuid(), 0):
        return f"belongs to uid {status.st_uid}, neither to you nor to root", f"see: ls -lL {path}"
    if status.st_mode & stat.S_IWOTH:
        return "can be written by everybody", f"chmod o-w {path}"
    return "", ""


def _content(fd: int, most: int) -> bytes:
    """All of the file; of one that is larger or grows, no more than so many bytes."""
    content = b""
    while len(content) < most and (part := os.read(fd, most - len(content))):
        content += part
    return content


def write_whole(path: str, content: bytes, mode: int = 0o644) -> None:
    """Write a file that others read: whole or not at all."""
    folder, name = os.path.split(path)
    new = os.path.join(folder, f".{name}.new")
    with open(new, "wb") as file:
        file.write(content)
    os.chmod(new, mode)
    os.rename(new, path)
