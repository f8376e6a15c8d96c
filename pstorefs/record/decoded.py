"""A cache of decoded records, so that none is decoded twice.

A listing of the mirror decodes records for their sizes, and mostly somebody reads them next. The
catalog decodes records to find out which dump they belong to. Both look here first.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

from pstorefs.system import malloc

if TYPE_CHECKING:
    from pstorefs.record.reading import Reading

    #: The name of a file, and its stamp.
    Key = tuple[str, Hashable]
    _Kept = tuple[float, bytes, Reading]

# Bytes of texts and of what was stored. To keep one costs 4 us, to decode it again 45.
_LIMIT = 20 << 20
_SECONDS = 10
# So much is a large listing, and more will follow.
_MANY = 1 << 20


class Decoded:
    """Records that were decoded lately, each until a reader takes its text. Safe from any thread.

    A key is the name of a file and its stamp: callers with the same key mean the same record, be it
    the mirror, which lists it, or the catalog, which needs its state.

    When it is full, the older ones stay: a program that lists a folder and then reads all of it
    begins with those. A text that nobody reads within some seconds is dropped.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[float, bytes, Reading]] = OrderedDict()
        self._lock = threading.RLock()
        self._sweeper: threading.Timer | None = None
        #: What `malloc.grow` made for the listing that lies here; None: nothing yet.
        self._grown: tuple[int, int] | None = None

    def get(self, key: Key) -> tuple[bytes, Reading] | None:
        """The stored bytes and what they say, if they are still there; they stay."""
        if not self._kept:
            return None
        with self._lock:
            kept = self._kept.get(key)
            return kept[1:] if kept else None

    def take(self, key: Key) -> bytes | None:
        """The text, if it is still there. The next one gets None."""
        if not self._kept:
            return None
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is None:
                return None
            self._size -= _size(kept)
            return kept[2].text

    def put(self, key: Key, stored: bytes, reading: Reading) -> None:
        """Keep a record, if there is room."""
        kept = time.monotonic(), stored, reading
        with self._lock:
            if self._size + _size(kept) > self._limit or key in self._kept:
                return
            if self._sweeper is None and not self._sweep_later():
                return
            self._kept[key] = kept
            self._size += _size(kept)
            if self._size > _MANY and self._grown is None:
                self._grown = malloc.grow(self._limit)

    def clear(self) -> None:
        """Drop all: memory is scarce."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _sweep_later(self) -> bool:
        """False if no thread can be started: then nothing is kept, as nobody would drop it."""
        # A little later than need be: what one listing decoded goes at one time.
        sweeper = threading.Timer(_SECONDS + 1, self._sweep)
        sweeper.daemon = True
        try:
            sweeper.start()
        except RuntimeError:
            return False
        self._sweeper = sweeper
        return True

    def _sweep(self) -> None:
        """Drop what nobody came for; an idle mount needs no memory for it, and wakes no more."""
        with self._lock:
            until = time.monotonic() - _SECONDS
            while self._kept and next(iter(self._kept.values()))[0] <= until:
                _, dropped = self._kept.popitem(last=False)
                self._size -= _size(dropped)
            self._sweeper = None
            grown, self._grown = self._grown or (0, 0), None
            if self._kept and not self._sweep_later():
                self.clear()
        malloc.give_back(*grown)


def _size(kept: _Kept) -> int:
    return len(kept[1]) + len(kept[2].text)
