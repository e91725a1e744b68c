"""How a start waits for graphics devices."""

import pytest

from xsession import graphics, udev
from xsession.udev import Gpu

CARD1 = Gpu("card1", "i915", True, "seat0", "/sys/2/card1", "pci-0000:00:02.0")
FIRMWARE = Gpu("card0", "simple-framebuffer", False, "seat0", "/sys/card0")


@pytest.mark.parametrize(
    ("found", "seconds", "udevd", "no_drivers", "waits"),
    [
        ((CARD1,), 10.0, True, False, False),
        ((), 10.0, True, False, True),
        ((), 0.0, True, False, False),
        ((), 10.0, False, False, False),
        ((), 10.0, True, True, False),
    ],
)
def test_whether_it_waits(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: tuple[Gpu, ...],
    seconds: float,
    udevd: bool,
    no_drivers: bool,
    waits: bool,
) -> None:
    monkeypatch.setattr(udev, "gpus", lambda _: found)
    monkeypatch.setattr(udev, "without_driver", lambda: ())
    monkeypatch.setattr(udev, "runs", lambda: udevd)
    monkeypatch.setattr(udev, "no_drivers", lambda: no_drivers)
    monkeypatch.setattr(udev, "wait", lambda *_: (CARD1,))
    assert graphics.look("seat0", seconds) == ((CARD1,) if waits else found, waits)
    said = "xsession: waiting for the graphics device of seat0, 10 s at most\n" if waits else ""
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ((), ""),
        ((CARD1,), ""),
        (
            (FIRMWARE,),
            "xsession: nothing better came within 10 s; going on with card0 (simple-framebuffer)\n",
        ),
    ],
)
def test_what_came_late(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    came: tuple[Gpu, ...],
    said: str,
) -> None:
    monkeypatch.setattr(udev, "gpus", lambda _: ())
    monkeypatch.setattr(udev, "without_driver", lambda: ())
    monkeypatch.setattr(udev, "runs", lambda: True)
    monkeypatch.setattr(udev, "no_drivers", lambda: False)
    monkeypatch.setattr(udev, "wait", lambda *_: came)
    assert graphics.look("seat0", 10.0) == (came, True)
    _, _, after = capsys.readouterr().err.partition("at most\n")
    assert after == said


class Events:
    """udev's monitor, which has an event as often as it is asked for one."""

    polled = 0

    def filter_by_tag(self, _: str) -> None: ...

    def start(self) -> None: ...

    def poll(self, _: float) -> None:
        self.polled += 1


@pytest.mark.parametrize("real_comes", [True, False])
def test_the_framebuffer_that_firmware_left_comes_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], real_comes: bool
) -> None:
    """simpledrm is there while the driver of the real one is on its way."""
    bare = Gpu("0000:00:02.0", "", True, "seat0", "/sys/2", "pci-0000:00:02.0")
    events = Events()

    def gpus(_: str) -> tuple[Gpu, ...]:
        return (CARD1,) if real_comes and events.polled == 3 else (FIRMWARE,)

    monkeypatch.setattr("pyudev.Monitor.from_netlink", lambda _: events)
    monkeypatch.setattr(udev, "_context", lambda: None)
    monkeypatch.setattr(udev, "gpus", gpus)
    monkeypatch.setattr(
        udev, "without_driver", lambda: () if gpus("seat0") == (CARD1,) else (bare,)
    )
    monkeypatch.setattr(udev, "runs", lambda: True)
    monkeypatch.setattr(udev, "no_drivers", lambda: False)
    found, waited = graphics.look("seat0", 5.0 if real_comes else 0.2)
    assert waited
    said = capsys.readouterr().err
    assert "waiting for the graphics device of seat0" in said
    if real_comes:
        assert (found, events.polled) == ((CARD1,), 3)
    else:
        assert found == (FIRMWARE, bare)
        assert "going on with card0 (simple-framebuffer)" in said
