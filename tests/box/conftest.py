"""A fresh machine for every test, and the common check after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from check import checked
from machine import Box, vts_objection


@pytest.fixture(scope="session")
def no_vts() -> str:
    """Why there are no VTs for a box; nothing where this computer's are nobody's."""
    return vts_objection()


@pytest.fixture
def box(suite: str, deb: Path, no_vts: str, request: pytest.FixtureRequest) -> Iterator[Box]:
    """alice has logged in on tty1, and xsession is installed."""
    if no_vts:
        pytest.skip(f"no VTs for a box: {no_vts}")
    with Box.boot(suite, deb) as it, checked(it, request):
        yield it


@pytest.fixture
def seatless(suite: str, deb: Path, request: pytest.FixtureRequest) -> Iterator[Box]:
    """No VTs; alice has her user manager, and no login session."""
    with Box.boot(suite, deb, vts=False) as it, checked(it, request):
        yield it
