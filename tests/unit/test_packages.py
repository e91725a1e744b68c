"""The packages of the distributions: what is in them, and that all of them have the same."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from xsession import __version__

ROOT = Path(__file__).resolve().parents[2]
PKGBUILD = ROOT / "scripts" / "arch" / "PKGBUILD"

# Where Arch has what Debian has elsewhere.
ARCH = (
    (r"usr/lib/python3\.\d+/site-packages/", "usr/lib/python3/dist-packages/"),
    (r"usr/lib/python3/dist-packages/.*\.pyc", ""),
    (r"usr/share/zsh/site-functions/", "usr/share/zsh/vendor-completions/"),
    (r"usr/share/licenses/xsession/LICENSE", "usr/share/doc/xsession/copyright"),
    (r"(usr/share/man/.*)", r"\1.gz"),  # makepkg does that later
)


@pytest.fixture(scope="module")
def in_deb(deb: Path) -> set[str]:
    told = subprocess.run(["dpkg", "-c", deb], check=True, capture_output=True, text=True).stdout
    lines = [line.split(maxsplit=5) for line in told.splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    return {line[5].removeprefix("./") for line in lines if not line[0].startswith("d")}


def test_the_deb_has_all_that_belongs_to_it(in_deb: set[str]) -> None:
    for folder, place in (
        ("xsession", "usr/lib/python3/dist-packages/xsession"),
        ("units/user", "usr/lib/systemd/user"),
        ("units/system", "usr/lib/systemd/system"),
    ):
        for file in ROOT.glob(f"{folder}/*"):
            assert file.is_dir() or f"{place}/{file.name}" in in_deb
    for page in (ROOT / "docs" / "man").iterdir():
        assert f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz" in in_deb
    assert "usr/bin/xsession" in in_deb
    assert not [name for name in in_deb if "__pycache__" in name or "/etc/" in name]


def test_the_arch_package_has_the_same_files(in_deb: set[str], tmp_path: Path) -> None:
    script = 'set -eu; . "$1"; startdir=${1%/*} pkgdir=$2; package'
    subprocess.run(
        ["bash", "-c", script, "bash", PKGBUILD, tmp_path],
        check=True,
        env={"PATH": "/usr/bin:/bin"},  # a distribution's Python, as a package is built with
    )
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    for pattern, replacement in ARCH:
        found = {re.sub(f"^{pattern}", replacement, name) for name in found}
    plain = {name.removesuffix(".gz") if "/doc/" in name else name for name in in_deb}
    plain.discard("usr/share/doc/xsession/changelog")  # Debian's own
    assert found - {""} == plain
    first_line = (tmp_path / "usr/bin/xsession").read_text().splitlines()[0]
    assert first_line == "#!/usr/bin/python -I"


def test_all_have_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert f"\npkgver={__version__}\n" in PKGBUILD.read_text()
