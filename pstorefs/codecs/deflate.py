"""Raw deflate (RFC 1951), as Linux 4.18 and later write it: no wrapper, no checksum.

A bit stream, read from the low end of each byte, is cut into blocks. A block starts with one bit
"this is the last block" and two bits of kind: stored (0), Huffman codes fixed by the standard (1),
Huffman codes described at the head of the block (2). A coded block is a run of symbols: 0 to 255
are literal bytes, 256 ends the block, 257 to 285 with some extra bits are the length of a match,
3 to 258 bytes, and a second code tells how far back in the text it begins, 1 to 32768 bytes.

Kernels deflate at one go with a memory level of 8: a block holds up to 16383 symbols, so that
nearly every record is one single block of kind 2, which ends within the last byte of the data.
Window bits were 11 up to Linux 6.5 and are 15 since; reading with 15 serves both.

Nothing guards the text: a flipped bit often decodes to the end, into garbled text, and a stream of
some other format now and then "ends" after a few bytes. Whoever calls must look at ``used``.

zlib-ng, where it is installed, inflates what is whole in two thirds of the time. It has zlib's
rules (isal takes Huffman codes that zlib refuses), and a stream that it refuses is shown to zlib as
well: what is wrong with a record does not depend on what is installed. Tests and fuzz compare them.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from types import ModuleType

from pstorefs.codecs.base import CodecError, Remains, Stream

try:
    from zlib_ng import zlib_ng as _quick
except ImportError:
    _quick = None

NAME = "deflate"
SLOW = False
ENDS_WHOLE = True
# Bytes at a time on the way to a break; divided by 8 until it is one.
_LARGEST_STEP = 4096


def decode(data: bytes, limit: int) -> Stream:
    """Decode one raw deflate stream; ``CodecError`` where it is broken, cut off or too long."""
    return inflate_whole(data, limit, wbits=-15)


def inflate_whole(data: bytes, limit: int, wbits: int) -> Stream:
    """Decode one stream in the wrapper that ``wbits`` names (zlib's manual)."""
    if _quick is not None:
        with suppress(CodecError):  # zlib says what is wrong
            return _inflate(_quick, data, limit, wbits)
    return _inflate(zlib, data, limit, wbits)


def _inflate(engine: ModuleType, data: bytes, limit: int, wbits: int) -> Stream:
    decoder = engine.decompressobj(wbits)
    try:
        # One byte more than allowed tells "too long" from "just fits"; 0 would mean no limit.
        text = decoder.decompress(data, limit + 1)
    except engine.error as error:
        raise CodecError(_reason(error)) from error
    if len(text) > limit:
        raise CodecError(f"the text is longer than {limit} bytes")
    if not decoder.eof:
        raise CodecError("the data ends before the end of the stream")
    return Stream(text, len(data) - len(decoder.unused_data))


def salvage(data: bytes, limit: int) -> Remains:
    """Decode up to the break and, if the data did not simply end there, go on behind it."""
    remains = _inflate_up_to_break(data, limit)
    if remains.truncated or len(remains.text) >= limit or remains.used == len(data):
        return remains
    from pstorefs.codecs.salvage.inflate import inflate_on  # of use to broken records only

    text, rest = inflate_on(data, limit)
    # zlib gave no symbols of the byte in which the break is; it has read long streams to their end.
    return remains._replace(text=max(text, remains.text, key=len), rest=rest)


def _inflate_up_to_break(data: bytes, limit: int) -> Remains:
    """Let zlib go byte by byte towards the break: on an error it keeps back what it had decoded."""
    decoder = zlib.decompressobj(-15)
    text = b""
    used, step = 0, _LARGEST_STEP
    while used < len(data) and not decoder.eof:
        before = decoder.copy()
        try:
            text += decoder.decompress(data[used : used + step], limit + 1 - len(text))
        except zlib.error as error:
            if step == 1:
                return Remains(text, used, _reason(error))
            decoder, step = before, step // 8
            continue
        used = min(used + step, len(data)) - len(decoder.unused_data)
        if len(text) > limit:
            return Remains(text[:limit], used, f"the text is longer than {limit} bytes")
    if not decoder.eof:
        return Remains(text, used, "the data ends before the end of the stream", truncated=True)
    follow = len(data) - used
    reason = f"{follow} bytes follow the end of the stream" if follow else "nothing is wrong"
    return Remains(text, used, reason)


def _reason(error: Exception) -> str:
    """Take zlib's words without the number: "Error -3 while decompressing data: invalid ..."."""
    return f"damaged: {str(error).rpartition(': ')[2]}"
