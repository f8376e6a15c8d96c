"""FSE, the entropy code of zstd (RFC 8878, section 4.1), and the way its bits are read.

A table of 2**accuracy states says for each state which symbol it stands for, and how the next state
is made: a base plus so many bits from the data. A symbol owns as many states as it is likely. The
table is written as these numbers of states, in as few bits as what is left of the sum allows.

Data is read backwards: its last byte is the first, and the highest bit that is set in it is no
data but says where the data begins. Reading must arrive exactly at the first bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.codecs.base import CodecError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: For each state its symbol, and how many bits to add to which base for the next state.
Table = list[tuple[int, int, int]]

_LEAST_ACCURACY = 5


class BackwardBits:
    """Bits of ``data``, read from its end to its beginning."""

    def __init__(self, data: bytes) -> None:
        if not data or not data[-1]:
            raise CodecError("a bit stream has no end mark")
        self._data = data
        #: Bits that are left; negative: more were read than there are.
        self.left = 8 * len(data) - 9 + data[-1].bit_length()

    def read(self, count: int) -> int:
        """Read a number of up to 56 bits; bits beyond the beginning are 0."""
        left = self.left = self.left - count
        if left >= 0:
            word = int.from_bytes(self._data[left >> 3 : (left >> 3) + 8], "little") >> (left & 7)
        else:
            word = int.from_bytes(self._data[:8], "little") << -left
        return word & (1 << count) - 1


def read_table(data: bytes, most_accuracy: int, symbols: int) -> tuple[Table, int]:
    """Read a table's description at the beginning of ``data``: the table, and the bytes it took."""
    bits = int.from_bytes(data[:128], "little")
    accuracy = (bits & 15) + _LEAST_ACCURACY
    if accuracy > most_accuracy:
        raise CodecError("an FSE table is larger than the format allows")
    position = 4
    left = 1 << accuracy
    counts: list[int] = []
    while left > 0:
        # A number from 0 to left + 1. The lowest ones are written with one bit less.
        width = (left + 1).bit_length()
        short = (1 << width) - 2 - left
        number = bits >> position & (1 << width - 1) - 1
        position += width - 1
        if number >= short:
            number += (bits >> position & 1) << width - 1
            position += 1
            if number >= 1 << width - 1:
                number -= short
        # 0 is "less than 1", which owns one state too.
        counts.append(number - 1)
        left -= abs(number - 1)
        if number == 1:
            repeat = 3
            while repeat == 3:
                repeat = bits >> position & 3
                position += 2
                counts += [0] * repeat
                if len(counts) > symbols:
                    break
    used = position + 7 >> 3
    if left < 0 or len(counts) > symbols or used > len(data):
        raise CodecError("an FSE table is damaged")
    return make_table(counts, accuracy), used


def make_table(counts: Sequence[int], accuracy: int) -> Table:
    """Make the table from how many states each symbol owns; -1: one, and among the last ones."""
    size = 1 << accuracy
    owners = [0] * size
    free = size
    for symbol, count in enumerate(counts):
        if count < 0:
            free -= 1
            owners[free] = symbol
    place = 0
    for symbol, count in enumerate(counts):
        for _ in range(max(count, 0)):
            owners[place] = symbol
            place = place + (size >> 1) + (size >> 3) + 3 & size - 1
            while place >= free:
                place = place + (size >> 1) + (size >> 3) + 3 & size - 1
    following = [abs(count) for count in counts]
    table: Table = []
    for symbol in owners:
        number = following[symbol]
        following[symbol] += 1
        width = accuracy + 1 - number.bit_length()
        table.append((symbol, width, (number << width) - size))
    return table
