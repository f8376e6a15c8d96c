"""Finds the archived dumps that can have something to do with the records of a command.

The one place where a command looks for candidates among all dumps of the archive. Of 100,000 dumps
nearly all are ruled out by the time in their names (`relatives.Reach`); of the others, if there are
many, the archive's index knows which can be relatives; the rest is listed. What is only of one boot
with a record has nothing in common with its name: `_of_one_boot`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pstorefs.archive import damage, in_full, index, layout
from pstorefs.archive.related import related
from pstorefs.archive.relatives import Reach, tokens_in_raw, tokens_near
from pstorefs.archive.shelf import Shelf
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from pstorefs.record.name import Name
    from pstorefs.record.record import Record
    from pstorefs.source.directory import OpenDirectory
    from pstorefs.source.stamp import Stamp

# With more dumps to be listed than this, the index is read first.
_MANY = 200
# In an archive of no more dumps than this, reading the index is quicker than one summary.json.
_FEW = 1000


class Candidates:
    """The dumps of an archive, opened as an `OpenDirectory`, that can have to do with some records.

    ``records``: those of the whole command. ``say`` is told what is passed over, and why.
    """

    def __init__(
        self, view: OpenDirectory, records: Sequence[tuple[Name, Stamp]], say: Callable[[str], None]
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
        self._near = dict.fromkeys(near)
        self._few = len(names) <= _FEW
        self._entries = known = index.known(view, near) if len(near) > _MANY else {}
        for name in near:
            if name not in known or not self._wanted.isdisjoint(known[name].tokens.split(" ")):
                self.look(name)

    def look(self, dump: str) -> None:
        """List a dump that can be a relative."""
        raw = self._raw(dump)
        shared = self._wanted & tokens_in_raw(raw)
        if shared:
            self._keep(dump, raw)
        for token in shared:
            self._dumps[token][dump] = None

    def saved(self, dump: str) -> None:
        """List a dump again that grew or is new."""
        self.look(dump)
        self._entries.pop(dump, None)
        self._near[dump] = None

    def _list(self, dump: str) -> None:
        if dump not in self.listing.dumps:
            self._keep(dump, self._raw(dump))

    def _raw(self, dump: str) -> dict[str, Stamp]:
        odd: list[str] = []
        raw = layout.read_raw(self.shelf.directory, dump, odd)
        for sentence in odd:
            self._say(sentence)
        return raw

    def _keep(self, dump: str, raw: dict[str, Stamp]) -> None:
        self.listing.dumps[dump] = raw
        self.shelf.stamps.update({f"{dump}/{layout.RAW}/{name}": raw[name] for name in raw})

    def related(
        self, stamps: Iterable[tuple[Name, Stamp]], records: Sequence[Record]
    ) -> tuple[list[Record], set[str]]:
        """Records of all dumps that can have to do with records of the store.

        Also the names of such dumps that are damaged: of these nothing is taken, as nothing may
        join them. ``records`` are those that can be read; ``stamps`` are those of all.
        """
        found: list[Record] = []
        damaged: set[str] = set()
        live = {record.sha256 for record in records}
        shared = (token for name, stamp in stamps for token in tokens_near(name, stamp))
        joined = dict.fromkeys(dump for token in shared for dump in self._dumps.get(token, ()))
        for dump in joined:
            records_of_dump, why = self._read(dump, live)
            if why:
                path = f"{self.shelf.directory.path}/{dump}"
                self._say(
                    f"{path}{why}: it is not changed; its records that are"
                    " not saved yet go to a separate directory"
                )
                damaged.add(dump)
            found += records_of_dump
        for dump in self._of_one_boot(records) - joined.keys():
            self._list(dump)
            # One that is damaged is left as it is, and nothing would have joined it.
            found += self._read(dump, live)[0]
        return found, damaged

    def _of_one_boot(self, records: Sequence[Record]) -> set[str]:
        """Dumps that can be of one boot with any of the records; of ERST the names tell that."""
        others = [record for record in records if record.family != "erst"]
        if not others:
            return set()
        unknown = [name for name in self._near if name not in self._entries]
        if unknown and self._few:
            self._entries |= index.known(self.shelf.directory, unknown)
            unknown = [name for name in unknown if name not in self._entries]
        for name in unknown if len(unknown) <= _MANY else ():
            if (entry := in_full.entry_of(self.shelf.directory, name)) is not None:
                self._entries[name] = entry
        return related(self._entries, others)

    def _read(self, dump: str, live: Container[str]) -> tuple[list[Record], str]:
        """Records of a dump; or none, and what is wrong with it in words that follow its path."""
        records: list[Record] = []
        sums = layout.sums_in(self.shelf.directory, dump)
        why = damage.found(self.listing, self.shelf.directory, dump, live, sums)
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
