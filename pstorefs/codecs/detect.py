"""Tell the formats of compressed records apart, decode them, save what can be saved.

Nothing in a record names the algorithm that wrote it. Each format is one module:

======== ===================================== ==============================================
module   written by Linux                      first bytes, end
======== ===================================== ==============================================
zlibbed  3.12 to 4.17, powerpc nvram to now    zlib header (48 89), ends in an Adler-32
deflate  4.18 to now                           no magic; an end-of-block code
lzo      4.8 to 6.5                            no magic; ends in 11 00 00
lz4      4.8 to 6.5 (lz4, lz4hc: one format)   no magic; ends where the data ends
nx842    4.17 to 6.5, IBM's NX hardware        no magic (hardware: f8 42); ends in a CRC-32
zstd     4.20 to 6.5                           28 b5 2f fd; carries its size
======== ===================================== ==============================================

What has no magic is tried. To be told by luck is ruled out: a dump's text begins with a header line
(`text.HEADER`), which lies inside the compressed data, and a stream counts only if it takes the
input to its last byte. Linux 6.12 demanded neither, and took an LZ4 record for deflate.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, Protocol

from pstorefs.codecs.base import CodecError, Remains, Stream
from pstorefs.codecs.text import (
    believable,
    has_header,
    is_text,
    legible,
    legible_beginning,
    log_lines,
)

#: Larger than any record a kernel writes (SteamOS: 2 MiB).
MAX_INPUT = 8 << 20
# A record holds at most three times its size of text (fs/pstore/platform.c).
_MOST_TEXT = 3 * MAX_INPUT
# To salvage takes many times the memory of decoding: no more than the largest real record.
_MAX_SALVAGED, _MOST_SALVAGED_TEXT = 2 << 20, 6 << 20
# The more frequent and the faster first.
_WITHOUT_MAGIC = ("deflate", "lz4", "lzo", "nx842")


def _has_zlib_header(data: bytes) -> bool:
    return len(data) > 1 and data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0


# What the first or last bytes say: page by page, the surest first. Here and not on the pages, as a
# page is loaded only when it is likely.
_LIKELY: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("zstd", lambda data: data.startswith(b"\x28\xb5\x2f\xfd")),
    ("zlibbed", _has_zlib_header),
    ("nx842", lambda data: data.startswith((b"\x02", b"\xf8\x42"))),
    ("lzo", lambda data: data.endswith(b"\x11\x00\x00")),
)
# Text without a header is believed only if there is enough of it to rule out chance.
_ENOUGH_TEXT = 32
# The same for text whose header is damaged, in clean log lines.
_ENOUGH_LINES = 8


class _Codec(Protocol):
    """One page, see `base`."""

    NAME: str
    SLOW: bool
    ENDS_WHOLE: bool

    def decode(self, data: bytes, limit: int) -> Stream: ...

    def salvage(self, data: bytes, limit: int) -> Remains: ...


class Decoded(NamedTuple):
    """A payload that is a whole record. `compression` is the format's name."""

    text: bytes
    compression: str


class Salvaged(NamedTuple):
    """What is left of a broken payload: certain text, and text that may be wrong or have holes."""

    certain: bytes
    uncertain: bytes
    compression: str
    #: A clause for people: what happened.
    reason: str
    #: Bytes of the payload that the certain text was decoded from.
    used: int
    #: The payload simply ends too early; else something in it is wrong.
    truncated: bool


def output_bound(size: int) -> int:
    """The most text, in bytes, that a payload of this size may decode to."""
    return min(_MOST_TEXT, max(64 << 10, 32 * size))


def decode(
    payload: bytes, *, header: bool, damaged: bool = False, lost_header: bool = False
) -> Decoded:
    """Decode a compressed record, of whatever format.

    ``header``: the text must begin with a dump's header line. Without it (records other than dmesg)
    the format's own checksum must agree, or the text must be clean UTF-8. ``damaged``: bytes are
    known to be wrong, so that a text with a broken header counts too if log lines abound in it.
    ``lost_header``: powerpc's NVRAM, written by a kernel without pstore, has no header line; then
    a zlib stream counts whose checksum agrees: it is the text, and all of it.
    Raises `CodecError`.
    """
    if len(payload) > MAX_INPUT:
        raise CodecError(f"{len(payload)} bytes are more than any kernel writes into one record")
    if not payload:
        raise CodecError("empty: nothing was stored")
    limit = output_bound(len(payload))
    for name in _candidates(payload):
        codec = _codec(name)
        try:
            stream = codec.decode(payload, limit)
        except CodecError:
            continue
        if lost_header and stream.checked and codec.NAME == "zlib":
            return Decoded(stream.text, codec.NAME)
        if stream.used == len(payload) and _accepted(codec, stream, header, damaged):
            return Decoded(stream.text, codec.NAME)
    raise CodecError("no known compression format fits")


def salvage(payload: bytes, *, header: bool) -> Salvaged:
    """All that can be had of a payload that `decode` refuses. `CodecError` if nothing can."""
    if header and len(payload) <= _MAX_SALVAGED:
        limit = min(output_bound(len(payload)), _MOST_SALVAGED_TEXT)
        found = []
        for candidate in _candidates(payload):
            codec = _codec(candidate)
            remains = codec.salvage(payload, limit)
            if worth := _worth(remains):
                found.append((worth, codec.NAME, remains))
        if found:
            _, name, remains = max(found, key=lambda each: each[0])
            return _salvaged(name, remains)
    raise CodecError("no known compression format fits")


def _accepted(codec: _Codec, stream: Stream, header: bool, damaged: bool) -> bool:
    if not header:
        return stream.checked or (len(stream.text) >= _ENOUGH_TEXT and is_text(stream.text))
    if damaged:
        return has_header(stream.text) or log_lines(stream.text) >= _ENOUGH_LINES
    # Since 3.5 kernels end each part with a whole line, and LZ4, the only format that may not end
    # whole, came later: a part without its last newline was cut.
    return has_header(stream.text) and (codec.ENDS_WHOLE or stream.text.endswith(b"\n"))


def _worth(remains: Remains) -> int:
    """How much a salvage is worth; 0: it is no kernel text at all, and the format was wrong."""
    if has_header(remains.text):
        return 1 << 30 | believable(remains.text) + len(remains.rest)
    lines = log_lines(remains.text) + log_lines(remains.rest)
    if has_header(remains.rest) or lines >= 3:
        return lines + 1
    return 0


def _salvaged(compression: str, remains: Remains) -> Salvaged:
    length = len(remains.text) if has_header(remains.text) else 0
    used = remains.used
    if length and not remains.truncated:
        length = believable(remains.text)
    doubtful = remains.text[length:]
    if remains.rest:
        # What was saved behind the break may begin before the decoder noticed it.
        doubtful = legible_beginning(doubtful)
    uncertain = b"\n".join(filter(None, (doubtful, remains.rest)))
    certain, doubt = remains.text[:length], legible(uncertain)
    return Salvaged(certain, doubt, compression, remains.reason, used, remains.truncated)


def is_slow(compression: str) -> bool:
    """Whether a record of this format takes longer to decode than to hand it to a thread.

    Of a format that decoded something before.
    """
    return any(codec.SLOW for codec in _used if compression == codec.NAME)


def _candidates(payload: bytes) -> tuple[str, ...]:
    """The formats in the order of likelihood. All are tried: a magic can arise by chance."""
    likely = next((name for name, fits in _LIKELY if fits(payload)), None)
    if likely is None:
        return _WITHOUT_MAGIC
    return likely, *(name for name in _WITHOUT_MAGIC if name != likely)


#: Pages that were needed so far.
_used: list[_Codec] = []


@cache
def _codec(name: str) -> _Codec:
    # At the moment of need: a store of one format pays for one.
    module: _Codec = importlib.import_module(f"pstorefs.codecs.{name}")
    _used.append(module)
    return module
