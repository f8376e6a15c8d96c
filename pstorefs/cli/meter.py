"""A progress line on a terminal: it is written again and again, and erased at the end.

Only what takes longer than two seconds shows it, so that most commands say nothing.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_QUIET_SECONDS = 2.0
_AGAIN_SECONDS = 0.1
# Back to the first column, and erase to the end of the line (ECMA-48: EL).
_ERASE = "\r\x1b[K"


class Meter:
    """The line on standard error; nothing where that is no terminal. For one thread."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._next = clock() + _QUIET_SECONDS if self._stream.isatty() else float("inf")
        self._shown = False

    def tell(self, step: str, done: int, total: int) -> None:
        """Show how many records passed a step, unless that was done a moment ago."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _AGAIN_SECONDS
        self._write(f"{_ERASE}pstorefs: {step}: {done} of {total} records")
        self._shown = True

    def erase(self) -> None:
        """Take the line away: something else is to be said, or all is done."""
        if self._shown:
            self._write(_ERASE)
            self._shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal is gone, and the work goes on
            self._stream.write(text)
            self._stream.flush()
