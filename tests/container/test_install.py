"""A wheel in a venv, and no package of the system's: `xsession install`, a session, `uninstall`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from container.session import Session, said, shown
from machine import Container, install

ROOT = Path(__file__).resolve().parents[2]

FILES = "find {} -name __pycache__ -prune -o -printf '%p\\n' | sort"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", *words], check=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture
def bare(container: Container, deb: Path, wheel: Path) -> Iterator[Container]:
    """A container with no package of ours, and the wheel, to be put into a venv."""
    container.run("dpkg --purge xsession")
    container.push(wheel, f"/tmp/{wheel.name}")
    yield container
    container.run(f"rm /tmp/{wheel.name}")
    install(container, deb)


def venv(container: Container, folder: str, user: str) -> str:
    """Make a venv there with the wheel in it (the image has no pip); how xsession is called."""
    container.run(
        f"python3 -m venv --without-pip --system-site-packages '{folder}' &&"
        f" python3 -m zipfile -e /tmp/xsession-*.whl '{folder}'/lib/python3.*/site-packages",
        user,
    )
    return f"'{folder}/bin/python' -m xsession"


def test_for_oneself(bare: Container, home: str) -> None:
    xsession = venv(bare, f"{home}/my venv", "alice")
    files = FILES.format("/home/alice")
    before = bare.output(files)
    told = bare.output(f"{xsession} install", "alice")
    assert "/home/alice/.local/share/systemd/user/xorg@.socket" in told
    fragment = shown(bare, "xorg@0.service", "FragmentPath")
    assert fragment == "/home/alice/.local/share/systemd/user/xorg@.service"
    # The units of the installation are used, none are written to the runtime folder.
    with Session(bare, command="~/.local/bin/xsession start --server xvfb") as session:
        session.wait_until_up()
        assert shown(bare, "xorg@0.service", "FragmentPath") == fragment
        refused = bare.run(f"{xsession} uninstall", "alice", check=False)
        assert (refused.status, said(refused)) == (125, "a graphical session is running on :0")
        bare.run("~/.local/bin/xsession stop", "alice")
        assert session.result().status == 0
    bare.run(f"{xsession} uninstall", "alice")
    assert bare.output(files) == before
    bare.run("! systemctl --user cat xorg@.service", "alice")


def test_for_everybody(bare: Container) -> None:
    files = FILES.format("/usr /etc /var/lib/systemd")
    before = bare.output(files)
    xsession = venv(bare, "/opt/xsession", "root")
    try:
        refused = bare.run(f"{xsession} install --system", "alice", check=False)
        assert said(refused) == "only root can install for everybody"
        bare.run(f"{xsession} install")
        bare.run("systemctl --user daemon-reload", "alice")
        with Session(bare) as session:  # /usr/local/bin/xsession
            session.wait_until_up()
            assert shown(bare, "xorg@0.service", "FragmentPath").startswith("/usr/local/lib/")
            refused = bare.run(f"{xsession} uninstall --system", check=False)
            assert said(refused) == "a graphical session of alice is running on :0"
            assert session.stop().status == 0
        bare.run("systemctl enable --quiet xlogin@alice")
        refused = bare.run(f"{xsession} uninstall --system", check=False)
        assert said(refused) == "alice has an autologin, by a unit that is to be removed"
        bare.run("xsession autologin disable alice")
        bare.run("rmdir --ignore-fail-on-non-empty /etc/systemd/system/graphical.target.wants")
        if (ROOT / "units" / "system").is_dir():
            bare.run("systemctl cat xlogin@.service")
    finally:
        bare.run(f"{xsession} uninstall --system; rm -r /opt/xsession")
        bare.run("systemctl --user daemon-reload", "alice")
    assert bare.output(files) == before


def test_not_from_a_folder_of_somebody_else(bare: Container, home: str) -> None:
    xsession = venv(bare, f"{home}/venv", "alice")
    refused = bare.run(f"{xsession} install --system", check=False)
    assert "root would run what is in it" in said(refused)
