"""Going on behind the break of a stream: what the salvage of LZ4, LZO and 842 has in common.

These three formats are chains of small instructions: literal bytes, and copies of text that came
earlier. Where a stream is damaged a decoder soon takes literals for instructions, puts out rubbish
and stops. Three questions then have to be answered:

1. Where does an instruction begin again? For every place in the data, from the end backwards, it
   is counted how many sensible instructions (readable literals, distances that can be) follow one
   another from there. Chains from wrong places join the true one or fail.
2. How much text was lost in between? Copies reach back over the gap, so that a wrong answer makes
   them fetch the wrong words. Answers are tried (for 842 all, for the others those that
   lost_length.py finds). The one is taken whose outcome has the most triples of letters in common
   with the undamaged text (log_model.py). If none stands out, all text before the gap is lost.
3. Which bytes are known? Those that stay the same whatever the lost text was: everything is
   decoded twice, with lost bytes 0x00 and 0xff, and once for each further length that the lost
   text may well have had, and compared.

Work is bounded: ``_WINDOW`` places are looked at, ``_TRIALS`` answers tried, ``_GAPS`` breaks
crossed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.codecs.base import UNKNOWN, Remains
from pstorefs.codecs.expand import Break
from pstorefs.codecs.salvage.log_model import Model, damage
from pstorefs.codecs.salvage.lost_length import estimate_shifts
from pstorefs.codecs.salvage.tokens import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    _Expand = Callable[[int, bytearray, int], int]

BAD, END = -1, -2  # what Trail.step answers instead of the next place

_CONVINCING = 16  # sensible instructions in a row that make a place worth going on from
_CONVINCED = re.compile(rb"[\x10-\xff]")
_WINDOW = 1 << 18  # places that are tried
_HISTORY, _HISTORY_UNIT = 1 << 16, 2048  # bytes of certain text used; left out are whole rings
_ROOM = 1 << 20  # bytes of text put out beyond the break
_GAPS = 8  # breaks crossed in one stream
_TRIALS = 1024  # positions tried in one stream
_TOKENS = 3000  # looked at to find the position
_LOOK, _GLANCE = 3000, 400  # bytes of text by which a position and a beginning are judged
# Which positions are tried: text that reads well may be rubbish already, and the lost data may
# have held this many times as much text as is usual, and this much more.
_BACKWARDS, _GENEROUS, _SURPLUS = 256, 4, 512
_LEARN = 64  # a shorter undamaged text says too little about what follows
# How far behind the best position, in points per triple, others are out of the question; and so
# many that are not tell nothing.
_CLOSE, _MOST_POSITIONS = 0.04, 4
_STRETCH = 1024  # places before a convincing one that may be the true beginning
_RUN = 24  # UNKNOWN bytes that represent any larger number


@dataclass(frozen=True, slots=True)
class Trail:
    """A stream, as seen by a salvage that may have to find its way in it.

    A place is a number that says where in the data, and in what state, a decoder is: 0 is the
    beginning, and instructions lead to larger numbers.
    """

    #: Places per byte of data, and how many there are.
    per_byte: int
    places: int
    #: The place behind the instruction at a place; END if it ends the data as the format demands,
    #: BAD if no compressor of a log put it there.
    step: Callable[[int], int]
    #: How much text the instruction at a place gives, where step is not BAD.
    gain: Callable[[int], int]
    #: expand(place, out, limit): decode from there onto the text in out until the stream ends (the
    #: result is the number of bytes of data used) or a Break comes, such as out reaching the limit.
    expand: _Expand
    #: unplaced(fill, place, out, limit): the same where the position in the text is unknown, with
    #: the byte fill for all that depends on it.
    unplaced: Callable[[int, int, bytearray, int], int]
    #: How far back in the text the instructions that unplaced deals with reach.
    reach: int = 0
    #: Positions in the text are multiples of this.
    unit: int = 1
    #: tokens(place): what the instruction there does, in tokens (tokens.py); only where copies are
    #: relative to where they are.
    tokens: Callable[[int], list[int]] | None = None


def salvage_trail(trail: Trail, limit: int) -> Remains:
    """Everything that is recovered from a stream, in the form that the codecs' salvage returns."""
    out = bytearray()
    end = _stop(trail.expand, 0, out, limit)
    text = bytes(out)
    clean = damage(text)
    if end.truncated and clean == len(text):
        return Remains(text, end.used, str(end), truncated=True)
    # Where the text turns unreadable before the decoder noticed, the damage lies there.
    first = end.used if clean == len(text) else _stop(trail.expand, 0, bytearray(), clean).used
    room = limit - len(text)
    rest = _Search(trail, text[:clean], room, (first + 1) * trail.per_byte).rest()
    return Remains(text, end.used, str(end), rest, truncated=end.truncated and not rest)


def _stop(expand: _Expand, place: int, out: bytearray, limit: int) -> Break:
    try:
        return Break("nothing in the data is wrong", expand(place, out, limit))
    except Break as stop:
        # A new one: with the traceback of this one the text and all tables would stay in memory.
        return Break(str(stop), stop.used, truncated=stop.truncated)


class _Version(NamedTuple):
    """The text, on one assumption."""

    text: bytearray
    #: The placeholder for lost bytes.
    fill: int
    #: How much more text was lost than in the first version.
    shift: int = 0


class _Search:
    """One walk through the data behind a break, from place ``first`` on."""

    def __init__(self, trail: Trail, certain: bytes, limit: int, first: int) -> None:
        self._trail = trail
        self._limit = min(limit, _ROOM)
        self._first = first
        self._end = min(trail.places, first + _WINDOW)
        self._walks = self._count_walks()
        self._model = Model()
        self._model.learn(certain[-_HISTORY:])
        self._trials = _TRIALS
        # Bytes of text per place, for judging how much was lost.
        self._rate = min(16, max(1.0, len(certain) * trail.per_byte / first)) / trail.per_byte
        known = certain[max(0, len(certain) - _HISTORY) // _HISTORY_UNIT * _HISTORY_UNIT :]
        self._versions = [_Version(bytearray(known), fill) for fill in (0x00, 0xFF)]
        self._text = self._versions[0].text
        self._learned = len(certain)
        #: How much of ``_text`` comes before the text found here, once any was found.
        self._begin: int | None = None

    def rest(self) -> bytes:
        """The value of ``Remains.rest``."""
        place = self._first
        for gap in range(_GAPS):
            found = _CONVINCED.search(self._walks, place - self._first)
            if not found or len(self._text) > _ROOM:
                break
            start, origin = self._locate(place, self._first + found.start())
            used = self._append(start, origin, last=gap == _GAPS - 1)
            place = max(start, used * self._trail.per_byte) + self._trail.per_byte
        begin = self._begin or 0
        found_texts = [bytes(each.text[begin + each.shift :]) for each in self._versions]
        return b"" if self._begin is None else _agreed(found_texts)[: self._limit]

    def _count_walks(self) -> bytearray:
        """For each place how many sensible steps (up to 255) follow one another from it."""
        walks = bytearray(max(self._end - self._first, 0))
        for index in range(len(walks) - 1, -1, -1):
            to = self._trail.step(self._first + index)
            if to == END:
                walks[index] = 255
            elif to != BAD:
                ahead = to - self._first
                walks[index] = min(walks[ahead] + 1, 255) if ahead < len(walks) else _CONVINCING
        return walks

    def _append(self, start: int, origin: int | None, *, last: bool) -> int:
        """Decode from ``start`` on to where damage shows again; how much of the data that took."""
        begin = len(self._text) + self._trail.reach if origin is None else origin
        begin += -begin % self._trail.unit
        self._begin = begin if self._begin is None else min(self._begin, begin)
        probe = self._text[:]
        _stand(probe, begin, 0x00)
        room = self._limit
        stop = _stop(self._expand(origin, 0x00), start, probe, begin + room)
        clean = damage(bytes(probe[begin:]).replace(b"\0", b" "))
        if clean < len(probe) - begin and not last:
            room = clean
        for text, fill, shift in self._versions:
            _stand(text, begin + shift, fill)
            stop = _stop(self._expand(origin, fill), start, text, begin + shift + room)
        return stop.used

    def _expand(self, origin: int | None, fill: int) -> _Expand:
        return partial(self._trail.unplaced, fill) if origin is None else self._trail.expand

    def _alone(self, place: int, fill: int) -> bytes:
        """The beginning of what comes from a place on, with ``fill`` for all that lies before."""
        text = bytearray([fill]) * self._trail.reach
        _stop(partial(self._trail.unplaced, fill), place, text, len(text) + _LOOK)
        return bytes(text[self._trail.reach :])

    def _locate(self, place: int, start: int) -> tuple[int, int | None]:
        """The best place from ``place`` to about ``start`` on, and its position in the text.

        What is found first may have several positions: for each there will be a version.
        """
        if self._learned < _LEARN or not self._trials:
            return start, None
        anchor, _ = self._ahead(start)
        here, unit = len(self._text), self._trail.unit
        if self._trail.tokens:
            shifts = estimate_shifts(bytes(self._text), self._tokens(anchor))
            trials: Sequence[int] = [at for shift in shifts if (at := here + shift) >= 0]
        else:
            farthest = here + int(_GENEROUS * self._rate * (anchor - place)) + _SURPLUS
            nearest = max(0, here - _BACKWARDS) // unit * unit
            trials = range(nearest, farthest, unit)[: self._trials]
        self._trials -= len(trials)
        positions = self._likely_positions(anchor, trials)
        if not 0 < len(positions) <= _MOST_POSITIONS:
            return start, None
        origin, *others = positions
        best, position = self._best_start(place, anchor, origin)
        if self._begin is None:
            shifts = [at - origin for at in others if position + at - origin >= 0]
            self._versions += [_Version(self._text[:], 0x00, shift) for shift in shifts]
        return best, position

    def _tokens(self, place: int) -> list[int]:
        """The tokens from a place on, enough to judge by."""
        tokens: list[int] = []
        if not self._trail.tokens:
            return tokens
        while len(tokens) < _TOKENS and (to := self._trail.step(place)) >= 0:
            tokens += self._trail.tokens(place)
            place = to
        return tokens

    def _ahead(self, start: int) -> tuple[int, int]:
        """The place some sensible steps further on, and how much text lies between."""
        place, gained = start, 0
        for _ in range(_CONVINCING):
            to = self._trail.step(place)
            if to < 0:
                break
            gained += self._trail.gain(place)
            place = to
        return place, gained

    def _likeness(self, place: int, origin: int, look: int, positions: Iterable[int]) -> int:
        """How alike the undamaged text is what comes out from a place on at a position."""
        text = self._decoded(place, origin, look)
        return self._model.score(bytes(text[origin:]), positions)

    def _decoded(self, place: int, origin: int, look: int) -> bytearray:
        """The text, with what comes from a place on put at a position; ``look`` bytes of it."""
        text = self._text[:]
        _stand(text, origin, 0x00)
        _stop(self._trail.expand, place, text, origin + look)
        return text

    def _likely_positions(self, place: int, trials: Iterable[int]) -> list[int]:
        """The positions in the text that make most sense of what comes from a place on."""
        low, high = (self._alone(place, fill) for fill in (0x00, 0xFF))
        self._model.learn(low)
        differ = [a != b for a, b in zip(low, high, strict=True)]
        touched = [at for at in range(len(differ) - 2) if any(differ[at : at + 3])]
        joints = list(_joints(self._tokens(place)))
        scores = {
            at: self._likeness(place, at, _LOOK, touched)
            for at in trials
            if not (joints and self._stops_early(place, at, joints))
        }
        floor = max(scores.values(), default=0) - _CLOSE * len(touched)
        likely = [at for at, score in scores.items() if score >= floor]
        return sorted(likely, key=lambda at: -scores[at])

    def _stops_early(self, place: int, origin: int, joints: list[tuple[int, int]]) -> bool:
        """Whether a copy at a position could have been longer: compressors leave nothing out."""
        text = self._decoded(place, origin, _LOOK)
        return any(
            text[origin + end] == text[origin + end - distance] != 0
            for end, distance in joints
            if distance <= origin + end < len(text)
        )

    def _best_start(self, place: int, anchor: int, origin: int) -> tuple[int, int]:
        """The place whose way to ``anchor`` gives the most sensible text, and its position."""
        best = (self._likeness(anchor, origin, _GLANCE, range(_GLANCE)), -anchor, origin)
        gains = {anchor: 0}  # of all places from which a chain leads to the anchor
        for start in range(anchor - 1, max(place, anchor - _STRETCH) - 1, -1):
            to = self._trail.step(start)
            if to not in gains:
                continue
            gains[start] = gains[to] + self._trail.gain(start)
            position = origin - gains[start]
            if position >= 0:
                look = min(gains[start] + _GLANCE, _LOOK)
                score = self._likeness(start, position, look, range(look))
                best = max(best, (score, -start, position))
        return -best[1], best[2]


def _joints(tokens: list[int]) -> Iterator[tuple[int, int]]:
    """Where each copy ends, and its distance."""
    position = 0
    for token in tokens:
        distance, length = split(token)
        position += length if distance else 1
        if distance:
            yield position, distance


def _stand(text: bytearray, position: int, fill: int) -> None:
    """Make a text exactly ``position`` bytes long."""
    del text[position:]
    text += bytes([fill]) * (position - len(text))


def _agreed(versions: list[bytes]) -> bytes:
    """A text with ``UNKNOWN`` where versions of it differ; long runs of that are cut short."""
    text, *others = versions
    number = int.from_bytes(text, "big")
    differ = 0
    for other in others:
        differ |= number ^ int.from_bytes(other[: len(text)].ljust(len(text)), "big")
    pieces, at = [], 0
    for lost in re.finditer(rb"[^\0]+", differ.to_bytes(len(text), "big")):
        pieces += [text[at : lost.start()], UNKNOWN * min(len(lost[0]), _RUN)]
        at = lost.end()
    return b"".join([*pieces, text[at:]])
