"""Text with holes: the output of an LZ77 decoder that continues after a break.

A decoder's work is a list of tokens, each one number: a literal byte is itself, 0 to 255, or
``HOLE`` if it is lost; a match is ``match(distance, length)``, "repeat ``length`` bytes that began
``distance`` bytes ago". Behind a break a match may reach for bytes that are lost. They become
holes, which further matches copy like any other byte, and ``UNKNOWN`` at the end.
"""

from __future__ import annotations

import codecs
import re
import sys
from array import array
from typing import TYPE_CHECKING

from pstorefs.codecs.base import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LENGTH_BITS = 20
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
#: A lost byte, beside the 256 values of known ones.
HOLE = 0x100
# Nobody learns more from a longer run of marks.
_LONGEST_RUN = 24
# An array("H") as text: each number is one character.
_NATIVE = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
_MARK_HOLES = "pstorefs-holes"
_LONG_RUN = re.compile(f"{chr(HOLE)}{{{_LONGEST_RUN + 1},}}")


def match(distance: int, length: int) -> int:
    """Make the token of a match."""
    return distance << _LENGTH_BITS | length


def split(token: int) -> tuple[int, int]:
    """Distance and length of a match's token; the distance of a literal is 0."""
    return token >> _LENGTH_BITS, token & _LENGTH_MASK


def play(tokens: Iterable[int], text: bytearray, limit: int) -> None:
    """Append the output of tokens to ``text``, in which nothing is lost."""
    for token in tokens:
        if token < HOLE:
            text.append(token)
        else:
            distance, length = split(token)
            period = text[len(text) - distance :][:length]
            text += (period * (length // distance + 1))[:length]
        if len(text) >= limit:
            del text[limit:]
            break


def play_behind(tokens: Iterable[int], text: bytes, shift: int | None, limit: int) -> array[int]:
    """The output of tokens after a break.

    Where they reach back into ``text``, which is before the break, they begin ``shift`` bytes
    later there than their distance says, if ``shift`` is known; if not, the bytes are lost.
    """
    before = _Before(text, shift)
    out = array("H")
    for token in tokens:
        if token <= HOLE:
            out.append(token)
        else:
            distance, length = split(token)
            # Counted from the break.
            begin = len(out) - distance
            across = before.cut_out(begin, length)
            out += across
            length -= len(across)
            if length:
                period = out[begin + len(across) :][:length]
                out += (period * (length // len(period) + 1))[:length]
        if len(out) >= limit:
            break
    return out[:limit]


class _Before:
    """The text before a break, with positions counted from the break."""

    def __init__(self, text: bytes, shift: int | None) -> None:
        # Bytes are handed over one by one: as a whole they would be taken for the array's memory.
        self._text = array("H", iter(text if shift is not None else b""))
        self._shift = shift or 0

    def cut_out(self, begin: int, length: int) -> array[int]:
        """Give as much of a match as begins before the break, counted from there."""
        end_of_text = max(0, min(length, -self._shift - begin))
        end = max(end_of_text, min(length, -begin))
        start = len(self._text) + self._shift + begin
        first = max(0, min(-start, end_of_text))
        found = self._text[max(start, 0) : max(start + end_of_text, 0)]
        holes = array("H", [HOLE])
        return holes * first + found + holes * (end - end_of_text)


def agreed(versions: Sequence[array[int]]) -> array[int]:
    """Make a hole of every byte that is not the same in all versions of one text."""
    if len(versions) == 1:
        return versions[0]
    places = zip(*versions, strict=True)
    return array("H", (place[0] if len(set(place)) == 1 else HOLE for place in places))


def render(out: array[int], limit: int) -> bytes:
    """Bytes, with ``UNKNOWN`` for a hole; long runs of holes shortened; ``limit`` bytes at most."""
    letters = out.tobytes().decode(_NATIVE)
    letters = _LONG_RUN.sub(chr(HOLE) * _LONGEST_RUN, letters)
    return letters.encode("latin-1", _MARK_HOLES)[:limit]


def _mark(error: UnicodeError) -> tuple[bytes, int]:
    """The replacement for characters that are not bytes: holes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return UNKNOWN * (error.end - error.start), error.end


codecs.register_error(_MARK_HOLES, _mark)
