"""Nodes of the mirror that show what the source holds as it is: files, links, FIFOs and devices.

The mirror is every file of the source under the name that `pstorefs.record.shown` gives it.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

from pstorefs.record.decoded import Decoded
from pstorefs.source.directory import SNAPSHOT_LIMIT, OpenDirectory
from pstorefs.source.stamp import Stamp, has_changed
from pstorefs.tree.node import (
    DECODE,
    QUICK,
    File,
    Lane,
    Link,
    Opened,
    Snapshot,
    Special,
    StaleError,
)
from pstorefs.tree.rights import Access, Attributes

_AS_THE_SOURCE = Access()


class Mirror:
    """What all nodes of one mirror share."""

    def __init__(
        self,
        store: OpenDirectory,
        access: Access = _AS_THE_SOURCE,
        decoded: Decoded | None = None,
        *,
        remove: Callable[[str], None] | None = None,
    ) -> None:
        self.store = store
        self.access = access
        self.decoded = decoded or Decoded()
        #: Of what asks the source, once a record is decoded.
        self.lane: Lane = DECODE if store.may_hang else QUICK
        #: One record is decoded at a time: pure Python decoders would only take turns anyway. It is
        #: never held while the source is asked.
        self.decoding = threading.Lock()
        #: Held for the moment in which a record becomes known, as two threads may find it at once.
        self.freezing = threading.Lock()
        #: rm of a record, given its path in the source. None: not permitted.
        self.remove = remove


class MirrorFile(File):
    """A file shown as it is stored."""

    __slots__ = ("file", "folder", "mirror", "stamp")

    def __init__(
        self,
        mirror: Mirror,
        folder: tuple[str, ...],
        file: str,
        stamp: Stamp,
        attributes: Attributes | None = None,
    ) -> None:
        super().__init__(attributes or mirror.access.attributes(stamp))
        self.mirror = mirror
        self.folder = folder
        self.file = file
        self.stamp = stamp

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return self.mirror.lane

    def open(self) -> Opened:
        """See `File`."""
        store = self.mirror.store
        try:
            if self.stamp.size <= SNAPSHOT_LIMIT:
                return Snapshot(store.read(self.folder, self.file, self.stamp))
            return _Direct(store, store.open(self.folder, self.file, self.stamp), self.stamp)
        except OSError as error:
            raise answer(error) from error

    def check_current(self) -> None:
        """`StaleError` unless the source still holds this very file."""
        try:
            now = self.mirror.store.stamp(self.folder, self.file)
        except OSError as error:
            raise answer(error) from error
        if now != self.stamp:
            raise StaleError


class MeasuredFile(MirrorFile):
    """A file of pstore whose st_size is not what reading it gives: ftrace records."""

    __slots__ = ("_measured",)

    def __init__(self, mirror: Mirror, folder: tuple[str, ...], file: str, stamp: Stamp) -> None:
        super().__init__(mirror, folder, file, stamp)
        self._measured = False

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return super().lane if self._measured else DECODE

    @property
    def fresh(self) -> bool:
        """See `Node`."""
        return self._measured

    def find(self) -> Attributes:
        """See `Node`."""
        try:
            size = len(self.mirror.store.read(self.folder, self.file, self.stamp))
            self.attributes = self.mirror.access.attributes(self.stamp, size)
        except OSError:
            pass  # whoever opens it gets the error
        self._measured = True
        return self.attributes


class MirrorLink(Link):
    """A symbolic link of the source, with its own target."""

    __slots__ = ("file", "folder", "mirror", "stamp")

    def __init__(self, mirror: Mirror, folder: tuple[str, ...], file: str, stamp: Stamp) -> None:
        super().__init__(mirror.access.attributes(stamp))
        self.mirror = mirror
        self.folder = folder
        self.file = file
        self.stamp = stamp

    def target(self) -> str:
        """See `Link`."""
        try:
            return self.mirror.store.readlink(self.folder, self.file)
        except OSError as error:
            raise answer(error) from error


class MirrorSpecial(Special):
    """A FIFO, socket or device of the source."""

    __slots__ = ("stamp",)

    def __init__(self, mirror: Mirror, stamp: Stamp) -> None:
        super().__init__(mirror.access.attributes(stamp))
        self.stamp = stamp


class _Direct:
    """An open file too large to be kept in memory. Ends with EIO if it is changed meanwhile."""

    __slots__ = ("_descriptor", "_stamp", "_store", "lane")

    def __init__(self, store: OpenDirectory, descriptor: int, stamp: Stamp) -> None:
        self._store = store
        self._descriptor = descriptor
        self._stamp = stamp
        self.lane: Lane = DECODE if store.may_hang else QUICK

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`."""
        data, stamp = self._store.pread(self._descriptor, size, offset)
        if stamp != self._stamp:
            raise OSError(errno.EIO, "the file changed while it was read")
        return data

    def close(self) -> None:
        """See `Opened`."""
        os.close(self._descriptor)


def answer(error: OSError) -> OSError:
    """What the kernel gets: that the name is to be looked up again, or the error itself."""
    return StaleError() if has_changed(error) else error
