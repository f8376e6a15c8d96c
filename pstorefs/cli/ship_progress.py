"""What a run of `pstorefs --ship` with something to do writes to the terminal and the journal."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pstorefs.cli.said import out, say

if TYPE_CHECKING:
    from pstorefs.fleet.ship import Result
    from pstorefs.settings.ship import Ship

#: Seconds after which a terminal is shown how far the run is.
_PROGRESS_SECONDS = 2.0
# Back to the first column, and erase to the end of the line (ECMA-48: EL).
_ERASE = "\r\x1b[K"


class ShipProgress:
    """A line for each dump, and on a terminal how far the run is. One call at a time."""

    def __init__(self, settings: Ship) -> None:
        self._settings = settings
        self._lines, self._progress = sys.stdout.isatty(), sys.stderr.isatty()
        self._now, self._begun = time.monotonic, time.monotonic()
        self._last, self._alike = ("", ""), 0
        self._shown = False

    def tell(self, result: Result) -> None:
        """See `Sender`."""
        if result.why and (result.result, result.why) == self._last:
            self._alike += 1
            return
        self._erase()
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
            self._erase()
            self._end()
        if self._progress and self._now() - self._begun > _PROGRESS_SECONDS:
            end = "\n" if number == total else ""
            self._write(f"{_ERASE}pstorefs: {number} of {total} dumps{end}")
            self._shown = not end

    def _erase(self) -> None:
        """Take the progress away: a line of its own is to be written."""
        if self._shown:
            self._write(_ERASE)
        self._shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal is gone, and the work goes on
            sys.stderr.write(text)
            sys.stderr.flush()
