"""What an archive may hold: the language of `-o keep=`. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_LIMIT = re.compile(r"(\d{1,15})([hdwyKMGT]?)", re.ASCII)
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Keep(NamedTuple):
    """What an archive may hold at most. None: no limit."""

    seconds: int | None = None
    size: int | None = None
    count: int | None = None  # type: ignore[assignment]  # hides tuple.count: nobody needs it

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever to be removed."""
        return self.seconds is self.size is self.count is None


#: Keep everything.
UNLIMITED = Keep()


def parse_keep(text: str) -> Keep:
    """``90d+500M+20`` to at most 90 days old, 500 MiB, 20 dumps. Raises ValueError."""
    seconds = size = count = None
    for word in text.split("+"):
        match = _LIMIT.fullmatch(word)
        if match is None:
            raise ValueError("is not a limit such as 90d, 500M, 20 or 90d+500M+20")
        number, unit = int(match[1]), match[2]
        if unit in _SECONDS:
            seconds = number * _SECONDS[unit]
        elif unit in _BYTES:
            size = number * _BYTES[unit]
        else:
            count = number
    return Keep(seconds, size, count)
