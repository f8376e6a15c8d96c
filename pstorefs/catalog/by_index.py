"""Reads dmesg.txt and summary.json of archived dumps, and checks them against the index.

The index has their digests, so nothing else of a dump is read for them. A file that is not as the
index says is never shown. A dmesg.txt whose ctime is that in the index is not hashed: nobody has
written to it. Of a disk that changes its data by itself that says nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from pstorefs.archive import durable, entry, layout, saved_summary, stored
from pstorefs.archive.entry import Entry
from pstorefs.archive.stored import Unchanged
from pstorefs.catalog import bounds
from pstorefs.catalog.place import Place
from pstorefs.source.stamp import ChangedError


class ByIndex:
    """Files of the dumps of one archive. Safe from any thread; what reads may take long."""

    def __init__(self, place: Place) -> None:
        self.place = place
        #: Dumps whose dmesg.txt is not what the index tells: their records are read for it.
        self._spoilt: set[Entry] = set()
        #: Dumps of which the index tells a wrong size, by the file that has another.
        self._missized: dict[str, set[Entry]] = {layout.TEXT: set(), layout.SUMMARY: set()}
        self._lock = threading.Lock()

    def keep(self, entries: Mapping[str, Entry]) -> None:
        """Forget all dumps but these."""
        with self._lock:
            self._spoilt = _still(self._spoilt, entries)
            self._missized = {f: _still(dumps, entries) for f, dumps in self._missized.items()}

    def unchanged(self, dump: Entry, *, wait: bool) -> Unchanged | None:
        """summary.json of a dump that is as the index says; None: it has to be read in full.

        Without `wait`, also if that would take long. TimeoutError if the archive hangs.
        """
        if dump.mark is None or not (wait or self.place.is_at_hand):
            return None
        limit = stored.SUMMARY_BYTES if wait else bounds.QUICK_BYTES
        try:
            with self.place.opened() as archive:
                return stored.unchanged(archive, dump.name, dump.mark, limit)
        except TimeoutError:
            raise
        except OSError:
            return None

    def size_of_summary(self, dump: Entry) -> int | None:
        """As `stored.Sure` has it; None if the dump has to be read for it."""
        return None if dump in self._missized[layout.SUMMARY] else dump.fixed

    def missize(self, file: str, dump: Entry) -> None:
        """Read the dump from now on to know the size of this file."""
        with self._lock:
            self._missized[file].add(dump)

    def size_of_text(self, dump: Entry) -> int | None:
        """Of dmesg.txt, by the index; None if the dump has to be read for it."""
        known = dump.text is not None and dump not in self._missized[layout.TEXT]
        return dump.length if known and (dump.length or 0) <= bounds.LONGEST_TEXT else None

    def text(self, dump: Entry) -> bytes:
        """dmesg.txt as it was saved. `ChangedError` if it is not; TimeoutError if that hangs."""
        size = dump.length or 0
        try:
            with self.place.opened() as archive:
                data, written = archive.within(
                    (dump.name,), lambda directory: durable.read_whole(directory, layout.TEXT, size)
                )
        except TimeoutError:
            raise
        except OSError as error:
            raise ChangedError(f"{dump.name}/{layout.TEXT} is not to be read") from error
        if written == dump.written and len(data) == size:
            return data
        return self.checked(dump, data)

    def checked(self, dump: Entry, data: bytes) -> bytes:
        """The same bytes, if they are its dmesg.txt as it was saved. `ChangedError` if not."""
        if entry.digits(saved_summary.digest(data)) != dump.text:
            raise ChangedError(f"{dump.name}/{layout.TEXT} is not what was saved")
        return data

    def is_spoilt(self, dump: Entry) -> bool:
        """Whether `text` was not what was saved."""
        return dump in self._spoilt

    def spoil(self, dump: Entry) -> None:
        """Have its dmesg.txt made by its summary or of its records from now on."""
        with self._lock:
            self._spoilt.add(dump)


def _still(dumps: set[Entry], entries: Mapping[str, Entry]) -> set[Entry]:
    """Those that are in the index as they were."""
    return {dump for dump in dumps if entries.get(dump.name) == dump}
