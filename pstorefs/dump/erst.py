"""Dumps in ERST: the records of one boot share a time and carry numbers that run on.

An id is the time of the boot's first record and a running number (drivers/acpi/apei,
cper_next_record_id), and every part of every dump takes the next number, whether it could be stored
or not. So part and number differ by a constant within a dump, and a hole in the numbers is a
missing part. Only machine check records take numbers as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

from pstorefs.dump.part import Group, Part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from pstorefs.record.record import Record

    #: A record with its copies, and its running number.
    Numbered = tuple[int, tuple[Record, ...]]

# Dumps of one reason and count that may still grow. In one boot there is only one; the bound keeps
# a hostile directory from taking quadratic time.
_OPEN = 16


class Boot:
    """The records of one boot (of one time in the ids), in the order of their numbers."""

    def __init__(self, run: Sequence[Numbered], others: AbstractSet[int]) -> None:
        #: Records with a header, the dumps they went to, and their numbers: three columns.
        self._parts: list[Part] = []
        self._homes: list[Group] = []
        self._numbers: list[int] = []
        self._lost: list[Numbered] = []
        self._others = others
        self.groups: list[Group] = []
        self._place(run)
        self._place_lost()
        self._note_highest()

    def _place(self, run: Sequence[Numbered]) -> None:
        growing: dict[tuple[str, int], list[Group]] = defaultdict(list)
        for number, copies in run:
            header = copies[0].header
            if header is None:
                self._lost.append((number, copies))
                continue
            part = Part(header.part, copies)
            candidates = growing[header.reason, header.count]
            group = _best(candidates, number, part)
            if group is None:
                group = Group()
                self.groups.append(group)
                candidates.insert(0, group)
                del candidates[_OPEN:]
            group.add(part, run=number)
            self._parts.append(part)
            self._homes.append(group)
            self._numbers.append(number)

    def _place_lost(self) -> None:
        """Place records without a header by their numbers; what no dump can claim is a dump."""
        taken: set[tuple[int, int]] = set()
        changed: dict[int, Group] = {}
        own: Group | None = None
        for number, copies in self._lost:
            group, part = self._claim(number, copies[0])
            if group is not None and (id(group), part) not in taken:
                taken.add((id(group), part))
                changed[id(group)] = group
                group.parts.append(Part(part, copies))
                continue
            if own is None or own.run != number - 1 or not _soon(own.parts[-1].record, copies[0]):
                own = Group()
                self.groups.append(own)
            own.add(Part(None, copies), run=number)
        for group in changed.values():
            group.parts.sort(key=lambda part: part.number or 0)

    def _claim(self, number: int, record: Record) -> tuple[Group | None, int]:
        """The dump that a record without a header belongs to, and which part it is."""
        index = bisect_left(self._numbers, number)
        after = index if index < len(self._numbers) else None
        before = index - 1 if index else None
        if after is not None:
            if self._numbers[after] == number:
                return None, 0  # two different records under one id
            part = (self._parts[after].number or 0) - (self._numbers[after] - number)
            if part > (0 if before is None else self._behind(before, after)):
                return self._homes[after], part
        if before is None:
            return None, 0
        part = (self._parts[before].number or 0) + number - self._numbers[before]
        home = self._homes[before]
        if after is None:
            sure = _soon(self._parts[before].record, record)
        else:
            sure = home is not self._homes[after] and self._adjacent(before, after)
        return (home, part) if sure else (None, 0)

    def _behind(self, before: int, after: int) -> int:
        """The part number that a part between two records must be above, if it is of the second."""
        same = self._homes[before] is self._homes[after]
        return self._parts[before].number or 0 if same else 0

    def _adjacent(self, before: int, after: int) -> bool:
        """Whether no dump can lie between those of two records: their counts run on."""
        return (self._homes[after].count or 0) == (self._homes[before].count or 0) + 1

    def _note_highest(self) -> None:
        """Oldest parts may be missing: the numbers of the next dump begin behind a hole."""
        others = sorted(self._others)
        for before in range(len(self._numbers) - 1):
            home, after = self._homes[before], before + 1
            if home is self._homes[after] or not self._adjacent(before, after):
                continue
            number = self._numbers[before]
            begin = self._numbers[after] - (self._parts[after].number or 0)
            checks = bisect_left(others, begin + 1) - bisect_left(others, number)
            home.highest = (self._parts[before].number or 0) + max(0, begin - number - checks)


def _best(candidates: Sequence[Group], number: int, part: Part) -> Group | None:
    """The dump that a record continues, of those with its reason and count."""
    found, least = None, 0
    for group in candidates:
        step = (part.number or 0) - group.last_number
        distance = group.distance(part.record)
        if distance is None or not 1 <= step <= number - group.run:
            continue
        cost = distance + (number - group.run - step) * 10**6
        if found is None or cost < least:
            found, least = group, cost
    return found


def _soon(record: Record, following: Record) -> bool:
    """Whether a record can be the next part, by the times of the files, where these are known.

    One ERST write takes a few milliseconds. A record of a later second is rather the beginning of
    the next dump.
    """
    if not (record.dated and following.dated):
        return True
    return record.mtime_ns // 10**9 == following.mtime_ns // 10**9
