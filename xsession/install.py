"""`xsession install` and `uninstall`: what a package of the system places, for a venv or pipx.

A manifest has each file that was placed and what was in it. So all of them can be removed again,
and nothing that is another's, or was changed since, is overwritten or removed.
"""

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from xsession import account, autologin, process, runtime, systemd, units
from xsession import files as files_  # here `files` are those of an installation
from xsession.errors import Failure
from xsession.program import OLD_NAMES
from xsession.units import PACKAGE


@dataclass(frozen=True)
class Layout:
    """Where things go: for everybody, or for one person."""

    units: Mapping[str, Path]
    share: Path
    bin: Path

    @property
    def manifest(self) -> Path:
        return self.share / "xsession" / "installed.json"

    @property
    def program(self) -> Path:
        return self.bin / "xsession"

    @property
    def old_names(self) -> tuple[Path, ...]:
        return tuple(self.bin / name for name in OLD_NAMES)


def layout(environ: Mapping[str, str], *, system: bool) -> Layout:
    """systemd.unit(5), "Unit File Load Path"; hier(7); XDG Base Directory Specification."""
    if system:
        local = Path("/usr/local")
        kinds = {kind: local / "lib" / "systemd" / kind for kind in ("user", "system")}
        return Layout(kinds, local / "share", local / "bin")
    home = Path(environ.get("HOME", "/"))
    share = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return Layout({"user": share / "systemd" / "user"}, share, home / ".local" / "bin")


@dataclass
class Manifest:
    """What was placed: by path, the digests of what may be in it; and folders that were made."""

    files: dict[str, list[str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        try:
            told = json.loads(path.read_bytes())
            return cls(dict(told["files"]), list(told["folders"]))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"could not read {path}: {error}") from None

    def write(self, path: Path) -> None:
        text = json.dumps({"files": self.files, "folders": self.folders}, indent=1)
        files_.write_whole(str(path), text.encode())

    def has(self, path: Path) -> bool:
        """Whether the file is as we have placed it."""
        try:
            return not path.is_symlink() and _digest(path.read_bytes()) in self.files[str(path)]
        except (OSError, KeyError):
            return False


USERS = Path("/run/user")  # runtime folders: pam_systemd(8)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


# -- what goes where --


def files(where: Layout, *, old_names: bool = False) -> dict[Path, bytes]:
    """All files, by the path that they are to have. `old_names`: startx and sx are among them."""
    from xsession import parser, shells

    made = parser.parser()
    found = {
        folder / name: text.encode()
        for kind, folder in where.units.items()
        if kind == "user" or _has_units(kind)
        for name, text in units.texts(kind).items()
    }
    for page in _pages():
        found[where.share / "man" / f"man{page.suffix[1:]}" / page.name] = page.read_bytes()
    for shell, place in (
        ("bash", "bash-completion/completions/xsession"),
        ("zsh", "zsh/site-functions/_xsession"),
        ("fish", "fish/vendor_completions.d/xsession.fish"),
    ):
        found[where.share / place] = shells.SHELLS[shell](made).encode()
    program = shlex.join((sys.executable, "-I", str(PACKAGE / "__main__.py")))
    found[where.program] = f'#!/bin/sh\nexec {program} "$@"\n'.encode()
    if old_names:
        start = f'#!/bin/sh\nexec {program} start "$@"\n'.encode()
        found |= dict.fromkeys(where.old_names, start)
    return found


def _has_units(kind: str) -> bool:
    with contextlib.suppress(Failure):
        return units.source(kind).is_dir()
    return False


def _pages() -> Iterable[Path]:
    for folder in (PACKAGE / "man", PACKAGE.parent / "docs" / "man"):
        if folder.is_dir():
            return sorted(folder.glob("*.[1-9]"))
    return ()


# -- the verbs --


def install(*, system: bool, old_names: bool = False) -> int:
    """Place all files, or none where one of them is another's."""
    _refuse(system)
    where = layout(os.environ, system=system)
    wanted = files(where, old_names=old_names)
    manifest = Manifest.read(where.manifest)
    if os.path.lexists(where.program) and not manifest.has(where.program):
        del wanted[where.program]  # pipx's, which is as good
    others = [it for it in wanted if os.path.lexists(it) and not manifest.has(it)]
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise Failure(
            f"{others[0]}{more} is there, and not as xsession install has placed it",
            "look at it, and move it away; nothing was changed",
        )
    try:
        _place(where, wanted, manifest)
    except OSError as error:
        hint = "to remove what is there: xsession uninstall"
        raise Failure(f"could not write {error.filename}: {error.strerror}", hint) from None
    _reload(system)
    print("\n".join(map(str, wanted)))
    print(f"{len(wanted)} files; to remove them: xsession uninstall")
    for note in _notes(where, system):
        print(note)
    return 0


def _place(where: Layout, wanted: Mapping[Path, bytes], manifest: Manifest) -> None:
    """The manifest is written first, with what is there and what will be: at no moment is there a
    file that it does not know."""
    before = dict(manifest.files)
    folders = {folder for path in (*wanted, where.manifest) for folder in _missing(path.parent)}
    manifest.folders = sorted({*manifest.folders, *map(str, folders)})
    for path, content in wanted.items():
        manifest.files[str(path)] = [*before.get(str(path), ()), _digest(content)]
    for folder in sorted(folders):
        folder.mkdir()
    manifest.write(where.manifest)
    for path, content in wanted.items():
        files_.write_whole(str(path), content, 0o755 if path.parent == where.bin else 0o644)
    for name in before.keys() - set(map(str, wanted)):  # of an older version
        if manifest.has(Path(name)):
            Path(name).unlink()
    manifest.files = {str(path): [_digest(content)] for path, content in wanted.items()}
    manifest.write(where.manifest)


def _missing(folder: Path) -> Iterator[Path]:
    """The folder and those above it that are not there."""
    while not folder.is_dir():
        yield folder
        folder = folder.parent


def uninstall(*, system: bool) -> int:
    """Remove all that was placed, but for what was changed since."""
    where = layout(os.environ, system=system)
    if not where.manifest.exists():
        which = "--user" if system else "--system"
        raise Failure(f"nothing is installed: no {where.manifest}", f"or is it: {which}?")
    if system and os.getuid() != 0:
        raise Failure("only root can remove what is installed for everybody", "with sudo, or su -c")
    _refuse_running(everybody=system)
    if system:
        _refuse_autologins(where)
    manifest = Manifest.read(where.manifest)
    try:
        for path in map(Path, manifest.files):
            if manifest.has(path):
                path.unlink()
            elif os.path.lexists(path):
                print(f"left, as it was changed since: {path}")
        where.manifest.unlink()
    except OSError as error:
        raise Failure(f"could not remove {error.filename}: {error.strerror}") from None
    for folder in sorted(manifest.folders, reverse=True):
        with contextlib.suppress(OSError):  # something of another's is in it
            os.rmdir(folder)
    _reload(system)
    return 0


def _reload(system: bool) -> None:
    process.run(systemd.system_reload() if system else systemd.daemon_reload())


def _notes(where: Layout, system: bool) -> Iterator[str]:
    if str(where.bin) not in os.environ.get("PATH", "").split(":"):
        yield f"{where.bin} is not in PATH: log in again, or add it to ~/.profile"
    if system:
        yield "whoever is logged in: systemctl --user daemon-reload"
    else:
        yield f"for zsh, in .zshrc before compinit: fpath+=({where.share}/zsh/site-functions)"


# -- what is refused --


def _refuse(system: bool) -> None:
    if PACKAGE.is_relative_to("/usr") and not PACKAGE.is_relative_to("/usr/local"):
        what = "this xsession is a package of the system's, which has placed all that it needs"
        raise Failure(what, "for another one: python3 -m venv, and its xsession install")
    if system and os.getuid() != 0:
        raise Failure(
            "only root can install for everybody", "for yourself: xsession install --user"
        )
    if system and (other := _open_to_others()):
        raise Failure(
            f"{other} can be written by others than root, and root would run what is in it",
            "make the venv as root, such as in /opt/xsession",
        )
    _refuse_running()


def _refuse_running(*, everybody: bool = False) -> None:
    if displays := runtime.displays(os.environ.get("XDG_RUNTIME_DIR", "")):
        raise Failure(f"a graphical session is running on {displays[0].name}", "xsession stop")
    for folder in sorted(USERS.iterdir()) if everybody and USERS.is_dir() else ():
        if displays := runtime.displays(str(folder)):
            whose = account.title(folder.stat().st_uid)
            what = f"a graphical session of {whose} is running on {displays[0].name}"
            raise Failure(what, f"as {whose}: xsession stop")


def _refuse_autologins(where: Layout) -> None:
    """Whose unit would be gone, and with it the verb that ends them."""
    if users := autologin.by(where.units["system"]):
        hint = f"end it: xsession autologin disable {users[0]}"
        raise Failure(f"{users[0]} has an autologin, by a unit that is to be removed", hint)


def _open_to_others() -> Path | None:
    """What of the way to our code could be changed by somebody else."""
    roots = (Path(sys.executable), Path(sys.executable).resolve(), PACKAGE / "__main__.py")
    for path in (it for root in roots for it in (root, *root.parents)):
        status = path.stat()
        sticky = path.is_dir() and status.st_mode & 0o1000
        if status.st_uid != 0 or (status.st_mode & 0o022 and not sticky):
            return path
    return None
