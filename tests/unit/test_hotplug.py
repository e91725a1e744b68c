"""What the kernel says of a graphics device while a server draws on it."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from xsession import hotplug
from xsession.hotplug import Event, Watch
from xsession.udev import Gpu


@pytest.mark.parametrize(
    ("packet", "event"),
    [
        (
            b"change@/devices/pci0000:00/0000:00:02.0/drm/card0\0ACTION=change\0HOTPLUG=1\0",
            Event("change", "/sys/devices/pci0000:00/0000:00:02.0/drm/card0"),
        ),
        (b"remove@/devices/\xff", Event("remove", "/sys/devices/\udcff")),
        (b"libudev\0\xfe\xed\xca\xfe", None),
        (b"", None),
    ],
)
def test_parse(packet: bytes, event: Event | None) -> None:
    assert hotplug.parse(packet) == event


def test_changes() -> None:
    before = {"HDMI-A-1": "disconnected", "DP-1": "connected", "DP-2": "connected"}
    after = {"HDMI-A-1": "connected", "DP-1": "connected", "DP-3": "connected"}
    assert hotplug.changes(before, after) == ("DP-2", "DP-3", "HDMI-A-1")
    assert hotplug.changes(after, after) == ()


class FakeSocket:
    """The kernel's end is a list of packets, with who sent them, or errors."""

    def __init__(self, packets: list[tuple[bytes, int] | OSError]) -> None:
        self.packets = packets

    def recvfrom(self, _: int) -> tuple[bytes, tuple[int, int]]:
        if not self.packets:
            raise BlockingIOError
        packet = self.packets.pop(0)
        if isinstance(packet, OSError):
            raise packet
        return packet[0], (packet[1], 1)


def made_up(path: Path, connector: str) -> Path:
    status = path / f"{path.name}-{connector}" / "status"
    status.parent.mkdir(parents=True)
    status.write_text("disconnected\n")
    return path


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return made_up(tmp_path / "card0", "DP-1")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return made_up(tmp_path / "card1", "DP-2")


@pytest.fixture
def watch(card: Path, other: Path) -> Iterator[Watch]:
    drawn_on, second = (Gpu(it.name, "i915", True, "seat0", str(it)) for it in (card, other))
    made = Watch(drawn_on, (second, drawn_on))
    yield made
    made.close()


def receives(watch: Watch, monkeypatch: pytest.MonkeyPatch, *packets: object) -> None:
    monkeypatch.setattr(watch, "_socket", FakeSocket(list(packets)))  # type: ignore[arg-type]


def event(action: str, path: Path | str, monkeypatch: pytest.MonkeyPatch) -> Event:
    made = Event(action, str(path))
    monkeypatch.setattr(hotplug, "parse", lambda _: made)
    return made


def test_a_monitor_comes(watch: Watch, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event("change", card, monkeypatch)
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (False, ())
    (card / "card0-DP-1" / "status").write_text("connected\n")
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (False, ("DP-1",))
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (False, ())


def test_it_goes(watch: Watch, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event("remove", card, monkeypatch)
    receives(watch, monkeypatch, (b"", 4711))  # somebody else than the kernel
    assert watch.read() == (False, ())
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (True, ())


def test_a_monitor_comes_to_another_of_the_seat(
    watch: Watch, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event("change", other, monkeypatch)
    (other / "card1-DP-2" / "status").write_text("connected\n")
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (False, ("DP-2",))


def test_another_of_the_seat_goes(
    watch: Watch, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event("remove", other, monkeypatch)
    shutil.rmtree(other)
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (False, ("DP-2",))


def test_another_seats_goes(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    event("remove", "/sys/devices/card2", monkeypatch)
    receives(watch, monkeypatch, (b"", 0))
    assert watch.read() == (False, ())


def test_lost_events(watch: Watch, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (card / "card0-DP-1" / "status").write_text("connected\n")
    receives(watch, monkeypatch, OSError(105, os.strerror(105)))
    assert watch.read() == (False, ("DP-1",))
    (card / "card0-DP-1" / "status").unlink()
    (card / "card0-DP-1").rmdir()
    card.rmdir()
    receives(watch, monkeypatch, OSError(105, os.strerror(105)))
    assert watch.read() == (True, ())


def test_the_kernel_s_own_socket(watch: Watch) -> None:
    assert os.fstat(watch.fd)
    assert socket.socket(fileno=os.dup(watch.fd)).family == socket.AF_NETLINK
    assert watch.read()[0] is False


def test_a_sandbox_without_such_sockets(monkeypatch: pytest.MonkeyPatch, card: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(97, os.strerror(97))

    monkeypatch.setattr(socket, "socket", refuse)
    assert hotplug.watch(Gpu("card0", "i915", True, "seat0", str(card)), ()) is None
