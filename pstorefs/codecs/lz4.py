"""LZ4 blocks: what the kernels' lz4 and lz4hc write, with neither frame nor length around them.

A block is a chain of sequences, each some literal bytes and then a match, a copy of earlier text:

* a token: literal count in the upper 4 bits, match length minus 4 in the lower;
* if the count is 15: bytes that are added to it, up to and with the first that is not 255;
* the literals;
* the match's distance, 16 bits, little-endian, never 0: how far back in the text the copy begins
  (it may run into bytes that it has itself just written);
* if the length in the token is 15: bytes that are added to it, as above.

The last sequence ends behind its literals, and the block with it. Nothing in a block tells where
that is but the end of the data: a block that is cut behind literals is a block again.

Source: "LZ4 Block Format Description", lz4.org. The library lz4 decodes whole blocks; the decoder
below does the same where that library is not installed, and all else where a block is damaged.
"""

from __future__ import annotations

import sys

from pstorefs.codecs.base import CodecError, Remains, Stream
from pstorefs.codecs.expand import Break, copy_match, too_long
from pstorefs.codecs.salvage.log_model import unreadable_before
from pstorefs.codecs.salvage.resume import BAD, END, Trail, salvage_trail
from pstorefs.codecs.salvage.tokens import match as token

NAME = "lz4"
SLOW = False
ENDS_WHOLE = False  # a block that is cut behind literals is a block again

_MATCH_MINIMUM = 4
_EXTENDED = 15  # a length in a token that goes on in further bytes
_EXTENSION = 255  # an added byte that another follows
_WINDOW = 1 << 16  # bytes of text that a distance can reach back
_NOTHING = bytes(_MATCH_MINIMUM)  # what the library makes of the shortest match without distance
_EXPANSION = 255  # bytes of text that a byte of a block can give, at most
# Bytes of text that a byte of a log's block has given until then, generously: a distance that
# reaches further back is none.
_LIKELY_EXPANSION = 8
# Bytes that a length takes in a log, generously; else looking at all places in a row of 0xff would
# take the square of its length.
_LIKELY_EXTENSIONS = 64


def decode(data: bytes, limit: int) -> Stream:
    """A whole block to its text."""
    try:
        import lz4.block
    except ImportError:
        out = bytearray()
        used = _expand(data, 0, out, limit)
        return Stream(bytes(out), used)
    # The library sets aside as many bytes as it is told that there may be.
    room = min(limit, len(data) * _EXPANSION)
    try:
        text: bytes = lz4.block.decompress(data, uncompressed_size=room)
    except (lz4.block.LZ4BlockError, ValueError, OverflowError):
        raise CodecError(f"no LZ4 block with at most {limit} bytes of text") from None
    # The library (seen with 1.9.4) takes a distance of 0, and puts out zeros for such a match. Text
    # has none: hardly any block is walked through.
    if _NOTHING in text and _has_match_of_nothing(data):
        raise CodecError("a match without distance")
    return Stream(text, len(data))


def _has_match_of_nothing(data: bytes) -> bool:
    """Whether a whole block has a match whose distance is 0."""
    at, size = 0, len(data)
    while at < size:
        _, match, distance, _, at = _sequence(data, at)
        if match < size and not distance:
            return True
    return False


def salvage(data: bytes, limit: int) -> Remains:
    """What a block gives up to its break, and beyond."""
    bad = unreadable_before(data)
    size = len(data)
    reach = size * _LIKELY_EXPANSION

    def step(place: int) -> int:
        literals, match, distance, _, following = _sequence(data, place, _LIKELY_EXTENSIONS)
        if match > size or bad[literals] != bad[match]:
            return BAD
        if match == size:
            return END
        return following if following < size and 0 < distance <= reach else BAD

    def gain(place: int) -> int:
        literals, match, _, length, _ = _sequence(data, place)
        return match - literals + length

    def expand(place: int, out: bytearray, limit: int) -> int:
        used = _expand(data, place, out, limit)
        raise Break(
            "the data ends behind literals, as any piece of a block may", used, truncated=True
        )

    def unplaced(_: int, place: int, out: bytearray, limit: int) -> int:
        return expand(place, out, limit)

    def tokens(place: int) -> list[int]:
        literals, match, distance, length, _ = _sequence(data, place)
        return [*data[literals:match], token(distance, length)]

    trail = Trail(1, size, step, gain, expand, unplaced, _WINDOW, tokens=tokens)
    return salvage_trail(trail, limit)


def _expand(data: bytes, at: int, out: bytearray, limit: int) -> int:
    """Decode from ``at`` on to the end of the block, onto the text before it in ``out``."""
    size = len(data)
    while at < size:
        literals, match, distance, length, following = _sequence(data, at)
        if len(out) + min(match, size) - literals > limit:
            raise too_long(limit, at)
        out += data[literals:match]
        if match == size:
            return size
        if match > size:
            raise Break("the data ends inside literals", size, truncated=True)
        if not length:
            raise Break("the data ends inside a match", size, truncated=True)
        copy_match(out, distance, length, limit, at)
        at = following
    raise Break("the data ends before the literals that end a block", size, truncated=True)


def _sequence(data: bytes, at: int, most: int = sys.maxsize) -> tuple[int, int, int, int, int]:
    """The sequence at ``at``: start and end of its literals, distance, length, the next one.

    Where the data ends inside of it, the position of what is missing lies beyond that end. A match
    without distance has length 0; one whose length is cut is at least as long as is said. A length
    that takes more than ``most`` further bytes counts as cut.
    """
    token = data[at]
    run, literals = token >> 4, at + 1
    if run == _EXTENDED:
        run, literals = _extended(data, literals, run, most)
    match = literals + run
    if match + 2 > len(data):
        return literals, match, 0, 0, match
    length, following = token & _EXTENDED, match + 2
    if length == _EXTENDED:
        length, following = _extended(data, following, length, most)
    return literals, match, data[match] | data[match + 1] << 8, length + _MATCH_MINIMUM, following


def _extended(data: bytes, at: int, length: int, most: int) -> tuple[int, int]:
    """A length with the bytes that are added to it from ``at`` on, and the position behind them."""
    for position in range(at, min(len(data), at + most)):
        length += data[position]
        if data[position] != _EXTENSION:
            return length, position + 1
    return length, len(data) + 1
