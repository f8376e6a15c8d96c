"""Inflate that continues after damage; zlib stops at the first invalid symbol.

codecs/deflate.py describes the format. A record is mostly one block, with its Huffman codes at its
head, and damage in the middle leaves them whole. So this reader goes on with the same codes. The
first symbols are nonsense, but soon it falls into step with the writer, as readers of Huffman codes
do. Nothing says when. But a reader that is out of step will hardly find an end-of-block code in the
very last byte of the data: only if it does, what it read is believed. (tokens.py says what a token
is.)

Behind the damage the *amount* of text is wrong: matches that reach back across it, by distance,
find the wrong place, all wrong by the same number of bytes; lost_length.py estimates it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pstorefs.codecs.salvage.lost_length import estimate_shifts
from pstorefs.codecs.salvage.tokens import agreed, match, play, play_behind, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Base and number of extra bits of each length symbol from 257, and of each distance symbol.
_LENGTHS = [
    *((3 + i, 0) for i in range(8)),
    *(((4 + i % 4 << i // 4 - 1) + 3, i // 4 - 1) for i in range(8, 28)),
    (258, 0),
]
_DISTANCES = [
    *((1 + i, 0) for i in range(4)),
    *(((2 + i % 2 << i // 2 - 1) + 1, i // 2 - 1) for i in range(4, 30)),
]
# The order of the lengths of the codes that encode code lengths.
_CODE_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_STORED, _FIXED, _DYNAMIC = 0, 1, 2
_END_OF_BLOCK = 256
# How many of all strings of 7 bits three code lengths of 3 bits take together.
_SHARES = [
    sum(128 >> length for length in (i & 7, i >> 3 & 7, i >> 6) if length) for i in range(512)
]
# Symbols that are read at most, about a second of work.
_MAX_SYMBOLS = 1 << 19
# Where the next block may start is looked for in so many bits, about a second of work.
_MAX_SEARCH = 1 << 20


class _UnreadableError(Exception):
    """The data ends here, or says something that the format does not allow."""


@dataclass(frozen=True, slots=True)
class _Codes:
    """A block's two Huffman codes as tables, by the next bits: ``symbol << 4 | length`` or 0."""

    literal: list[int]
    distance: list[int]


def inflate_on(data: bytes, limit: int) -> tuple[bytes, bytes]:
    """Decode a damaged stream: text up to the break, and what is recovered after it, with holes.

    Of very long streams (half a million symbols) less, and nothing behind the break.
    """
    before, behind = read_tokens(data)
    out = bytearray()
    play(before, out, limit)
    text = bytes(out)
    shifts: list[int | None] = [*estimate_shifts(text, behind)]
    versions = [play_behind(behind, text, shift, limit) for shift in shifts or [None]]
    return text, render(agreed(versions), limit - len(text))


def read_tokens(data: bytes) -> tuple[list[int], list[int]]:
    """Read up to the break as zlib does, and behind it as far as we are known to be in step."""
    reader = _Reader(data)
    if reader.attempt(reader.read_stream):
        return reader.tokens, []
    before, start = reader.tokens, reader.position
    for go_on in (reader.resume_block, reader.find_block):
        if reader.tired:
            break
        reader.go_back(start)
        if reader.attempt(go_on):
            return before, reader.tokens
    return before, []


class _Reader:
    """A position in the data, and the tokens that were read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._end = 8 * len(data)
        self._symbols_left = _MAX_SYMBOLS
        #: In bits.
        self.position = 0
        self.tokens: list[int] = []
        # Length of the text; None behind a break, where it is not known.
        self._size: int | None = 0
        # The block that is being read, or was before the head that is being read: is it the last,
        # and its codes (None for a stored one).
        self._last = False
        self._codes: _Codes | None = None

    @property
    def tired(self) -> bool:
        """Whether all the work that is allowed has been done."""
        return not self._symbols_left

    def attempt(self, read: Callable[[], None]) -> bool:
        """Whether that could be read up to the end of the stream, which is the end of the data."""
        try:
            read()
        except _UnreadableError:
            return False
        return True

    def go_back(self, position: int) -> None:
        """Start anew behind a break."""
        self.position = position
        self.tokens = []
        self._size = None

    def read_stream(self) -> None:
        """Read blocks to the end of the stream."""
        last = False
        while not last:
            head = self.position
            try:
                last = bool(self._bits(1))
                codes = self._read_head(self._bits(2))
            except _UnreadableError:
                # Perhaps the end-of-block code that led here was not one.
                self.position = head
                raise
            self._codes, self._last = codes, last
            if codes:
                self._coded_block(codes)
        if self._end - self.position >= 8:
            raise _UnreadableError

    def _read_head(self, kind: int) -> _Codes | None:
        """Read the head of a block and its codes; None: all of a stored block."""
        if kind == _STORED:
            self._stored_block()
            return None
        if kind == _FIXED:
            return _fixed_codes()
        if kind == _DYNAMIC:
            return self._dynamic_codes()
        raise _UnreadableError

    def resume_block(self) -> None:
        """Read on with the codes of the block in which the break is."""
        codes, last = self._codes, self._last
        if codes is None:
            raise _UnreadableError
        while True:
            self._coded_block(codes)
            here, count = self.position, len(self.tokens)
            if last and self._end - here < 8:
                return
            if not last and self.attempt(self.read_stream):
                return
            # An end-of-block code read out of step: not the end.
            self.position = here
            del self.tokens[count:]

    def find_block(self) -> None:
        """Look for the head of a later block that leads to the end of the data."""
        for position in range(self.position, min(self._end, self.position + _MAX_SEARCH)):
            word = int.from_bytes(self._data[position >> 3 : (position >> 3) + 10], "little")
            if _may_be_dynamic_head(word >> (position & 7)):
                self.position = position
                if self.attempt(self.read_stream):
                    return
                self.tokens = []
        raise _UnreadableError

    def _bits(self, count: int) -> int:
        start = self.position
        self.position += count
        if self.position > self._end:
            raise _UnreadableError
        word = int.from_bytes(self._data[start >> 3 : (start >> 3) + 4], "little")
        return word >> (start & 7) & ((1 << count) - 1)

    def _stored_block(self) -> None:
        start = self.position + 7 >> 3
        length = int.from_bytes(self._data[start : start + 2], "little")
        inverse = int.from_bytes(self._data[start + 2 : start + 4], "little")
        start += 4
        if length ^ inverse != 0xFFFF or start + length > len(self._data):
            raise _UnreadableError
        self.tokens += self._data[start : start + length]
        self.position = 8 * (start + length)
        if self._size is not None:
            self._size += length

    def _dynamic_codes(self) -> _Codes:
        literals = self._bits(5) + 257
        distances = self._bits(5) + 1
        code_lengths = [0] * 19
        for symbol in _CODE_LENGTH_ORDER[: self._bits(4) + 4]:
            code_lengths[symbol] = self._bits(3)
        if literals > 286 or distances > 30:
            raise _UnreadableError
        table = _code_table(code_lengths, may_be_incomplete=False)

        lengths: list[int] = []
        while len(lengths) < literals + distances:
            symbol = self._symbol(table)
            if symbol < 16:
                lengths.append(symbol)
            elif symbol == 16:
                if not lengths:
                    raise _UnreadableError
                lengths += [lengths[-1]] * (3 + self._bits(2))
            elif symbol == 17:
                lengths += [0] * (3 + self._bits(3))
            else:
                lengths += [0] * (11 + self._bits(7))
        if len(lengths) > literals + distances or not lengths[_END_OF_BLOCK]:
            raise _UnreadableError
        return _Codes(
            _code_table(lengths[:literals], may_be_incomplete=True),
            _code_table(lengths[literals:], may_be_incomplete=True),
        )

    def _symbol(self, table: list[int]) -> int:
        start = self.position
        word = int.from_bytes(self._data[start >> 3 : (start >> 3) + 4], "little")
        entry = table[word >> (start & 7) & len(table) - 1]
        self.position += entry & 15
        if not entry or self.position > self._end:
            raise _UnreadableError
        return entry >> 4

    def _coded_block(self, codes: _Codes) -> None:
        """Read symbols up to and with the end of the block."""
        data, tokens, position, size = self._data, self.tokens, self.position, self._size
        literals, distances = codes.literal, codes.distance
        literal_mask, distance_mask = len(literals) - 1, len(distances) - 1
        while self._symbols_left:
            self._symbols_left -= 1
            # A symbol with its extra bits and distance has at most 48 bits.
            word = int.from_bytes(data[position >> 3 : (position >> 3) + 8], "little")
            word >>= position & 7
            entry = literals[word & literal_mask]
            bits, token = entry & 15, entry >> 4
            length = 1
            if token > _END_OF_BLOCK:
                length_base, extra = _LENGTHS[token - 257]
                length = length_base + (word >> bits & (1 << extra) - 1)
                bits += extra
                entry = entry and distances[word >> bits & distance_mask]
                bits += entry & 15
                distance_base, extra = _DISTANCES[entry >> 4]
                distance = distance_base + (word >> bits & (1 << extra) - 1)
                bits += extra
                if size is not None and distance > size:
                    break
                token = match(distance, length)
            if not entry or position + bits > self._end:
                break
            position += bits
            if token == _END_OF_BLOCK:
                self.position, self._size = position, size
                return
            tokens.append(token)
            if size is not None:
                size += length
        self.position, self._size = position, size
        raise _UnreadableError


def _may_be_dynamic_head(word: int) -> bool:
    """Whether a dynamic block with no more symbols than there are and no odd code may begin so."""
    if word >> 1 & 3 != _DYNAMIC or word >> 3 & 31 > 29 or word >> 8 & 31 > 29:
        return False
    count = 4 + (word >> 13 & 15)
    lengths = word >> 17 & (1 << 3 * count) - 1
    # By Kraft: as many codes as there are strings of 7 bits, no more, no less.
    return sum(_SHARES[lengths >> place & 0x1FF] for place in range(0, 3 * count, 9)) == 128


def _code_table(lengths: Sequence[int], *, may_be_incomplete: bool) -> list[int]:
    """Make the table of a Huffman code from the lengths of its symbols' codes (0: not used).

    Codes are counted up from short to long, by symbols; bits come in with the code's first bit
    lowest. Like zlib we refuse what is ambiguous, and what leaves codes unused except one bit.
    """
    longest = max(lengths)
    table = [0] * (1 << longest)
    code = 0
    for length in range(1, longest + 1):
        code <<= 1
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                if code >> length:
                    raise _UnreadableError
                reverse = int(f"{code:0{length}b}"[::-1], 2)
                step = 1 << length
                table[reverse::step] = [symbol << 4 | length] * (len(table) >> length)
                code += 1
    if code != 1 << longest and not (may_be_incomplete and longest <= 1):
        raise _UnreadableError
    return table


@lru_cache(maxsize=1)
def _fixed_codes() -> _Codes:
    lengths = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
    literal = _code_table(lengths, may_be_incomplete=False)
    distance = _code_table([5] * 32, may_be_incomplete=False)
    return _Codes(
        # Symbols with a code but no meaning get no entry.
        [entry if entry >> 4 < len(_LENGTHS) + 257 else 0 for entry in literal],
        [entry if entry >> 4 < len(_DISTANCES) else 0 for entry in distance],
    )
