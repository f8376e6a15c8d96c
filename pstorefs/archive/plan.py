"""Which records belong together, which are saved already, and which are to be erased.

The archive may hold thousands of dumps: only those are read that can have to do with records in the
store, to judge by names, times and sizes. What is saved already is recognised by its content.
"""

from __future__ import annotations

import errno
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pstorefs import dump as dumps
from pstorefs.archive import durable, layout, never_erased
from pstorefs.archive.outcome import FAILED, KEPT, SKIPPED, Outcome, gone
from pstorefs.archive.outdated import mark_outdated
from pstorefs.archive.progress import READING
from pstorefs.dump import Dump
from pstorefs.record.name import FIRMWARE
from pstorefs.record.record import ARCHIVE, STORE, Record
from pstorefs.source.stamp import has_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pstorefs.archive.candidates import Candidates
    from pstorefs.archive.progress import Progress
    from pstorefs.archive.request import Request
    from pstorefs.archive.shelf import Shelf

    _Identity = tuple[str, str, str, int | None, bool]

# So that a hash and the marks of temporary names find room in 255 bytes.
_LONGEST_NAME = 130


@dataclass(slots=True)
class Job:
    """What is to be done about one dump."""

    dump: Dump
    #: Its directory in the archive.
    directory: str
    #: Whether that is there already.
    exists: bool
    #: Records of the store that are not saved yet, and their names in raw/.
    new: list[tuple[Record, str]]
    #: Path in the store to path in the archive, of all its records, saved already or about to be.
    places: dict[str, str]
    #: Records of the store that are to be erased once they are saved.
    clear: list[Record]
    #: Files in raw/ once it is done: name to SHA-256.
    sums: dict[str, str] = field(default_factory=dict)
    #: Other dumps of its boot, under the names that they have in the archive.
    siblings: tuple[Dump, ...] = ()
    #: Whether more is known of it now than its generated files say: see outdated.py.
    outdated: bool = False
    _archived: Dump | None = None

    def as_archived(self) -> Dump:
        """The dump as it is once it is saved, for what is composed of it."""
        if self._archived is None:
            self._archived = _as_archived(self)
        return self._archived


class Planner:
    """Makes jobs of records of the store and the related ones of the archive.

    A dump that was named stands for all its records; a damaged one also for what was saved beside
    it. `say` is told of records that cannot be read and were not to be erased.
    """

    def __init__(
        self, source: Shelf, candidates: Candidates, request: Request, say: Callable[[str], None]
    ) -> None:
        self._source = source
        self._candidates = candidates
        self._request = request
        self._say = say
        #: Paths of records that are to be erased; None: all, but for logs of no crash.
        self._clear = None if request.clear is None else set(request.clear)
        self._met: set[str] = set()
        #: What became of records about which nothing is to be done.
        self.outcomes: list[Outcome] = []
        #: Names that are taken in the archive.
        self._names = set(candidates.listing.names)
        self._damaged: set[str] = set()
        self._saved: dict[_Identity, str] = {}
        self._sums: dict[str, dict[str, str]] = defaultdict(dict)

    @property
    def unmet(self) -> list[str]:
        """Names of dumps that were not found so far."""
        return sorted(self._request.wanted - self._met)

    def plan(self, paths: Sequence[str], progress: Progress) -> list[Job]:
        """What is to be done about records of the store, those of one batch."""
        records = self._read(paths, progress)
        names, stamps = self._request.names, self._source.stamps
        archived, self._damaged = self._candidates.related(
            ((names[path], stamps[path]) for path in paths), records
        )
        self._saved, self._sums = {}, defaultdict(dict)
        for record in archived:
            self._saved.setdefault(_identity(record), record.path)
            directory, _, name = record.path.split("/")
            self._sums[directory][name] = record.sha256
        self._leave_alone(records)
        grouped = dumps.group([*records, *archived])
        jobs = [job for dump in grouped if (job := self._job_of(dump)) is not None]
        before = list(self._saved_before(grouped, {job.dump.name for job in jobs}))
        _introduce([*jobs, *before], grouped)
        mark_outdated([*jobs, *before], self._candidates.shelf.directory)
        return [*jobs, *(job for job in before if job.outdated)]

    def _saved_before(self, grouped: Iterable[Dump], others: set[str]) -> Iterator[Job]:
        """Dumps of which nothing is to be done, unless what is saved now says more of them."""
        for dump in grouped:
            homes = _homes(dump)
            if dump.name in others or dump.name not in homes:
                continue
            # Of ramoops the store holds logs still that are saved.
            live = [record for record in dump.records if record.place == STORE]
            places = {record.path: self._saved.get(_identity(record)) for record in live}
            saved = {path: place for path, place in places.items() if place is not None}
            if len(saved) == len(places):
                yield Job(dump, dump.name, True, [], saved, [], dict(self._sums[dump.name]))

    def _read(self, paths: Iterable[str], progress: Progress) -> list[Record]:
        """Read records. What cannot be read is an outcome if it was to be erased."""
        records = []
        for path in paths:
            progress.count(READING)
            try:
                records.append(self._source.record(path))
            except OSError as error:
                if self.is_cleared(path):
                    self.outcomes.append(_unreadable(path, error))
                elif not has_changed(error):
                    self._say(f"{path}: cannot be read: {error.strerror or error}")
        return records

    def _leave_alone(self, records: Iterable[Record]) -> None:
        """Say that data of the firmware is in no dump."""
        words = "firmware data, not a kernel log: not changed; to erase it: clear"
        for record in records:
            if record.name.type in FIRMWARE and not record.is_dump and self.is_cleared(record.path):
                said = f"{words} {record.path}"
                # An error only where it was named: an rm that leaves it there must not succeed.
                self.outcomes.append(Outcome(record.path, SKIPPED, "", errno.EPERM, "", said))

    def _job_of(self, dump: Dump) -> Job | None:
        """What is to be done about a dump; None: nothing."""
        asked = self._request.wanted & self._names_of(dump)
        if self._clear is not None and asked:
            self._met |= asked
            self._clear |= {record.path for record in dump.records if record.place == STORE}
        ours, left = _share(dump, self._clear)
        for record in left:
            words = "a log without a crash: to archive it, give its name"
            self.outcomes.append(Outcome(record.path, SKIPPED, message=words))
        if not ours or not any(self.is_cleared(record.path) for record in ours):
            return None
        try:
            return self._job(dump, ours)
        except OSError as error:  # of this dump alone
            words = error.strerror or str(error)
            number = error.errno or errno.EIO
            self.outcomes += [Outcome(r.path, FAILED, "", number, "", words) for r in ours]
            return None

    def is_cleared(self, path: str) -> bool:
        """Whether a record of the store is to be erased once it is saved."""
        return self._clear is None or path in self._clear

    def _names_of(self, dump: Dump) -> set[str]:
        """Its name, and that of the damaged dump beside which it was saved."""
        return {dump.name, *(name for name in self._damaged if dump.name.startswith(f"{name}-"))}

    def _job(self, dump: Dump, ours: list[Record]) -> Job:
        # If not: what is saved of it is in a directory that another dump is named after.
        exists = dump.name in _homes(dump)
        directory = dump.name if exists else self._free_name(dump)
        sums = dict(self._sums[directory])
        job = Job(dump, directory, exists, [], {}, [], sums)
        # Also what is there and could not be read.
        taken = {*sums, *self._candidates.listing.dumps.get(directory, ())}
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
            if self.is_cleared(record.path):
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
        raise OSError(errno.EEXIST, f"{dump.name}: all names for it in the archive are taken")


def _homes(dump: Dump) -> set[str]:
    """The directories of the archive in which records of a dump are."""
    return {record.path.partition("/")[0] for record in dump.records if record.place == ARCHIVE}


def _introduce(jobs: Sequence[Job], grouped: Sequence[Dump]) -> None:
    """Tell each job which other dumps are of its boot."""
    directories = {job.dump.name: job.directory for job in jobs}
    boots: dict[str, list[Dump]] = defaultdict(list)
    for dump in grouped:
        if dump.boot:
            name = directories.get(dump.name, dump.name)
            boots[dump.boot].append(replace(dump, name=name))
    for job in jobs:
        others = boots.get(job.dump.boot or "", ())
        job.siblings = tuple(dump for dump in others if dump.name != job.directory)


def _unreadable(path: str, error: OSError) -> Outcome:
    """What became of a record that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return gone(path)
    if has_changed(error):
        return Outcome(
            path, KEPT, "", errno.EPERM, "changed", never_erased.message("changed", path)
        )
    words = f"cannot be read: {error.strerror or error}"
    return Outcome(path, FAILED, "", error.errno or errno.EIO, "", words)


def _identity(record: Record) -> _Identity:
    """Two records alike in this are one: efi is called efi_pstore since Linux 6.2."""
    return record.sha256, record.name.type, record.family, record.name.id, record.name.encoded


def _share(dump: Dump, clear: set[str] | None) -> tuple[list[Record], list[Record]]:
    """Records of the store in a dump: those to save, and those to leave alone."""
    parts = [record for part in dump.parts for record in part.records if record.place == STORE]
    others = [record for part in dump.others for record in part.records if record.place == STORE]
    if clear is None and not dump.is_crash:
        logs = never_erased.LOGS
        left = others + [each for each in parts if not each.is_dump and each.name.type in logs]
        return [record for record in parts if record not in left], left
    if clear is not None and not dump.is_crash:
        others = [record for record in others if record.path in clear]
    return parts + others, []


def _as_archived(job: Job) -> Dump:
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
