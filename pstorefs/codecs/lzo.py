"""LZO1X: what the kernel's lzo writes, a bare stream that ends with 11 00 00.

A stream is a chain of instructions. Each copies earlier text (except the runs of literals) and is
then followed by 0 to 3 literal bytes, counted in its lowest two bits (S) or, where two bytes of
distance follow, in theirs. What 0000 means depends on how many literals came just before:

====================  =======================================  ======  ========================
first byte            further bytes                            length  distance
====================  =======================================  ======  ========================
``1LLD DDSS``         ``H``                                    5 + L   1 + D + 8 H
``01LD DDSS``         ``H``                                    3 + L   1 + D + 8 H
``001L LLLL``         [length], 16 bits ``DDDDDDDD DDDDDDSS``  2 + L*  1 + D
``0001 HLLL``         [length], 16 bits ``DDDDDDDD DDDDDDSS``  2 + L*  16384 + D + 16384 H
``0000 LLLL``         [length] (no literals came before)       3 + L*  none: a run of literals
``0000 DDSS``         ``H`` (1 to 3 literals came before)      2       1 + D + 4 H
``0000 DDSS``         ``H`` (4 or more literals came before)   3       2049 + D + 4 H
====================  =======================================  ======  ========================

16 bits are little-endian. Where L* is 0 the length goes on in further bytes: the field's largest
value, plus 255 for each byte 0, plus the first byte that is not. ``0001`` with distance 16384 ends
the stream; its length is always 3, hence the 11 00 00.

If the first byte of the stream is above 17, it is instead the count of a run of literals, plus 17.
(17 there would begin a stream of lzo-rle, which no pstore wrote.)

Source: Documentation/staging/lzo.rst in Linux.
"""

from __future__ import annotations

from functools import partial

from pstorefs.codecs.base import Remains, Stream
from pstorefs.codecs.expand import Break, copy_match, too_long
from pstorefs.codecs.salvage.log_model import unreadable_before
from pstorefs.codecs.salvage.resume import BAD, END, Trail, salvage_trail
from pstorefs.codecs.salvage.tokens import match

NAME = "lzo"
SLOW = True
ENDS_WHOLE = True

_FIRST_RUN = 17
_LONG = 4  # that many literals and more are all the same to the next instruction
_END_LENGTH = 3
_WINDOW = 3 << 14  # bytes of text that a distance can reach back
# Bytes of text that a byte of a log's stream has given until then, generously: a distance that
# reaches further back is none.
_LIKELY_EXPANSION = 8
# A length that no log has; without this, looking at all places in a row of zeros would take the
# square of its length.
_UNLIKELY_LENGTH = bytes(64)
# The kinds of places: after 0, 1 to 3, or more literals.
_STATES = (0, 1, _LONG)
_KIND = (0, 1, 1, 1, 2)


def decode(data: bytes, limit: int) -> Stream:
    """A whole stream to its text."""
    out = bytearray()
    used = _expand(data, 0, 0, out, limit)
    return Stream(bytes(out), used)


def salvage(data: bytes, limit: int) -> Remains:
    """What a stream gives up to its break, and beyond."""
    bad = unreadable_before(data)
    size, kinds = len(data), len(_STATES)
    reach = size * _LIKELY_EXPANSION

    def step(place: int) -> int:
        at, kind = divmod(place, kinds)
        if data.startswith(_UNLIKELY_LENGTH, at + 1):
            return BAD
        try:
            length, distance, literals, run = _instruction(data, at, _STATES[kind])
        except IndexError:
            return BAD
        if length and not distance:
            return END if literals == size and length == _END_LENGTH else BAD
        behind = literals + run
        if behind >= size or bad[literals] != bad[behind] or distance > reach:
            return BAD
        return behind * kinds + _KIND[min(run, _LONG)]

    def unplaced(_: int, place: int, out: bytearray, limit: int) -> int:
        return _expand_at(data, place, out, limit)

    gain, expand, tokens = partial(_gain, data), partial(_expand_at, data), partial(_tokens, data)
    trail = Trail(kinds, size * kinds, step, gain, expand, unplaced, _WINDOW, tokens=tokens)
    return salvage_trail(trail, limit)


def _instruction_at(data: bytes, place: int) -> tuple[int, int, int, int]:
    at, kind = divmod(place, len(_STATES))
    return _instruction(data, at, _STATES[kind])


def _gain(data: bytes, place: int) -> int:
    length, _, _, run = _instruction_at(data, place)
    return length + run


def _expand_at(data: bytes, place: int, out: bytearray, limit: int) -> int:
    at, kind = divmod(place, len(_STATES))
    return _expand(data, at, _STATES[kind], out, limit)


def _tokens(data: bytes, place: int) -> list[int]:
    length, distance, literals, run = _instruction_at(data, place)
    copied = [match(distance, length)] if length else []
    return [*copied, *data[literals : literals + run]]


def _expand(data: bytes, at: int, state: int, out: bytearray, limit: int) -> int:
    """Decode from ``at`` on to the end of the stream, onto the text before it in ``out``.

    ``state`` is the number of literals that came just before, 4 standing for more.
    """
    size = len(data)
    begin = at
    try:
        if at == 0 and data[0] > _FIRST_RUN:
            length, distance, literals, run = 0, 0, 1, data[0] - _FIRST_RUN
        else:
            length, distance, literals, run = _instruction(data, at, state)
        while True:
            if length and not distance:
                if length != _END_LENGTH:
                    raise Break("an end mark has the wrong length", begin)
                return literals
            if length:
                copy_match(out, distance, length, limit, begin)
            at = literals + run
            if len(out) + min(at, size) - literals > limit:
                raise too_long(limit, begin)
            out += data[literals:at]
            begin = at
            length, distance, literals, run = _instruction(data, at, min(run, _LONG))
    except IndexError:
        raise Break("the data ends without an end mark", size, truncated=True) from None


def _instruction(data: bytes, at: int, state: int) -> tuple[int, int, int, int]:
    """The instruction at ``at``: length and distance of its copy, position and count of literals.

    A run of literals has a copy of length 0, the end mark one of distance 0. IndexError: the data
    ends inside the instruction.
    """
    code = data[at]
    if code >= 0x40:
        distance = 1 + (code >> 2 & 7) + (data[at + 1] << 3)
        return (code >> 5) + 1, distance, at + 2, code & 3
    if code >= 0x10:
        near = code >= 0x20
        length, at = _length(data, at, 31 if near else 7)
        operand = data[at] | data[at + 1] << 8
        distance = operand >> 2
        if near:
            distance += 1
        elif distance or code & 8:
            distance += 16384 + ((code & 8) << 11)
        return 2 + length, distance, at + 2, operand & 3
    if state == 0:
        length, at = _length(data, at, 15)
        return 0, 0, at, 3 + length
    farther = data[at + 1] << 2 | code >> 2
    if state < _LONG:
        return 2, 1 + farther, at + 2, code & 3
    return 3, 2049 + farther, at + 2, code & 3


def _length(data: bytes, at: int, field: int) -> tuple[int, int]:
    """The length in an instruction's ``field`` lowest bits or behind it, and where that ends."""
    length = data[at] & field
    at += 1
    if length:
        return length, at
    length = field
    while not data[at]:
        length += 255
        at += 1
    return length + data[at], at + 1
