"""Our unit files: those of this checkout, and what is written of them for a manager without."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from xsession import bridge, units
from xsession.display import MARK


def test_written_units_call_this_very_interpreter(tmp_path: Path) -> None:
    files = units.at(str(tmp_path))
    units.write(files)
    folder = tmp_path / "systemd" / "user"
    assert sorted(files) == sorted(str(path) for path in folder.iterdir())
    assert {Path(path).name for path in files} == {path.name for path in units.source().iterdir()}
    (start,) = (
        line.removeprefix("ExecStart=")
        for line in (folder / "xorg@.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    )
    program = str(units.PACKAGE / "__main__.py")
    assert shlex.split(start) == [sys.executable, "-I", program, "bridge", "%i"]


def test_a_path_with_blanks_and_specifiers_stays_one_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/home/alice/my 100% venv/bin/python")
    units.write(units.at(str(tmp_path)))
    text = (tmp_path / "systemd" / "user" / "xorg@.service").read_text()
    assert '\nExecStart="/home/alice/my 100%% venv/bin/python" -I "' in text


def test_the_units_name_each_other_as_the_code_does() -> None:
    names = {path.name for path in units.source().iterdir()}
    assert MARK in names
    assert "xsession-client@.service" not in names, "systemd-run refuses a name that has a file"


def test_a_bridge_may_end_its_server_in_order_before_it_is_killed() -> None:
    text = (units.source() / "xorg@.service").read_text()
    patience = re.search(r"^TimeoutStopSec=(\d+)s$", text, re.MULTILINE)
    to_start_python = 10
    assert patience and int(patience[1]) >= 2 * bridge.KILL_AFTER + to_start_python


def test_the_abstract_address_is_bound_first() -> None:
    """The other order would remove the path of a display that lives."""
    lines = (units.source() / "xorg@.socket").read_text().splitlines()
    assert [line for line in lines if line.startswith("ListenStream=")] == [
        "ListenStream=@/tmp/.X11-unix/X%i",
        "ListenStream=/tmp/.X11-unix/X%i",
    ]
