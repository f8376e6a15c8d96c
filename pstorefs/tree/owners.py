"""Who may read a generated file: those who may read all the records that it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from pstorefs.archive.entry import Entry
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.view import Listed
from pstorefs.record.record import STORE
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp
from pstorefs.tree.rights import Access, Owner


class Owners:
    """Owners and modes of the virtual places of one mount. Safe from any thread."""

    def __init__(self, store: OpenDirectory, access: Access, catalog: Catalog) -> None:
        self._store = store
        self._access = access
        self._catalog = catalog
        #: As the root was last, and of what is archived.
        self._known: tuple[Stamp, Owner, Owner] | None = None
        #: So often they were found to be others, the first time included.
        self.changes = 0

    @property
    def root(self) -> tuple[int, int] | None:
        """Device and inode of the source's root, as it was last."""
        return (self._known[0].device, self._known[0].inode) if self._known else None

    def root_opened(self) -> AbstractContextManager[int]:
        """A descriptor of it, for the time of a block. OSError."""
        return self._store.folder(())

    def of_root(self) -> Owner:
        """Of what says nothing of any record: as the source's root."""
        return self._now()[1]

    def of_archived(self) -> Owner:
        """Of what is archived: its owner's alone."""
        return self._now()[2]

    def _now(self) -> tuple[Stamp, Owner, Owner]:
        stamp, known = self._store.stamp(()), self._known
        if known is None or known[0] != stamp:
            owner = Owner.of(stamp, self._access)
            self.changes += 1
            self._known = known = stamp, owner, owner.alone
        return known

    def of_records(self, rights: Iterable[Stamp]) -> Owner:
        """Of what is made of live records; `rights` are theirs and those of their folders."""
        return self.of_root().within(rights, self._access)

    def of_dump(self, dump: Listed) -> Owner:
        """Of a dump's files. What is archived, or gone from the store by now, is its owner's."""
        if isinstance(dump, Entry):
            return self.of_archived()
        live = [record for record in dump.records if record.place == STORE]
        rights = [self._catalog.rights(record) for record in live]
        owner = self.of_records(right for each in rights for right in each)
        return owner if len(live) == len(dump.records) and all(rights) else owner.alone

    def of_everything(self) -> Owner:
        """Of what says something of all dumps. Of archived ones a mask may say who may read it."""
        live = self._catalog.live()
        found = self.of_records(right for record in live for right in self._catalog.rights(record))
        masked = self._access.file_mask is not None
        return found if masked or self._catalog.is_live() else found.alone

    def may_name(self, other: Listed, dump: Listed) -> bool:
        """Whether a dump's report may say what is in another: its readers may read that one, too.

        Titles of archived dumps are not secret.
        """
        if isinstance(other, Entry) or any(record.place != STORE for record in other.records):
            return True
        its, ours = self.of_dump(other), self.of_dump(dump)
        alike = (its.uid, its.gid) == (ours.uid, ours.gid) or its.file_mode & 0o044 == 0o044
        return alike and not ours.file_mode & ~its.file_mode
