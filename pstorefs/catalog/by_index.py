"""Reads dmesg.txt and summary.json of archived dumps, and checks them against the index.

The index has their digests, so nothing else of a dump is read for them. A file that is not as the
index says is never shown.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from pstorefs.archive import durable, entry, layout, stored
from pstorefs.archive.entry import Entry
from pstorefs.archive.stored import Unchanged
from pstorefs.catalog import bounds
from pstorefs.catalog.place import Place
from pstorefs.source.directory import ChangedError, Stamp


class ByIndex:
    """Files of the dumps of one archive. Safe from any thread; what reads may take long."""

    def __init__(self, place: Place) -> None:
        self.place = place
        #: Dumps whose dmesg.txt is not what the index says.
        self._spoilt: set[Entry] = set()
        self._lock = threading.Lock()

    def keep(self, entries: Mapping[str, Entry]) -> None:
        """Forget all dumps but these."""
        with self._lock:
            self._spoilt = {dump for dump in self._spoilt if entries.get(dump.name) == dump}

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

    def digest_of_text(self, dump: Entry) -> int | None:
        """Of dmesg.txt, by the index; None if the dump has to be read for it."""
        return None if dump in self._spoilt else dump.text

    def text_stamp(self, dump: Entry) -> Stamp:
        """dmesg.txt as it lies there now. `ChangedError` if it is not to be believed.

        TimeoutError if the archive hangs.
        """
        try:
            with self.place.opened() as archive:
                stamp = archive.stamp((dump.name,), layout.TEXT)
        except TimeoutError:
            raise
        except OSError as error:
            raise self.spoil(dump) from error
        if not stamp.is_file or stamp.size > bounds.LONGEST_TEXT:
            raise self.spoil(dump)
        return stamp

    def saved_text(self, dump: Entry, expected: int, limit: int) -> tuple[Stamp, bytes]:
        """dmesg.txt as it was saved, of at most `limit` bytes. Errors as of `text_stamp`."""
        try:
            with self.place.opened() as archive:
                stamp, data = archive.within(
                    (dump.name,),
                    lambda directory: durable.read_stamped(directory, layout.TEXT, limit),
                )
        except TimeoutError:
            raise
        except OSError as error:
            raise self.spoil(dump) from error
        if entry.digits(stored.digest(data)) != expected:
            raise self.spoil(dump)
        return stamp, data

    def spoil(self, dump: Entry) -> ChangedError:
        """Show its dmesg.txt by its summary or its records from now on. The error to raise."""
        with self._lock:
            self._spoilt.add(dump)
        return ChangedError(f"{dump.name}/{layout.TEXT} is not what was saved")
