"""Which records can belong together, as far as names, times and sizes tell: nothing is read.

The archive may hold 100,000 dumps, and a source thousands of records. Only those are read that can
have to do with the records of a command: parts of one dump, or copies of one record. What is said
here is "it can be", never "it is": grouping decides. Two records can be relatives if they share a
token (`entry.tokens`).
"""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING

from pstorefs.archive import layout
from pstorefs.archive.entry import tokens
from pstorefs.archive.never_erased import LOGS
from pstorefs.record.name import Name, id_seconds, parse_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pstorefs.source.stamp import Stamp

_NEAR = (-1, 0, 1)
_TIMED = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-", re.ASCII)
# The time in a dump's name is that of its earliest part: the others are not a day younger.
_DAY = 86400
# An ERST id has the time of the boot's first record, which clocks read twice (record.when).
_EARLY_SECONDS = 180
# Where batches may end: records further apart than this, in seconds, are no parts of one dump.
_APART_SECONDS = 600
_UNTIMED = "~"  # after all families
# A batch that is so many times too long is cut wherever that is.
_CUT = 2
# A text is about so many times as long as what is stored of it.
_TEXT_TIMES = 4


def tokens_near(name: Name, stamp: Stamp) -> Iterator[str]:
    """The tokens that relatives of a record have."""
    return tokens(name, stamp.size, stamp.mtime_ns, _NEAR)


def tokens_in_raw(raw: Mapping[str, Stamp]) -> set[str]:
    """The tokens of a dump's records, of names in raw/ to their stamps."""
    names = ((parse_name(layout.raw_file(file) or ""), stamp) for file, stamp in raw.items())
    found = (tokens(name, stamp.size, stamp.mtime_ns) for name, stamp in names if name)
    return {token for each in found for token in each}


def related_records(
    names: Mapping[str, Name], files: Mapping[str, Stamp], named: Collection[str] | None
) -> list[str]:
    """Paths of the source that can belong to dumps of the named ones; logs can belong to any.

    With a log come all dumps of its folder and backend: the latest in it is the one that it belongs
    to. ``names`` are those of all records, by path; ``named`` is None for all of them.
    """
    if named is None or any(names[path].type in LOGS for path in named):
        return list(names)
    wanted = {token for path in named for token in tokens_near(names[path], files[path])}
    with_logs = {_source(path, name) for path, name in names.items() if name.type in LOGS}
    return [
        path
        for path, name in names.items()
        if path in named
        or name.type in LOGS
        or _source(path, name) in with_logs
        or not wanted.isdisjoint(tokens(name, files[path].size, files[path].mtime_ns))
    ]


def _source(path: str, name: Name) -> tuple[str, str]:
    return path.rpartition("/")[0], name.family


class Reach:
    """Tells by the name of an archived dump that it cannot have to do with some records.

    Only where the id of each of these carries a time. The name of a dump begins with the time of
    its earliest record: for EFI that is within a day of any other's; for ERST it is no earlier than
    the time in the id, and may be as much later as the machine was up.
    """

    def __init__(self, records: Iterable[tuple[Name, Stamp]]) -> None:
        self._untimed = False
        self._first_boot: int | None = None
        self._days: set[int] = set()
        for name, _ in records:
            seconds = id_seconds(name)
            if seconds is None:
                self._untimed = True
            elif name.family == "erst":
                self._first_boot = min(seconds, self._first_boot or seconds)
            else:
                self._days.update(seconds // _DAY + step for step in _NEAR)

    def includes(self, dump: str) -> bool:
        """Whether a dump of this name can have to do with any of the records."""
        match = None if self._untimed else _TIMED.match(dump)
        if match is None:
            return True
        try:
            time = calendar.timegm((*map(int, match.groups()), 0, 0, 0))
        except ValueError:  # no day of the calendar: somebody else's directory
            return True
        late = self._first_boot is not None and time >= self._first_boot - _EARLY_SECONDS
        return late or time // _DAY in self._days


def batches(
    names: Mapping[str, Name], files: Mapping[str, Stamp], paths: Iterable[str], most: int
) -> Iterator[list[str]]:
    """Records in batches of about so many bytes of memory; relatives are in one batch, if possible.

    Each batch can be archived by a command of its own. Where one is cut in two all the same, the
    second half joins what the first half saved. A log that belongs to a dump of another batch is
    not recognised; it stays.
    """
    ordered = sorted(paths, key=lambda path: _order(path, names[path], files[path]))
    batch: list[str] = []
    weight = 0
    before: tuple[str, str, int] | None = None
    for path in ordered:
        here = _order(path, names[path], files[path])
        apart = before is not None and _are_apart(before, here)
        if batch and (weight >= _CUT * most or (weight >= most and apart)):
            yield batch
            batch, weight = [], 0
        batch.append(path)
        weight += _weight(names[path], files[path])
        before = here
    if batch:
        yield batch


def _order(path: str, name: Name, stamp: Stamp) -> tuple[str, str, int]:
    """Sorts relatives next to each other; the last field are seconds."""
    seconds = id_seconds(name)
    if seconds is not None:
        return name.family, "", seconds
    # A log and the dump that it belongs to have nothing in common but the folder: one machine's,
    # where those of many are gathered.
    return _UNTIMED, path.rpartition("/")[0], stamp.mtime_ns // 10**9


def _are_apart(before: tuple[str, str, int], here: tuple[str, str, int]) -> bool:
    """Whether a batch may end between two records in that order."""
    if before[:2] != here[:2]:
        return True
    return here[0] != _UNTIMED and here[2] - before[2] > _APART_SECONDS


def _weight(name: Name, stamp: Stamp) -> int:
    """Bytes of memory that a record takes: as stored, and its text."""
    return stamp.size * (_TEXT_TIMES + 1 if name.encoded else 1)
