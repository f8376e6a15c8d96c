"""The parts of a dump, and a dump while it is being put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pstorefs.record.record import Record

# Lines of several CPUs are out of order by less than a second in the corpus. By more than this,
# and the text of the higher part cannot be the older one.
_DISORDER_US = 60 * 10**6
# Disorder is rare: of two dumps that could take a record, a gap in time is the likelier.
_DISORDER_COST = 10


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a dump: a record, and copies of it in other places or shapes.

    ``number`` is 1 for the newest text, None if neither header nor id has it. ``records``
    begins with the best copy.
    """

    number: int | None
    records: tuple[Record, ...]

    @property
    def record(self) -> Record:
        """The copy that is shown."""
        return self.records[0]


@dataclass(slots=True, eq=False)
class Group:
    """The parts of one dump, newest text first."""

    parts: list[Part] = field(default_factory=list)
    reason: str | None = None
    count: int | None = None
    #: The highest part that the kernel wrote, if the ids of the next dump show it.
    highest: int = 0
    # Of the last part added: its time in seconds, its number in an ERST run, its oldest line.
    time: int | None = None
    run: int = 0
    first: int | None = None

    def add(self, part: Part, time: int | None = None, run: int = 0) -> None:
        """Append the next older part."""
        record = part.record
        if record.header:
            self.reason, self.count = record.header.reason, record.header.count
        self.parts.append(part)
        self.run = run
        if time is not None:
            self.time = time
        if record.first is not None:
            self.first = record.first

    @property
    def last_number(self) -> int:
        """The number of the last part added."""
        return self.parts[-1].number or 0

    def distance(self, record: Record) -> int | None:
        """How far, in microseconds, the end of a record's text lies from the oldest line here.

        Part n+1 ends where part n begins. None if the record's text is the newer one, by more than
        disorder explains; 0 if either has no times.
        """
        if record.last is None or self.first is None:
            return 0
        gap = self.first - record.last
        if gap < -_DISORDER_US:
            return None
        return gap if gap >= 0 else -gap * _DISORDER_COST
