"""All that a mount knows of: the records of its places and the dumps they form, kept current.

Nothing is read before somebody asks. A record of the store is read once, and known for as long as
its stamp is the same; an archived dump is known by the archive's index, and is grouped with records
only if it may be one with any of them. How fresh all this is, and how much is kept: bounds.py.

Several threads ask at once. Each place is looked at under a lock of its own, so that who asks for
what another one is just looking at waits for that, and nobody else does; what is known is a `View`,
which is replaced and never changed. Texts are read and composed under no lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pstorefs.archive.entry import Entry
from pstorefs.archive.in_full import InFull
from pstorefs.archive.related import related
from pstorefs.archive.stored import Stored
from pstorefs.catalog import bounds
from pstorefs.catalog.archived import Archived
from pstorefs.catalog.brief import Brief
from pstorefs.catalog.place import Place
from pstorefs.catalog.scan import Known, Scan
from pstorefs.catalog.view import Listed, View, is_live
from pstorefs.dump import Dump, group, join
from pstorefs.dump.boots import oops_before
from pstorefs.oops import Facts, caused_by, parse_dump
from pstorefs.record import reading
from pstorefs.record.decoded import Decoded
from pstorefs.record.record import ARCHIVE, STORE, Record
from pstorefs.source import looked
from pstorefs.source.stamp import ChangedError, Stamp
from pstorefs.system.recent import Recent


class Catalog:
    """Records and dumps of several places. Safe from any thread; calls may take long."""

    def __init__(self, places: Sequence[Place], decoded: Decoded | None = None) -> None:
        self._decoded = decoded or Decoded()
        self._scans = {
            place.kind: Scan(place, self._decoded) for place in places if place.kind != ARCHIVE
        }
        archives = [place for place in places if place.kind == ARCHIVE]
        #: None: this mount has no archive.
        self.archive = Archived(archives[0]) if archives else None
        self._places: list[Scan | Archived] = [*self._scans.values()]
        if self.archive is not None:
            self._places.append(self.archive)
        self._view = View()
        #: Until when, by time.monotonic(), nobody has to look again.
        self._holds_until = looked.NEVER
        self._building = threading.Lock()
        self._live: tuple[int, list[Record]] = 0, []
        self._facts: Recent[Facts] = Recent(bounds.FACTS_KEPT)
        #: By what a dump was made of.
        self._briefs: Recent[tuple[object, Brief]] = Recent(bounds.BRIEFS_KEPT)
        self._texts: Recent[bytes] = Recent(bounds.TEXT_BYTES, len)

    # What there is

    def view(self, *, now: bool = False) -> View:
        """All that is known. With `now`, whatever was looked at a moment ago."""
        known = None if now else self.at_hand()
        if known is not None:
            return known
        ends: list[float] = []
        for place in self._places:
            # Records go from the store to an archive: who misses one here must find it there.
            ends.append(place.look(now=now, after=max(ends, default=looked.NEVER)))
        if self._view.version != self._version():
            with self._building:
                version = self._version()
                if self._view.version != version:
                    self._view = self._build(version)
        hangs = any(each.place.may_hang for each in self._places)
        self._holds_until = (
            looked.NEVER if hangs else looked.end_of(min(ends, default=looked.NEVER))
        )
        return self._view

    def _version(self) -> int:
        """Grows with each look at a place that found something new."""
        version = 0
        for place in self._places:  # sum() with a generator takes three times as long
            version += place.version
        return version

    def at_hand(self) -> View | None:
        """What `view` gives, if it has nothing to look at: for who must not wait."""
        view = self._view
        if time.monotonic() >= self._holds_until:
            return None
        # A place may have been looked at since, alone: texts of records that were there would be
        # shown with the rights of those that are there.
        return view if view.version == self._version() else None

    def resolved_at_hand(self, name: str) -> Stored | None:
        """What `resolved` gives of an archived dump, if that takes no time: or None."""
        view = self.at_hand()
        archived = view is not None and isinstance(view.dumps.get(name), Entry)
        return self.archive.at_hand(name) if self.archive and archived else None

    def dumps(self, *, now: bool = False) -> Mapping[str, Listed]:
        """All dumps by name, the oldest first. With `now`, whatever was looked at a moment ago."""
        return self.view(now=now).dumps

    def latest(self) -> Listed | None:
        """The newest crash."""
        return self.view().latest

    def is_live(self) -> bool:
        """Whether every record of every dump is in the store."""
        return all(is_live(dump) for dump in self.view().dumps.values())

    @property
    def generation(self) -> int:
        """Counts the looks that found something new."""
        return self._view.generation

    def live(self) -> list[Record]:
        """The records of the store, those that systemd-pstore put there in its layout included.

        The very same list for as long as nothing new is found. No other place is looked at.
        """
        scan = self._scans.get(STORE)
        if scan is None:
            return []
        scan.look()
        version, live = self._live
        if version != scan.version:
            version, live = scan.version, [known.record for known in scan.known.values()]
            self._live = version, live
        return live

    def rights(self, record: Record) -> tuple[Stamp, ...]:
        """The rights of the folders that a live record is in, and its own; none if it is gone."""
        scan = self._scans.get(STORE)
        known = scan.known.get(record.path) if scan else None
        return (*known.above, known.stamp.rights) if known else ()

    def dump_of(self, record: Record) -> Dump | None:
        """The dump that a record belongs to."""
        return self.view().dump_of.get((record.place, record.path))

    @property
    def unreadable(self) -> dict[str, str]:
        """What could not be read at the last look, by path, with the reason."""
        found: dict[str, str] = {}
        for place in self._places:
            found |= place.unreadable
        return found

    @property
    def silent(self) -> list[str]:
        """Kinds of the places that did not answer at the last look."""
        return [each.place.kind for each in self._places if each.is_silent]

    def rotten(self) -> list[str]:
        """Paths in the archive of records that are not what was saved, of dumps that were used."""
        if self.archive is None:
            return []
        for name in self.archive.damaged:  # some may have been restored since
            with suppress(OSError):
                self.archive.used(name)
        return self.archive.rotten

    def _build(self, version: int) -> View:
        records = [known.record for scan in self._scans.values() for known in scan.known.values()]
        archive = self.archive
        entries: dict[str, Entry] = {}
        saved: dict[str, int] = {}
        if archive is not None:
            entries = dict(archive.entries)
            odd = [each for name, each in archive.full.items() if name not in entries]
            odd_records = [record for each in odd for record in each.records]
            archive.read_in_full(related(entries, [*records, *odd_records]))
            records += [r for each in archive.full.values() for r in each.records]
            for name in archive.full:
                if name in entries:
                    saved[name] = entries.pop(name).saved
        grouped = group(records, entries)
        listed: list[Listed] = [*entries.values(), *grouped]
        if entries and grouped:
            listed.sort(key=lambda dump: dump.age)
        return View(
            version=version,
            generation=self._view.generation + 1,
            dumps={dump.name: dump for dump in listed},
            dump_of={(r.place, r.path): dump for dump in grouped for r in dump.records},
            saved=saved,
        )

    # What a dump is

    def resolved(self, dump: Listed) -> Dump | Stored:
        """A dump with its records, or as its summary.json says. OSError as from `stored`."""
        if isinstance(dump, Dump):
            return dump
        if self.archive is None:
            raise ChangedError(f"{dump.name} is gone")
        used = self.archive.used(dump.name)
        if isinstance(used, Stored):
            return used
        return self._in_full(used)

    def _in_full(self, used: InFull) -> Dump:
        dump = used.dump()
        if dump is None:
            raise ChangedError(f"{used.name} has changed")
        return dump

    def of_records(self, known: Stored) -> Dump:
        """A dump of which more is wanted than its summary.json says. OSError as from `stored`."""
        if self.archive is None:
            raise ChangedError(f"{known.name} is gone")
        return self._in_full(self.archive.in_full(known.name))

    def text_of(self, known: Stored, file: str) -> bytes | None:
        """dmesg.txt or the like of an archived dump; None if its records have to be read."""
        return self.archive.text(known, file) if self.archive else None

    def text_at_hand(self, known: Stored, file: str) -> bytes | None:
        """What `text_of` gives, if that takes no time."""
        return self.archive.text_at_hand(known, file) if self.archive else None

    def report_of(self, known: Stored) -> bytes | None:
        """report.txt as it was saved."""
        return self.archive.report(known) if self.archive else None

    def stored(self, record: Record) -> bytes:
        """A record's bytes as stored. OSError, `ChangedError` if it is not what it was."""
        if record.place == ARCHIVE and self.archive is not None:
            return self.archive.record(record.path, record.sha256)
        scan, known = self._known(record)
        with scan.place.opened() as store:
            *folder, file = record.path.split("/")
            return store.read(tuple(folder), file, known.stamp)

    def archived_bytes(self, path: str, sha256: str) -> bytes:
        """A record of the archive as stored, by its path. OSError as from `stored`."""
        if self.archive is None:
            raise ChangedError(f"{path} is gone")
        return self.archive.record(path, sha256)

    def _known(self, record: Record) -> tuple[Scan, Known]:
        for scan in self._scans.values():
            known = scan.known.get(record.path)
            if known is not None and known.record == record:
                return scan, known
        raise ChangedError(f"{record.path} has changed")

    def reading(self, record: Record) -> reading.Reading:
        """A record's text and state. OSError as from `stored`."""
        return reading.read(record.name, self.stored(record))

    def text(self, dump: Dump) -> bytes:
        """dmesg.txt of a dump; of a record that is no dump, its text. OSError as from `stored`."""
        key = (dump.name, dump.id, self._view.generation)
        text = self._texts.get(key)
        if text is None:
            text = join(dump, self._shown)
            self._texts.put(key, text)
        return text

    def _shown(self, record: Record) -> bytes:
        """A record's text."""
        if record.place == ARCHIVE:
            return self.reading(record).text
        scan, known = self._known(record)
        text = self._decoded.take((record.file, known.stamp))
        if text is None:
            return self.reading(record).text
        with scan.place.opened() as store:
            *folder, file = record.path.split("/")
            if store.stamp(tuple(folder), file) != known.stamp:
                raise ChangedError(f"{record.path} has changed")
        return text

    def facts(self, dump: Dump) -> Facts:
        """What a dump's text says; of a panic, maybe with the name that an oops before it has.

        OSError as from `stored`.
        """
        facts = self._facts_alone(dump)
        cause = self._oops_before(dump) if facts.cause_missing else None
        return facts if cause is None else caused_by(facts, self._facts_alone(cause))

    def _oops_before(self, dump: Dump) -> Dump | None:
        """The oops that was dumped just before, if whoever may read the one may read the other."""
        listed = oops_before(dump, self._view.boot_of(dump))
        try:
            found = self.resolved(listed) if listed is not None else None
            if isinstance(found, Stored):
                return self.of_records(found)
        except OSError:
            return None
        if found is None or not (is_live(found) and is_live(dump)):
            return found  # titles of archived dumps are not secret, and were composed with the same
        return found if self._readers(found) == self._readers(dump) else None

    def _readers(self, dump: Dump) -> set[tuple[int, int, int]]:
        stamps = (stamp for record in dump.records for stamp in self.rights(record))
        return {(stamp.mode, stamp.uid, stamp.gid) for stamp in stamps}

    def _facts_alone(self, dump: Dump) -> Facts:
        key = f"{dump.id} {dump.parts[0].record.place}"
        facts = self._facts.get(key)
        if facts is None:
            facts = parse_dump(self.text(dump), dump.reason or "", dump.count)
            self._facts.put(key, facts)
        return facts

    def brief(self, dump: Listed) -> Brief:
        """The few words that a list of dumps needs."""
        # Dumps of one boot name each other, and may be more than are kept with all they say.
        kept = self._briefs.get(dump.name)
        archived = isinstance(dump, Entry)
        try:
            # Of an archived dump that takes a look, which only a comparison needs.
            made_of = None if archived and kept is None else self._made_of(dump)
            if kept is not None and kept[0] == made_of:
                return kept[1]
            known = self.resolved(dump)
            if isinstance(known, Stored):
                brief, made_of = Brief.of_stored(known), known.stamps
            else:
                brief = Brief.of_dump(known, self.facts(known))
                made_of = None if archived else made_of
        except OSError as error:
            if kept is not None and isinstance(error, TimeoutError):
                return kept[1]
            if isinstance(dump, Entry):
                return Brief(dump.name, None, "", complete=dump.is_complete)
            return Brief(dump.label, None, "", complete=False)
        if made_of is not None:
            self._briefs.put(dump.name, (made_of, brief))
        return brief

    def _made_of(self, dump: Listed) -> object:
        """What changes with whatever is said of a dump; None: not known. OSError as `used`."""
        if isinstance(dump, Dump):
            return dump.id, self._view.generation
        return self.archive.stamps(dump.name, wait=True) if self.archive else None
