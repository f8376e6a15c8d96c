"""malloc of the C library: how it grows and when it gives memory back. glibc only.

With another C library all of this does nothing. Facts: mallopt(3), malloc_trim(3), madvise(2).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

# malloc.h; mman.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_USUAL_THRESHOLD, _LARGEST_THRESHOLD = 128 << 10, 32 << 20
_MADV_HUGEPAGE, _MADV_NOHUGEPAGE, _HUGE = 14, 15, 2 << 20


@cache
def _glibc() -> ctypes.CDLL | None:
    import ctypes  # a daemon's trio has it already

    c = ctypes.CDLL(None)
    if not (hasattr(c, "mallopt") and hasattr(c, "malloc_trim")):
        return None
    c.malloc.restype = ctypes.c_void_p
    c.malloc.argtypes = [ctypes.c_size_t]
    c.free.argtypes = [ctypes.c_void_p]
    c.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return c


def share() -> None:
    """Make all threads use the main heap, and make that grow by 4 MiB at a time.

    A thread's own heap grows with a system call for each decoded text: 2.5 us of 70 per record.
    """
    if c := _glibc():
        c.mallopt(_M_ARENA_MAX, 1)
        c.mallopt(_M_TOP_PAD, 4 << 20)


def grow(size: int) -> tuple[int, int]:
    """Let the heap grow by so much at once, and that be huge pages where there are.

    For the first touch of each page there is a fault: 2.4 us of 70 per record otherwise. Begin and
    length of what was made so, for `give_back`; 0 and 0 if nothing was.
    """
    c = _glibc()
    if c is None:
        return 0, 0
    # Room at the end of the heap, to be kept there: below what would be mapped on its own.
    c.mallopt(_M_TRIM_THRESHOLD, 2 * size)
    c.mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    room = c.malloc(size)
    c.mallopt(_M_MMAP_THRESHOLD, _USUAL_THRESHOLD)
    if not room:
        return 0, 0
    begin = -(-room // _HUGE) * _HUGE
    length = max(0, (room + size - begin) // _HUGE * _HUGE)
    c.madvise(begin, length, _MADV_HUGEPAGE)
    c.free(room)
    return begin, length


def give_back(begin: int, length: int) -> None:
    """Return free memory to the system, also that between pieces in use."""
    if c := _glibc():
        # Otherwise khugepaged fills freed memory again: one page in use makes it 2 MiB.
        c.madvise(begin, length, _MADV_NOHUGEPAGE)
        c.mallopt(_M_TRIM_THRESHOLD, _USUAL_THRESHOLD)
        c.malloc_trim(0)


def trim() -> None:
    """Return free memory to the system."""
    if c := _glibc():
        c.malloc_trim(0)
