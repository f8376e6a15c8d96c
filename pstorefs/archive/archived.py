"""What the archive has already of the dumps that a command is about.

The one place where a command looks for candidates among all dumps of the archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.archive import damage, layout
from pstorefs.archive.relatives import Relatives, name_in_raw
from pstorefs.archive.shelf import Shelf
from pstorefs.record.record import ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from pstorefs.record.name import Name
    from pstorefs.record.record import Record
    from pstorefs.source.directory import Stamp, Store


class Archived:
    """The dumps of an archive, opened as a `Store`. `say` is told what is passed over, and why."""

    def __init__(self, view: Store, say: Callable[[str], None]) -> None:
        self._say = say
        self.listing = layout.read_archive(view)
        for sentence in self.listing.passed_over:
            say(sentence)
        self.shelf = Shelf(view, ARCHIVE)
        for dump, raw in self.listing.dumps.items():
            self.shelf.stamps.update({f"{dump}/{layout.RAW}/{n}": raw[n] for n in raw})

    def related(
        self, records: Iterable[tuple[Name, Stamp]], live: Container[str]
    ) -> tuple[list[Record], set[str]]:
        """Records of all dumps that can have to do with records of the store.

        Also the names of such dumps that are damaged: of these nothing is taken, as nothing may
        join them. ``live``: the SHA-256 of what the store holds.
        """
        found: list[Record] = []
        damaged: set[str] = set()
        relatives = Relatives(records)
        for dump, raw in self.listing.dumps.items():
            if not any((n := name_in_raw(f)) and relatives.include(n, raw[f]) for f in raw):
                continue
            records_of_dump, why = self._read(dump, live)
            if why:
                self._say(
                    f"{self.shelf.store.path}/{dump}{why}: it is left as it is; what belongs to it"
                    " and is not saved yet goes to a directory of its own"
                )
                damaged.add(dump)
            found += records_of_dump
        return found, damaged

    def _read(self, dump: str, live: Container[str]) -> tuple[list[Record], str]:
        """Records of a dump; or none, and what is wrong with it in words that follow its path."""
        records: list[Record] = []
        sums = layout.sums_in(self.shelf.store, dump)
        why = damage.found(self.listing, self.shelf.store, dump, live, sums)
        if why:
            return [], why
        for name in filter(name_in_raw, self.listing.dumps[dump]):
            try:
                record = self.shelf.latest(f"{dump}/{layout.RAW}/{name}")
            except OSError as error:
                return [], f"/{layout.RAW}/{name} cannot be read: {error.strerror or error}"
            if (sums or {}).get(name, record.sha256) != record.sha256:
                return [], f"/{layout.RAW}/{name} is not what {layout.SUMS} says"
            records.append(record)
        return records, ""
