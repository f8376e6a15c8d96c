"""The records of the store, or of systemd's archive: each is read once, and known by its stamp."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pstorefs import dump as dumps_of
from pstorefs.catalog import bounds
from pstorefs.catalog.place import Place
from pstorefs.codecs.detect import MAX_INPUT
from pstorefs.record import reading
from pstorefs.record.decoded import Decoded
from pstorefs.record.name import parse_name
from pstorefs.record.record import STORE, SYSTEMD, Record
from pstorefs.source import looked
from pstorefs.source.source import Folder, Source
from pstorefs.source.stamp import Stamp, has_changed
from pstorefs.source.walk import Found, walk
from pstorefs.system.printable import printable

_log = logging.getLogger("pstorefs")


@dataclass(frozen=True, slots=True)
class Known:
    """A record, its stamp, and the rights of the folders it is in, the place's own left out."""

    stamp: Stamp
    record: Record
    above: tuple[Stamp, ...]


class Scan:
    """All records of one place. `look` may be called from any thread, and may take long."""

    def __init__(self, place: Place, decoded: Decoded) -> None:
        self.place = place
        #: By path. It is replaced, never changed.
        self.known: dict[str, Known] = {}
        #: What could not be read at the last look, by path, with the reason.
        self.unreadable: dict[str, str] = {}
        #: Whether it did not answer at the last look.
        self.is_silent = False
        #: Counts the looks that found something new.
        self.version = 0
        self._decoded = decoded
        self._last = looked.LastLook()
        self._lock = threading.Lock()

    def look(self, *, now: bool = False, after: float = looked.NEVER) -> float:
        """Look for what is new, unless somebody did a moment ago. Who asks meanwhile waits.

        A look that began before `after` does not count. Returns when the last one ended.
        """
        with self._lock:
            if not now and self._last.holds(after):
                return self._last.ended
            begun = time.monotonic()
            found: dict[str, Known] = {}
            unreadable: dict[str, str] = {}
            silent = False
            try:
                self.place.renew()
                with self.place.opened() as store:
                    for each in _files(self.place.kind, store, unreadable):
                        self._take(store, each, found, unreadable)
            except TimeoutError as error:
                # What was there is still there, as far as anybody knows.
                unreadable = {self.place.kind: error.strerror or str(error)}
                found, silent = self.known, True
            self.unreadable, self.is_silent = unreadable, silent
            if found != self.known or not self.version:
                self.known = found
                self.version += 1
            return self._last.end(begun)

    def _take(
        self, store: Source, each: Found, found: dict[str, Known], unreadable: dict[str, str]
    ) -> None:
        known = self.known.get(each.path)
        if known is not None and known.stamp == each.stamp:
            found[each.path] = Known(each.stamp, known.record, each.above)
            return
        try:
            record = self._read(store, each)
        except OSError as error:
            must_go_on(self.place.kind, error)
            if not has_changed(error):
                unreadable[each.path] = error.strerror or str(error)
            return
        if record is not None:
            found[each.path] = Known(each.stamp, record, each.above)

    def _read(self, store: Source, each: Found) -> Record | None:
        name = parse_name(each.name)
        if name is None:
            return None
        key = each.name, each.stamp
        kept = self._decoded.get(key)
        if kept is None:
            data = store.read(each.folder, *key)
            kept = data, reading.read(name, data)
            if name.encoded:
                self._decoded.put(key, *kept)
        # Copies of what systemd-pstore moved have lost their times, wherever they are.
        moved = self.place.kind == STORE and each.folder and dumps_of.systemd_record(each.path)
        place = SYSTEMD if moved else self.place.kind
        return Record.of(each.name, place, each.stamp.mtime_ns, *kept, each.path)


def _files(kind: str, store: Source, unreadable: dict[str, str]) -> Iterator[Found]:
    """All files of a place that a kernel's records could be, each with the rights above it."""

    def failed(folder: Folder, error: OSError) -> None:
        must_go_on(kind, error)
        if folder and not has_changed(error):
            unreadable["/".join(folder)] = error.strerror or str(error)

    count = 0
    for each in walk(store, failed, enters=str.isprintable):
        if not _belongs(kind, each):
            continue
        if each.stamp.size > MAX_INPUT:
            unreadable[each.path] = "longer than any kernel record"
            continue
        yield each
        count += 1
        if count >= bounds.MOST_RECORDS:
            _log.warning("%s: more than %d records", printable(store.path), count)
            return


def must_go_on(kind: str, error: OSError) -> None:
    """Give up a place that hangs at its first file: an archive has thousands. The store has not."""
    if kind != STORE and isinstance(error, TimeoutError):
        raise error


def _belongs(kind: str, each: Found) -> bool:
    """Whether a file in this place is a record."""
    if parse_name(each.name) is None:
        return False
    return kind != SYSTEMD or dumps_of.systemd_record(each.path)
