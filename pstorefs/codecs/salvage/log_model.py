"""How the text of a log looks, byte by byte: what is readable, and what is like what.

For the salvage of damaged streams, which must distinguish text from noise before lines are known.
"""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNREADABLE = rb"[^\t\n\r\x1b\x20-\x7e]"
# One unreadable byte alone may be the kernel's own (a device that names itself in Latin-1): damage
# shows as at least two close together, or as one at the end.
_DAMAGE = re.compile(_UNREADABLE + rb"(?=.{0,63}?" + _UNREADABLE + rb"|.{0,63}\Z)", re.DOTALL)
_MULTIBYTE = re.compile(rb"(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2})+")
_UNREADABLE_TABLE = bytes(bool(re.match(_UNREADABLE, bytes([byte]))) for byte in range(256))
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_UNSEEN_COST = 2  # of a triple that the undamaged text has not, in triples that it has


def damage(text: bytes) -> int:
    """How many bytes of a text come before the first that cannot be a log's: all, if all can."""
    found = _DAMAGE.search(_MULTIBYTE.sub(lambda match: b" " * len(match[0]), text))
    return found.start() if found else len(text)


def unreadable(data: bytes | bytearray) -> bytes | bytearray:
    """For each byte 1 if it is not a character of a log, else 0."""
    return data.translate(_UNREADABLE_TABLE)


def unreadable_before(data: bytes) -> array[int]:
    """For each position in the data, how many unreadable bytes come before it."""
    return array("I", accumulate(unreadable(data), initial=0))


class Model:
    """A profile of a text: its triples of characters, with all digits the same."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def learn(self, text: bytes) -> None:
        """Take over the triples of a text, except those with lost bytes (0x00)."""
        for piece in text.translate(_DIGITS).split(b"\0"):
            self._seen.update(piece[at : at + 3] for at in range(len(piece) - 2))

    def score(self, text: bytes, positions: Iterable[int]) -> int:
        """How familiar the triples at some positions are; those with lost bytes say nothing."""
        plain = text.translate(_DIGITS)
        triples = [plain[at : at + 3] for at in positions]
        known = sum(map(self._seen.__contains__, triples))
        lost = sum(b"\0" in triple for triple in triples)
        return known - _UNSEEN_COST * (len(triples) - known - lost)
