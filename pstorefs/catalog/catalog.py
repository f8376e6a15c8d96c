"""All that a mount knows of: the records of its places and the dumps they form, kept current.

Nothing is read before somebody asks. Then each record is read once, and its facts are remembered
for as long as its stamp stays the same; texts are read again when they are wanted. A place is the
store, the archive, or the directory that systemd-pstore moves records to.
"""

from __future__ import annotations

import errno
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pstorefs import dump as dumps_of
from pstorefs.archive.layout import RAW, SUMS, is_dump_name, parse_sums
from pstorefs.catalog.textcache import TextCache
from pstorefs.codecs.detect import MAX_INPUT
from pstorefs.dump import Dump
from pstorefs.oops import Facts, parse_dump
from pstorefs.record import reading
from pstorefs.record.decoded import Decoded
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE, STORE, SYSTEMD, Record
from pstorefs.source.directory import ChangedError, Stamp, Store, has_changed
from pstorefs.source.timeout import RESPITE, open_store
from pstorefs.system.printable import printable

_log = logging.getLogger("pstorefs")

# A catalog that is younger, in seconds, still holds: names are at most a second old.
_CURRENT_SECONDS = 0.5
# Folders below the root of a place, and records in all: bounds against a source made to hurt.
_DEEPEST = 8
_MOST_RECORDS = 200_000
_FACTS_KEPT = 256
_SECOND = re.compile(r"~[0-9a-f]{8}\Z")


class Place:
    """A directory with records: one of record.PLACES, and how to reach it.

    The store is held open; of any other the path is given, and it is opened for each look, so that
    nothing keeps its disk busy.
    """

    def __init__(self, kind: str, where: Store | str) -> None:
        self.kind = kind
        self._where = where
        self._hung_until = 0.0

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The directory; an empty store where it does not exist.

        TimeoutError if it does not answer, and at once for some time after that.
        """
        if isinstance(self._where, Store):
            self._where.refresh()
            yield self._where
            return
        if time.monotonic() < self._hung_until:
            raise TimeoutError(errno.ETIMEDOUT, "it did not answer a moment ago")
        try:
            store = open_store(self._where, optional=True)
            try:
                yield store
            finally:
                store.close()
        except TimeoutError:
            self._hung_until = time.monotonic() + RESPITE
            raise


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: Stamp
    record: Record
    #: The rights of the folders that it lies in, from the outermost, the place's own left out.
    above: tuple[Stamp, ...]
    #: Of the archive: it is not what SHA256SUMS tells.
    rotten: bool = False


@dataclass(frozen=True, slots=True)
class Brief:
    """What a list says of a dump. The title is fit for a terminal."""

    title: str
    kernel: str | None
    signature: str


class Catalog:
    """Items and dumps of several places. Safe from any thread; calls may take long."""

    def __init__(self, places: Sequence[Place], decoded: Decoded | None = None) -> None:
        self._places = {place.kind: place for place in places}
        self._known: dict[tuple[str, str], _Known] = {}
        self._dumps: dict[str, Dump] = {}
        self._dump_of: dict[tuple[str, str], Dump] = {}
        self._live: list[Record] = []
        self._latest: Dump | None = None
        self._looked = float("-inf")
        #: What could not be read at the last look, by path, with the reason.
        self.unreadable: dict[str, str] = {}
        #: Paths in the archive of records that are not what was saved.
        self.rotten: list[str] = []
        #: Counts the looks that found something new; what was composed before is to be redone.
        self.generation = 0
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._briefs: dict[str, Brief] = {}
        self._texts = TextCache()
        #: What was decoded to know the records, until a dump is joined from it.
        self._decoded = decoded or Decoded()
        self._lock = threading.RLock()

    def dumps(self, *, now: bool = False) -> dict[str, Dump]:
        """All dumps by name, the oldest first. With `now`, whatever was looked at a moment ago."""
        with self._lock:
            if now or time.monotonic() > self._looked + _CURRENT_SECONDS:
                self._look()
                self._looked = time.monotonic()
            return self._dumps

    def latest(self) -> Dump | None:
        """The newest crash."""
        with self._lock:
            self.dumps()
            return self._latest

    def live(self) -> list[Record]:
        """The records of the store, those that systemd-pstore put there in its layout included.

        The very same list for as long as nothing new is found.
        """
        with self._lock:
            self.dumps()
            return self._live

    def rights(self, record: Record) -> tuple[Stamp, ...]:
        """The rights of the folders that a live record lies in, and its own; none if it is gone."""
        with self._lock:
            known = self._known.get((STORE, record.path))
            return (*known.above, known.stamp.rights) if known else ()

    def dump_of(self, record: Record) -> Dump | None:
        """The dump that a record belongs to."""
        with self._lock:
            self.dumps()
            return self._dump_of.get((record.place, record.path))

    def stored(self, record: Record) -> bytes:
        """A record's bytes as stored. OSError, `ChangedError` if it is not what it was."""
        with self._seen(record) as (store, folder, file, stamp):
            return store.read(folder, file, stamp)

    @contextmanager
    def _seen(self, record: Record) -> Iterator[tuple[Store, tuple[str, ...], str, Stamp]]:
        """Where a record lies, and its stamp at the last look. `ChangedError` if it is unknown."""
        *folder, file = record.path.split("/")
        with self._lock:
            for kind in self._places:
                known = self._known.get((kind, record.path))
                if known is not None and known.record == record:
                    break
            else:
                raise ChangedError(f"{record.path} has changed")
        with self._places[kind].opened() as store:
            yield store, tuple(folder), file, known.stamp

    def reading(self, record: Record) -> reading.Reading:
        """A record's text and state. OSError as from `stored`."""
        return reading.read(record.name, self.stored(record))

    def text(self, dump: Dump) -> bytes:
        """dmesg.txt of a dump; of a record that is no dump, its text. OSError as from `stored`."""
        with self._lock:
            key = (dump.name, self.generation)
            current = self._dumps.get(dump.name) is dump
        text = self._texts.get(key) if current else None
        if text is None:
            text = dumps_of.join(dump, self._shown)
            if current:
                self._texts.put(key, text)
        return text

    def _shown(self, record: Record) -> bytes:
        """A record's text."""
        with self._seen(record) as (store, folder, file, stamp):
            text = self._decoded.take((file, stamp))
            if text is not None and store.stamp(folder, file) != stamp:
                raise ChangedError(f"{record.path} has changed")
        return self.reading(record).text if text is None else text

    def facts(self, dump: Dump) -> Facts:
        """What a dump's text says. OSError as from `stored`."""
        key = f"{dump.id} {dump.parts[0].record.place}"
        with self._lock:
            facts = self._facts.get(key)
            if facts is not None:
                self._facts.move_to_end(key)
                return facts
        facts = parse_dump(self.text(dump), dump.reason or "", dump.count)
        with self._lock:
            self._facts[key] = facts
            while len(self._facts) > _FACTS_KEPT:
                self._facts.popitem(last=False)
        return facts

    def brief(self, dump: Dump) -> Brief:
        """The few words that a list of dumps needs; kept for every dump."""
        key = f"{dump.id} {dump.parts[0].record.place}"
        brief = self._briefs.get(key)
        if brief is None:
            try:
                facts = self.facts(dump)
            except OSError:
                return Brief(f"{dump.type} of {dump.backend}", None, "")
            title = facts.title or f"{dump.type} of {dump.backend}"
            self._briefs[key] = brief = Brief(printable(title), facts.kernel, facts.signature)
        return brief

    def _look(self) -> None:
        found: dict[tuple[str, str], _Known] = {}
        unreadable: dict[str, str] = {}
        for place in self._places.values():
            try:
                with place.opened() as store:
                    self._look_at(place.kind, store, found, unreadable)
            except TimeoutError as error:
                # What was there is still there, as far as anybody knows.
                unreadable[place.kind] = error.strerror or str(error)
                found.update((k, known) for k, known in self._known.items() if k[0] == place.kind)
        self.unreadable = unreadable
        if found == self._known and self.generation:
            return
        self._known = found
        self.rotten = sorted(path for (_, path), known in found.items() if known.rotten)
        self._live = [known.record for (kind, _), known in found.items() if kind == STORE]
        self.generation += 1
        grouped = dumps_of.group(known.record for known in found.values())
        self._dumps = {dump.name: dump for dump in grouped}
        self._dump_of = {(i.place, i.path): dump for dump in grouped for i in dump.records}
        self._latest = dumps_of.latest(grouped)
        ids = {dump.id for dump in grouped}
        self._briefs = {key: each for key, each in self._briefs.items() if key.split()[0] in ids}

    def _look_at(
        self,
        kind: str,
        store: Store,
        found: dict[tuple[str, str], _Known],
        unreadable: dict[str, str],
    ) -> None:
        sums = _Sums(store)
        for folder, file, stamp, above in _files(kind, store, unreadable):
            path = "/".join((*folder, file))
            known = self._known.get((kind, path))
            if known is not None and known.stamp == stamp:
                # It may be the checksums that were wrong, and are right again.
                rotten = known.rotten and sums.of(folder[0], file) not in ("", known.record.sha256)
                found[kind, path] = _Known(stamp, known.record, above, rotten)
            elif record := self._read(kind, store, path, stamp, unreadable):
                rotten = kind == ARCHIVE and sums.of(folder[0], file) not in ("", record.sha256)
                found[kind, path] = _Known(stamp, record, above, rotten)

    def _read(
        self, kind: str, store: Store, path: str, stamp: Stamp, unreadable: dict[str, str]
    ) -> Record | None:
        *folder, file = path.split("/")
        file = _kernels_name(kind, file)
        name = parse_name(file)
        if name is None:
            return None
        key = path.rpartition("/")[2], stamp
        kept = self._decoded.get(key)
        if kept is None:
            try:
                data = store.read(tuple(folder), *key)
            except OSError as error:
                _must_go_on(kind, error)
                if not has_changed(error):
                    unreadable[path] = error.strerror or str(error)
                return None
            kept = data, reading.read(name, data)
            if name.encoded:
                self._decoded.put(key, *kept)
        # Copies of what systemd-pstore moved have lost their times, wherever they stand.
        moved = kind == STORE and folder and dumps_of.systemd_record(path)
        place = SYSTEMD if moved else kind
        return Record.of(file, place, stamp.mtime_ns, *kept, path)


class _Sums:
    """The checksums of an archive's dumps, read one dump at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dump = ""
        self._sums: dict[str, str] = {}

    def of(self, dump: str, file: str) -> str:
        """The SHA-256 that a record in raw/ was saved with; empty if that is not known."""
        if dump != self._dump:
            self._dump, self._sums = dump, {}
            with suppress(OSError):
                stamp = self._store.stamp((dump,), SUMS)
                if stamp.is_file:
                    self._sums = parse_sums(self._store.read((dump,), SUMS, stamp)) or {}
        return self._sums.get(file, "")


def _files(
    kind: str, store: Store, unreadable: dict[str, str]
) -> Iterator[tuple[tuple[str, ...], str, Stamp, tuple[Stamp, ...]]]:
    """All files of a place that a kernel's records could be, each with the rights above it."""
    count = 0
    folders: list[tuple[tuple[str, ...], tuple[Stamp, ...]]] = [((), ())]
    while folders:
        folder, above = folders.pop()
        try:
            entries = store.scan(folder)
        except OSError as error:
            _must_go_on(kind, error)
            if folder and not has_changed(error):
                unreadable["/".join(folder)] = error.strerror or str(error)
            continue
        for file, stamp in entries.items():
            path = "/".join((*folder, file))
            if stamp.is_directory and _leads_on(kind, folder, file):
                folders.append(((*folder, file), (*above, stamp.rights)))
            elif stamp.is_file and _belongs(kind, path):
                if stamp.size > MAX_INPUT:
                    unreadable[path] = "longer than any record of a kernel"
                    continue
                yield folder, file, stamp, above
                count += 1
                if count >= _MOST_RECORDS:
                    _log.warning("%s: more than %d records", printable(store.path), _MOST_RECORDS)
                    return


def _leads_on(kind: str, folder: tuple[str, ...], name: str) -> bool:
    """Whether to look into a folder in another."""
    if kind == ARCHIVE:  # DUMP/raw, and nothing else: what others keep there may hang
        return is_dump_name(name) if not folder else len(folder) == 1 and name == RAW
    return len(folder) < _DEEPEST and name.isprintable()


def _must_go_on(kind: str, error: OSError) -> None:
    """Give up a place that hangs at its first file: an archive has thousands. The store has not."""
    if kind != STORE and isinstance(error, TimeoutError):
        raise error


def _belongs(kind: str, path: str) -> bool:
    """Whether this is a record, where it lies."""
    folders, _, file = path.rpartition("/")
    if parse_name(_kernels_name(kind, file)) is None:
        return False
    if kind == ARCHIVE:
        # DUMP/raw/RECORD; what begins with a dot is being written, or was when the power went.
        return folders.count("/") == 1 and folders.endswith("/raw") and not path.startswith(".")
    return kind != SYSTEMD or dumps_of.systemd_record(path)


def _kernels_name(kind: str, file: str) -> str:
    """What the kernel called a record: an archive may hold two of one name, NAME~HASH."""
    return _SECOND.sub("", file) if kind == ARCHIVE else file
