"""Which kinds of character follow each other in a text: this distinguishes text from noise.

Learnt from the text itself, so that nothing here knows what a kernel log looks like: digits follow
digits, a space follows a colon.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import log2
from string import ascii_lowercase, ascii_uppercase, digits

# Digits are one kind, small and capital letters are two; every other character is its own kind.
_KINDS = bytes.maketrans(
    (digits + ascii_lowercase + ascii_uppercase).encode(), b"0" * 10 + b"a" * 26 + b"A" * 26
)
#: Scores are in quarters of a bit.
BIT = 4
_MOST = 6 * BIT


class Kinds:
    """The kinds of character in one text."""

    def __init__(self, text: bytes) -> None:
        kinds = text.translate(_KINDS)
        self._pairs = Counter(pairwise(kinds))
        self._singles = Counter(kinds)
        self._size = len(text) + 1

    def affinity(self, first: int, second: int) -> int:
        """Score how much more often such a pair appears than by chance."""
        kinds = _KINDS[first], _KINDS[second]
        by_chance = self._singles[kinds[0]] * self._singles[kinds[1]] / self._size
        # Two more of each, so that a pair that was seen once does not count much.
        ratio = (self._pairs[kinds] + 2) / (by_chance + 2)
        return max(-_MOST, min(_MOST, round(BIT * log2(ratio))))
