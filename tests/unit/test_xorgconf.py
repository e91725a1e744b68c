"""Xorg's configuration: who chooses a graphics device in it, and our own folder."""

import os
from pathlib import Path

import pytest

from xsession import xorgconf
from xsession.errors import Failure
from xsession.udev import Gpu

CARD = Gpu("card0", "amdgpu", False, "seat0", "/sys/devices/pci0000:00/0000:00:03.0/drm/card0")

# Debian 13 has such a section for a GPU that few machines have.
APPLE = """\
Section "OutputClass"
        Identifier "appledrm"
        MatchDriver "apple"
        Driver "modesetting"
        Option "PrimaryGPU" "true"
EndSection
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine's configuration: `etc` and `system`, folders without files."""
    for name in ("empty", "etc", "system"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(xorgconf, "FILES", (str(tmp_path / "xorg.conf"),))
    monkeypatch.setattr(xorgconf, "FOLDERS", (str(tmp_path / "empty"), str(tmp_path / "etc")))
    monkeypatch.setattr(xorgconf, "SYSTEM_FOLDER", str(tmp_path / "system"))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "chooses"),
    [
        ("xorg.conf", 'Section "Device"\n', True),
        ("etc/20-a.conf", 'Section "InputClass"\nEndSection\n  section  "screen"\n', True),
        ("etc/20-a.conf", '\tOption "PrimaryGPU" "yes"\n', True),
        ("system/10-nvidia.conf", APPLE.replace("apple", "nvidia|amdgpu"), True),
        ("system/10-quirks.conf", APPLE, False),
        ("system/10-quirks.conf", APPLE + 'Section "Device"\nEndSection\n', True),
        ("system/10-nvidia.conf", 'Section "ServerLayout"\n', True),
        ("etc/20-a.conf", '# Section "Device"\n', False),
        ("etc/20-a.conf", 'Section "InputClass"\n\tIdentifier "Device"\n', False),
        ("etc/20-a.conf.off", 'Section "Device"\n', False),
        ("etc/.20-a.conf", 'Section "Device"\n', False),
    ],
)
def test_files_that_choose(machine: Path, file: str, text: str, chooses: bool) -> None:
    (machine / file).write_text(text)
    assert xorgconf.chooser((), {CARD.driver}) == (str(machine / file) if chooses else "")


@pytest.mark.usefixtures("machine")
def test_arguments_that_choose() -> None:
    assert xorgconf.chooser(("-dpi", "96")) == ""
    assert xorgconf.chooser(("-config", "mine.conf")) == "-config"


def test_our_folder_has_the_machines_files_too(machine: Path) -> None:
    (machine / "etc" / "20-a.conf").write_text("a")
    (machine / "etc" / "README").write_text("b")
    path = machine / "ours"
    section = xorgconf.device_section(CARD)
    xorgconf.write(str(path), section)
    assert sorted(os.listdir(path)) == ["00-xsession.conf", "20-a.conf"]
    assert (path / "00-xsession.conf").read_text() == section
    assert (path / "20-a.conf").read_text() == "a"
    with pytest.raises(Failure, match=r"could not write .*ours: File exists"):
        xorgconf.write(str(path), section)


def test_section() -> None:
    assert xorgconf.device_section(CARD).splitlines() == [
        'Section "Device"',
        '\tIdentifier "xsession"',
        f'\tBusID "platform:{CARD.path}"',
        "EndSection",
    ]
