"""Guests for the tests of this tier: booted once for each suite, put back before every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from check import Before, check
from machine import Guest, install
from person import PATIENCE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """How many graphics devices a file's tests want; pytest puts those of one number in a row."""
    if "gpus" in metafunc.fixturenames:
        wanted = getattr(metafunc.module, "GPUS", 1)
        metafunc.parametrize("gpus", [wanted], ids=[pytest.HIDDEN_PARAM], scope="session")


@pytest.fixture(scope="session")
def booted(
    suite: str, gpus: int, deb: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Guest, Before]]:
    """A guest with xsession installed, saved at alice's prompt."""
    name = request.config.getoption("--guest")
    guest = Guest.attach(name) if name else Guest.boot(suite, gpus=gpus)
    if name:
        guest.restore("prompt")
    install(guest, deb)
    guest.run(PATIENCE)
    guest.run("systemctl is-system-running --wait", timeout=120)
    before = Before.of(guest)
    guest.save("installed")
    yield guest, before
    if not name:
        guest.close()


@pytest.fixture
def guest(booted: tuple[Guest, Before], request: pytest.FixtureRequest) -> Iterator[Guest]:
    """Alice sits at tty1 in front of her first prompt; the common check follows the test.

    Put back before the test, not after it: with --guest one can look at what it did.
    """
    machine, before = booted
    machine.restore("installed")
    yield machine
    check(machine, before, request, patience=60)
