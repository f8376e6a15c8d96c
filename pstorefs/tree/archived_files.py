"""What is in the two files of an archived dump that foretold.py shows, and what the index tells."""

from __future__ import annotations

from collections.abc import Callable

from pstorefs.archive.entry import Entry
from pstorefs.archive.layout import SUMMARY, TEXT
from pstorefs.archive.saved_summary import readers_bytes
from pstorefs.catalog import bounds
from pstorefs.catalog.archived import Archived
from pstorefs.catalog.catalog import Catalog
from pstorefs.report.context import Context
from pstorefs.report.summary_json import completed
from pstorefs.source.stamp import ChangedError
from pstorefs.system.machine import Machine
from pstorefs.tree.dump_contents import Contents
from pstorefs.tree.foretold import Foretold
from pstorefs.tree.node import AgainError

# What `completed` looks at.
_NO_DUMP = {"machine": {"hardware": None}, "boot": None, "boot_order": None}


class Texts:
    """dmesg.txt, as it lies in the archive, or ``make`` makes the same of the records.

    ``is_known``: see `foretold.Parent`.
    """

    def __init__(
        self, archive: Archived, is_known: Callable[[], bool], make: Callable[[str, str], bytes]
    ) -> None:
        self._archive = archive.by_index
        self._is_known, self._make = is_known, make

    def foretell(self, dump: Entry) -> Foretold | None:
        """See `IndexedFiles`."""
        size = self._archive.size_of_text(dump)
        return None if size is None else Foretold(size, dump)

    def content(self, dump: Entry, *, again: bool = False) -> bytes:
        """See `IndexedFiles`."""
        # Again: a look meanwhile may have found another state of the dump, which nobody has read.
        if again or self._archive.is_spoilt(dump):
            return self._archive.checked(dump, self._make(TEXT, dump.name))
        try:
            return self._archive.text(dump)
        except ChangedError as error:
            self._archive.spoil(dump)
            raise AgainError from error

    def digest(self, dump: Entry) -> int | None:
        """See `IndexedFiles`."""
        return dump.text

    def at_hand(self, dump: Entry) -> bool:
        """See `IndexedFiles`."""
        small = (dump.length or 0) <= bounds.QUICK_BYTES
        if not small or self._archive.is_spoilt(dump):
            return False
        return self._archive.place.is_at_hand and self._is_known()

    def missize(self, dump: Entry) -> None:
        """See `IndexedFiles`."""
        self._archive.missize(TEXT, dump)


class Summaries:
    """summary.json: what lies in the archive, and who reads it. ``make`` composes it now."""

    def __init__(
        self,
        archive: Archived,
        catalog: Catalog,
        contents: Contents,
        make: Callable[[str, str], bytes],
        reader: tuple[Machine, bool],
    ) -> None:
        self._archive, self._catalog = archive.by_index, catalog
        self._contents, self._make = contents, make
        self._machine, self._own = reader
        #: The bytes that the reader of this name adds.
        self._added: tuple[str | None, int] | None = None

    def foretell(self, dump: Entry) -> Foretold | None:
        """See `IndexedFiles`. Nothing of a dump that names others of its boot."""
        size = self._archive.size_of_summary(dump)
        if size is None or self._catalog.view().boot_of(dump):
            return None
        hostname = self._machine.hostname
        added = self._added
        if added is None or added[0] != hostname:
            keys = completed(_NO_DUMP, Context(self._machine, self._own))
            self._added = added = hostname, readers_bytes(keys)
        return Foretold(size + added[1], (dump, hostname))

    def content(self, dump: Entry, *, again: bool = False) -> bytes:
        """See `IndexedFiles`."""
        del again
        return self._make(SUMMARY, dump.name)

    def digest(self, dump: Entry) -> None:
        """See `IndexedFiles`."""

    def at_hand(self, dump: Entry) -> bool:
        """See `IndexedFiles`."""
        return self._contents.at_hand(SUMMARY, dump.name)

    def missize(self, dump: Entry) -> None:
        """See `IndexedFiles`."""
        self._archive.missize(SUMMARY, dump)
