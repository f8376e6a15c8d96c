"""A bounded cache of texts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

# The kernel's page cache holds what is read.
_LIMIT = 8 << 20


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
