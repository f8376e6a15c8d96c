"""A place with records: the store, the archive, or the directory of systemd-pstore."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pstorefs.source import looked
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.timeout import RETRY_SECONDS, open_directory


class _Held:
    """A directory that is open, and how many use it."""

    __slots__ = ("closed", "directory", "opened", "users")

    def __init__(self, directory: OpenDirectory) -> None:
        self.directory = directory
        self.users = 1
        self.opened = time.monotonic()
        #: Whoever uses it last closes it.
        self.closed = False


class Place:
    """A directory with records: one of record.PLACES, and how to reach it.

    The store is held open. Of any other the path is given: it is followed anew at each look, and
    what is used meanwhile is closed half a second later, so that nothing keeps its disk busy.
    """

    def __init__(self, kind: str, where: OpenDirectory | str) -> None:
        self.kind = kind
        #: Whether it may not answer, as far as the last look found out.
        self.may_hang = isinstance(where, OpenDirectory) and where.may_hang
        self._where = where
        self._hung_until = 0.0
        self._held: _Held | None = None
        self._lock = threading.Lock()

    @contextmanager
    def opened(self) -> Iterator[OpenDirectory]:
        """The directory; an empty one where it does not exist.

        TimeoutError if it does not answer, and at once for some time after that.
        """
        if isinstance(self._where, OpenDirectory):
            self._where.refresh()
            yield self._where
            return
        if time.monotonic() < self._hung_until:
            raise TimeoutError(errno.ETIMEDOUT, "it did not answer a moment ago")
        try:
            held = self._take() or self._open(self._where)
            try:
                yield held.directory
            finally:
                self._give_back(held)
        except TimeoutError:
            self._hung_until = time.monotonic() + RETRY_SECONDS
            raise

    def renew(self) -> None:
        """Follow the path anew the next time: something else may be there by now."""
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            self._close(held)

    @property
    def is_at_hand(self) -> bool:
        """Whether `opened` has nothing to open, for a moment still, and it answers at once."""
        held = self._held
        return held is not None and looked.holds_on(held.opened) and not self.may_hang

    @contextmanager
    def at_hand(self) -> Iterator[OpenDirectory | None]:
        """The directory, if it is open already and answers at once; else None."""
        held = None if self.may_hang else self._take()
        if held is None:
            yield None
            return
        try:
            yield held.directory
        finally:
            self._give_back(held)

    def _take(self) -> _Held | None:
        """What is open still, if it was opened a moment ago."""
        with self._lock:
            held = self._held
            if held is None or not looked.holds(held.opened):
                return None
            held.users += 1
            return held

    def _open(self, path: str) -> _Held:
        held = _Held(open_directory(path, optional=True))
        self.may_hang = held.directory.may_hang
        closer = threading.Timer(looked.CURRENT_SECONDS, self._close, [held])
        closer.daemon = True
        try:
            closer.start()
        except RuntimeError:  # no further thread: nothing is kept that nobody closes
            held.closed = True
            return held
        with self._lock:
            self._held = held
        return held

    def _give_back(self, held: _Held) -> None:
        with self._lock:
            held.users -= 1
            last = held.closed and not held.users
        if last:
            held.directory.close()

    def _close(self, held: _Held) -> None:
        with self._lock:
            if self._held is held:
                self._held = None
            last = not held.closed and not held.users
            held.closed = True
        if last:
            held.directory.close()
