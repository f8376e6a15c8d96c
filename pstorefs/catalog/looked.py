"""When a place was looked at last, and whether that still holds (bounds.py)."""

from __future__ import annotations

import time

from pstorefs.catalog import bounds


class LastLook:
    """The last look at a place. Changed by whoever looks, under the place's lock."""

    def __init__(self) -> None:
        self._begun = float("-inf")
        #: time.monotonic() at its end.
        self.ended = float("-inf")

    def holds(self, after: float) -> bool:
        """Whether it is young, and did not begin before `after`."""
        young = time.monotonic() <= self.ended + bounds.CURRENT_SECONDS
        return young and self._begun >= after

    def holds_on(self) -> bool:
        """Whether it is young for a moment more: for who must not wait."""
        return time.monotonic() < self.ended + bounds.CURRENT_SECONDS - bounds.MARGIN_SECONDS

    def end(self, begun: float) -> float:
        """A look that began then ends now. Returns when that is."""
        self._begun, self.ended = begun, time.monotonic()
        return self.ended
