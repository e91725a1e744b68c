"""Which graphics device of a seat is taken, when to wait for one: over made-up machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsession import seat
from xsession.errors import Failure
from xsession.udev import Connector, Gpu

ON = (Connector("HDMI-A-1", "connected"), Connector("DP-1", "disconnected"))
OFF = (Connector("DP-1", "disconnected"), Connector("DP-2", "unknown"))


def gpu(name: str, slot: int, driver: str = "amdgpu", **more: object) -> Gpu:
    path = f"/sys/devices/pci0000:00/0000:00:{slot:02x}.0"
    made = Gpu(name, driver, False, "seat0", f"{path}/drm/{name}", f"pci-0000:00:{slot:02x}.0", OFF)
    return made._replace(**more)  # type: ignore[arg-type]


BOOT = gpu("card1", 2, "i915", boot_vga=True)
SECOND = gpu("card0", 3)
FIRMWARE = gpu("card0", 0, "simple-framebuffer", id_path="platform-simple-framebuffer.0")
# kernel 6.9 and later: below the PCI device
FIRMWARE_OF_BOOT = gpu(
    *("card0", 2, "simple-framebuffer"),
    id_path="pci-0000:00:02.0-platform-simple-framebuffer.0",
    boot_vga=True,
)
EFI = gpu("card0", 0, "efi-framebuffer", id_path="platform-efi-framebuffer.0")
FB = Gpu("fb0", "", False, "seat0", "/sys/fb0")
ARM = gpu("card1", 1, "vc4", id_path="platform-gpu")
RENDERS = gpu("card0", 0, "v3d", id_path="platform-v3d", connectors=())
NO_DRIVER = gpu("0000:00:02.0", 2, "", boot_vga=True)
PROBING = NO_DRIVER._replace(driver="i915")
PASSED_ON = NO_DRIVER._replace(driver="vfio-pci")


def with_monitor(it: Gpu) -> Gpu:
    return it._replace(connectors=ON)


@pytest.mark.parametrize(
    ("gpus", "taken", "why", "xorgs"),
    [
        ([BOOT], BOOT, "the only one of seat0", BOOT),
        ([SECOND, BOOT], BOOT, "the machine booted with it", BOOT),
        (
            [with_monitor(SECOND), with_monitor(BOOT)],
            with_monitor(BOOT),
            "a monitor is plugged in (HDMI-A-1), the machine booted with it",
            with_monitor(BOOT),
        ),
        (
            [with_monitor(SECOND), BOOT],
            with_monitor(SECOND),
            "a monitor is plugged in (HDMI-A-1)",
            BOOT,
        ),
        ([ARM, SECOND], ARM, "the first one of seat0", ARM),
        ([ARM, RENDERS], ARM, "it has connectors", RENDERS),
        (
            [with_monitor(FIRMWARE), SECOND],
            SECOND,
            "the first one of seat0",
            with_monitor(FIRMWARE),
        ),
        (
            [with_monitor(FIRMWARE)],
            with_monitor(FIRMWARE),
            "the framebuffer that firmware left, as no driver has come",
            with_monitor(FIRMWARE),
        ),
        ([FB, SECOND], SECOND, "the only one of seat0", SECOND),
        ([FB], FB, "the only one of seat0", FB),
        ([NO_DRIVER, SECOND], SECOND, "the only one of seat0", NO_DRIVER),
        ([NO_DRIVER, FB], FB, "the only one of seat0", NO_DRIVER),
        ([BOOT, SECOND._replace(seat="seat1")], BOOT, "the only one of seat0", BOOT),
    ],
)
def test_choice(gpus: list[Gpu], taken: Gpu, why: str, xorgs: Gpu) -> None:
    for order in (gpus, gpus[::-1]):
        assert seat.choose(order, "seat0") == seat.Choice(taken, why, xorgs)


def test_xorg_finds_a_framebuffer_itself() -> None:
    assert not seat.choose([NO_DRIVER, FB], "seat0").must_be_told
    assert seat.choose([NO_DRIVER, SECOND], "seat0").must_be_told


def test_on_another_seat_xorg_takes_the_first_whatever_firmware_did() -> None:
    first, boot = SECOND._replace(seat="seat1", path="/sys/a"), BOOT._replace(seat="seat1")
    assert seat.choose([boot, first], "seat1") == seat.Choice(
        boot, "the machine booted with it", first
    )


@pytest.mark.parametrize("asked", ["pci-0000:00:03.0", "0000:00:03.0", "amdgpu"])
def test_asked_for(asked: str) -> None:
    choice = seat.choose([BOOT, SECOND], "seat0", asked)
    assert choice == seat.Choice(SECOND, "it was asked for", BOOT)
    assert choice.must_be_told


IT_HAS = "it has: pci-0000:00:02.0 (i915), pci-0000:00:03.0 (amdgpu)"


@pytest.mark.parametrize(
    ("gpus", "asked", "what", "hint"),
    [
        (
            *([], ""),
            "seat0 has no graphics device (udev knows none with tag master-of-seat)",
            "look at the seat: xsession seats; loginctl seat-status seat0",
        ),
        ([BOOT, SECOND], "nouveau", "seat0 has no graphics device 'nouveau'", IT_HAS),
        (
            *([BOOT, SECOND], "card0"),
            "'card0' is a number that may be another device's after the next boot",
            IT_HAS,
        ),
        (
            *([BOOT, SECOND._replace(driver="i915")], "i915"),
            "seat0 has 2 graphics devices with driver i915",
            "it has: pci-0000:00:02.0 (i915), pci-0000:00:03.0 (i915)",
        ),
    ],
)
def test_refusals(gpus: list[Gpu], asked: str, what: str, hint: str) -> None:
    with pytest.raises(Failure) as refused:
        seat.choose(gpus, "seat0", asked)
    assert (refused.value.what, refused.value.hint) == (what, hint)


def test_a_choice_in_words() -> None:
    told = seat.choose([BOOT, with_monitor(SECOND)], "seat0")
    words = "seat0: card0 (amdgpu, pci-0000:00:03.0): a monitor is plugged in (HDMI-A-1)"
    assert str(told) == f"{words}; Xorg alone would take card1"
    left = told._replace(left_to="/etc/X11/xorg.conf")
    assert str(left) == f"{words}; but Xorg's choice is left to /etc/X11/xorg.conf"
    assert str(seat.choose([FB], "seat0")) == "seat0: fb0: the only one of seat0"


@pytest.mark.parametrize(
    ("gpus", "without_driver", "complete"),
    [
        ([], [], False),
        ([], [NO_DRIVER], False),
        ([BOOT], [], True),
        ([BOOT._replace(seat="seat1")], [], False),
        ([ARM], [], True),
        ([RENDERS], [], False),
        ([RENDERS, ARM], [], True),
        ([RENDERS._replace(boot_vga=True)], [], True),
        ([FB], [NO_DRIVER], True),  # only there where no driver will come
        ([FIRMWARE], [NO_DRIVER], False),
        ([FIRMWARE_OF_BOOT], [], False),
        ([EFI], [], False),
        ([FIRMWARE, SECOND], [], False),
        ([FIRMWARE_OF_BOOT, SECOND], [], False),
        ([FIRMWARE, with_monitor(SECOND)], [NO_DRIVER], True),
        ([SECOND], [], True),
        ([SECOND], [NO_DRIVER], False),
        ([SECOND], [PROBING], False),
        ([SECOND], [PASSED_ON], True),
        ([SECOND], [NO_DRIVER._replace(seat="seat1")], True),
    ],
)
def test_whether_to_wait(gpus: list[Gpu], without_driver: list[Gpu], complete: bool) -> None:
    assert seat.is_complete(gpus, without_driver, "seat0") is complete


@pytest.mark.parametrize(
    "name", ["seat0", "seat1", "seat-usb_pci-0000_00_1d_0", "seat" + "x" * 251]
)
def test_names(name: str) -> None:
    assert seat.is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "seat", "sea", "chair0", "seat 1", "seat1\n", "seat;rm", "séat1", "seat" + "x" * 252],
)
def test_no_names(name: str) -> None:
    assert not seat.is_name(name)


NAMES = st.sampled_from(["card0", "card1", "card10", "fb0", "0000:00:02.0"])
GPUS = st.builds(
    Gpu,
    name=NAMES,
    driver=st.sampled_from(["", "i915", "simple-framebuffer"]),
    boot_vga=st.booleans(),
    seat=st.sampled_from(["seat0", "seat1", "seat one"]),
    path=st.text("ab", min_size=1, max_size=4),
    id_path=st.sampled_from(["", "pci-0000:00:02.0", "platform-simple-framebuffer.0"]),
    connectors=st.sampled_from([(), ON, OFF]),
)


@given(st.lists(GPUS, max_size=6))
def test_what_is_taken_is_always_the_seats_own_and_a_card(gpus: list[Gpu]) -> None:
    try:
        choice = seat.choose(gpus, "seat0")
    except Failure:
        assert not any(it.seat == "seat0" and seat.is_card(it) for it in gpus)
        return
    for it in (choice.gpu, choice.xorgs):
        assert it in gpus
        assert it.seat == "seat0"
    assert seat.is_card(choice.gpu)
    assert seat.is_card(choice.xorgs) or choice.xorgs.boot_vga
    real = [
        it for it in gpus if it.seat == "seat0" and seat.is_drm(it) and not seat.is_firmware(it)
    ]
    assert not real or choice.gpu in real
    if any(map(seat.plugged, real)):
        assert seat.plugged(choice.gpu)
