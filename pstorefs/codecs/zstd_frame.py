"""The outside of a zstd frame (RFC 8878, section 3.1.1): header and blocks, not what is in them.

A frame starts with ``28 b5 2f fd``. The descriptor byte that follows says which fields come next:
window size (absent where the whole text is the window, "single segment"), dictionary id, size of
the text. Then blocks, each with three bytes of header, little-endian: bit 0 "last block", bits 1-2
the kind (0 raw, 1 RLE, 2 compressed, 3 reserved), the rest a size: bytes of input, for RLE bytes
of output. At last, if the descriptor says so, four bytes of checksum (the low half of XXH64).

Kernels write one frame, level 3, single segment, size of the text given, without checksum or
dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.codecs.base import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x28\xb5\x2f\xfd"
RAW, RLE, COMPRESSED = 0, 1, 2
#: No block gives more text than this, whatever the window.
BLOCK_MAX = 128 << 10
# What RFC 8878 asks every decoder to support.
_WINDOW_MAX = 8 << 20
# Empty ones and all: a record of 8 MiB needs 64.
_MOST_BLOCKS = 1 << 16
CHECKSUM_SIZE = 4


class CutOffError(CodecError):
    """The data ends inside the frame; as far as it goes, nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Header:
    """A frame's header."""

    #: Length of the header, magic number and all: where the first block starts.
    size: int
    window: int
    #: Length of the text, None where the header does not tell.
    content_size: int | None
    has_checksum: bool

    @property
    def block_max(self) -> int:
        """The most text that one block may give."""
        return min(self.window, BLOCK_MAX)


@dataclass(frozen=True, slots=True)
class Block:
    """One block's header and place."""

    kind: int
    #: Where the block's content, behind its three bytes of header, starts and ends in the data.
    start: int
    end: int
    #: Bytes of text: exactly for raw and RLE, at most for compressed blocks.
    text_max: int


def read_header(data: bytes, limit: int) -> Header:
    """Read the header of the frame that starts ``data``; ``CodecError`` if it is none for us."""
    if not MAGIC.startswith(data[:4]):
        raise CodecError("no zstd frame")
    descriptor = _field(data, 4, 1)
    if descriptor & 0x08:
        raise CodecError("the frame header uses a reserved bit")
    single_segment = bool(descriptor & 0x20)
    window_length = 0 if single_segment else 1
    id_length = (0, 1, 2, 4)[descriptor & 3]
    content_length = (int(single_segment), 2, 4, 8)[descriptor >> 6]
    if _field(data, 5 + window_length, id_length):
        raise CodecError("the frame needs a dictionary")

    content_size = None
    if content_length:
        content_size = _field(data, 5 + window_length + id_length, content_length)
        if content_length == 2:
            content_size += 256
        if content_size > limit:
            raise CodecError(f"the frame announces {content_size} bytes of text, more than {limit}")
    window = content_size or 0
    if not single_segment:
        window_field = _field(data, 5, 1)
        window = (8 + (window_field & 7)) << (7 + (window_field >> 3))
        if window > max(limit, _WINDOW_MAX):
            raise CodecError(f"the frame asks for a window of {window} bytes")
    size = 5 + window_length + id_length + content_length
    return Header(size, window, content_size, bool(descriptor & 0x04))


def _field(data: bytes, start: int, length: int) -> int:
    if start + length > len(data):
        raise CutOffError("the data ends inside the frame header")
    return int.from_bytes(data[start : start + length], "little")


def read_blocks(data: bytes, header: Header) -> Iterator[Block]:
    """Go over the blocks' headers up to the last block, or to the end of the data.

    A block whose end lies beyond the data is still given, then comes ``CutOffError``.
    """
    position = header.size
    for _ in range(_MOST_BLOCKS):
        if len(data) - position < 3:
            raise CutOffError("the data ends before the last block")
        fields = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = bool(fields & 1), fields >> 1 & 3, fields >> 3
        if kind not in {RAW, RLE, COMPRESSED}:
            raise CodecError("a block is of the reserved kind")
        if size > header.block_max:
            raise CodecError(f"a block of {size} bytes is larger than the format allows")
        start = position + 3
        position = start + (1 if kind == RLE else size)
        yield Block(kind, start, position, header.block_max if kind == COMPRESSED else size)
        if position > len(data):
            raise CutOffError("the data ends inside a block")
        if last:
            return
    raise CodecError(f"the frame has more than {_MOST_BLOCKS} blocks")
