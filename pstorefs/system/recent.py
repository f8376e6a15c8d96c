"""A cache of bounded size, which drops what was not used for longest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """Values by key. Safe from any thread.

    ``limit`` is on the number of values, or on the sum of what `weigh` says of each. One that would
    push out half of all is not kept; with `last_stays` it is, and the value put last in any case.
    """

    def __init__(
        self,
        limit: int,
        weigh: Callable[[_Value], int] | None = None,
        *,
        last_stays: bool = False,
    ) -> None:
        self._limit = limit
        self._largest = None if last_stays else max(1, limit // 2)
        self._weigh = weigh or (lambda _: 1)
        self._sum = 0
        self._kept: OrderedDict[Hashable, _Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> _Value | None:
        """The value, if it is still there."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def put(self, key: Hashable, value: _Value) -> None:
        """Keep a value in place of the former one, if it is not too large."""
        weight = self._weigh(value)
        if self._largest is not None and weight > self._largest:
            return
        with self._lock:
            self._drop(key)
            self._kept[key] = value
            self._sum += weight
            while self._sum > self._limit and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def pop(self, key: Hashable) -> _Value | None:
        """Forget a value, and give it."""
        with self._lock:
            return self._drop(key)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._sum = 0

    def _drop(self, key: Hashable) -> _Value | None:
        value = self._kept.pop(key, None)
        if value is not None:
            self._sum -= self._weigh(value)
        return value
