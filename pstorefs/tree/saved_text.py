"""dmesg.txt of an archived dump: a file of the archive, shown as it lies there.

The archive's index has its digest, so nothing else of the dump is read for it: `grep` over 10,000
of them costs a stat and a read each. A text that is not what was saved is never shown: the dump's
own files, and if need be its records, say what is right. For each open the kernel looks a name up
again only once: so `StaleError` is raised only when the node that is found then will do.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from typing import TypeVar

from pstorefs.archive.entry import Entry
from pstorefs.catalog import bounds
from pstorefs.catalog.by_index import ByIndex
from pstorefs.source import looked
from pstorefs.source.directory import Stamp, has_changed
from pstorefs.tree.node import COMPOSE, QUICK, File, Lane, Opened, Snapshot, StaleError
from pstorefs.tree.rights import Attributes, Owner

_Result = TypeVar("_Result")
# Of a text that nobody asked for yet.
_NOT_YET = Attributes(stat.S_IFREG, 0, 0, 0, 0)


class SavedText(File):
    """The text of one archived dump, of one state of its file."""

    __slots__ = (
        "_archive",
        "_at_hand",
        "_checked",
        "_digest",
        "_dump",
        "_lasts",
        "_owner",
        "_stamp",
    )

    def __init__(
        self,
        archive: ByIndex,
        dump: Entry,
        digest: int,
        owner: Callable[[], Owner],
        at_hand: Callable[[], bool],
        lasts: Callable[[float], bool] = lambda _: False,
    ) -> None:
        super().__init__(_NOT_YET)
        #: See `Node.lasts`: of all that is archived.
        self._lasts = lasts
        #: Whether `owner` has nothing to look at.
        self._at_hand = at_hand
        self._archive = archive
        self._dump = dump
        self._digest = digest
        self._owner = owner
        #: None: not looked at yet.
        self._stamp: Stamp | None = None
        self._checked = looked.NEVER

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        small = self.attributes.size <= bounds.QUICK_BYTES
        quick = small and self._archive.place.is_at_hand and self._at_hand()
        return QUICK if quick else COMPOSE

    @property
    def lazy(self) -> bool:
        """See `Node`."""
        return True

    @property
    def fresh(self) -> bool:
        """See `Node`."""
        return looked.holds(self._checked)

    @property
    def may_last(self) -> bool:
        """See `Node`."""
        return True

    def lasts(self, since: float) -> bool:
        """See `Node`."""
        return self._stamp is not None and self._lasts(since)

    def find(self) -> Attributes:
        """See `Node`."""
        if not self.fresh:
            self._look()
        return self.attributes

    def _look(self) -> None:
        stamp = self._asked(lambda: self._archive.text_stamp(self._dump))
        if self._stamp not in (None, stamp):
            self._read()  # the next one may show it, or the records have to
        self._compare(stamp)

    def open(self) -> Opened:
        """See `File`."""
        stamp, content = self._read()
        self._compare(stamp)
        return Snapshot(content)

    def _read(self) -> tuple[Stamp, bytes]:
        """Its file now: right it can only be if it is as long as it was."""
        longest = bounds.LONGEST_TEXT if self._stamp is None else self._stamp.size
        read = self._archive.saved_text
        return self._asked(lambda: read(self._dump, self._digest, longest))

    def _compare(self, stamp: Stamp) -> None:
        """Take what was found, or `StaleError` if it was found to be something else before."""
        attributes = self._owner().file(stamp.size, self._dump.mtime_ns)
        if self._stamp is None:
            self._stamp, self.attributes = stamp, attributes
        elif stamp != self._stamp or attributes != self.attributes:
            raise StaleError
        self._checked = time.monotonic()

    @staticmethod
    def _asked(call: Callable[[], _Result]) -> _Result:
        """What it gives. `StaleError` if it is no longer what was saved: the next one will say."""
        try:
            return call()
        except OSError as error:
            if has_changed(error):
                raise StaleError from error
            raise

    def same(self, other: SavedText) -> bool:
        """Whether this one may be handed out instead of the other, which was just looked up.

        If so, what was found of the other was found of this one: it need not be looked at again.
        """
        if self._dump != other._dump:
            return False
        if other._stamp is None:
            return True
        alike = (self._stamp, self.attributes) == (other._stamp, other.attributes)
        if alike:
            self._checked = max(self._checked, other._checked)
        return alike
