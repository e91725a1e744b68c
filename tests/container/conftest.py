"""Containers for the tests of this tier: one for each suite, replaced when a test spoilt it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from check import Before, check
from machine import Container, install

Shelf = dict[str, Container]


@pytest.fixture(scope="session")
def containers() -> Iterator[Shelf]:
    shelf: Shelf = {}
    yield shelf
    for machine in shelf.values():
        machine.close()


@pytest.fixture
def container(
    suite: str, containers: Shelf, deb: Path, request: pytest.FixtureRequest
) -> Iterator[Container]:
    """A container with xsession installed, alice's user manager up; the same after the test."""
    if suite not in containers:
        containers[suite] = Container.boot(suite)
        install(containers[suite], deb)
    machine = containers[suite]
    before = Before.of(machine)
    yield machine
    try:
        check(machine, before, request, patience=20)
    except AssertionError:
        containers.pop(suite).close()
        raise


@pytest.fixture
def home(container: Container) -> Iterator[str]:
    """A folder of alice's for what a test needs there; gone after it."""
    folder = "/home/alice/test"
    container.run(f"mkdir {folder}", "alice")
    yield folder
    container.run(f"rm -rf {folder}")
