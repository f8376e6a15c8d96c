"""Which lines of a long log can be part of a report: found by a few searches for literal words.

A megabyte of boot messages and journal holds ten thousand lines and one report. To take each line
apart would cost ten times as much as to find the words without which there is no report, and to
take apart what is near them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Shorter texts are read line by line.
LONG = 128 << 10
#: Lines before such a word that may belong to the report (leads.REACH), and lines after it.
BEFORE = 320
AFTER = 512

#: A report has at least one of these in its first line, or in its body where that is lost; so have
#: the lines on the machine and the boot. They begin with what is rare in logs: the search is fast.
_WORDS = re.compile(
    rb"\[(?:#|pstorefs| ?cut here|ERET)|---\[ end|BUG|WARNING: |INFO: |UBSAN: |Oops|Kernel |PANIC|"
    rb"LOCKUP|CFI |SError|Bad |VFS: |Un(?:able to|handled )|In(?:sufficient |ternal error)|"
    rb"Page fault: no|Call [Tt]race|Backtrace|\+0x|>\{|Comm: |Pid: |Hardware name|Linux version|"
    rb"RIP|EIP|PC is|PC: |NIP|Krnl|ERA: |IAOQ|TPC|SysRq"
)
#: Those that have nothing rare in them, searched for one by one.
_COMMON = (
    b"unreferenced object",
    b"unregister_netdevice",
    b"rust_kernel: ",
    b"non-static key",
    b"stack overflow",
    b"Slab corruption",
    b"sysrq: ",
)


def loud(text: bytes, starts: Sequence[int]) -> bytearray:
    """Return for each line whether it is worth reading: 1 or 0. `starts` are the lines' offsets.

    The first and the last lines are: they tell the times.
    """
    count = len(starts)
    flags = bytearray(count)
    _mark(flags, 0)
    _mark(flags, count - 1)
    for find in (partial(_search, text), *(partial(text.find, word) for word in _COMMON)):
        at = find(starts[0])
        while at >= 0:
            number = bisect_right(starts, at) - 1
            _mark(flags, number)
            # What is found within half of that is marked, with the other half after it.
            onwards = number + AFTER // 2
            at = find(starts[onwards]) if onwards < count else -1
    return flags


def _search(text: bytes, start: int) -> int:
    found = _WORDS.search(text, start)
    return found.start() if found is not None else -1


def _mark(flags: bytearray, number: int) -> None:
    low, high = max(0, number - BEFORE), min(len(flags), number + AFTER)
    flags[low:high] = b"\1" * (high - low)
