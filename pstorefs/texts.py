"""Bounded caches of texts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

# The kernel's page cache holds what is read.
_LIMIT = 8 << 20
# A text not decoded again saves 45 us, and to keep it costs 6.
_SHELF_LIMIT = 14 << 20
_SHELF_SECONDS = 10


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
    """Texts that a listing decoded for their sizes, each until its first reader takes it.

    When it is full, the older ones stay: whoever lists a folder and then reads all of it begins
    with those. What nobody comes for within some seconds makes room. Safe from any thread.
    """

    def __init__(self, limit: int = _SHELF_LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._texts: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> bytes | None:
        """The text under this key, if it is still there. The next one gets None."""
        with self._lock:
            _, text = self._texts.pop(key, (0.0, None))
            self._size -= len(text or b"")
            return text

    def put(self, key: Hashable, text: bytes) -> None:
        """Keep a text, if there is room."""
        now = time.monotonic()
        with self._lock:
            while self._size + len(text) > self._limit and self._texts:
                oldest = next(iter(self._texts))
                since, dropped = self._texts[oldest]
                if since > now - _SHELF_SECONDS:
                    return
                del self._texts[oldest]
                self._size -= len(dropped)
            if self._size + len(text) <= self._limit:
                self._texts[key] = now, text
                self._size += len(text)
