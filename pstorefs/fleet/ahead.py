"""Fetches bundles ahead while somebody walks through a directory.

``grep -r`` and ``cat *`` look into one dump after another, and would wait for the store each time.
A walk is seen when a dump is looked into right after the one before it in its directory. Then the
next few are fetched. Access to a single dump costs one GET, as before.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: How many are fetched ahead of a walk, and how many at a time.
DEPTH = 6
_THREADS = 3
# Walks that are known at a time, and names that wait: more than so many are forgotten.
_MOST_WALKS, _MOST_WAITING = 64, 64


class Ahead:
    """`following` gives the names behind one, so many; `fetch` gets one that is not there yet.

    `note` is called by any thread, and waits for nothing.
    """

    def __init__(
        self, following: Callable[[str, int], Sequence[str]], fetch: Callable[[str], object]
    ) -> None:
        self._following = following
        self._fetch = fetch
        self._lock = threading.Lock()
        self._last = ""
        #: What would be the next step of each walk.
        self._next: OrderedDict[str, None] = OrderedDict()
        self._waiting: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self._threads = 0

    def note(self, name: str) -> None:
        """Somebody looks into this one."""
        if name == self._last:
            return
        self._last = name
        coming = self._following(name, DEPTH)
        with self._lock:
            walking = name in self._next
            self._next.pop(name, None)
            if coming:
                self._next[coming[0]] = None
            while len(self._next) > _MOST_WALKS:
                self._next.popitem(last=False)
        if walking:
            for each in coming:
                with suppress(queue.Full):
                    self._waiting.put_nowait(each)
            self._start()

    def _start(self) -> None:
        with self._lock:
            while self._threads < _THREADS:
                try:
                    threading.Thread(target=self._work, daemon=True).start()
                except RuntimeError:  # no further thread: the next step of a walk asks again
                    return
                self._threads += 1

    def _work(self) -> None:
        while True:
            with suppress(Exception):  # whoever opens it gets the error
                self._fetch(self._waiting.get())
