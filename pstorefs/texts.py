"""Bounded caches of texts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress

# The kernel's page cache holds what is read.
_LIMIT = 8 << 20
# A text not decoded again saves 45 us, and to keep it costs 4.
_SHELF_LIMIT = 16 << 20
_SHELF_SECONDS = 10
# So much of a shelf is a large listing, and more will follow.
_MANY = 1 << 20
# malloc.h; mman.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_USUAL_THRESHOLD, _LARGEST_THRESHOLD = 128 << 10, 32 << 20
_MADV_HUGEPAGE, _MADV_NOHUGEPAGE, _HUGE = 14, 15, 2 << 20


def one_heap() -> None:
    """Let threads take memory from the main heap, and that grow by 4 MiB at a time (mallopt(3)).

    A thread's own heap grows with a system call for each decoded text: 2.5 us of 70 per record.
    """
    import ctypes  # a daemon's trio has it already

    with suppress(AttributeError):  # a C library other than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TOP_PAD, 4 << 20)


def _grow(size: int) -> tuple[int, int]:
    """Let the heap grow by so much at once, and that be huge pages (madvise(2)) where there are.

    For the first touch of each page there is a fault: 2.4 us of 70 per record otherwise. Begin and
    length of what was made so, for `_give_back`; 0 and 0 if nothing was.
    """
    import ctypes

    begin = length = 0
    with suppress(AttributeError):
        c = ctypes.CDLL(None)
        c.malloc.restype = ctypes.c_void_p
        # Room at the end of the heap, to be kept there: below what would be mapped by itself.
        c.mallopt(_M_TRIM_THRESHOLD, 2 * size)
        c.mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        room = c.malloc(ctypes.c_size_t(size))
        c.mallopt(_M_MMAP_THRESHOLD, _USUAL_THRESHOLD)
        if room:
            begin = -(-room // _HUGE) * _HUGE
            length = max(0, (room + size - begin) // _HUGE * _HUGE)
            c.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), _MADV_HUGEPAGE)
            c.free(ctypes.c_void_p(room))
    return begin, length


def _give_back(begin: int, length: int) -> None:
    """Return free memory to the system, that between pieces in use as well (malloc_trim(3))."""
    import ctypes

    with suppress(AttributeError):
        c = ctypes.CDLL(None)
        # Else khugepaged fills what is given back: one page in use makes 2 MiB of it again.
        c.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), _MADV_NOHUGEPAGE)
        c.mallopt(_M_TRIM_THRESHOLD, _USUAL_THRESHOLD)
        c.malloc_trim(0)


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
        self._lock = threading.Lock()
        self._sweeper: threading.Timer | None = None
        #: What `_grow` made for the listing that lies here; None: nothing yet.
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
                self._grown = _grow(self._limit)

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
            unswept = bool(self._texts) and not self._sweep_later()
        if unswept:
            self.clear()
        _give_back(*grown)
