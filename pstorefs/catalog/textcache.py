"""Bounded caches of texts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

from pstorefs.system import malloc

# The kernel's page cache holds what is read.
_LIMIT = 8 << 20
# A text not decoded again saves 45 us, and to keep it costs 4.
_SHELF_LIMIT = 16 << 20
_SHELF_SECONDS = 10
# So much of a shelf is a large listing, and more will follow.
_MANY = 1 << 20


class TextCache:
    """Texts by key, the least recently used dropped first. Safe from any thread."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._texts: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        """The text under this key, if it is still there."""
        with self._lock:
            text = self._texts.get(key)
            if text is not None:
                self._texts.move_to_end(key)
            return text

    def put(self, key: Hashable, text: bytes) -> None:
        """Keep a text; one that would push out everything else is not kept."""
        if len(text) > self._limit // 2:
            return
        with self._lock:
            self._size += len(text) - len(self._texts.pop(key, b""))
            self._texts[key] = text
            while self._size > self._limit:
                _, dropped = self._texts.popitem(last=False)
                self._size -= len(dropped)


class TextShelf:
    """Texts that a listing decoded, each until its first reader takes it. Safe from any thread.

    When it is full, the older ones stay: whoever lists a folder and then reads all of it begins
    with those. What nobody comes for within some seconds is dropped.
    """

    def __init__(self, limit: int = _SHELF_LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._texts: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.RLock()
        self._sweeper: threading.Timer | None = None
        #: What `malloc.grow` made for the listing that lies here; None: nothing yet.
        self._grown: tuple[int, int] | None = None

    def take(self, key: Hashable) -> bytes | None:
        """The text under this key, if it is still there. The next one gets None."""
        with self._lock:
            _, text = self._texts.pop(key, (0.0, None))
            self._size -= len(text or b"")
            return text

    def put(self, key: Hashable, text: bytes) -> None:
        """Keep a text, if there is room."""
        with self._lock:
            if self._size + len(text) > self._limit or key in self._texts:
                return
            if self._sweeper is None and not self._sweep_later():
                return
            self._texts[key] = time.monotonic(), text
            self._size += len(text)
            if self._size > _MANY and self._grown is None:
                self._grown = malloc.grow(self._limit)

    def clear(self) -> None:
        """Keep nothing: memory is scarce."""
        with self._lock:
            self._texts.clear()
            self._size = 0

    def _sweep_later(self) -> bool:
        """False if there can be no further thread: nothing is to be kept that nobody drops."""
        # A little later than need be: what one listing decoded goes at one time.
        sweeper = threading.Timer(_SHELF_SECONDS + 1, self._sweep)
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
            until = time.monotonic() - _SHELF_SECONDS
            while self._texts and next(iter(self._texts.values()))[0] <= until:
                _, (_, dropped) = self._texts.popitem(last=False)
                self._size -= len(dropped)
            self._sweeper = None
            grown, self._grown = self._grown or (0, 0), None
            if self._texts and not self._sweep_later():
                self.clear()
        malloc.give_back(*grown)
