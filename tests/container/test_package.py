"""The .deb: nothing is left when it is purged, and an upgrade does not disturb a session."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from container.session import XVFB, Session, main_pid, shown, start
from machine import Container, install

from xsession.autologin import WRITTEN_BY

ROOT = Path(__file__).resolve().parents[2]

# What the machine itself writes, whoever does what.
FILES = r"""find / -xdev \( -path /var/log -o -path /var/lib/dpkg -o -path /var/cache/man \
    -o -path /var/lib/systemd -o -path /home -o -path /root -o -path /tmp \) -prune \
    -o ! -type d -printf '%p\n' -o -printf '%p/\n' | sort"""


AUTOLOGINS = f"""
folder=/etc/systemd/system/xlogin@alice.service.d
mkdir $folder && echo '{WRITTEN_BY}' >$folder/autologin.conf
systemctl enable --quiet xlogin@alice xlogin@bob
"""


@pytest.fixture(scope="session")
def newer(deb: Path) -> Iterator[Path]:  # noqa: ARG001  one after the other: both write to dist/
    """Our package as it is, of a later version."""
    built = subprocess.run(
        [ROOT / "scripts" / "build-deb", f"99.{os.getpid()}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    package = Path(built.stdout.splitlines()[-1])
    yield package
    for file in package.parent.glob(f"*_99.{os.getpid()}_*"):
        file.unlink()


def test_purged_it_leaves_nothing(container: Container, deb: Path) -> None:
    container.run("dpkg --purge xsession")
    try:
        before = container.output(FILES).splitlines()
        install(container, deb)
        assert "/usr/bin/xsession" in container.output(FILES).splitlines()
        assert start(container, "true").status == 0
        container.run("xsession --version")  # by root, who could write beside the module
        container.run(AUTOLOGINS)  # as `xsession autologin enable` would, had the machine a seat
        container.run("dpkg --purge xsession")
        assert set(container.output(FILES).splitlines()) == set(before)
        assert container.run("command -v xsession", "alice", check=False).status == 1
    finally:
        install(container, deb)


def test_the_old_names(container: Container, deb: Path, home: str) -> None:
    """xsession-startx, which takes the place of xinit's package: what is typed is a start."""
    links = deb.with_name(deb.name.replace("xsession_", "xsession-startx_"))
    container.push(links, "/tmp/links.deb")
    container.run(f"dpkg-deb -x /tmp/links.deb {home}; rm /tmp/links.deb")
    assert container.output(f"readlink {home}/usr/bin/startx {home}/usr/bin/sx").split() == [
        *("xsession", "xsession")
    ]
    container.run(f"ln -s /usr/bin/xsession {home}/usr/bin/xsession")
    result = container.run(f"{home}/usr/bin/sx --server xvfb sh -c 'exit 7'", "alice", check=False)
    assert result.status == 7


@pytest.mark.fault("the package")
@pytest.mark.parametrize("to", ["a newer one", "an older one"])
def test_another_version_while_a_session_runs(
    container: Container, deb: Path, newer: Path, to: str
) -> None:
    units = ("xorg@0.service", "xsession-client@0.service")
    try:
        old, new = (deb, newer) if to == "a newer one" else (newer, deb)
        install(container, old)
        with Session(container, "sh -c 'xdpyinfo >/dev/null && exec sleep infinity'") as session:
            session.wait_until_up()
            before = [main_pid(container, unit) for unit in units]
            install(container, new)
            assert session.runs
            assert [main_pid(container, unit) for unit in units] == before
            assert shown(container, "xorg@0.service", "ActiveState") == "active"
            # The program that is there now and the holder understand each other.
            assert "client: /usr/bin/sh -c" in container.output("xsession status", "alice")
            container.run("xsession restart client", "alice")
            assert main_pid(container, units[0]) == before[0]
            assert main_pid(container, units[1]) not in (0, before[1])
            container.run("xsession restart server", "alice")
            assert main_pid(container, units[0]) not in (0, before[0])
            assert session.stop().status == 0
        assert container.run(f"{XVFB} true", "alice").status == 0
    finally:
        container.run("dpkg --purge xsession")
        install(container, deb)


@pytest.mark.fault("the package")
@pytest.mark.parametrize("end", ["its client ends", "a signal", "a lost server"])
@pytest.mark.journal(r"(xorg|xsession-client)@0\.service: (Main process exited|Failed with result)")
def test_it_is_removed_while_a_session_runs(
    container: Container, deb: Path, home: str, end: str
) -> None:
    """There is no `xsession stop` any more; the session has its end, and leaves nothing."""
    client = f"until [ -e {home}/end ]; do sleep 0.1; done; exit 5"
    container.run(f"cat >{home}/client", "alice", stdin=client)
    try:
        with Session(container, f"sh {home}/client") as session:
            session.wait_until_up()
            container.run("dpkg --remove xsession")
            assert session.runs
            if end == "a signal":
                assert session.kill("TERM").status == 143
            elif end == "a lost server":
                container.run("pkill -KILL -x Xvfb")
                assert session.result().status == 125
            else:
                container.run(f"touch {home}/end")
                assert session.result().status == 5
            assert "Traceback" not in session.result().stderr
    finally:
        install(container, deb)


def test_the_completions_are_where_the_shells_look(container: Container) -> None:
    told = container.output(
        "COMP_WORDS=(xsession sta) COMP_CWORD=1;"
        " . /usr/share/bash-completion/completions/xsession;"
        ' _xsession xsession; echo "${COMPREPLY[@]}"',
        "alice",
    )
    assert told == "start status"
