"""What is in a compressed block of zstd (RFC 8878, section 3.1.1.3): literals, then sequences.

All literals of the block come first: raw, one byte repeated, or Huffman coded in
one stream or in four, each of which gives a quarter. Behind them are the sequences, FSE coded in
one stream: "so many literals, then a match of that length and distance". Streams are read backwards
(``fse``). Hence, of a block that is cut off, literals can be had and their places can not.

This reader stops at the first thing that is wrong, and tells what it has until then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from pstorefs.codecs.base import CodecError
from pstorefs.codecs.fse import BackwardBits, Table, make_table, read_table
from pstorefs.codecs.zstd_frame import BLOCK_MAX

_RAW, _RLE, _COMPRESSED, _TREELESS = range(4)
_LONGEST_CODE = 11
_WEIGHTS_ACCURACY = 6


class HuffmanTable(NamedTuple):
    """By the next ``width`` bits: the symbol, and the length of its code."""

    width: int
    entries: list[tuple[int, int]]


class _Field(NamedTuple):
    """One of a sequence's three numbers: how its codes are written, and what they stand for."""

    default: Table
    most_accuracy: int
    #: Base and number of extra bits of each code.
    values: list[tuple[int, int]]


def _values(start: int, plain: int, widths: list[int]) -> list[tuple[int, int]]:
    """Codes that stand for one number each, from ``start``, then codes with extra bits."""
    values = [(start + code, 0) for code in range(plain)]
    base = start + plain
    for width in widths:
        values.append((base, width))
        base += 1 << width
    return values


_LITERAL_LENGTHS = _Field(
    make_table([4, 3, *[2] * 11, 1, 1, 1, *[2] * 9, 3, 2, *[1] * 5, *[-1] * 4], 6),
    9,
    _values(0, 16, [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, *range(7, 17)]),
)
_OFFSETS = _Field(
    make_table([*[1] * 6, *[2] * 3, *[1] * 15, *[-1] * 5], 5),
    8,
    [(1 << code, code) for code in range(32)],
)
_MATCH_LENGTHS = _Field(
    make_table([1, 4, 3, *[2] * 6, *[1] * 37, *[-1] * 7], 6),
    9,
    _values(3, 32, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, *range(7, 17)]),
)


@dataclass(slots=True)
class State:
    """What one block leaves to the next."""

    huffman: HuffmanTable | None = None
    #: For literal lengths, offsets, match lengths.
    tables: list[Table | None] = field(default_factory=lambda: [None, None, None])
    recent: list[int] = field(default_factory=lambda: [1, 4, 8])


class Part(NamedTuple):
    """The literals of one stream."""

    #: How many there should be.
    size: int
    values: bytes
    #: The stream was there and ended where it had to. If not, values may be wrong and too many or
    #: too few.
    sound: bool
    #: The stream's end, where reading begins, is not there: ``values`` are the last ones.
    cut_off: bool = False


class Step(NamedTuple):
    """A sequence: some literals, then a match."""

    literals: int
    length: int
    distance: int


def read_literals(content: bytes, state: State) -> tuple[list[Part], int]:
    """Read the literals of a block that begins with ``content``: also where the sequences begin.

    That may be beyond the content's end, if this was cut off.
    """
    kind = content[0] & 3 if content else _RAW
    size_format = content[0] >> 2 & 3 if content else 0
    streams = 1
    if kind in {_RAW, _RLE}:
        start, shift, width = ((1, 3, 5), (2, 4, 12), (1, 3, 5), (3, 4, 20))[size_format]
    else:
        start, shift, width = ((3, 4, 10), (3, 4, 10), (4, 4, 14), (5, 4, 18))[size_format]
        streams = 4 if size_format else 1
    if len(content) < start:
        raise CodecError("the data ends inside a block's header")
    header = int.from_bytes(content[:start], "little") >> shift
    size = header & (1 << width) - 1
    if size > BLOCK_MAX:
        raise CodecError("a block has more literals than the format allows")
    if kind == _RAW:
        values = content[start : start + size]
        return [Part(size, values, len(values) == size)], start + size
    if kind == _RLE:
        value = content[start : start + 1]
        return [Part(size, value * size, bool(value))], start + 1
    end = start + (header >> width)
    section = content[start:end]
    if kind == _COMPRESSED:
        state.huffman, used = _read_huffman_table(section)
        start += used
        section = section[used:]
    if state.huffman is None:
        raise CodecError("a block needs the Huffman code of a previous block, and there is none")
    if streams == 1:
        return [_decode_stream(section, end - start, size, state.huffman)], end
    return _four_streams(section, end - start, size, state.huffman), end


def _four_streams(section: bytes, length: int, size: int, table: HuffmanTable) -> list[Part]:
    """Decode streams whose lengths, but for the last one's, are before them."""
    lengths = [int.from_bytes(section[place : place + 2], "little") for place in (0, 2, 4)]
    lengths.append(length - 6 - sum(lengths))
    quarter = (size + 3) // 4
    if len(section) < 6 or lengths[3] < 0 or 3 * quarter > size:
        raise CodecError("the literals' streams are not where they should be")
    parts = []
    place = 6
    for stream_length, part_size in zip(lengths, (*[quarter] * 3, size - 3 * quarter), strict=True):
        stream = section[place : place + stream_length]
        parts.append(_decode_stream(stream, stream_length, part_size, table))
        place += stream_length
    return parts


def _decode_stream(data: bytes, length: int, size: int, table: HuffmanTable) -> Part:
    """Decode one Huffman stream; of one that is cut off, the end of what it says.

    Reading backwards needs a place to begin, and any will do after a few codes: Huffman codes fall
    into step. Who is in step arrives exactly at the stream's first bit.
    """
    if len(data) == length and data and data[-1]:
        values, left = _decode_from(data, BackwardBits(data).left, table)
        return Part(size, values, left == 0 and len(values) == size)
    for begin in range(8 * len(data), max(8 * len(data) - _LONGEST_CODE, 0), -1):
        values, left = _decode_from(data, begin, table)
        if left == 0:
            return Part(size, values[-size:], sound=False, cut_off=True)
    return Part(size, b"", sound=False, cut_off=True)


def _decode_from(data: bytes, left: int, table: HuffmanTable) -> tuple[bytes, int]:
    width, entries = table
    mask = (1 << width) - 1
    values = bytearray()
    while left > 0:
        low = left - width
        if low >= 0:
            word = int.from_bytes(data[low >> 3 : (low >> 3) + 3], "little") >> (low & 7)
        else:
            word = int.from_bytes(data[:2], "little") << -low
        value, bits = entries[word & mask]
        values.append(value)
        left -= bits
    return bytes(values), left


def _read_huffman_table(data: bytes) -> tuple[HuffmanTable, int]:
    """Read the weights: a code of weight w has ``width + 1 - w`` bits; 0 is not used."""
    if not data:
        raise CodecError("the data ends before the literals' Huffman code")
    head = data[0]
    if head >= 128:
        count = head - 127
        used = 1 + (count + 1) // 2
        weights = [half for byte in data[1:used] for half in (byte >> 4, byte & 15)][:count]
    else:
        used = 1 + head
        weights = _read_weights(data[1:used])
    total = sum(1 << weight - 1 for weight in weights if weight)
    width = total.bit_length()
    # The last symbol's weight is not written: it makes the sum a power of two.
    rest = (1 << width) - total
    if used > len(data) or not total or width > _LONGEST_CODE or rest & rest - 1:
        raise CodecError("the literals' Huffman code is damaged")
    weights.append(rest.bit_length())
    entries: list[tuple[int, int]] = []
    for weight in range(1, width + 1):
        for symbol, its_weight in enumerate(weights):
            if its_weight == weight:
                entries += [(symbol, width + 1 - weight)] * (1 << weight - 1)
    if len(entries) != 1 << width or len(weights) > 256:
        raise CodecError("the literals' Huffman code is damaged")
    return HuffmanTable(width, entries), used


def _read_weights(data: bytes) -> list[int]:
    """Read weights that two FSE states tell in turn, until the bits are used up."""
    table, used = read_table(data, _WEIGHTS_ACCURACY, _LONGEST_CODE + 1)
    bits = BackwardBits(data[used:])
    accuracy = (len(table) - 1).bit_length()
    states = [bits.read(accuracy), bits.read(accuracy)]
    weights: list[int] = []
    while len(weights) < 256:
        symbol, width, base = table[states[0]]
        weights.append(symbol)
        if bits.left < width:
            weights.append(table[states[1]][0])
            break
        states = [states[1], base + bits.read(width)]
    return weights


def read_sequences(data: bytes, state: State) -> tuple[list[Step], str]:
    """Read a block's sequences up to the first impossible thing; its name, or an empty string."""
    sequences: list[Step] = []
    try:
        count, used = _sequence_count(data)
        if not count:
            return sequences, "" if used == len(data) else "something follows a block's literals"
        modes, used = data[used : used + 1], used + 1
        if not modes or modes[0] & 3:
            raise CodecError("a block's sequences have a bad header")
        tables = []
        for number, kind in enumerate((_LITERAL_LENGTHS, _OFFSETS, _MATCH_LENGTHS)):
            mode = modes[0] >> 6 - 2 * number & 3
            table, length = _sequence_table(data[used:], mode, kind, state.tables[number])
            state.tables[number] = table
            tables.append(table)
            used += length
        _decode_sequences(BackwardBits(data[used:]), count, tables, state.recent, sequences)
    except CodecError as error:
        return sequences, str(error)
    return sequences, ""


def _sequence_count(data: bytes) -> tuple[int, int]:
    head = data[0] if data else 0
    length = 1 if head < 128 else 2 if head < 255 else 3
    if len(data) < length:
        raise CodecError("the data ends before the sequences")
    if head < 128:
        return head, length
    if head < 255:
        return (head - 128 << 8) + data[1], length
    return data[1] + (data[2] << 8) + 0x7F00, length


def _sequence_table(
    data: bytes, mode: int, kind: _Field, previous: Table | None
) -> tuple[Table, int]:
    """Find the table of one field, by one of four modes, and how many bytes tell it."""
    if mode == 0:
        return kind.default, 0
    if mode == 1:
        if not data:
            raise CodecError("the data ends before the sequences")
        return [(data[0], 0, 0)], 1
    if mode == 2:
        return read_table(data, kind.most_accuracy, len(kind.values))
    if previous is None:
        raise CodecError("a block needs a table of a previous block, and there is none")
    return previous, 0


def _decode_sequences(
    bits: BackwardBits, count: int, tables: list[Table], recent: list[int], out: list[Step]
) -> None:
    literal_table, offset_table, match_table = tables
    literal_values, offset_values = _LITERAL_LENGTHS.values, _OFFSETS.values
    match_values = _MATCH_LENGTHS.values
    literal_state, offset_state, match_state = (
        bits.read((len(table) - 1).bit_length()) for table in tables
    )
    try:
        for number in range(count - 1, -1, -1):
            literal_code, literal_width, literal_base = literal_table[literal_state]
            offset_code, offset_width, offset_base = offset_table[offset_state]
            match_code, match_width, match_base = match_table[match_state]
            base, width = offset_values[offset_code]
            offset = base + bits.read(width)
            base, width = match_values[match_code]
            length = base + bits.read(width)
            base, width = literal_values[literal_code]
            literals = base + bits.read(width)
            if bits.left < 0:
                raise CodecError("a block has fewer sequences than it says")
            out.append(Step(literals, length, _distance(offset, literals, recent)))
            if number:
                literal_state = literal_base + bits.read(literal_width)
                match_state = match_base + bits.read(match_width)
                offset_state = offset_base + bits.read(offset_width)
    except IndexError:
        raise CodecError("a sequence has an impossible code") from None
    if bits.left:
        raise CodecError("a block has more sequences than it says")


def _distance(offset: int, literals: int, recent: list[int]) -> int:
    """Find the distance, which may be one of three recent ones, and remember it."""
    if offset > 3:
        distance, place = offset - 3, 2
    else:
        place = offset - 1 + (literals == 0)
        distance = recent[place] if place < 3 else recent[0] - 1
        place = min(place, 2)
    if distance < 1:
        raise CodecError("a match has no distance")
    del recent[place]
    recent.insert(0, distance)
    return distance
