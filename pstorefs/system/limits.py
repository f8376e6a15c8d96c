"""Bounds that a process sets itself."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

# For each CPU: the stack of a thread.
_THREAD_BYTES = 4 << 20


def bound(memory: int) -> None:
    """Take no more than so many bytes of memory from now on, and leave no core dump.

    Whoever holds the credentials of a store does this: whatever it answers, the machine goes on.
    """
    # ValueError: it is bounded already. OSError: @resources of a unit's SystemCallFilter, which has
    # LimitDATA instead.
    with suppress(OSError, ValueError):
        limit = memory + (os.cpu_count() or 1) * _THREAD_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
