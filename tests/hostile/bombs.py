"""Streams of every format that grow without measure, made by hand from the formats' descriptions.

Each maker takes the text that the stream begins with and how many further bytes it is to claim; the
stream is valid up to whatever its format guards it with at its end. What follows the beginning is a
run of the beginning's last byte, or of zero bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

HEADER = b"Panic#1 Part1\n<0>[    1.000000] Kernel panic - not syncing: a bomb \n"

_PIECE = 1 << 20


def deflate(begin: bytes, further: int) -> bytes:
    """Raw deflate: 1 MiB of zeros, flushed so that it stands alone, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(_PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * (further // _PIECE) + packer.flush()


def zlibbed(begin: bytes, further: int) -> bytes:
    """The same between the zlib header that kernels write and the checksum of all of it."""
    further -= further % _PIECE
    first = zlib.adler32(begin)
    low, high = first & 0xFFFF, first >> 16
    checksum = (high + further * low) % 65521 << 16 | low
    return b"\x48\x89" + deflate(begin, further) + checksum.to_bytes(4, "big")


def lzo(begin: bytes, further: int) -> bytes:
    """LZO1X: literals, then one copy of the last byte whose length goes on in bytes 0, 255 each."""
    assert len(begin) <= 238
    extension, rest = divmod(max(further, 300) - 33, 255)
    length = b"\x20" + bytes(extension) + bytes([rest or 1])
    return bytes([len(begin) + 17]) + begin + length + b"\0\0" + b"\x11\0\0"


def lz4(begin: bytes, further: int) -> bytes:
    """LZ4: literals, then one match of the last byte whose length goes on in bytes 255."""
    assert 15 <= len(begin) < 15 + 255
    extension, rest = divmod(max(further, 300) - 19, 255)
    match = b"\x01\0" + b"\xff" * extension + bytes([rest])
    return bytes([0xFF, len(begin) - 15]) + begin + match + b"\x50the\n\n"


def nx842(begin: bytes, further: int) -> bytes:
    """842: literals, then template 0x1b, which repeats the last 8 bytes 64 times, again and again.

    Eight of these are 11 bytes. The CRC-32 at the end is that of nothing.
    """
    text = begin.ljust(-(-len(begin) // 8) * 8)
    bits = "".join(
        f"{0:05b}{int.from_bytes(text[at : at + 8], 'big'):064b}" for at in range(0, len(text), 8)
    )
    repeat = f"{0x1B:05b}{63:06b}"
    while len(bits) % 8:
        bits += repeat
    head = int(bits, 2).to_bytes(len(bits) // 8, "big")
    run = int(repeat * 8, 2).to_bytes(11, "big")
    return head + run * max(1, further // (8 * 512)) + bytes([0x1E << 3]) + bytes(7)


def zstd(begin: bytes, further: int) -> bytes:
    """zstd: a raw block, then blocks that say "this byte 128 KiB times" (RLE), 4 bytes each."""
    return _frame(begin, further, b"\x00\x58")


def zstd_huge_window(begin: bytes, further: int) -> bytes:
    """The same in a frame that asks for the largest window there is: 3.75 TiB."""
    return _frame(begin, further, b"\x00\xff")


def zstd_huge_size(begin: bytes, further: int) -> bytes:
    """The same in a frame that announces 2**64 - 1 bytes of text in a single segment."""
    return _frame(begin, further, b"\xe0" + b"\xff" * 8)


def _frame(begin: bytes, further: int, header: bytes) -> bytes:
    raw = (len(begin) << 3).to_bytes(3, "little") + begin
    run = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"\n"
    last = (1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd" + header + raw + run * max(1, further >> 17) + last


MAKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "deflate": deflate,
    "zlib": zlibbed,
    "lzo": lzo,
    "lz4": lz4,
    "842": nx842,
    "zstd": zstd,
    "zstd, huge window": zstd_huge_window,
    "zstd, huge size": zstd_huge_size,
}
