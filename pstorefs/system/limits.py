"""Bounds that a process sets itself."""

from __future__ import annotations

import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def bound(memory: int) -> None:
    """Take no more than so many bytes of memory beyond what it has, and leave no core dump.

    Every process that talks to a store does this, so that no answer takes all memory.
    """
    # OSError: @resources of a unit's SystemCallFilter, which has LimitDATA instead.
    with suppress(OSError, ValueError):
        for which, limit in ((resource.RLIMIT_DATA, _data() + memory), (resource.RLIMIT_CORE, 0)):
            soft, hard = resource.getrlimit(which)
            if soft == resource.RLIM_INFINITY or soft > limit:
                resource.setrlimit(which, (limit, hard))


@contextmanager
def bounded(memory: int) -> Iterator[None]:
    """The same within the block."""
    limits = (resource.RLIMIT_DATA, resource.RLIMIT_CORE)
    before = [resource.getrlimit(which) for which in limits]
    bound(memory)
    try:
        yield
    finally:
        for which, limit in zip(limits, before, strict=True):
            with suppress(OSError, ValueError):
                resource.setrlimit(which, limit)


def _data() -> int:
    """What this process has of RLIMIT_DATA, in bytes. OSError where there is no /proc."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return 0
