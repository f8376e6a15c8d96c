"""How long the result of a look at a place or a file may be used before it is looked at again.

Names and attributes in a mount are a second old at most: half of it is the look's, the other half
the kernel's (mount/inodes.py). Moments are those of time.monotonic().
"""

from __future__ import annotations

import time

#: A look that is younger, in seconds, still holds.
CURRENT_SECONDS = 0.5
#: What holds for less than so many seconds is not relied upon by who must not wait.
MARGIN_SECONDS = 0.02
NEVER = float("-inf")


def holds(looked: float) -> bool:
    """Whether a look that ended at a moment still holds."""
    return time.monotonic() <= looked + CURRENT_SECONDS


def end_of(looked: float) -> float:
    """Until when it holds for who must not wait: he needs a moment more."""
    return looked + CURRENT_SECONDS - MARGIN_SECONDS


def holds_on(looked: float) -> bool:
    """Whether it holds for a moment more: for who must not wait."""
    return time.monotonic() < end_of(looked)


class LastLook:
    """The last look at a place. Changed by whoever looks, under the place's lock."""

    def __init__(self) -> None:
        self._begun = NEVER
        #: The moment of its end.
        self.ended = NEVER

    def holds(self, after: float) -> bool:
        """Whether it still holds, and did not begin before `after`."""
        return holds(self.ended) and self._begun >= after

    def end(self, begun: float) -> float:
        """A look that began then ends now. Returns when that is."""
        self._begun, self.ended = begun, time.monotonic()
        return self.ended
