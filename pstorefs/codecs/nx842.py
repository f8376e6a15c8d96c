"""842, the format of IBM's NX compressor, which Linux also has in software (lib/842, 4.3 on).

A stream is a string of bits, the most significant bit of each byte first, made of groups. Each
begins with a template of 5 bits:

* 0x00 to 0x19 give 8 bytes of text, put together out of up to four actions (``_TEMPLATES``): D8,
  D4, D2 stand for 8, 4, 2 literal bytes; I8, I4, I2 for a chunk of 8, 4, 2 bytes that the text
  already holds, named by an index of 8, 9, 8 bits;
* 0x1b repeats the last 8 bytes, a 6-bit number plus one times;
* 0x1c gives 8 zero bytes;
* 0x1d gives the last 1 to 7 bytes of the text, a 3-bit number, as literals;
* 0x1e ends the stream. The CRC-32 of the text follows (polynomial 0x04c11db7, most significant
  bit first, beginning with 0, not inverted), then zero bits up to a multiple of 8 bytes.

0x1a and 0x1f mean nothing.

An index counts chunks of its own size from the start of a ring, which holds the last 512 (I2) or
2048 (I4, I8) bytes of text before this group: byte P of the text lies at ``P % ring`` in it. So an
index means the one chunk among those bytes whose position leaves the remainder ``index * size``.
Since indices are absolute, decoding cannot go on behind lost text before its length is found out.

The kernel's driver for the NX hardware (nx-842.c, 4.3 on) splits data to please the hardware, and
then writes a header before it. Big-endian numbers::

    u16 0xf842, u16 ignore, u8 groups, groups * { u16 padding, u32 packed, u32 unpacked }

Each such part is a stream of its own, ``packed`` bytes behind ``padding`` bytes (which, in the
first, hold this header), with ``unpacked`` bytes of text. The last ``ignore`` bytes of text are
filling.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from pstorefs.codecs.base import CodecError, Remains, Stream
from pstorefs.codecs.expand import Break, too_long
from pstorefs.codecs.salvage.log_model import unreadable
from pstorefs.codecs.salvage.resume import BAD, END, Trail, salvage_trail

NAME = "842"
SLOW = True
ENDS_WHOLE = True

_TEMPLATES = (
    "D8", "D4 D2 I2", "D4 I2 D2", "D4 I2 I2", "D4 I4", "D2 I2 D4", "D2 I2 D2 I2",
    "D2 I2 I2 D2", "D2 I2 I2 I2", "D2 I2 I4", "I2 D2 D4", "I2 D4 I2", "I2 D2 I2 D2",
    "I2 D2 I2 I2", "I2 D2 I4", "I2 I2 D4", "I2 I2 D2 I2", "I2 I2 I2 D2", "I2 I2 I2 I2",
    "I2 I2 I4", "I4 D4", "I4 D2 I2", "I4 I2 D2", "I4 I2 I2", "I4 I4", "I8",
)  # fmt: skip
_REPEAT, _ZEROS, _SHORT, _FINISH = 0x1B, 0x1C, 0x1D, 0x1E
_TEMPLATE_BITS, _REPEAT_BITS, _SHORT_BITS, _CRC_BITS = 5, 6, 3, 32
_INDEX_BITS = {2: 8, 4: 9, 8: 8}
_RINGS = {2: 512, 4: 2048, 8: 2048}
_GROUP = 8  # bytes of text of a group
_ALIGNMENT = 8  # bytes to a multiple of which a stream is filled up


class _Action(NamedTuple):
    offset: int  # bits behind the beginning of the group
    size: int  # bytes of text
    ring: int  # 0: literals


class _Group(NamedTuple):
    actions: tuple[_Action, ...]
    width: int  # bits
    size: int  # bytes of text


def _group(template: str) -> _Group:
    actions, width = [], _TEMPLATE_BITS
    for word in template.split():
        size = int(word[1])
        actions.append(_Action(width, size, _RINGS[size] if word[0] == "I" else 0))
        width += _INDEX_BITS[size] if word[0] == "I" else 8 * size
    return _Group(tuple(actions), width, sum(action.size for action in actions))


_GROUPS = {template: _group(words) for template, words in enumerate(_TEMPLATES)}
_REPEAT_WIDTH = _TEMPLATE_BITS + _REPEAT_BITS
_SHORT_WIDTH = _TEMPLATE_BITS + _SHORT_BITS

_HEADER_MAGIC = b"\xf8\x42"
_HEADER, _PART = struct.Struct(">2sHB"), struct.Struct(">HII")
_PARTS = 32  # what the kernel accepts

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def decode(data: bytes, limit: int) -> Stream:
    """A whole stream to its text."""
    if data.startswith(_HEADER_MAGIC):
        return _decode_parts(data, limit)
    out = bytearray()
    used = _expand(_Bits(data), 0, out, limit)
    return Stream(bytes(out), used, checked=True)


def salvage(data: bytes, limit: int) -> Remains:
    """What a stream gives up to its break, and beyond."""
    return (_salvage_parts if data.startswith(_HEADER_MAGIC) else _salvage_stream)(data, limit)


def _salvage_stream(data: bytes, limit: int) -> Remains:
    bits = _Bits(data)
    at_bit, places = bits.at_bit, len(bits.at_bit)
    bad = unreadable(at_bit)

    def step(place: int) -> int:
        template = at_bit[place] >> 3
        if template == _FINISH:
            return END if bits.is_end(place) else BAD
        if template == _REPEAT:
            to = place + _REPEAT_WIDTH
        elif group := _GROUPS.get(template) or _short_group(bits, place):
            for offset, size, ring in group.actions:
                start = place + offset
                if not ring and 1 in bad[start : start + 8 * size : 8]:
                    return BAD
            to = place + group.width
        else:
            return BAD
        return to if to < places else BAD

    def gain(place: int) -> int:
        template = at_bit[place] >> 3
        if template == _REPEAT:
            return _repeats(bits, place) * _GROUP
        group = _GROUPS.get(template) or _short_group(bits, place)
        return group.size if group else 0

    def expand(place: int, out: bytearray, limit: int) -> int:
        return _expand(bits, place, out, limit)

    def unplaced(fill: int, place: int, out: bytearray, limit: int) -> int:
        return _expand(bits, place, out, limit, bytes([fill]))

    return salvage_trail(Trail(8, places, step, gain, expand, unplaced, unit=_GROUP), limit)


class _Bits:
    """Data as the byte that begins at each bit, so that no reading needs a shift."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.count = 8 * len(data)
        #: As many as there are whole bytes; beyond lies an IndexError.
        self.at_bit = bytearray(max(0, self.count - 7))
        number = int.from_bytes(data, "big")
        for bit in range(8 if data else 0):
            size = len(data) - bool(bit)
            shifted = number >> (8 - bit) % 8 & (1 << 8 * size) - 1
            self.at_bit[bit::8] = shifted.to_bytes(size, "big")
        some = data.rstrip(b"\0")
        #: The bit from which on there are only zeros.
        self.zeros = 8 * len(some) - f"{some[-1]:08b}"[::-1].index("1") if some else 0

    def is_end(self, at: int) -> bool:
        """Whether an end with its checksum at a bit would end the data as well."""
        end = at + _TEMPLATE_BITS + _CRC_BITS
        return self.zeros <= end <= self.count < end + 8 * _ALIGNMENT

    def used(self, end: int) -> int:
        """How many bytes a stream takes that ends before a bit, with its filling if it is there."""
        whole = -(-end // 8)
        filled = -(-whole // _ALIGNMENT) * _ALIGNMENT
        return whole if any(self.data[whole:filled]) else min(filled, len(self.data))


def _expand(bits: _Bits, at: int, out: bytearray, limit: int, fill: bytes = b"") -> int:
    """Decode from bit ``at`` to the end of the stream, onto the text before it in ``out``.

    With ``fill`` the position in the text is unknown: each byte that an index names becomes that.
    """
    try:
        while True:
            template = bits.at_bit[at] >> 3
            if template == _FINISH:
                return _finish(bits, at, out)
            group = _GROUPS.get(template) or _short_group(bits, at)
            if not group:
                at = _special(bits, at, out, limit)
                continue
            if len(out) + group.size > limit:
                raise too_long(limit, at >> 3)
            _act(bits, at, group.actions, out, fill)
            at += group.width
    except IndexError:
        raise Break("the data ends before the stream", len(bits.data), truncated=True) from None


def _act(bits: _Bits, at: int, actions: tuple[_Action, ...], out: bytearray, fill: bytes) -> None:
    """Append the text of the group at bit ``at``, as much as the data holds of it."""
    at_bit = bits.at_bit
    last = len(out) - 1
    for offset, size, ring in actions:
        place = at + offset
        if not ring:
            out += at_bit[place : place + 8 * size : 8]
            continue
        index = at_bit[place] if size != 4 else at_bit[place] << 1 | at_bit[place + 1] & 1
        source = last - (last - index * size & ring - 1)
        if fill:
            out += fill * size
        elif source < 0 or source + size > last + 1:
            raise Break("an index names text that does not exist", at >> 3)
        else:
            out += out[source : source + size]


def _short_group(bits: _Bits, at: int) -> _Group | None:
    """The group at bit ``at`` that is shorter than 8 bytes, if it is one."""
    template, size = divmod(bits.at_bit[at], 8)
    if template != _SHORT or not size:
        return None
    return _Group((_Action(_SHORT_WIDTH, size, 0),), _SHORT_WIDTH + 8 * size, size)


def _repeats(bits: _Bits, at: int) -> int:
    return (bits.at_bit[at + _REPEAT_WIDTH - 8] & 0x3F) + 1


def _special(bits: _Bits, at: int, out: bytearray, limit: int) -> int:
    """A repetition or zeros at bit ``at``: append the text, and say what bit comes behind."""
    template = bits.at_bit[at] >> 3
    if template == _REPEAT:
        text = out[-_GROUP:] * _repeats(bits, at)
        width = _REPEAT_WIDTH
    elif template == _ZEROS:
        text, width = bytearray(_GROUP), _TEMPLATE_BITS
    else:
        raise Break(f"there is no template 0x{template:02x}", at >> 3)
    if not text:
        raise Break("the first group repeats another", at >> 3)
    if len(out) + len(text) > limit:
        raise too_long(limit, at >> 3)
    out += text
    return at + width


def _finish(bits: _Bits, at: int, out: bytearray) -> int:
    """Compare the checksum behind the end at bit ``at``; how many bytes the stream takes."""
    at += _TEMPLATE_BITS
    stored = bits.at_bit[at : at + _CRC_BITS : 8]
    if len(stored) < _CRC_BITS // 8:
        raise Break("the data ends inside the checksum", len(bits.data), truncated=True)
    if int.from_bytes(stored, "big") != _crc(out):
        used = len(bits.data) if bits.is_end(at - _TEMPLATE_BITS) else at >> 3
        raise Break("the checksum does not match the text", used)
    return bits.used(at + _CRC_BITS)


def _crc(text: bytearray) -> int:
    """The CRC-32 of 842: zlib's, with bits in the opposite order, and not inverted."""
    mirrored = zlib.crc32(text.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _attempt(part: _Part, limit: int) -> tuple[bytearray, bool]:
    """The text of a part up to its end or a break, and whether it is whole."""
    out = bytearray()
    try:
        _expand(_Bits(part.data), 0, out, limit)
    except Break:
        return out, False
    return out, len(out) == part.size


class _Part(NamedTuple):
    data: bytes
    size: int  # bytes of text, as the header says
    end: int  # of its data in the whole


def _parts(data: bytes) -> tuple[list[_Part], int]:
    """The streams behind the hardware driver's header, and how much of the text is filling.

    Parts that the data ends before are not there, the one that it ends in is there as it is.
    """
    try:
        _, ignore, count = _HEADER.unpack_from(data)
        fields = [_PART.unpack_from(data, _HEADER.size + _PART.size * n) for n in range(count)]
    except struct.error:
        raise Break("the data ends inside the header", len(data), truncated=True) from None
    if not 0 < count <= _PARTS:
        raise Break(f"the header says {count} parts, 1 to {_PARTS} can be", 0)
    if fields[0][0] < _HEADER.size + _PART.size * count or ignore > fields[-1][2]:
        raise Break("the header contradicts itself", 0)
    parts, at = [], 0
    for padding, packed, unpacked in fields:
        start, at = at + padding, at + padding + packed
        parts.append(_Part(data[start:at], unpacked, at))
    return parts, ignore


def _decode_parts(data: bytes, limit: int) -> Stream:
    parts, ignore = _parts(data)
    out = bytearray()
    for part in parts:
        text = bytearray()
        _expand(_Bits(part.data), 0, text, min(part.size, limit + ignore - len(out)))
        if len(text) != part.size:
            raise CodecError(f"the header promises {part.size} bytes of text, not {len(text)}")
        out += text
    if parts[-1].end > len(data):
        raise Break("the data ends inside a part", len(data), truncated=True)
    return Stream(bytes(out[: len(out) - ignore]), parts[-1].end, checked=True)


def _salvage_parts(data: bytes, limit: int) -> Remains:
    """The text up to the first part that does not decode, then all that the others give."""
    try:
        parts, _ = _parts(data)
    except Break as stop:
        return Remains(b"", stop.used, str(stop), truncated=stop.truncated)
    text = bytearray()
    for number, part in enumerate(parts):
        room = min(part.size, limit - len(text))
        out, whole = _attempt(part, room)
        if not whole:
            broken = _salvage_stream(part.data, room)
            rest = bytearray(broken.rest)
            for other in parts[number + 1 :]:
                rest += _attempt(other, min(other.size, limit))[0]
            text += broken.text
            return Remains(
                bytes(text),
                min(part.end - len(part.data) + broken.used, len(data)),
                broken.reason,
                bytes(rest[: limit - len(text)]),
                broken.truncated and not rest,
            )
        text += out
    if parts[-1].end > len(data):
        return Remains(bytes(text), len(data), "the data ends inside a part", truncated=True)
    return Remains(bytes(text), parts[-1].end, "nothing in the data is wrong")
