"""What is printed for a person: no line wider than the terminal."""

import io
import os
import sys

import pytest

from xsession import tty

TEXT = "! server           Xorg cannot be started here: no login session\n  short\n\nend"


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_no_line_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tty, "width", lambda: columns)
    lines = tty.folded(TEXT, 19).splitlines()
    assert max(map(len, lines)) <= columns
    assert "".join(lines).replace(" ", "") == TEXT.replace("\n", "").replace(" ", "")
    assert lines[-3:] == ["  short", "", "end"]
    if columns == 40:
        assert lines[1] == f"{'':19}started here: no"


def test_what_has_to_be_escaped_is_no_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tty, "width", lambda: 20)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert max(map(len, tty.folded("ü" * 15).splitlines())) <= 20


def test_where_there_is_no_terminal_lines_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tty, "width", lambda: 10**9)
    assert tty.folded("a" * 10000) == "a" * 10000


@pytest.mark.parametrize(
    ("terminal", "environ", "wanted"),
    [
        (True, {"TERM": "linux"}, True),
        (True, {"TERM": "linux", "NO_COLOR": ""}, True),
        (True, {"TERM": "linux", "NO_COLOR": "0"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (False, {"TERM": "linux"}, False),
    ],
)
def test_colours_are_for_terminals_and_who_wants_them(
    terminal: bool, environ: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: terminal)
    monkeypatch.setattr(os, "environ", environ)
    assert tty.has_colours() is wanted


@pytest.mark.parametrize(("encoding", "wanted"), [("utf-8", True), ("ascii", False)])
def test_what_can_be_shown(encoding: str, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    assert tty.can_show("█") is wanted
