"""What was used last, so many of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """Values by name; the least recently used is dropped first. Safe from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> _Value | None:
        """The value, if it is still there."""
        with self._lock:
            value = self._kept.get(name)
            if value is not None:
                self._kept.move_to_end(name)
            return value

    def put(self, name: str, value: _Value) -> None:
        """Keep a value in place of the former one."""
        with self._lock:
            self._kept[name] = value
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def pop(self, name: str) -> _Value | None:
        """Forget a value, and give it."""
        with self._lock:
            return self._kept.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
