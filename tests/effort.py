"""How much work something is, whatever else the machine does at that time.

CPU time alone is no measure either: who shares a core or its caches gets less done in a second. So
it is compared with a fixed piece of work, done right before and right after by the same process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Steps of a Python loop: 12 ms of a CPU of 2023.
_STEPS = 200_000


@dataclass
class Effort:
    """What was spent, in units of that piece of work: 80 are about a second."""

    units: float = float("inf")


@contextmanager
def effort() -> Iterator[Effort]:
    """Measure the CPU time of the block, in all threads of this process."""
    spent, before = Effort(), _unit()
    began = time.process_time()
    yield spent
    seconds = time.process_time() - began
    spent.units = seconds / max(before, _unit())


def _unit() -> float:
    return min(_once() for _ in range(2))


def _once() -> float:
    began, total = time.process_time(), 0
    for number in range(_STEPS):
        total += number & 7
    return time.process_time() - began
