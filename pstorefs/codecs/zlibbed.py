"""zlib-wrapped deflate (RFC 1950), as Linux 3.12 to 4.17 write it, and powerpc's nvram still does.

Two bytes of header: method 8 and the window's size, then flags; as a big-endian number they are a
multiple of 31 (kernels write ``48 89``: window bits 12, level 6). Then raw deflate, then the
Adler-32 checksum of the text, four bytes, big-endian. A preset dictionary, which the header may
demand, is never used by kernels.
"""

from __future__ import annotations

import zlib

from pstorefs.codecs import deflate
from pstorefs.codecs.base import CodecError, Remains, Stream

NAME = "zlib"
SLOW = False
ENDS_WHOLE = True
_HEADER_SIZE = 2
_CHECKSUM_SIZE = 4
_PRESET_DICTIONARY = 0x20


def decode(data: bytes, limit: int) -> Stream:
    """Decode one zlib stream, its checksum verified; ``CodecError`` where anything disagrees."""
    return deflate.inflate_whole(data, limit, wbits=15)._replace(checked=True)


def salvage(data: bytes, limit: int) -> Remains:
    """Decode what is between header and checksum as raw deflate.

    If only the checksum disagrees, all text is ``rest``: the damage is nowhere to be seen, and may
    be anywhere.
    """
    header = data[:_HEADER_SIZE]
    if len(header) < _HEADER_SIZE:
        return Remains(b"", 0, "the data ends inside the zlib header", truncated=True)
    if header[0] & 15 != 8 or int.from_bytes(header, "big") % 31 or header[1] & _PRESET_DICTIONARY:
        return Remains(b"", 0, "no zlib header")
    body = data[_HEADER_SIZE:]
    try:
        stream = deflate.decode(body, limit)
    except CodecError:
        remains = deflate.salvage(body, limit)
        if not remains.truncated:
            # Going on behind the break wants to end where the stream does.
            remains = deflate.salvage(body[:-_CHECKSUM_SIZE], limit)
        return remains._replace(used=_HEADER_SIZE + remains.used)
    return _judge(stream, body[stream.used :])


def _judge(stream: Stream, trailer: bytes) -> Remains:
    """Say what is wrong with a stream that is whole but for what follows it."""
    used = _HEADER_SIZE + stream.used + min(len(trailer), _CHECKSUM_SIZE)
    checksum = zlib.adler32(stream.text).to_bytes(_CHECKSUM_SIZE, "big")
    if not checksum.startswith(trailer[:_CHECKSUM_SIZE]):
        return Remains(b"", 0, "the Adler-32 checksum is wrong", rest=stream.text)
    if len(trailer) < _CHECKSUM_SIZE:
        return Remains(stream.text, used, "the data ends inside the checksum", truncated=True)
    follow = len(trailer) - _CHECKSUM_SIZE
    reason = f"{follow} bytes follow the end of the stream" if follow else "nothing is wrong"
    return Remains(stream.text, used, reason)
