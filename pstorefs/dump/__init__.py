"""Records to dumps: which records belong together; the name, time and boot of each dump.

Pure functions on records, the face of grouping.py, boots.py and joining.py.

Names. ``<UTC time>-<reason>-<count>``, such as ``20171204T222309Z-panic-1``; the time is that of
the earliest record, in UTC, from the most trustworthy source (`record.TIME_SOURCES`). A record that
is no dump, or whose header is lost: ``<UTC time>-<type>-<backend>-<id>``. Without a time:
``undated-<type>-<backend>-<id>-<hash>``. Of dumps with one name the first keeps it (an archived
one, then the oldest, then the smallest hash); all others get ``-<hash>``, the first 8 hexadecimal
digits of the hash of their newest part's text. So a name never depends on how many dumps there
are, and a dump that appears later takes no older one's name. An archived dump is called what its
directory is called.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pstorefs.dump import boots, grouping
from pstorefs.dump.joining import join
from pstorefs.dump.part import Group, Part
from pstorefs.record import dump_name
from pstorefs.record.name import CRASHES, FIRMWARE, parse_name
from pstorefs.record.reading import WHOLE
from pstorefs.record.record import ARCHIVE, NO_TIME, TIME_SOURCES, Record, when

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

__all__ = ["Dump", "Part", "group", "join", "latest", "systemd_record", "when"]

# datetime knows years up to 9999.
_LATEST_NS = 253_402_300_800 * 10**9
# The labels of records that are not dumps.
_LABELS = {
    "console": "console log",
    "pmsg": "messages of user space",
    "ftrace": "function trace",
    "mce": "machine check",
}
# A type may be any word; the name of an entry has at most 255 bytes.
_LONGEST_LABEL = 120


@dataclass(frozen=True, slots=True)
class Dump:
    """One entry of dumps/: a dump with its parts, or a single record of another type.

    ``id`` is the SHA-256 over the sorted SHA-256 of its parts as stored. ``reason`` and ``count``
    are None where no part tells them. ``time_ns`` counts from 1970; None: not known.
    """

    name: str
    id: str
    #: What the kernel calls the records: dmesg, console, mce...
    type: str
    #: erst, efi (also for efi_pstore), ramoops...
    backend: str
    reason: str | None
    count: int | None
    time_ns: int | None
    time_source: str
    #: Oldest text first.
    parts: tuple[Part, ...]
    #: Ranges of part numbers known to be missing, first and last, rising.
    missing: tuple[tuple[int, int], ...]
    #: Dumps of one boot share this key.
    boot: str | None = None
    #: 1 for the first dump of its boot that is known.
    order: int | None = None
    #: Console logs and the like that end with this dump.
    others: tuple[Part, ...] = ()

    @property
    def is_crash(self) -> bool:
        """Whether this is a crash, and not an orderly end of a boot, a console log or the like."""
        return self.reason in CRASHES or self.is_witness

    @property
    def label(self) -> str:
        """The title of a dump whose text has no crash."""
        return f"{_LABELS.get(self.type, self.type)} of {self.backend}"

    @property
    def is_witness(self) -> bool:
        """Whether a log without a header, such as a console's, is all there is of a crash."""
        return self.reason is None and any(part.record.crashed for part in self.parts)

    @property
    def is_complete(self) -> bool:
        """Whether no part is known to be missing, damaged or unreadable."""
        return not self.missing and all(part.record.state in WHOLE for part in self.parts)

    @property
    def mtime_ns(self) -> int:
        """When it was; of a dump that does not know, when the newest of its files was written."""
        return self.time_ns or max(record.mtime_ns for record in self.records)

    @property
    def age(self) -> tuple[int | str, ...]:
        """Sorts dumps by time; within a second, where one boot writes several, by the count.

        `Entry.age` is the same of the same dump: which one is the newest must not depend on where
        they are.
        """
        time = self.time_ns or 0
        # Where all else fails: systemd-pstore copied an older record earlier.
        copied = 0 if self.time_ns else self.mtime_ns
        return time // 10**9, copied // 10**9, self.count or 0, time, self.name

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, copies included."""
        return tuple(record for part in (*self.parts, *self.others) for record in part.records)


def group(records: Iterable[Record], taken: Container[str] = ()) -> list[Dump]:
    """All dumps, the oldest first, undated ones before them; whatever the order of the records.

    `taken`: names of archived dumps that are known without their records.
    """
    # In an order of their own: equal texts leave it open which of two dumps goes with a third.
    logs = (each for each in records if each.is_dump or each.name.type not in FIRMWARE)
    groups = sorted(grouping.split(logs), key=lambda each: _tie_break(each.parts[0].record))
    facts = [_facts(each) for each in groups]
    dumping = [index for index, each in enumerate(groups) if each.parts[0].record.is_dump]
    ties = _ties(facts, set(dumping))
    entries = [index for index in range(len(groups)) if index not in ties]
    key_of = dict(zip(dumping, boots.keys([facts[index] for index in dumping]), strict=True))
    others: dict[int, list[Part]] = defaultdict(list)
    for index, home in sorted(ties.items(), key=lambda tie: facts[tie[0]].anchor):
        others[home].append(groups[index].parts[0])
    dumps = [
        _dump(groups[index], facts[index], key_of.get(index), tuple(others[index]))
        for index in entries
    ]
    # They have no names yet.
    dumps.sort(key=lambda dump: (dump.age, _tie_break(dump.parts[-1].record)))
    return _named(_ordered(dumps), taken)


def latest(dumps: Iterable[Dump]) -> Dump | None:
    """The newest crash that has a dump: logs of consoles have no time."""
    crashes = (dump for dump in dumps if dump.is_crash and dump.parts[-1].record.is_dump)
    return max(crashes, key=lambda dump: dump.age, default=None)


def systemd_record(path: str) -> bool:
    """Whether a path below /var/lib/systemd/pstore is that of a record which systemd-pstore moved.

    Its layouts (src/pstore/pstore.c): ``<id without its last 6 digits>/`` in systemd 243 to 246;
    since then ``<time>/<count>/`` for EFI, ``<highest id of the run>/`` for ERST; all other
    records, and all .enc.z, at the top. A dmesg.txt beside them is its own joining: no record.
    """
    *folders, file = path.split("/")
    return (
        len(folders) <= 2
        and all(folder.isascii() and folder.isdigit() for folder in folders)
        and parse_name(file) is not None
    )


def _tie_break(record: Record) -> tuple[str, str, str]:
    """For equal texts, such as empty ones, any order will do that is not the directory's."""
    return record.text_hash, record.path, record.place


def _facts(each: Group) -> boots.Facts:
    parts = each.parts[::-1]
    record = parts[-1].record
    facts = boots.Facts(record.family, each.count, None, NO_TIME, parts, record.text_hash)
    times = [when(copy, facts.last) for part in parts for copy in part.records]
    source = min((source for _, source in times), key=TIME_SOURCES.index)
    time = min(time for time, other in times if other == source)
    if source == NO_TIME or not 0 < time < _LATEST_NS:
        return facts
    return replace(facts, time_ns=time, time_source=source)


def _ties(facts: Sequence[boots.Facts], dumping: set[int]) -> dict[int, int]:
    """Records that are not dumps, to the dumps whose last lines are in them."""
    logs = [
        index
        for index in range(len(facts))
        if index not in dumping and facts[index].parts[0].record.lines
    ]
    if not logs:
        return {}
    tails = boots.tails_of((index, facts[index]) for index in sorted(dumping))
    found = {}
    for index in logs:
        home = boots.ending(tails, set(facts[index].parts[0].record.fingerprints()))
        if home is not None:
            found[index] = home
    return found


def _dump(each: Group, facts: boots.Facts, boot: str | None, others: tuple[Part, ...]) -> Dump:
    record = facts.parts[-1].record
    hashes = sorted({part.record.sha256 for part in facts.parts})
    return Dump(
        name="",
        id=hashlib.sha256("".join(hashes).encode()).hexdigest(),
        type=record.name.type,
        backend=facts.family,
        reason=each.reason,
        count=each.count,
        time_ns=facts.time_ns,
        time_source=facts.time_source,
        parts=tuple(facts.parts),
        missing=_missing(each) if each.reason and facts.family not in grouping.SLOTS else (),
        boot=boot,
        others=others,
    )


def _missing(each: Group) -> tuple[tuple[int, int], ...]:
    gaps = []
    expected = 1
    for number in sorted({part.number for part in each.parts if part.number}):
        if number > expected:
            gaps.append((expected, number - 1))
        expected = number + 1
    if each.highest >= expected:
        gaps.append((expected, each.highest))
    return tuple(gaps)


def _ordered(dumps: list[Dump]) -> list[Dump]:
    """Number the dumps of each boot."""
    orders: dict[str, int] = defaultdict(int)
    ranks: dict[int, int] = {}
    known = [index for index, dump in enumerate(dumps) if dump.boot]
    for index in sorted(known, key=lambda index: (dumps[index].count or 0, index)):
        boot = dumps[index].boot or ""
        orders[boot] += 1
        ranks[index] = orders[boot]
    return [
        replace(dump, order=ranks[index]) if index in ranks else dump
        for index, dump in enumerate(dumps)
    ]


def _named(dumps: list[Dump], others: Container[str]) -> list[Dump]:
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index, dump in enumerate(dumps):
        fixed = _archived_as(dump)
        if fixed and fixed not in taken:
            taken.add(fixed)
            names[index] = fixed
    for index, dump in enumerate(dumps):
        if index in names:
            continue
        name = _name(dump)
        for tag in ("", *_tags(dump)):
            candidate = f"{name}-{tag}" if tag else name
            if candidate not in taken and candidate not in others:
                break
        taken.add(candidate)
        names[index] = candidate
    return [replace(dump, name=names[index]) for index, dump in enumerate(dumps)]


def _tags(dump: Dump) -> tuple[str, ...]:
    return dump.parts[-1].record.text_hash[:8], dump.id[:8], dump.id


def _name(dump: Dump) -> str:
    record = dump.parts[-1].record
    number = "" if record.name.id is None else f"-{record.name.id}"
    label = f"{dump.type[:_LONGEST_LABEL]}-{dump.backend[:_LONGEST_LABEL]}{number}"
    if dump.time_ns is None:
        return f"undated-{label}-{_tags(dump)[0]}"
    moment = datetime.fromtimestamp(dump.time_ns // 10**9, timezone.utc)
    time = f"{moment.year:04}{moment:%m%dT%H%M%SZ}"
    if dump.reason:
        return f"{time}-{dump.reason.lower()}-{dump.count}"
    return f"{time}-{label}"


def _archived_as(dump: Dump) -> str | None:
    """The directory of this dump in the archive."""
    folders = (
        record.path.partition("/")[0]
        for part in dump.parts
        for record in part.records
        if record.place == ARCHIVE and "/" in record.path
    )
    return min(filter(dump_name.is_given, folders), default=None)
