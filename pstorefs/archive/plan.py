"""Which records belong together, which are saved already, and which are to be erased.

The archive may hold thousands of dumps: only those are read that can have to do with records in the
store, as names, times and sizes tell. What is saved already is known by its content.
"""

from __future__ import annotations

import errno
import hashlib
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pstorefs import dump as dumps
from pstorefs.archive import durable, layout
from pstorefs.archive.never_erased import LOGS
from pstorefs.dump import Dump
from pstorefs.dump.grouping import SLOTS
from pstorefs.record import reading
from pstorefs.record.name import FIRMWARE, Name, id_seconds, parse_name
from pstorefs.record.record import ARCHIVE, STORE, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pstorefs.source.directory import Stamp, Store

    _Identity = tuple[str, str, str, int | None, bool]

# Parts of one dump are written within a minute (grouping.py); clocks are set meanwhile.
_NEAR_SECONDS = 180
# What archivers round off mtimes by (copies.py).
_NEAR_NS = 2 * 10**6
_TEXT_BYTES = 32 << 20
# So that a hash and the marks of temporary names find room in 255 bytes.
_LONGEST_NAME = 130
# Items of records seen lately: `rm *` asks for the same ones again and again.
_ITEMS = 4096
_seen: OrderedDict[tuple[str, str, str, int, str], Record] = OrderedDict()


@dataclass(slots=True)
class Shelf:
    """Records of one place, read with what they are."""

    store: Store
    place: str
    stamps: dict[str, Stamp] = field(default_factory=dict)
    _texts: dict[str, bytes] = field(default_factory=dict)
    _room: int = _TEXT_BYTES

    def read(self, path: str) -> bytes:
        """The stored bytes. `ChangedError` if the file is not the one that was listed."""
        *folder, name = path.split("/")
        return self.store.read(tuple(folder), name, self.stamps[path])

    def record(self, path: str) -> Record:
        """What grouping knows of a record."""
        stored = self.read(path)
        file = path.rpartition("/")[2]
        if self.place == ARCHIVE:
            file = layout.raw_file(file) or file
        mtime = self.stamps[path].mtime_ns
        key = (self.place, path, file, mtime, hashlib.sha256(stored).hexdigest())
        record = _seen.pop(key, None)
        if record is None:
            name = parse_name(file)
            if name is None:
                raise ValueError(f"{file!r} is no name of a record")
            read = reading.read(name, stored)
            record = Record.of(file, self.place, mtime, stored, read, path)
            self._keep(path, read.text)
        _seen[key] = record
        while len(_seen) > _ITEMS:
            _seen.popitem(last=False)
        return record

    def text(self, record: Record) -> bytes:
        """A record's text as its `Reading` has it."""
        text = self._texts.get(record.path)
        if text is None:
            text = reading.read(record.name, self.read(record.path)).text
            self._keep(record.path, text)
        return text

    def _keep(self, path: str, text: bytes) -> None:
        if len(text) <= self._room:
            self._room -= len(text)
            self._texts[path] = text


@dataclass(slots=True)
class Job:
    """What is to be done about one dump."""

    dump: Dump
    #: Its directory in the archive.
    directory: str
    #: Whether that stands there already.
    exists: bool
    #: Records of the store that are not saved yet, and their names in raw/.
    new: list[tuple[Record, str]]
    #: Path in the store to path in the archive, of all its records, saved already or about to be.
    places: dict[str, str]
    #: Records of the store that are to be erased once they are saved.
    clear: list[Record]
    #: Files in raw/ once it is done: name to SHA-256.
    sums: dict[str, str] = field(default_factory=dict)


def list_archive(listing: layout.Listing) -> dict[str, Stamp]:
    """All records of the archive, by path."""
    return {
        f"{dump}/{layout.RAW}/{name}": stamp
        for dump, raw in listing.dumps.items()
        for name, stamp in raw.items()
    }


def name_of(path: str) -> Name | None:
    """The name of a record of the store, taken apart; None if no kernel gives it."""
    file = path.rpartition("/")[2]
    return parse_name(file) if layout.raw_file(file) == file else None


def _name_of_raw(name: str) -> Name | None:
    return parse_name(layout.raw_file(name) or "")


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


def related_records(files: Mapping[str, Stamp], named: Iterable[str]) -> list[str]:
    """Paths of the source that can belong to dumps of the named ones; logs can belong to any."""
    names = {path: name for path in files if (name := name_of(path))}
    wanted = set(named)
    if any(names[path].type in LOGS for path in wanted):
        return list(names)
    relatives = Relatives((names[path], files[path]) for path in wanted)
    return [
        path
        for path, name in names.items()
        if path in wanted or name.type in LOGS or relatives.include(name, files[path])
    ]


def records_of(listing: layout.Listing, dump: str) -> list[str]:
    """Names of the records in a dump's raw/."""
    return [name for name in listing.dumps[dump] if _name_of_raw(name)]


def related_dumps(listing: layout.Listing, source: Shelf, paths: Iterable[str]) -> list[str]:
    """Dumps of the archive that can have to do with records of the store."""
    relatives = Relatives((name, source.stamps[path]) for path in paths if (name := name_of(path)))
    return [
        dump
        for dump, raw in listing.dumps.items()
        if any((name := _name_of_raw(file)) and relatives.include(name, raw[file]) for file in raw)
    ]


class Planner:
    """Makes jobs of records of the store and the related ones of the archive.

    `clear` holds the paths that were named; None: all, but for logs that belong to no crash.
    `wanted` holds names of dumps, which stand for all their records; one of `damaged` stands for
    what was saved beside it, too.
    """

    def __init__(
        self,
        archived: list[Record],
        listing: layout.Listing,
        clear: set[str] | None,
        wanted: Iterable[str] = (),
        damaged: Collection[str] = (),
    ) -> None:
        #: Names of dumps that were not met.
        self.wanted = set(wanted)
        #: Records of dumps that cannot be given a place, each with the reason.
        self.refused: list[tuple[str, OSError]] = []
        self._archived = archived
        self._listing = listing
        self._clear = clear
        self._damaged = damaged
        self._names = set(listing.names)
        self._saved: dict[_Identity, str] = {}
        self._sums: dict[str, dict[str, str]] = defaultdict(dict)
        for record in archived:
            self._saved.setdefault(_identity(record), record.path)
            directory, _, name = record.path.split("/")
            self._sums[directory][name] = record.sha256

    def jobs(self, records: list[Record]) -> tuple[list[Job], list[Record]]:
        """The jobs, and the records of the store that are left alone."""
        jobs: list[Job] = []
        skipped: list[Record] = []
        met: set[str] = set()
        for dump in dumps.group([*records, *self._archived]):
            asked = self.wanted & self._names_of(dump)
            if self._clear is not None and asked:
                met |= asked
                self._clear |= {record.path for record in dump.records if record.place == STORE}
            ours, left = _share(dump, self._clear)
            skipped += left
            if ours and (self._clear is None or any(record.path in self._clear for record in ours)):
                try:
                    jobs.append(self._job(dump, ours))
                except OSError as error:  # of this dump alone
                    self.refused += [(record.path, error) for record in ours]
        self.wanted -= met
        skipped += [
            record
            for record in records
            if not record.is_dump
            and record.name.type in FIRMWARE
            and (self._clear is None or record.path in self._clear)
        ]
        return jobs, skipped

    def _names_of(self, dump: Dump) -> set[str]:
        """Its name, and that of the damaged dump beside which it was saved."""
        return {dump.name, *(name for name in self._damaged if dump.name.startswith(f"{name}-"))}

    def _job(self, dump: Dump, ours: list[Record]) -> Job:
        homes = {
            record.path.partition("/")[0] for record in dump.records if record.place == ARCHIVE
        }
        # If not: what is saved of it stands in a directory that another dump is named after.
        exists = dump.name in homes
        directory = dump.name if exists else self._free_name(dump)
        sums = dict(self._sums[directory])
        job = Job(dump, directory, exists, [], {}, [], sums)
        # Also what stands there and could not be read.
        taken = {*sums, *self._listing.dumps.get(directory, ())}
        for record in ours:
            place = self._saved.get(_identity(record))
            if place is None:
                name = layout.raw_name(record.file, record.sha256, taken)
                taken.add(name)
                sums[name] = record.sha256
                place = f"{directory}/{layout.RAW}/{name}"
                self._saved[_identity(record)] = place
                job.new.append((record, name))
            job.places[record.path] = place
            if self._clear is None or record.path in self._clear:
                job.clear.append(record)
        if job.new:
            self._names.add(directory)
            self._sums[directory] = sums
        return job

    def _free_name(self, dump: Dump) -> str:
        """The name of a new directory: longer than the dump's if another dump has that there."""
        files = "\n".join(sorted(record.file for record in dump.records)).encode()
        tags = (
            "",
            f"-{dump.parts[-1].record.text_hash[:8]}",
            f"-{dump.id[:8]}",
            f"-{dump.id}",
            # Dumps may be the same to the last byte, under the names of several backends.
            f"-{hashlib.sha256(files).hexdigest()}",
        )
        for tag in tags:
            name = dump.name[:_LONGEST_NAME] + tag
            taken = {name, durable.NEW + name} & self._names
            if not taken and layout.is_dump_name(name):
                return name
        raise OSError(errno.EEXIST, f"{dump.name}: no name is free for it in the archive")


def _identity(record: Record) -> _Identity:
    """Two records alike in this are one: efi is called efi_pstore since Linux 6.2."""
    return record.sha256, record.name.type, record.family, record.name.id, record.name.encoded


def _share(dump: Dump, clear: set[str] | None) -> tuple[list[Record], list[Record]]:
    """Records of the store in a dump: those to save, and those to leave alone."""
    parts = [record for part in dump.parts for record in part.records if record.place == STORE]
    others = [record for part in dump.others for record in part.records if record.place == STORE]
    if clear is None and not dump.is_crash:
        left = others + [
            record for record in parts if not record.is_dump and record.name.type in LOGS
        ]
        return [record for record in parts if record not in left], left
    if clear is not None and not dump.is_crash:
        others = [record for record in others if record.path in clear]
    return parts + others, []


def as_archived(job: Job) -> Dump:
    """The dump as it stands once it is saved, for what is composed of it."""

    def moved(record: Record) -> Record:
        place = job.places.get(record.path) if record.place == STORE else None
        return replace(record, place=ARCHIVE, path=place) if place else record

    def rebuilt(parts: tuple[dumps.Part, ...]) -> tuple[dumps.Part, ...]:
        return tuple(
            replace(part, records=tuple(dict.fromkeys(map(moved, part.records)))) for part in parts
        )

    return replace(
        job.dump,
        name=job.directory,
        parts=rebuilt(job.dump.parts),
        others=rebuilt(job.dump.others),
    )
