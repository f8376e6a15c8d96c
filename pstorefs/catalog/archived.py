"""The dumps of the archive: known by the index, and read only where they are used.

See bounds.py for what is looked at, and when.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from pstorefs.archive import in_full, index, layout, saved_summary, stored
from pstorefs.archive.entry import Entry
from pstorefs.archive.in_full import InFull
from pstorefs.archive.stored import Stored, Unchanged
from pstorefs.catalog import bounds
from pstorefs.catalog.by_index import ByIndex
from pstorefs.catalog.directories import directories, odd
from pstorefs.catalog.place import Place
from pstorefs.source import looked
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import ChangedError, Stamp
from pstorefs.system.recent import Recent


class Archived:
    """The dumps of one archive. Safe from any thread; what reads may take long."""

    def __init__(self, place: Place) -> None:
        self.place = place
        #: By name, the oldest first. It is replaced, never changed.
        self.entries: dict[str, Entry] = {}
        #: Directories that have to be grouped with other records: odd ones, and `wanted` ones.
        self.full: dict[str, InFull] = {}
        self.version = 0
        self._failure: dict[str, str] = {}
        self._wanted: set[str] = set()
        self._root: tuple[Stamp, Stamp | None] | None = None
        self._settled = False
        self._seen_since = 0.0
        self._index: Stamp | None = None
        self._last = looked.LastLook()
        #: Held while somebody looks; and, never for long, while what follows is changed.
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        #: What dumps were when they were read, and their stamps at the last look with its time.
        self._known: Recent[Stored | InFull] = Recent(bounds.STORED_KEPT)
        self._stamps: Recent[tuple[float, tuple[Stamp, ...]]] = Recent(bounds.STORED_KEPT)
        self._in_full: Recent[InFull] = Recent(bounds.FULL_KEPT)
        #: Dumps of which records are not as they were saved, found when they were used.
        self._rotten: dict[str, list[str]] = {}
        #: Dumps whose summary.json agrees with everything, and whose records are not what it says.
        self._doubted: dict[str, tuple[Stamp, ...]] = {}
        self.by_index = ByIndex(place)

    @property
    def root(self) -> tuple[int, int] | None:
        """Device and inode of the archive's directory at the last look; None: it was not there."""
        stamp = self._root[0] if self._root else None
        return (stamp.device, stamp.inode) if stamp and stamp.inode else None

    @property
    def unreadable(self) -> dict[str, str]:
        """What could not be read, by path, with the reason."""
        found = dict(self._failure)
        for each in self.full.values():
            found |= each.unreadable
        return found

    @property
    def is_silent(self) -> bool:
        """Whether it did not answer at the last look."""
        return bool(self._failure)

    @property
    def rotten(self) -> list[str]:
        """Paths of records that are not what was saved, of the dumps that were looked at."""
        found = {path for each in self.full.values() for path in each.rotten}
        return sorted(found.union(*self.damaged.values()))

    @property
    def damaged(self) -> dict[str, list[str]]:
        """The same of those that were found when they were used, by dump."""
        with self._keeping:
            return {name: paths for name, paths in self._rotten.items() if name in self.entries}

    def look(self, *, now: bool = False, after: float = looked.NEVER) -> float:
        """Look for what is new, unless somebody did a moment ago. Who asks meanwhile waits.

        A look that began before `after` does not count. Returns when the last one ended.
        """
        with self._lock:
            if not now and self._last.holds(after):
                return self._last.ended
            begun = time.monotonic()
            if now:
                self._stamps.clear()
            try:
                self.place.renew()
                with self.place.opened() as archive:
                    changed = self._look(archive)
                self._failure = {}
            except TimeoutError as error:
                # What was there is still there, as far as anybody knows.
                changed = False
                self._failure = {self.place.kind: error.strerror or str(error)}
            if changed or not self.version:
                self.version += 1
            return self._last.end(begun)

    def read_in_full(self, names: Iterable[str]) -> None:
        """Read these dumps in full from now on, and no others but odd ones."""
        with self._lock:
            wanted = set(names)
            new = wanted - self.full.keys()
            full = {
                name: each
                for name, each in self.full.items()
                if name in wanted or name not in self.entries
            }
            if new:
                with suppress(TimeoutError), self.place.opened() as archive:
                    for name in new:
                        if found := in_full.read(archive, name):
                            full[name] = found
            self._wanted = wanted
            self.full = full

    def _look(self, archive: OpenDirectory) -> bool:
        stamps = archive.stamp(()), index.stamp_of(archive)
        changed = False
        if not (self._settled and stamps == self._root):
            changed = self._list(archive, stamps)
        return self._look_in_full(archive) or changed

    def _list(self, archive: OpenDirectory, stamps: tuple[Stamp, Stamp | None]) -> bool:
        """One stat for each dump; whatever is new is looked at."""
        begun = time.monotonic()
        if stamps != self._root:
            self._seen_since = begun
        there = directories(archive)
        lines: dict[str, Entry] = {}
        if stamps[1] is not None and stamps[1] != self._index:
            lines = index.read(archive, stamps[1]).entries
        entries: dict[str, Entry] = {}
        apart: dict[str, InFull] = {}
        grouped = odd(there)
        for name, directory in there.items():
            known = lines.get(name)
            if known is None or not known.is_of(directory):
                known = self.entries.get(name)
            if name in grouped:
                known = None
            elif known is None or not known.is_of(directory):
                known = in_full.entry_of(archive, name)
            if known is not None:
                entries[name] = known
            elif (found := self.full.get(name) or in_full.read(archive, name)) is not None:
                apart[name] = found
        unchanged = entries == self.entries and apart.keys() == self.full.keys() - self._wanted
        if not unchanged:
            self.entries = {e.name: e for e in sorted(entries.values(), key=lambda e: e.age)}
            kept = {name: each for name, each in self.full.items() if name in self._wanted}
            self.full = {**{n: f for n, f in kept.items() if n in entries}, **apart}
            self.by_index.keep(entries)
        self._root, self._index = stamps, stamps[1]
        self._settled = self._is_settled(archive, stamps[0], begun)
        return not unchanged

    def _is_settled(self, archive: OpenDirectory, root: Stamp, begun: float) -> bool:
        """Whether any change after this look will show in the root's stamp."""
        if archive.may_hang:  # its clock may be another one
            return begun > self._seen_since + bounds.SETTLED_NS / 10**9
        return time.time_ns() - root.mtime_ns > bounds.SETTLED_NS

    def _look_in_full(self, archive: OpenDirectory) -> bool:
        """Look again at what is read in full; whether anything changed."""
        full = dict(self.full)
        for name, each in self.full.items():
            try:
                same = stored.look(archive, name)[0] == each.stamps
            except TimeoutError:
                raise
            except OSError:
                same = False
            if not same:
                del full[name]
                if found := in_full.read(archive, name):
                    full[name] = found
        if full == self.full:
            return False
        self.full = full
        return True

    def at_hand(self, name: str) -> Stored | None:
        """What `used` says, if that takes a few small reads of what is open already: or None."""
        known = self._known.get(name)
        # Of a dump that is not known yet, reading takes the stamps.
        if known is not None and known.stamps == self.stamps(name, wait=False):
            return known if isinstance(known, Stored) else None
        with self.place.at_hand() as archive:
            if archive is None:
                return None
            try:
                found = stored.read(archive, name, bounds.QUICK_BYTES)
            except OSError:
                return None
        if found is None or self._doubted.get(name) == found.stamps:
            return None
        self._keep(name, found)
        return found

    def unchanged(self, dump: Entry, *, wait: bool) -> Unchanged | None:
        """As `ByIndex.unchanged`, unless its records were found to be others."""
        found = self.by_index.unchanged(dump, wait=wait)
        if found is None or self._doubted.get(dump.name) == found.stamps:
            return None
        self._stamps.put(dump.name, (time.monotonic(), found.stamps))
        return found

    def text_at_hand(self, known: Stored, file: str) -> bytes | None:
        """What `text` gives, if it is small."""
        with self.place.at_hand() as archive:
            return self._text(archive, known, file, bounds.QUICK_BYTES) if archive else None

    def used(self, name: str) -> Stored | InFull:
        """What an archived dump is now, by its summary.json or else by its records.

        `ChangedError` if it is gone; TimeoutError if the archive hangs.
        """
        known = self._known.get(name)
        # Of a dump that is not known yet, reading takes the stamps.
        if known is not None and known.stamps == self.stamps(name, wait=True):
            return known
        with self.place.opened() as archive:
            found: Stored | InFull | None = stored.read(archive, name)
            if found is None or self._doubted.get(name) == found.stamps:
                found = in_full.read(archive, name)
        if found is None:
            with self._keeping:
                self._rotten.pop(name, None)
            raise ChangedError(f"{name} is gone from the archive")
        self._keep(name, found)
        return found

    def stamps(self, name: str, *, wait: bool) -> tuple[Stamp, ...] | None:
        """What tells whether a dump changed; None: it is gone, or one would have to wait for it."""
        now = time.monotonic()
        known = self._stamps.get(name)
        if known is not None and looked.holds(known[0]):
            return known[1]
        if not (wait or self.place.is_at_hand):
            return None
        try:
            with self.place.opened() as archive:
                stamps, _ = stored.look(archive, name)
        except TimeoutError:
            raise
        except OSError:
            return None
        self._stamps.put(name, (now, stamps))
        return stamps

    def in_full(self, name: str) -> InFull:
        """A dump with its records, where its summary.json does not say enough. As `used`."""
        known = self._in_full.get(name)
        with self.place.opened() as archive:
            if known is None or stored.look(archive, name)[0] != known.stamps:
                known = in_full.read(archive, name)
        if known is None:
            raise ChangedError(f"{name} is gone from the archive")
        self._in_full.put(name, known)
        return known

    def _keep(self, name: str, found: Stored | InFull) -> None:
        with self._keeping:
            if isinstance(found, InFull) and found.rotten:
                self._rotten[name] = found.rotten
            else:
                self._rotten.pop(name, None)
        self._known.put(name, found)
        self._stamps.put(name, (time.monotonic(), found.stamps))

    def text(self, known: Stored, file: str) -> bytes | None:
        """dmesg.txt or the like as it was composed; None if that is not known to be right."""
        if not known.texts.get(file):
            return None
        with self.place.opened() as archive:
            return self._text(archive, known, file, bounds.LONGEST_TEXT)

    @staticmethod
    def _text(archive: OpenDirectory, known: Stored, file: str, limit: int) -> bytes | None:
        try:
            data = stored.small(archive, known.name, file, limit)
        except TimeoutError:
            raise
        except OSError:
            return None
        return data if saved_summary.digest(data) == known.texts.get(file) else None

    def report(self, known: Stored) -> bytes | None:
        """report.txt as it was composed, of an archive of an earlier version."""
        try:
            with self.place.opened() as archive:
                return stored.small(archive, known.name, layout.REPORT, stored.SUMMARY_BYTES)
        except TimeoutError:
            raise
        except OSError:
            return None

    def record(self, path: str, sha256: str) -> bytes:
        """A record's bytes as stored. `ChangedError` if they are not of this sum."""
        dump, raw, file = path.split("/")
        with self.place.opened() as archive:
            stamp = archive.stamp((dump, raw), file)
            if not stamp.is_file:
                raise ChangedError(f"{path} has changed")
            data = archive.read((dump, raw), file, stamp)
        if saved_summary.digest(data) != sha256:
            known = self._known.pop(dump)
            if known is not None:
                with self._keeping:
                    self._doubted[dump] = known.stamps
                    self._rotten[dump] = [path]
            raise ChangedError(f"{path} has changed")
        return data
