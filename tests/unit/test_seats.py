"""What `xsession seats` says."""

import io
import json

import pytest

from xsession import logind, seats, tty, udev
from xsession.errors import Failure
from xsession.logind import LoginSession
from xsession.seats import Vts
from xsession.udev import Connector, Device, Gpu

SEAT0 = logind.Seat("seat0", active="2", graphical=True, tty=True)
SEAT1 = logind.Seat("seat1", active="", graphical=True, tty=False)
MODES = ("1920x1080", "1280x800", "800x600", "640x480")
CARD1 = Gpu(
    *("card1", "i915", True, "seat0", "/sys/2/card1", "pci-0000:00:02.0"),
    connectors=(Connector("HDMI-A-1", "connected", MODES), Connector("DP-1", "disconnected")),
)
CARD0 = Gpu("card0", "amdgpu", False, "seat1", "/sys/3/card0")
FIRMWARE = Gpu("card0", "simple-framebuffer", False, "seat0", "/sys/card0")
KEYBOARD = Device("keyboard", "Keys \x1b[2J", "seat0", "/sys/a")
MOUSE = Device("mouse", "Mouse", "seat0", "/sys/b")
LOGIN = LoginSession("2", 4_000_000_000, "seat0", 1, active=True, type="tty")
BY_SSH = LoginSession("3", 0, "", 0, active=True, type="tty")
VTS = Vts(active=1, allocated=(1, 2, 5), free=(7, 8, 9, 63), gettys=6)


def gathered(
    known: list[logind.Seat], gpus: list[Gpu], devices: list[Device]
) -> dict[str, seats.Seat]:
    return {it.name: it for it in seats.gather(known, [LOGIN, BY_SSH], gpus, devices, VTS)}


def test_a_seat_in_words() -> None:
    found = gathered([SEAT0], [CARD1], [KEYBOARD, MOUSE])
    assert seats.text(found["seat0"]).splitlines() == [
        "seat0: graphical",
        "  graphics    card1 (i915, pci-0000:00:02.0), the machine booted with it",
        "              HDMI-A-1: connected, 1920x1080, 1280x800, 800x600, ...",
        "              DP-1: disconnected",
        "  keyboard    Keys \x1b[2J",
        "  mouse       Mouse",
        "  VTs         1-2, 5 in use, 7-9, 63 free",
        "              tty1 is on the screen",
        "  login       session 2 of uid 4000000000 on tty1, active",
    ]


def test_a_seat_without_vts_and_with_nothing_else() -> None:
    found = gathered([SEAT0, SEAT1], [CARD1, CARD0], [])
    assert seats.text(found["seat1"]).splitlines() == [
        "seat1: graphical",
        "  note        no monitor is plugged in",
        "  note        no keyboard",
        "  note        no mouse",
        "  graphics    card0 (amdgpu)",
    ]


NO_GPU = "it has no graphics device (udev knows none with tag master-of-seat)"


@pytest.mark.parametrize(
    ("known", "gpus", "devices", "name", "objection"),
    [
        ([SEAT0], [CARD1], [], "seat0", ""),
        ([SEAT0], [], [KEYBOARD], "seat0", NO_GPU),
        (
            *([SEAT0], [CARD1], [Device("mouse", "Mouse", "seat9", "/sys/c")], "seat9"),
            f"{NO_GPU}, so logind makes no seat of its devices",
        ),
        (
            *([SEAT0], [], [], "seat0"),
            "the udev database is empty; look at it: systemctl status systemd-udevd",
        ),
        (
            *([SEAT0], [CARD0], [], "seat1"),
            "logind does not know it; have udev tell it again: udevadm trigger",
        ),
        (
            *([logind.Seat("seat0", "", False, True)], [CARD1], [], "seat0"),
            "logind says that it cannot (CanGraphical=no);"
            " have udev tell it again: udevadm trigger",
        ),
        (
            *([SEAT0], [Gpu("card5", "", False, "seat one", "/sys/d")], [], "seat one"),
            "this is no seat's name (seat, then letters, digits, - and _): logind ignores it",
        ),
    ],
)
def test_objection(
    known: list[logind.Seat], gpus: list[Gpu], devices: list[Device], name: str, objection: str
) -> None:
    assert gathered(known, gpus, devices)[name].objection == objection


def test_firmware_alone_is_noted() -> None:
    (note, *_) = gathered([SEAT0], [FIRMWARE], [])["seat0"].notes
    assert note == "no graphics driver has come: there is but the framebuffer that firmware left"


def test_free_vts() -> None:
    assert seats.free_vts((1, 7), (8,), 6) == tuple(range(9, 64))
    assert seats.free_vts((1,), (), 0)[0] == 2
    assert seats.free_vts(range(1, 64), (), 6) == ()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logind, "seats", lambda: (SEAT0,))
    monkeypatch.setattr(logind, "sessions", lambda: (LOGIN,))
    monkeypatch.setattr(logind, "gettys", lambda: 6)
    monkeypatch.setattr(udev, "gpus", lambda *_, **__: (CARD1,))
    monkeypatch.setattr(udev, "devices", lambda: (KEYBOARD,))
    monkeypatch.setattr(tty, "allocated", lambda: (1,))
    monkeypatch.setattr(tty, "active_vt", lambda: 1)


@pytest.mark.usefixtures("machine")
def test_what_is_printed_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert seats.main("", False) == 0
    assert "Keys ?[2J" in capsys.readouterr().out


@pytest.mark.usefixtures("machine")
def test_on_a_narrow_terminal_that_knows_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udev, "devices", lambda: (KEYBOARD._replace(title="Größe 1"),))
    monkeypatch.setattr(tty, "width", lambda: 20)
    terminal = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert seats.main("", False) == 0
    terminal.seek(0)
    said = terminal.read()
    assert max(map(len, said.splitlines())) <= 20
    assert r"Gr\xf6" in said


@pytest.mark.usefixtures("machine")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert seats.main("seat0", True) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["name"], told["objection"], told["active"]) == ("seat0", "", "2")
    assert told["gpus"][0]["connectors"][0]["modes"] == list(MODES)
    assert told["vts"]["free"][0] == 7
    assert told["sessions"][0]["vt"] == 1


@pytest.mark.usefixtures("machine")
def test_a_seat_that_is_not_there() -> None:
    with pytest.raises(Failure) as refused:
        seats.main("seat7\x1b", False)
    assert str(refused.value) == "there is no seat 'seat7?'\n  there are: seat0"
