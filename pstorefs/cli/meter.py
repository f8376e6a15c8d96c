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


class TerminalLine:
    """A line of a terminal that is written over. For one thread at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def show(self, text: str) -> None:
        """Write it, in the place of what is shown."""
        self._write(_ERASE + text)
        self._shown = True

    def keep(self) -> None:
        """Leave what is shown, and go to the next line."""
        self._write("\n")
        self._shown = False

    def erase(self) -> None:
        """Take it away: something else is to be said, or all is done."""
        if self._shown:
            self._write(_ERASE)
            self._shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal is gone, and the work goes on
            self._stream.write(text)
            self._stream.flush()


class Meter:
    """The line on standard error; nothing where that is no terminal. For one thread."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        stream = stream or sys.stderr
        self._line = TerminalLine(stream)
        self._clock = clock
        self._next = clock() + _QUIET_SECONDS if stream.isatty() else float("inf")

    def tell(self, step: str, done: int, total: int) -> None:
        """Show how many records passed a step, unless that was done a moment ago."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _AGAIN_SECONDS
        self._line.show(f"pstorefs: {step}: {done} of {total} records")

    def erase(self) -> None:
        """See `TerminalLine`."""
        self._line.erase()
