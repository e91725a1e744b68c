"""The authority of a display: an Xauthority file with one MIT-MAGIC-COOKIE-1, made by us.

Format: Xau(3) and libXau's AuWrite.c. All numbers are big-endian, strings are counted.
"""

import struct

FAMILY_LOCAL = 256
FAMILY_WILD = 65535
NAME = b"MIT-MAGIC-COOKIE-1"
COOKIE_BYTES = 16


def entry(family: int, address: bytes, number: int, cookie: bytes) -> bytes:
    """One Xauthority record."""

    def counted(value: bytes) -> bytes:
        return struct.pack(">H", len(value)) + value

    return (
        struct.pack(">H", family)
        + counted(address)
        + counted(str(number).encode())
        + counted(NAME)
        + counted(cookie)
    )


def encode(hostname: str, number: int, cookie: bytes) -> bytes:
    """The whole file for display `:number`.

    FamilyWild serves libxcb whatever the host is called later; FamilyLocal
    with the host's name serves python-xlib, which does not know FamilyWild.
    """
    return entry(FAMILY_LOCAL, hostname.encode(), number, cookie) + entry(
        FAMILY_WILD, b"", number, cookie
    )
