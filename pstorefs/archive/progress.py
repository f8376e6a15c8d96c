"""How far a command is: records that were read, saved and erased, of how many."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: The steps of a command, in their order; a command of many records takes them several times.
READING, SAVING, ERASING = "reading", "saving", "erasing"


class Progress:
    """Counts records, and tells each time: the step, how many passed it so far, and of how many."""

    def __init__(self, tell: Callable[[str, int, int], None], total: int) -> None:
        self._tell = tell
        self._total = total
        self._done: Counter[str] = Counter()

    def count(self, step: str, records: int = 1) -> None:
        """So many more records passed a step."""
        self._done[step] += records
        self._tell(step, self._done[step], self._total)
