"""How much text was lost at a break: by how many bytes the matches behind it are wrong.

Behind a break an LZ77 decoder may be in step again, and still have put out too little or too much.
Where a match reaches back across the break it then copies the wrong place of the text, and all
these matches are wrong by the same number of bytes, the shift. For each possible shift we ask how
well the copied bytes would fit their neighbours. There are two measures:

* Which kinds of character follow each other, learnt from the text: digits after digits, a space
  after a colon.
* The way of writers: a match ends where the text stops repeating. Hence what follows a match is
  *not* what follows the place that it copies.
"""

from __future__ import annotations

from itertools import islice, pairwise
from operator import add, eq
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.codecs.salvage.char_pairs import BIT, Kinds
from pstorefs.codecs.salvage.tokens import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Shifts up to this size are recognised. 128 damaged bytes, the unit of ramoops's ECC, are seldom
# more than 1 KiB of text.
_REACH = 4096
_PLACES = 2 * _REACH + 1
# How much of the text before the break is used: deflate's window.
_WINDOW = 32 << 10
# Matches that are tried on; more would make the work longer and nothing clearer.
_MATCHES = 500
# No more text than this is expected to be put out in excess.
_MOST_SURPLUS = 1000
# Text that is skipped behind the break: it may be out of step still.
_NONSENSE = 350

# Scores are bytes; 0, "says nothing", is in the middle.
_ZERO = 128
# A match would begin before the text does. Unlikely, and no more: it may be nonsense.
_BEFORE_TEXT = -6 * BIT
# A match would have been made longer. No zlib does that.
_TOO_SHORT = -12 * BIT
_SCORE_OF_EQUALITY = (_ZERO, _ZERO + _TOO_SHORT)
# Each 256 bytes of shift halve the likelihood.
_RARITY = 256 // BIT
# The least that the best shift must have, and how far behind it others are out of the question.
_ENOUGH = 8 * BIT
_AHEAD, _AHEAD_PERCENT = 4 * BIT, 25
# So many shifts about as good as the best mean that nothing is known.
_MOST_SHIFTS = 6


class _Joint(NamedTuple):
    """A match that may reach across the break, and what is beside it."""

    #: Places in the text, if the shift is 0.
    begin: int
    end: int
    #: The literal before the match, if there is one.
    previous: int | None
    #: The literal behind the match; or else the place where the next match begins.
    following: int | None
    next_begin: int


def estimate_shifts(text: bytes, behind: Sequence[int]) -> list[int]:
    """By how many bytes a match in ``behind`` that begins within ``text`` must begin later.

    ``text`` is what is before the break, ``behind`` are the tokens behind it (tokens.py). All
    likely shifts are returned, mostly one; or none, if nothing is known.
    """
    fit = _Fit(text[-_WINDOW:])
    total = [0] * _PLACES
    count = 0
    for joint in islice(_joints(behind, len(fit.text)), _MATCHES):
        total = list(map(add, total, fit.before(joint)))
        total = list(map(add, total, fit.after(joint)))
        count += 2
    # Large shifts are less likely.
    total = [
        score - count * _ZERO - abs(place - _REACH) // _RARITY for place, score in enumerate(total)
    ]
    best = max(total)
    if best < _ENOUGH:
        return []
    floor = best - max(_AHEAD, best * _AHEAD_PERCENT // 100)
    shifts = [place - _REACH for place in range(_PLACES) if total[place] >= floor]
    return shifts if len(shifts) <= _MOST_SHIFTS else []


def _joints(behind: Sequence[int], text_size: int) -> Iterator[_Joint]:
    position = text_size
    previous: int | None = None
    for token, following in pairwise(behind):
        if token < 256:
            position += 1
            previous = token
            continue
        distance, length = split(token)
        begin = position - distance
        position += length
        if position > text_size + _NONSENSE and begin < text_size + _MOST_SURPLUS:
            literal = following if following < 256 else None
            next_begin = position - split(following)[0]
            yield _Joint(begin, begin + length, previous, literal, next_begin)
        previous = None


class _Fit:
    """How well a match that is aimed at the text would fit there.

    Answers are scores, one for each shift from -_REACH to _REACH, as bytes.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._kinds = Kinds(text)
        self._beginnings: dict[int | None, bytes] = {None: bytes([_ZERO]) * len(text)}
        self._ends: dict[int, bytes] = {}

    def before(self, joint: _Joint) -> bytes:
        """Score what is before the match against the first byte it would copy."""
        literal = joint.previous
        if literal is not None and literal not in self._beginnings:
            scores = bytes(_ZERO + self._kinds.affinity(literal, byte) for byte in range(256))
            self._beginnings[literal] = self.text.translate(scores)
        return _around(self._beginnings[literal], joint.begin, _ZERO + _BEFORE_TEXT, _ZERO)

    def after(self, joint: _Joint) -> bytes:
        """Score what is behind the match against the last byte it would copy and the next."""
        literal = joint.following
        if literal is None:
            copied = _around(self.text, joint.end, 1, 1)
            standing = _around(self.text, joint.next_begin, 2, 2)
            return bytes(map(_SCORE_OF_EQUALITY.__getitem__, map(eq, copied, standing)))
        if literal not in self._ends:
            scores = bytes(_ZERO + self._kinds.affinity(byte, literal) for byte in range(256))
            ends = bytearray([_ZERO]) + self.text.translate(scores)
            for place, byte in enumerate(self.text):
                if byte == literal:
                    ends[place] += _TOO_SHORT
            self._ends[literal] = bytes(ends)
        return _around(self._ends[literal], joint.end, _ZERO, _ZERO)


def _around(values: bytes, place: int, before: int, behind: int) -> bytes:
    """Cut out the values at a place for all shifts, and fill up beyond the ends of the text."""
    start, stop = place - _REACH, place + _REACH + 1
    left = min(max(-start, 0), _PLACES)
    inside = values[max(start, 0) : max(stop, 0)]
    right = _PLACES - left - len(inside)
    return bytes([before]) * left + inside + bytes([behind]) * right
