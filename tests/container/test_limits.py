"""A machine that has run out of something: one clear line, and nothing is left."""

from collections.abc import Iterable

import pytest
from container.session import FOLDER, IDLE, Journal, files_of_alice, start
from machine import Container

pytestmark = [pytest.mark.fault("the machine"), pytest.mark.divided]


@pytest.mark.journal(r"xorg@0\.service|xsession-client@0\.service")
@pytest.mark.parametrize(
    ("limit", "values", "words"),
    [
        ("nofile", (*range(6, 30, 4), *range(60, 80, 2)), "Too many open files"),
        ("nproc", range(1, 40, 3), "Resource temporarily unavailable"),
    ],
)
def test_no_more(container: Container, limit: str, values: Iterable[int], words: str) -> None:
    """Descriptors, processes: wherever they run out in a start, it says so and undoes all."""
    seen = []
    for value in values:
        result = start(container, "true", before=f"prlimit --{limit}={value}:{value}")
        seen.append((value, result.status))
        assert result.status in (0, 125), (value, result)
        assert "Traceback" not in result.stderr, (value, result)
        assert len(result.stderr.splitlines()) <= 3, (value, result)
        if result.status:
            assert words in result.stderr, (value, result)
        container.wait(f"[ ! -e {FOLDER} ]", 15, "what is left to be cleared")
    assert seen[0][1], seen  # else nothing ran out
    assert start(container, "true").status == 0


@pytest.mark.journal(r"xorg@0\.service|xsession-client@0\.service")
def test_a_bridge_without_descriptors(container: Container) -> None:
    """Wherever they run out in it, it tells so instead of a traceback."""
    for value in (8, 9, 10, 12, 14, 64, 68):
        limit = {"systemd/user/xorg@.service.d/limit.conf": f"[Service]\nLimitNOFILE={value}\n"}
        journal = Journal(container)
        with files_of_alice(container, limit):
            result = start(container, IDLE)
        assert (result.status, "Too many open files" in result.stderr) == (125, True), (
            value,
            result,
        )
        assert "Traceback" not in journal.of("xorg@0"), value
