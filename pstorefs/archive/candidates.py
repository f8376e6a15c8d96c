"""What the archive has already of the dumps that a command is about.

The one place where a command looks for candidates among all dumps of the archive. Of 100,000 dumps
nearly all are ruled out by the time in their names (`relatives.Reach`); of the others, if there are
many, the archive's index knows which can be relatives; the rest is listed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pstorefs.archive import damage, index, layout
from pstorefs.archive.relatives import Reach, tokens_in_raw, tokens_near
from pstorefs.archive.shelf import Shelf
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from pstorefs.record.name import Name
    from pstorefs.record.record import Record
    from pstorefs.source.directory import Stamp, Store

# With more dumps to be listed than this, the index is read first.
_MANY = 200


class Candidates:
    """The dumps of an archive, opened as a `Store`, that can have to do with some records.

    ``records``: those of the whole command. ``say`` is told what is passed over, and why.
    """

    def __init__(
        self, view: Store, records: Sequence[tuple[Name, Stamp]], say: Callable[[str], None]
    ) -> None:
        self._say = say
        self._wanted = {token for name, stamp in records for token in tokens_near(name, stamp)}
        #: Names of dumps by the tokens that they have in common with the records.
        self._dumps: dict[str, dict[str, None]] = defaultdict(dict)
        self.shelf = Shelf(view, ARCHIVE)
        names, everything, odd = layout.dump_names(view)
        self.listing = layout.Listing({}, everything)
        for sentence in odd:
            say(sentence)
        reach = Reach(records)
        near = [name for name in names if reach.includes(name)]
        known = index.known(view, near) if len(near) > _MANY else {}
        for name in near:
            if name not in known or not self._wanted.isdisjoint(known[name].tokens.split(" ")):
                self.look(name)

    def look(self, dump: str) -> None:
        """List a dump, again if it grew or is new."""
        odd: list[str] = []
        raw = layout.read_raw(self.shelf.store, dump, odd)
        for sentence in odd:
            self._say(sentence)
        shared = self._wanted & tokens_in_raw(raw)
        if not shared:
            return
        self.listing.dumps[dump] = raw
        self.shelf.stamps.update({f"{dump}/{layout.RAW}/{name}": raw[name] for name in raw})
        for token in shared:
            self._dumps[token][dump] = None

    def related(
        self, records: Iterable[tuple[Name, Stamp]], live: Container[str]
    ) -> tuple[list[Record], set[str]]:
        """Records of all dumps that can have to do with records of the store.

        Also the names of such dumps that are damaged: of these nothing is taken, as nothing may
        join them. ``live``: the SHA-256 of what the store holds.
        """
        found: list[Record] = []
        damaged: set[str] = set()
        shared = (token for name, stamp in records for token in tokens_near(name, stamp))
        for dump in dict.fromkeys(dump for token in shared for dump in self._dumps.get(token, ())):
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
        for name in self.listing.dumps[dump]:
            if parse_name(layout.raw_file(name) or "") is None:
                continue
            try:
                record = self.shelf.latest(f"{dump}/{layout.RAW}/{name}")
            except OSError as error:
                return [], f"/{layout.RAW}/{name} cannot be read: {error.strerror or error}"
            if (sums or {}).get(name, record.sha256) != record.sha256:
                return [], f"/{layout.RAW}/{name} is not what {layout.SUMS} says"
            records.append(record)
        return records, ""
