"""When something is tried again: full jitter. Time is handed in, so that tests can make it pass.

A store that is too busy answers 503 to many clients at once. If they all waited the same time, they
would come back at the same moment. So each waits a random time between nothing and a bound that
doubles ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet.store import RETRY, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

#: How often one object is tried in a run.
TRIES = 6
#: Seconds: the bound before the second try, and the bound that no wait exceeds.
FIRST_BOUND, LAST_BOUND = 1.0, 60.0


class Clock(NamedTuple):
    """Time and chance."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


def bound(tries: int) -> float:
    """Seconds to wait at most after so many tries, 1 or more."""
    return min(LAST_BOUND, FIRST_BOUND * (1 << min(tries - 1, 16)))


def repeat(attempt: Callable[[], Answer], clock: Clock, end: float) -> Answer:
    """Try until it is not to be tried again, `TRIES` times, and not beginning after `end`."""
    for tries in range(1, TRIES + 1):
        answer = attempt()
        if answer.result != RETRY or tries == TRIES:
            break
        delay = clock.chance() * bound(tries)
        if clock.now() + delay > end:
            break
        clock.sleep(delay)
    return answer
