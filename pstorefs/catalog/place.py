"""A place with records: the store, the archive, or the directory of systemd-pstore."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pstorefs.source.directory import Store
from pstorefs.source.timeout import RESPITE, open_store


class Place:
    """A directory with records: one of record.PLACES, and how to reach it.

    The store is held open; of any other the path is given, and it is opened for each look, so that
    nothing keeps its disk busy.
    """

    def __init__(self, kind: str, where: Store | str) -> None:
        self.kind = kind
        self._where = where
        self._hung_until = 0.0

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The directory; an empty store where it does not exist.

        TimeoutError if it does not answer, and at once for some time after that.
        """
        if isinstance(self._where, Store):
            self._where.refresh()
            yield self._where
            return
        if time.monotonic() < self._hung_until:
            raise TimeoutError(errno.ETIMEDOUT, "it did not answer a moment ago")
        try:
            store = open_store(self._where, optional=True)
            try:
                yield store
            finally:
                store.close()
        except TimeoutError:
            self._hung_until = time.monotonic() + RESPITE
            raise
