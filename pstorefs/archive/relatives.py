"""Which records can belong together, as far as names, times and sizes tell: nothing is read.

The archive may hold thousands of dumps, and a store thousands of records. Only those are read that
can have to do with the records of a command: parts of one dump, or copies of one record. What is
told here is "it can be", never "it is": grouping decides. This is the one place that knows.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pstorefs.archive import layout
from pstorefs.archive.never_erased import LOGS
from pstorefs.dump.grouping import SLOTS
from pstorefs.record.name import Name, id_seconds, parse_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pstorefs.source.directory import Stamp

# Parts of one dump are written within a minute (grouping.py); clocks are set meanwhile.
_NEAR_SECONDS = 180
# What archivers round off mtimes by (copies.py).
_NEAR_NS = 2 * 10**6


class Relatives:
    """Tells whether a record can have to do with any of some others: a dump's part or a copy."""

    def __init__(self, records: Iterable[tuple[Name, Stamp]]) -> None:
        self._erst: set[int] = set()
        self._efi: set[int] = set()
        self._slots: dict[tuple[str, str, int | None], list[Stamp]] = defaultdict(list)
        self._others: dict[str, set[int]] = defaultdict(set)
        for name, stamp in records:
            family, seconds = name.family, id_seconds(name)
            self._slots[family, name.type, name.id].append(stamp)
            if family == "erst" and seconds:
                self._erst.add(seconds)
            elif family == "efi" and seconds:
                self._efi.add(seconds // _NEAR_SECONDS)
            elif family not in SLOTS:
                self._others[family].add(stamp.mtime_ns // 10**9 // _NEAR_SECONDS)

    def include(self, name: Name, stamp: Stamp) -> bool:
        """Whether this one can be a relative."""
        family, seconds = name.family, id_seconds(name)
        if family == "erst" and seconds:
            return seconds in self._erst
        if family == "efi" and seconds:
            return _near(seconds // _NEAR_SECONDS, self._efi)
        if family not in SLOTS and _near(
            stamp.mtime_ns // 10**9 // _NEAR_SECONDS, self._others[family]
        ):
            return True
        return any(
            stamp.size == other.size or abs(stamp.mtime_ns - other.mtime_ns) <= _NEAR_NS
            for other in self._slots.get((family, name.type, name.id), ())
        )


def _near(bucket: int, buckets: set[int]) -> bool:
    return not buckets.isdisjoint((bucket - 1, bucket, bucket + 1))


def related_records(
    names: Mapping[str, Name], files: Mapping[str, Stamp], named: Collection[str] | None
) -> list[str]:
    """Paths of the source that can belong to dumps of the named ones; logs can belong to any.

    ``names`` are those of all records, by path; ``named`` is None for all of them.
    """
    if named is None or any(names[path].type in LOGS for path in named):
        return list(names)
    relatives = Relatives((names[path], files[path]) for path in named)
    return [
        path
        for path, name in names.items()
        if path in named or name.type in LOGS or relatives.include(name, files[path])
    ]


def name_in_raw(file: str) -> Name | None:
    """The name of a record of the archive, taken apart; None if no kernel gives it."""
    return parse_name(layout.raw_file(file) or "")
