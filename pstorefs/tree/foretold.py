"""dmesg.txt and summary.json of an archived dump: their sizes are known before they are read.

The archive's index tells them, so a look-up reads nothing: `grep` over 10,000 dumps opens and reads
one file of each. An index may be wrong, and a file may be no longer what was saved: `open` decides,
and nothing is shown that it does not find right.

* A dmesg.txt that is not what was saved is made of the dump's records, in another lane. Mostly that
  gives what was foretold, and whoever opens it sees neither an error nor another file: cp(1) gives
  up a file that has another inode number when it is opened than a moment before.
* If it does not, or the index told a wrong size, the next look-up takes the long way: by the dump's
  other files, and if need be by its records. The kernel looks a name up again once for each open.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Protocol

from pstorefs.archive.entry import Entry
from pstorefs.source.stamp import has_changed
from pstorefs.tree.composed import ComposedFile
from pstorefs.tree.node import COMPOSE, QUICK, AgainError, Lane, Opened, StaleError
from pstorefs.tree.rights import Attributes, Owner


class Foretold(NamedTuple):
    """What is known of a file before it is read."""

    size: int
    #: While this is the same, so is its content.
    version: object


class IndexedFiles(Protocol):
    """Files of one name of all archived dumps."""

    def foretell(self, dump: Entry) -> Foretold | None:
        """What the index tells; None: nothing, or it was not right."""
        ...

    def content(self, dump: Entry, *, again: bool = False) -> bytes:
        """What is shown. OSError, also if it is not what was foretold.

        `AgainError` if it takes long to make it, unless it is called `again`.
        """
        ...

    def digest(self, dump: Entry) -> int | None:
        """What `content` was compared with; None: it was composed."""
        ...

    def at_hand(self, dump: Entry) -> bool:
        """Whether nobody has to wait for the content."""
        ...

    def missize(self, dump: Entry) -> None:
        """Foretell nothing of it any more."""
        ...


class Parent(Protocol):
    """What says how archived dumps are shown: see dumps.py."""

    def is_known(self) -> bool:
        """Whether all dumps, and who may read them, were looked at a moment ago."""
        ...

    def owner(self, dump: Entry) -> Owner:
        """Whose it is. `StaleError` if it is no longer just this."""
        ...

    def owner_if_archived(self, dump: Entry) -> Owner:
        """The same for who compares the content: it may be another state of that dump."""
        ...

    def lasts(self, since: float) -> bool:
        """See `Node.lasts`: of all that is archived."""
        ...


class ForetoldFile(ComposedFile):
    """One such file, of one state of its dump."""

    __slots__ = ("_dump", "_files", "_parent")

    def __init__(self, files: IndexedFiles, dump: Entry, parent: Parent) -> None:
        super().__init__(
            partial(_content, files, dump),
            partial(parent.owner_if_archived, dump),
            dump.mtime_ns,
            partial(files.at_hand, dump),
            lasting=True,
        )
        self._files, self._dump, self._parent = files, dump, parent

    @property
    def lane_of_find(self) -> Lane:
        """See `Node`."""
        return QUICK if self._parent.is_known() else COMPOSE

    @property
    def may_last(self) -> bool:
        """See `Node`."""
        return True

    def lasts(self, since: float) -> bool:
        """See `Node`."""
        return self._told is not None and self._parent.lasts(since)

    def find(self) -> Attributes:
        """See `Node`."""
        if self.fresh:
            return self.attributes
        told = self._files.foretell(self._dump)
        if told is None:
            raise StaleError
        self._foretold(told, self._parent.owner(self._dump).file(told.size, self.mtime_ns))
        return self.attributes

    def open_again(self) -> Opened:
        """See `File`."""
        return self._opened_by(partial(_content, self._files, self._dump, again=True))

    def _hash_of(self, content: bytes) -> int:
        digest = self._files.digest(self._dump)
        return super()._hash_of(content) if digest is None else digest


def _content(files: IndexedFiles, dump: Entry, *, again: bool = False) -> bytes:
    """What is shown. Where the index was wrong about it, it foretells that no more.

    It was not wrong if it tells another size by now: whoever reads is called otherwise, say.
    """
    try:
        content = files.content(dump, again=again)
    except AgainError:
        raise
    except OSError as error:
        if not (isinstance(error, StaleError) or has_changed(error)):
            raise
        files.missize(dump)
        raise StaleError from error
    told = files.foretell(dump)
    if told is not None and told.size != len(content):
        files.missize(dump)
    return content
