"""A picture of an X screen, as xwd writes it, made into a PNG that everybody can look at."""

import struct
import zlib


def png(dump: bytes) -> bytes:
    """The PNG of a dump in true colour with 32 bits a pixel, which Xvfb and Xephyr have."""
    header = struct.unpack_from(">25I", dump)
    size, width, height, bits, line, colours = (header[i] for i in (0, 4, 5, 11, 12, 19))
    little = header[7] == 0
    if bits != 32:
        raise ValueError(f"{bits} bits a pixel; 32 was expected")
    first = size + 12 * colours
    rows = []
    for start in range(first, first + height * line, line):
        row = dump[start : start + width * 4]
        pixels = bytearray(width * 3)
        for channel in range(3):  # red, green, blue; the fourth byte is empty
            pixels[channel::3] = row[(2 - channel if little else channel + 1) :: 4]
        rows.append(b"\0" + bytes(pixels))  # 0: this row is not filtered
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data)
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"".join(rows), 1)),
            (b"IEND", b""),
        )
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
