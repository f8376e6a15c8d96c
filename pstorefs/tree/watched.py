"""What mount/watch.py has to know to let the kernel keep archived dumps for long, and what it says.

Everything that a program of ours changes of an archived dump changes one of two directories: the
archive's, and the source's, from which dumps/ has its owner and mode.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pstorefs.catalog.catalog import Catalog
from pstorefs.source.stamp import Stamp
from pstorefs.system.machine import Machine
from pstorefs.tree.owners import Owners


class Lasting(NamedTuple):
    """For how long what is archived may be kept; as it is given here, not for long."""

    #: Whether what was found at a moment, by time.monotonic(), may be kept for long.
    lasts: Callable[[float], bool] = lambda _: False
    #: To be called when the kernel asks for dumps/.
    passed: Callable[[], None] = lambda: None


NOT_FOR_LONG = Lasting()


class WatchedDirectories:
    """Which two directories these are, as far as it is known. Safe from any thread."""

    def __init__(self, catalog: Catalog, owners: Owners, machine: Machine) -> None:
        self._catalog = catalog
        self._owners = owners
        self._machine = machine

    def where(self) -> object:
        """Which directories `opened` gives, and which look this is; None: that is not known now."""
        return None if self._catalog.at_hand() is None else self._where()

    def follow(self) -> object:
        """The same, looked at now: all paths are followed. May take long."""
        self._catalog.view()
        self._owners.of_root()
        return self._where()

    def is_as_at_first(self) -> bool:
        """Whether all that was ever shown is still so, looked at now. May take long."""
        self._catalog.view(now=True)
        self._owners.of_root()
        return self._catalog.generation == 1 and self._owners.changes == 1

    def _where(self) -> object:
        archive = self._catalog.archive
        if archive is None or archive.root is None or archive.place.may_hang:
            return None
        return archive.root, self._owners.root, *self._found()

    def _found(self) -> tuple[object, ...]:
        """What else changes what is shown of a dump that did not change: summary.json says it."""
        return self._catalog.generation, self._machine.hostname

    @contextmanager
    def opened(self) -> Iterator[tuple[list[int], object]]:
        """Descriptors of the archive's directory and the source's, and which these are. OSError."""
        if self._catalog.archive is None:
            raise FileNotFoundError(errno.ENOENT, "no archive")
        with (
            self._catalog.archive.place.opened() as store,
            store.folder(()) as archive,
            self._owners.root_opened() as source,
        ):
            stamps = [Stamp.of(os.fstat(directory)) for directory in (archive, source)]
            where = ((stamp.device, stamp.inode) for stamp in stamps)
            yield [archive, source], (*where, *self._found())
