"""zstd (RFC 8878), as Linux 4.20 to 6.5 write it with ``pstore.compress=zstd``.

A record is one frame; ``zstd_frame`` tells how it looks from outside, ``zstd_blocks`` what is in
its blocks. The library decodes whole frames. It is fed block by block, since a block gives at most
128 KiB of text: so no claim in the data makes it produce or allocate more than we allow.

Kernels write no checksum, and the library lets most damage to literals pass: streams that are not
used up exactly, which RFC 8878 (4.2.2) calls faulty. So we look ourselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.codecs.base import CodecError, Remains, Stream
from pstorefs.codecs.salvage.zstd import find_flaw, salvage_frame
from pstorefs.codecs.zstd_frame import CHECKSUM_SIZE, CutOffError, Header, read_blocks, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "zstd"
SLOW = True
ENDS_WHOLE = True


class MissingLibraryError(CodecError):
    """The Python package zstandard is not there: the record may be whole."""


def decode(data: bytes, limit: int) -> Stream:
    """Decode exactly one frame; ``CodecError`` where it is broken, cut off or too long."""
    header = read_header(data, limit)
    text = bytearray()
    used = 0
    for end, block_text in _whole_blocks(data, header):
        text += block_text
        used = end
        if len(text) > limit:
            raise CodecError(f"the text is longer than {limit} bytes")
    if header.content_size not in {None, len(text)}:
        raise CodecError(f"the text has {len(text)} bytes, its frame says {header.content_size}")
    if flaw := find_flaw(data[:used], limit):
        raise CodecError(flaw)
    checked = header.has_checksum or header.content_size is not None
    return Stream(bytes(text), used, checked)


def salvage(data: bytes, limit: int) -> Remains:
    """Decode a frame that is damaged or cut off; this needs no library."""
    try:
        stream = decode(data, limit)
    except CodecError as error:
        remains = salvage_frame(data, limit)
        if remains.reason:
            return remains
        if isinstance(error, MissingLibraryError):
            return remains._replace(reason=str(error))
        # Its checksum: the damage is nowhere to be seen, and may be anywhere.
        return Remains(b"", 0, str(error), rest=remains.text)
    follow = len(data) - stream.used
    reason = f"{follow} bytes follow the end of the frame" if follow else "nothing is wrong"
    return Remains(stream.text, stream.used, reason)


def _whole_blocks(data: bytes, header: Header) -> Iterator[tuple[int, bytes]]:
    """Let the library decode block after block: the end of each in the data, and its text."""
    try:
        import zstandard
    except ImportError as error:
        raise MissingLibraryError("the Python package zstandard is not installed") from error
    # 1024 is the least that the library accepts.
    decoder = zstandard.ZstdDecompressor(max_window_size=max(header.window, 1024)).decompressobj()
    position = 0
    try:
        for block in read_blocks(data, header):
            yield block.end, decoder.decompress(data[position : block.end])
            position = block.end
        if header.has_checksum:
            end = position + CHECKSUM_SIZE
            if end > len(data):
                raise CutOffError("the data ends inside the checksum")
            yield end, decoder.decompress(data[position:end])
    except zstandard.ZstdError as error:
        raise CodecError(f"damaged: {error}") from error
