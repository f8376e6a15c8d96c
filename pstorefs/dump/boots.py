"""Which dumps are of one boot, and which console log ends with which dump: on evidence only.

* erst: the id carries the time of the boot's first record.
* The last lines of a dump are in a later one, times and all: the log went on in the same boot.
* Counts run on, and both boots began in the same seconds (the dump's time less its last line's).

Within a boot every dump has its own count. What would put two dumps with one count together is no
evidence.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from pstorefs.record.name import id_seconds
from pstorefs.record.reading import DECODED, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from pstorefs.dump import Dump
    from pstorefs.dump.part import Part
    from pstorefs.record.record import Record

T = TypeVar("T", bound="Counted")

# Lines at the end of a dump that must be elsewhere. A console shows lines by their level: of
# those before an oops, which makes it show all, some may be absent; the last line may not.
_TAIL = 4
_TAIL_SHARED = 2
# The same for a record with wrong lines somewhere: any lines prove the boot, the last may be lost.
_TAIL_DOUBTFUL = 1024
_TAIL_SHARED_DOUBTFUL = 3
_SURE = (PLAIN, DECODED)
# Ids have whole seconds, a panic first stops the other CPUs (a second), then writes.
_SAME_START_S = 2
# The clock of the log and the clock on the wall do not run alike; a suspended machine logs nothing
# and its wall clock runs on, so that only the other direction is a contradiction.
_CLOCK_SLACK_S = 5
# Candidates that are compared with one dump. The bound prevents quadratic time for hostile records.
_MOST = 16


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a dump that the evidence needs; times in nanoseconds and microseconds."""

    family: str
    count: int | None
    time_ns: int | None
    time_source: str
    parts: Sequence[Part]
    anchor: str

    @property
    def last(self) -> int | None:
        """The time of the newest line of part 1, in microseconds: of the crash itself."""
        newest = self.parts[-1]
        return newest.record.last if newest.number == 1 else None

    @property
    def newest(self) -> Record | None:
        """The newest record that has lines."""
        return next((part.record for part in reversed(self.parts) if part.record.lines), None)

    @property
    def doubtful(self) -> bool:
        """Whether any of the newest lines may be wrong or missing."""
        return self.newest is not None and self.newest.state not in _SURE

    def tail(self) -> list[int]:
        """Fingerprints of the newest lines; of all lines of a record where each may be wrong."""
        length = _TAIL_DOUBTFUL if self.doubtful else _TAIL
        return list(self.newest.fingerprints()[-length:]) if self.newest else []


def facts_of(dump: Dump) -> Facts:
    """The facts that the evidence needs, of a dump that is put together."""
    newest = dump.parts[-1].record
    return Facts(
        dump.backend, dump.count, dump.time_ns, dump.time_source, dump.parts, newest.text_hash
    )


def key_of(first: Facts) -> str:
    """The key of a boot of which this is the first dump."""
    return f"{first.family}-{first.anchor[:16]}"


def start_of(dump: Facts) -> int | None:
    """When its boot began, in seconds since 1970, by the clocks on the wall and of the log."""
    if not dump.time_ns or dump.last is None or dump.family == "erst":
        return None
    return dump.time_ns // 10**9 - dump.last // 10**6


def keys(dumps: Sequence[Facts]) -> list[str | None]:
    """A key per dump that dumps of one boot share; None without evidence of a boot."""
    found: list[str | None] = [None] * len(dumps)
    rest = []
    runs: dict[int, list[int]] = defaultdict(list)
    for index, dump in enumerate(dumps):
        seconds = id_seconds(dump.parts[0].record.name) if dump.family == "erst" else None
        if seconds is None:
            rest.append(index)
        else:
            runs[seconds].append(index)
    for seconds, members in runs.items():
        counts = [dumps[index].count for index in members if dumps[index].count is not None]
        if len(set(counts)) == len(counts):
            for index in members:
                found[index] = f"erst-{seconds}"
    sets = _Sets([dump.count for dump in dumps])
    _by_lines(dumps, rest, sets)
    _by_counts(dumps, rest, sets)
    for members in sets.joined():
        first = min(members, key=lambda index: (dumps[index].count or 0, dumps[index].anchor))
        for index in members:
            found[index] = key_of(dumps[first])
    return found


Tails = dict[int, list[tuple[int, Facts]]]


def tails_of(dumps: Iterable[tuple[int, Facts]]) -> Tails:
    """Dumps, and their indexes, by the fingerprints of their last lines."""
    found: Tails = defaultdict(list)
    for index, dump in dumps:
        tail = dump.tail()
        for key in tail if dump.doubtful else tail[-1:]:
            if len(found[key]) < _MOST:
                found[key].append((index, dump))
    return found


def ending(tails: Tails, lines: AbstractSet[int]) -> int | None:
    """The index of the latest dump whose last lines are among these lines."""
    found = {
        index: (dump.count or 0, dump.time_ns or 0, dump.anchor)
        for key in tails.keys() & lines
        for index, dump in tails[key]
        if _stands(dump, lines)
    }
    return max(found, key=lambda index: (found[index], index), default=None)


def _stands(dump: Facts, lines: AbstractSet[int]) -> bool:
    tail = dump.tail()
    shared = _TAIL_SHARED_DOUBTFUL if dump.doubtful else min(_TAIL_SHARED, len(tail))
    return sum(key in lines for key in tail) >= shared


def _by_lines(dumps: Sequence[Facts], rest: Sequence[int], sets: _Sets) -> None:
    """Join dumps to later ones in which their last lines are."""
    tails = tails_of((index, dumps[index]) for index in rest)
    for index in rest:
        dump = dumps[index]
        fits = {
            number: (strain, other.anchor, number)
            for part in dump.parts
            for key in tails.keys() & part.record.fingerprints()
            for number, other in tails[key]
            if number != index and (strain := _strain(other, dump)) is not None
        }
        if not fits:
            continue
        lines = {key for part in dump.parts for key in part.record.fingerprints()}
        # Of two dumps with the same count, the one whose time fits better comes first.
        for number in sorted(fits, key=lambda number: fits[number]):
            if _stands(dumps[number], lines):
                sets.join(number, index)


def _strain(earlier: Facts, later: Facts) -> int | None:
    """How badly two dumps fit as an earlier and a later one of one boot; None: they cannot be."""
    if earlier.count is not None and later.count is not None and earlier.count >= later.count:
        return None
    if earlier.last is None or later.last is None or not earlier.time_ns or not later.time_ns:
        return 0
    apart = (later.time_ns - earlier.time_ns) // 1000 - (later.last - earlier.last)
    if apart < -_CLOCK_SLACK_S * 10**6:
        return None
    return abs(apart)


def _by_counts(dumps: Sequence[Facts], rest: Sequence[int], sets: _Sets) -> None:
    """Join dumps whose boots began at the same time and whose counts run on."""
    starts = sorted(
        (dump.time_ns // 1000 - dump.last, index)
        for index in rest
        if (dump := dumps[index]).time_ns and dump.last is not None and dump.count is not None
    )
    for position, (start, index) in enumerate(starts):
        for other_start, other in starts[position + 1 : position + 1 + _MOST]:
            if other_start - start > _SAME_START_S * 10**6:
                break
            pair = sorted((index, other), key=lambda each: dumps[each].count or 0)
            if _runs_on(dumps[pair[0]], dumps[pair[1]]):
                sets.join(pair[0], pair[1])


def _runs_on(earlier: Facts, later: Facts) -> bool:
    return (
        earlier.family == later.family
        and (earlier.count or 0) + 1 == later.count
        and (earlier.last or 0) <= (later.last or 0)
    )


class Counted(Protocol):
    """The facts of a dump that say which one came before it."""

    @property
    def reason(self) -> str | None:
        """The kernel's word for why it dumped."""

    @property
    def count(self) -> int | None:
        """The kernel's count of dumps in that boot."""


def oops_before(dump: Counted, boot: Iterable[T]) -> T | None:
    """The oops that was dumped just before this one, of all dumps of its boot."""
    if dump.count is None:
        return None
    fits = (one for one in boot if one.reason == "Oops" and one.count == dump.count - 1)
    return next(fits, None)


class _Sets:
    """Disjoint sets of dumps, no two with the same count."""

    def __init__(self, counts: Sequence[int | None]) -> None:
        self._parent = list(range(len(counts)))
        self._counts: dict[int, set[int]] = {}
        self._count = counts

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = index = self._parent[self._parent[index]]
        return index

    def _counts_of(self, root: int) -> set[int]:
        count = self._count[root]
        return self._counts.get(root) or (set() if count is None else {count})

    def join(self, one: int, other: int) -> None:
        """Join two sets, unless a count would be in it twice."""
        one, other = sorted((self._root(one), self._root(other)))
        counts, more = self._counts_of(one), self._counts_of(other)
        if one == other or counts & more:
            return
        self._parent[other] = one
        self._counts[one] = counts | more

    def joined(self) -> list[list[int]]:
        """All sets of more than one dump."""
        members: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self._parent)):
            members[self._root(index)].append(index)
        return [each for each in members.values() if len(each) > 1]
