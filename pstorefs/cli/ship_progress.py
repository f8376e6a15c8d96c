"""What a run of `pstorefs --ship` with something to do writes to the terminal and the journal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pstorefs.cli.meter import TerminalLine
from pstorefs.cli.said import out, say

if TYPE_CHECKING:
    from pstorefs.fleet.ship import Result
    from pstorefs.settings.ship import Ship

#: Seconds after which a terminal is shown how far the run is.
_PROGRESS_SECONDS = 2.0


class ShipProgress:
    """A line for each dump, and on a terminal how far the run is. One call at a time."""

    def __init__(self, settings: Ship) -> None:
        self._settings = settings
        self._lines, self._progress = sys.stdout.isatty(), sys.stderr.isatty()
        self._now, self._begun = time.monotonic, time.monotonic()
        self._last, self._alike = ("", ""), 0
        self._line = TerminalLine(sys.stderr)

    def tell(self, result: Result) -> None:
        """See `Sender`."""
        if result.why and (result.result, result.why) == self._last:
            self._alike += 1
            return
        self._line.erase()
        self._end()
        self._last = result.result, result.why
        if not result.why and self._lines and result.key:
            out(f"{result.dump}: shipped, {result.size} bytes: {result.key}")
        elif result.why:
            say(f"{result.dump}: {result.result}: {result.why}")
        if result.id and not result.why and not self._settings.key:
            from pstorefs.report import journal

            where = f"{self._settings.url}/{result.key}"
            journal.shipped(result.dump, result.id, result.row, where)

    def _end(self) -> None:
        """Say of how many more dumps the last line holds: a store that is away is so for all."""
        if self._alike:
            say(f"{self._alike} more: {self._last[0]}: {self._last[1]}")
        self._alike = 0

    def progress(self, number: int, total: int) -> None:
        """See `Sender`."""
        if number == total:
            self._line.erase()
            self._end()
        if self._progress and self._now() - self._begun > _PROGRESS_SECONDS:
            self._line.show(f"pstorefs: {number} of {total} dumps")
            if number == total:
                self._line.keep()
