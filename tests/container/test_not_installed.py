"""From a checkout or a venv: unit files come and go with the session. And those installed."""

from collections.abc import Iterator

import pytest
from container.session import RUNTIME, Session, said, shown
from machine import Container

UNITS = f"{RUNTIME}/systemd/user"
DEAD = "! systemctl --user is-active xorg@0.socket xorg@0.service"
RELOAD = "runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user daemon-reload"


@pytest.fixture
def checkout(container: Container, home: str) -> Iterator[str]:
    """A copy of the package and its units in a folder of alice's, and no package installed."""
    folder = f"{home}/my 100% own copy"
    container.run(
        f"""
        set -e
        mkdir '{folder}'
        cp -r /usr/lib/python3/dist-packages/xsession '{folder}/'
        mkdir '{folder}/units'
        cp -r /usr/lib/systemd/user '{folder}/units/'
        cd '{folder}/units/user'
        find . ! -name . $(dpkg -L xsession | sed -n 's|.*/systemd/user/|! -name |p') -delete
        chown -R alice: '{folder}'
        mkdir /root/away
        dpkg -L xsession | while read -r file; do
            [ -d "$file" ] || [ ! -e "$file" ] || tar -C / -rf /root/away/all.tar "${{file#/}}"
            [ -d "$file" ] || rm -f "$file"
        done
        {RELOAD}"""
    )
    yield folder
    container.run(f"tar -C / -xf /root/away/all.tar; rm -r /root/away; {RELOAD}")


def test_from_a_checkout(container: Container, checkout: str) -> None:
    run = f"cd '{checkout}'; exec python3 -m xsession"
    container.run("! systemctl --user cat xorg@.service", "alice")
    with Session(
        container,
        command="python3 -m xsession start --server xvfb",
        before=f"cd '{checkout}'",
    ) as session:
        session.wait_until_up()
        assert "xorg@.socket" in container.output(f"ls {UNITS}").split()
        assert shown(container, "xorg@0.service", "FragmentPath") == f"{UNITS}/xorg@.service"
        assert shown(container, "xorg@0.service", "StatusText").startswith("X.Org 21.1.")
        verified = container.run(f"systemd-analyze --user --man=no verify {UNITS}/xorg@*", "alice")
        assert verified.stdout + verified.stderr == ""
        container.run(f"{run} stop", "alice")
        assert session.result().status == 0
    # The common check sees to it that they are gone, but not that the manager knows:
    container.run("! systemctl --user cat xorg@.service", "alice")


def test_a_checkout_whose_holder_is_killed(container: Container, checkout: str) -> None:
    with Session(
        container,
        command="python3 -m xsession start --server xvfb",
        before=f"cd '{checkout}'",
    ) as session:
        session.wait_until_up()
        session.kill("KILL")
        container.wait(f"! ls {UNITS}/xorg@.socket && [ ! -e {RUNTIME}/xsession/0 ]", 15)
        container.wait(DEAD, 15, user="alice")
    # and the manager has forgotten them
    container.wait("! systemctl --user cat xorg@.service xorg@0.service", 15, user="alice")


def test_a_checkout_without_its_units(container: Container, checkout: str) -> None:
    container.run(f"rm -r '{checkout}/units'")
    result = container.run(
        f"cd '{checkout}'; python3 -m xsession start --server xvfb true", "alice", check=False
    )
    assert result.status == 125
    assert "unit files are neither installed nor beside" in said(result)


def test_a_checkout_without_room_for_its_units(container: Container, checkout: str) -> None:
    """Half of them would be taken for those of a package by the next start."""
    run = f"cd '{checkout}'; python3 -m xsession start --server xvfb true"
    container.run(f"mkdir -p {UNITS}", "alice")
    container.run(f"mount -t tmpfs -o size=20k,uid=1000,mode=700 none {UNITS}")
    try:
        result = container.run(run, "alice", check=False)
        assert result.status == 125
        assert "No space left on device" in said(result)
        assert container.output(f"ls {UNITS}") == ""
    finally:
        container.run(f"umount {UNITS}")
    assert container.run(run, "alice").stderr == ""


def test_the_installed_units_are_clean(container: Container) -> None:
    files = container.output("dpkg -L xsession | grep -E '/systemd/user/.+@?\\.[a-z]+$'")
    assert "/xorg@.service" in files
    for kind in files.splitlines():
        verified = container.run(f"systemd-analyze --user --man=no verify {kind}", "alice")
        assert verified.stdout + verified.stderr == "", kind
