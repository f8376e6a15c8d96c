"""All dumps that are known at one moment."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pstorefs.archive.entry import ALONE, Entry
from pstorefs.catalog import bounds
from pstorefs.dump import Dump
from pstorefs.record.record import ARCHIVE, STORE

#: A dump in a list: with its records, or as the archive's index knows it.
Listed = Dump | Entry


class Totals(NamedTuple):
    """How many dumps there are."""

    dumps: int
    crashes: int
    archived: int
    incomplete: int
    #: Came since this machine was booted.
    new: int


def is_live(dump: Listed) -> bool:
    """Whether all of a dump is in the store."""
    return isinstance(dump, Dump) and all(record.place == STORE for record in dump.records)


def is_archived(dump: Listed) -> bool:
    """Whether any of a dump is in the archive."""
    return isinstance(dump, Entry) or any(record.place == ARCHIVE for record in dump.records)


def is_undated_log(dump: Listed) -> bool:
    """Whether this is a log without a header and without a time: that of a console, mostly."""
    return dump.reason is None and dump.time_ns is None


@dataclass(frozen=True)
class View:
    """What was known at one moment."""

    #: What it was made of: a count of changes for each place.
    version: int = -1
    generation: int = 0
    #: By name, the oldest first.
    dumps: Mapping[str, Listed] = field(default_factory=dict)
    dump_of: Mapping[tuple[str, str], Dump] = field(default_factory=dict)
    #: When dumps were archived of which something is elsewhere, too; in seconds since 1970.
    saved: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def latest(self) -> Listed | None:
        """The newest crash that has a dump."""
        crashes = (
            each for each in self.dumps.values() if each.is_crash and not is_undated_log(each)
        )
        return max(crashes, key=lambda dump: dump.age, default=None)

    @cached_property
    def witness(self) -> Listed | None:
        """A log of a console, or the like, that ends in a crash of which there is no dump."""
        crashes = (dump for dump in self.dumps.values() if dump.is_crash)
        logs = (dump for dump in crashes if is_undated_log(dump))
        return max(logs, key=lambda dump: dump.age, default=None)

    @cached_property
    def newest(self) -> list[Listed]:
        """The newest dumps, the oldest of them first."""
        return heapq.nlargest(bounds.NEWEST, self.dumps.values(), key=lambda dump: dump.age)[::-1]

    def is_new(self, dump: Listed, booted: int | None) -> bool:
        """Whether a dump came since the machine was booted: not archived yet, or since then."""
        if booted is None:
            return False
        if isinstance(dump, Entry):
            return dump.saved >= booted
        if is_archived(dump):  # a log of it stays in the store, say
            return self.saved.get(dump.name, 0) >= booted
        # The time of what systemd-pstore moved is that of the move.
        return any(r.place == STORE or r.mtime_ns // 10**9 >= booted for r in dump.records)

    @cached_property
    def boots(self) -> dict[str, list[Listed]]:
        """The dumps of each boot in their order, where there is more than one."""
        found: dict[str, list[Listed]] = defaultdict(list)
        alone: dict[str, Listed] = {}
        for dump in self.dumps.values():
            if dump.boot and dump.boot.startswith(ALONE):
                alone[dump.boot.removeprefix(ALONE)] = dump
            elif dump.boot:
                found[dump.boot].append(dump)
        for key in found.keys() & alone.keys():
            found[key].append(alone[key])
        several = {key: dumps for key, dumps in found.items() if len(dumps) > 1}
        for dumps in several.values():
            dumps.sort(key=lambda dump: (dump.count or 0, dump.age))
        return several

    def totals(self, booted: int | None, is_complete: Callable[[Listed], bool]) -> Totals:
        """How many there are. `booted`: when this machine was, in seconds since 1970."""
        dumps = self.dumps.values()
        return Totals(
            dumps=len(dumps),
            crashes=sum(dump.is_crash for dump in dumps),
            archived=sum(map(is_archived, dumps)),
            incomplete=sum(not is_complete(dump) for dump in dumps),
            new=sum(self.is_new(dump, booted) for dump in dumps),
        )

    def boot_of(self, dump: Listed) -> Sequence[Listed]:
        """All dumps of the boot that a dump is of, itself included; none if it is alone."""
        return self.boots.get((dump.boot or "").removeprefix(ALONE), ())

    def boot_key_of(self, dump: Listed) -> str | None:
        """The key of that boot; None: not known."""
        keys = (each.boot for each in self.boot_of(dump))
        return next((key for key in keys if key and not key.startswith(ALONE)), None)
