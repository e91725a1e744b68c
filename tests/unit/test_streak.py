"""Short sessions in a row: what is kept of them, and when they are too many."""

import time
from pathlib import Path

import pytest

from xsession import streak


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def test_three_short_ones_are_too_many(environ: dict[str, str]) -> None:
    for lasted in (0.1, 9.9):
        streak.note(environ, lasted)
        assert streak.too_many(environ) == ""
    streak.note(environ, 3)
    assert streak.too_many(environ).startswith("the last 3 sessions lasted less than 10 s each")


def test_a_long_one_ends_the_streak(environ: dict[str, str]) -> None:
    for lasted in (1, 1, 1, 10):
        streak.note(environ, lasted)
    assert streak.too_many(environ) == ""
    assert not list(Path(environ["HOME"]).rglob("short-sessions"))


def test_it_is_forgotten(environ: dict[str, str]) -> None:
    file = Path(environ["HOME"], ".local/state/xsession/short-sessions")
    file.parent.mkdir(parents=True)
    file.write_text(f"{time.time() - streak.FORGOTTEN - 1:.0f}\n" * 3)
    assert streak.too_many(environ) == ""


def test_old_ones_do_not_count_with_new_ones(environ: dict[str, str]) -> None:
    file = Path(environ["HOME"], ".local/state/xsession/short-sessions")
    file.parent.mkdir(parents=True)
    file.write_text(f"{time.time() - streak.FORGOTTEN - 1:.0f}\n" * 2)
    streak.note(environ, 1)
    assert streak.too_many(environ) == ""
    for _ in range(2):
        streak.note(environ, 1)
    assert streak.too_many(environ).startswith("the last 3 sessions")


def test_a_home_that_cannot_be_written(environ: dict[str, str]) -> None:
    Path(environ["HOME"]).touch()  # in the way of every folder in it
    for _ in range(3):
        streak.note(environ, 1)
    assert streak.too_many(environ)


@pytest.mark.parametrize("text", ["", "x\n", "1\n2\nnan\n"])
def test_a_file_that_is_not_ours(environ: dict[str, str], text: str) -> None:
    file = Path(environ["HOME"], ".local/state/xsession/short-sessions")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert streak.too_many(environ) == ""
