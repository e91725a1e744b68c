"""The authority: the file that we write is read by libXau's format and by python-xlib."""

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from Xlib import xauth

from xsession import authority

COOKIE = bytes(range(16))
Entry = tuple[int, bytes, bytes, bytes, bytes]


def parse(data: bytes) -> list[Entry]:
    """Xauthority records, as Xau(3) tells them."""
    entries = []
    while data:
        (family,) = struct.unpack(">H", data[:2])
        data = data[2:]
        fields = []
        for _ in range(4):
            (length,) = struct.unpack(">H", data[:2])
            fields.append(data[2 : 2 + length])
            assert len(fields[-1]) == length
            data = data[2 + length :]
        address, number, name, value = fields
        entries.append((family, address, number, name, value))
    return entries


def test_the_very_bytes() -> None:
    assert authority.entry(authority.FAMILY_LOCAL, b"box", 7, COOKIE) == (
        b"\x01\x00\x00\x03box\x00\x017\x00\x12MIT-MAGIC-COOKIE-1\x00\x10" + COOKIE
    )


@given(hostname=st.text(max_size=64), number=st.integers(0, 9999), cookie=st.binary(max_size=64))
def test_one_entry_for_this_host_and_one_for_any(hostname: str, number: int, cookie: bytes) -> None:
    display, name = str(number).encode(), b"MIT-MAGIC-COOKIE-1"
    assert parse(authority.encode(hostname, number, cookie)) == [
        (256, hostname.encode(), display, name, cookie),
        (65535, b"", display, name, cookie),
    ]


def test_python_xlib_finds_the_cookie(tmp_path: Path) -> None:
    file = tmp_path / "authority"
    file.write_bytes(authority.encode("box", 7, COOKIE))
    found = xauth.Xauthority(str(file)).get_best_auth(xauth.FamilyLocal, b"box", 7)
    assert found == (b"MIT-MAGIC-COOKIE-1", COOKIE)
