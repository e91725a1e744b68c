"""The seats' devices, in order. They are made up: most machines have but one of each."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pyudev

from xsession import udev
from xsession.udev import Connector, Device, Gpu


@dataclass
class Fake:
    """As much of pyudev.Device as is looked at."""

    sys_path: str
    subsystem: str = "drm"
    driver: str | None = None
    attributes: dict[str, bytes] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    is_initialized: bool = True

    @property
    def sys_name(self) -> str:
        return os.path.basename(self.sys_path)


@dataclass
class FakeList(list[Fake]):
    """As much of pyudev.Enumerator."""

    devices: list[Fake]

    def __iter__(self) -> Iterator[Fake]:
        return iter(self.devices)

    def match_attribute(self, name: str, value: str) -> "FakeList":
        wanted = value.encode()
        return FakeList([it for it in self.devices if it.attributes.get(name) == wanted])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Fake]]:
    """The machine's devices, by their tags and their subsystem alike."""
    devices: list[Fake] = []

    class Context:
        def list_devices(self, **wanted: str) -> FakeList:
            (word,) = wanted.values()
            return FakeList([it for it in devices if word in (it.subsystem, *tags(it))])

    monkeypatch.setattr(pyudev, "Context", Context)
    udev._context.cache_clear()
    yield devices
    udev._context.cache_clear()


def tags(device: Fake) -> tuple[str, ...]:
    return ("seat", "master-of-seat") if device.subsystem in ("drm", "graphics") else ("seat",)


PATH = {"ID_PATH": "pci-0000:00:02.0"}
CARD1 = Fake("/sys/02.0/drm/card1", properties=PATH)
PATH0 = {"ID_PATH": "pci-0000:00:03.0", "ID_SEAT": "seat1"}
CARD0 = Fake("/sys/03.0/virtio1/drm/card0", properties=PATH0)
GPU1 = Gpu("card1", "", False, "seat0", "/sys/02.0/drm/card1", "pci-0000:00:02.0")
GPU0 = Gpu("card0", "", False, "seat1", "/sys/03.0/virtio1/drm/card0", "pci-0000:00:03.0")


@pytest.mark.parametrize(
    ("driver", "name"),
    [("vc4-drm", "vc4"), ("rockchip-drm", "rockchip"), ("nvidia", "nvidia-drm"), ("i915", "i915")],
)
def test_a_driver_is_named_as_drm_does(
    machine: list[Fake], tmp_path: Path, driver: str, name: str
) -> None:
    """Xorg's MatchDriver is about that name."""
    (tmp_path / "gpu/drm/card0").mkdir(parents=True)
    (tmp_path / "gpu/driver").symlink_to(f"/sys/bus/platform/drivers/{driver}")
    machine.append(Fake(str(tmp_path / "gpu/drm/card0")))
    assert [gpu.driver for gpu in udev.gpus()] == [name]


@pytest.mark.parametrize(
    ("devices", "seat", "gpus"),
    [
        ([], "", ()),
        ([Fake("/sys/hub", "usb"), Fake("/sys/event3", "input")], "", ()),
        ([CARD0, CARD1, Fake("/sys/02.0/drm/card1/card1-DP-1")], "", (GPU1, GPU0)),
        ([CARD0, CARD1], "seat1", (GPU0,)),
        ([Fake("/sys/drm/card7", is_initialized=False)], "seat0", ()),
        ([CARD0, CARD1], "seat2", ()),
    ],
    ids=["none", "no graphics", "two seats", "one of two seats", "half known", "no such seat"],
)
def test_gpus(machine: list[Fake], devices: list[Fake], seat: str, gpus: tuple[Gpu, ...]) -> None:
    machine += devices
    assert udev.gpus(seat) == gpus


def test_driver_and_boot_vga_are_those_of_the_nearest_that_has_them(
    machine: list[Fake], tmp_path: Path
) -> None:
    for slot, boot in (("02.0", "1\n"), ("03.0", "0\n")):
        (tmp_path / slot / "virtio1/drm/card0").mkdir(parents=True)
        (tmp_path / slot / "boot_vga").write_text(boot)
        (tmp_path / slot / "driver").symlink_to("/sys/bus/pci/drivers/virtio-pci")
        machine.append(Fake(str(tmp_path / slot / "virtio1/drm/card0")))
    (tmp_path / "03.0/virtio1/driver").symlink_to("/sys/bus/virtio/drivers/virtio_gpu")
    assert [(gpu.driver, gpu.boot_vga) for gpu in udev.gpus()] == [
        ("virtio_gpu", True),  # as DRM names it, where the card is the PCI device's own child
        ("virtio_gpu", False),
    ]


def test_connectors_and_their_modes(machine: list[Fake], tmp_path: Path) -> None:
    card = tmp_path / "card0"
    for name, status, modes in (
        ("card0-HDMI-A-1", "connected\n", "1920x1080\n1920x1080\n800x600\n"),
        ("card0-DP-1", "disconnected\n", ""),
        ("card0-no-connector", "", ""),
        ("card01-DP-9", "connected\n", ""),
    ):
        (card / name).mkdir(parents=True)
        (card / name / "status").write_text(status)
        (card / name / "modes").write_text(modes)
    machine.append(Fake(str(card)))
    dp = Connector("DP-1", "disconnected")
    (gpu,) = udev.gpus()
    assert gpu.connectors == (dp, Connector("HDMI-A-1", "connected"))
    (gpu,) = udev.gpus(modes=True)
    assert gpu.connectors == (dp, Connector("HDMI-A-1", "connected", ("1920x1080", "800x600")))


def test_what_firmware_booted_with_and_has_no_card(machine: list[Fake], tmp_path: Path) -> None:
    boot = {"boot_vga": b"1"}
    machine += [
        Fake(str(tmp_path / "0000:00:02.0"), "pci", None, attributes=boot, properties=PATH),
        Fake(str(tmp_path / "0000:00:03.0"), "pci", "e1000"),
        Fake(str(tmp_path / "0000:00:04.0"), "pci", "nouveau", attributes=boot),
    ]
    (tmp_path / "0000:00:04.0" / "virtio1" / "drm").mkdir(parents=True)
    (gpu,) = udev.without_driver()
    assert (gpu.name, gpu.driver, gpu.boot_vga, gpu.id_path) == (
        *("0000:00:02.0", "", True),
        "pci-0000:00:02.0",
    )


def test_other_devices(machine: list[Fake]) -> None:
    keyboard = {"ID_INPUT": "1", "ID_INPUT_KEY": "1", "ID_INPUT_KEYBOARD": "1"}
    pad = {"ID_INPUT_MOUSE": "1", "ID_INPUT_TOUCHPAD": "1", "ID_SEAT": "seat1"}
    machine += [
        CARD1,
        Fake("/sys/a/input2", "input", attributes={"name": b"Keys\xff\n"}, properties=keyboard),
        Fake("/sys/a/event2", "input", properties=keyboard),
        Fake("/sys/a/input1", "input", properties={"ID_INPUT_KEY": "1"}),
        Fake("/sys/b/input3", "input", properties=pad),
        Fake("/sys/c/card0", "sound", attributes={"id": b"PCH"}),
        Fake("/sys/c/controlC0", "sound"),
    ]
    assert udev.devices() == (
        Device("keyboard", "Keys�", "seat0", "/sys/a/input2"),
        Device("touchpad", "input3", "seat1", "/sys/b/input3"),
        Device("sound", "PCH", "seat0", "/sys/c/card0"),
    )


def test_waits_for_an_event_and_looks_again(
    machine: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    polled = []

    class Monitor:
        @classmethod
        def from_netlink(cls, _: object) -> "Monitor":
            return cls()

        def filter_by_tag(self, tag: str) -> None:
            assert tag == "master-of-seat"

        def start(self) -> None:
            machine.append(CARD0)  # before the first look: no event will tell

        def poll(self, seconds: float) -> None:
            polled.append(seconds)
            machine.append(CARD1)

    monkeypatch.setattr(pyudev, "Monitor", Monitor)
    assert udev.wait(bool, "seat1", 5.0) == (GPU0,)
    assert not polled
    assert udev.wait(bool, "seat0", 5.0) == (GPU1,)
    assert len(polled) == 1
    assert udev.wait(bool, "seat2", 0.0) == ()

    monkeypatch.setattr(udev, "SETTLE", 0.01)
    machine.append(Fake("/sys/drm/card7", properties={"ID_SEAT": "seat7"}))
    assert [gpu.name for gpu in udev.wait(bool, "seat7", 60.0)] == ["card7"]
    assert max(polled[1:]) <= 0.01


def test_only_what_makes_a_seat_is_looked_at(machine: list[Fake]) -> None:
    """64 graphics devices and 200 for input: those of other seats cost one question each."""

    class Untouchable(dict[str, bytes]):
        def get(self, *_: object) -> bytes:
            raise AssertionError

    machine += [Fake(f"/sys/input{n}", "input", attributes=Untouchable()) for n in range(200)]
    machine += [Fake(f"/sys/card{n}", properties={"ID_SEAT": f"seat{n // 2}"}) for n in range(64)]
    assert [gpu.name for gpu in udev.gpus("seat20")] == ["card40", "card41"]
    assert len(udev.gpus()) == 64


def test_the_devices_of_this_machine_can_be_asked_for() -> None:
    assert all(gpu.name.startswith(("card", "fb")) for gpu in udev.gpus())
    assert all(device.kind for device in udev.devices())
    assert isinstance(udev.without_driver(), tuple)
