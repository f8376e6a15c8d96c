"""What an archive may hold: the language of `-o keep=`. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_LIMIT = re.compile(r"(\d{1,15})([hdwyKMGT]?)", re.ASCII)
#: What each unit limits, and how much of it.
_UNITS = {
    "": ("count", 1),
    **{unit: ("seconds", n * 3600) for unit, n in {"h": 1, "d": 24, "w": 168, "y": 8760}.items()},
    **{unit: ("size", 1 << n) for unit, n in {"K": 10, "M": 20, "G": 30, "T": 40}.items()},
}


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
    found: dict[str, int] = {}
    for word in text.split("+"):
        match = _LIMIT.fullmatch(word)
        if match is None:
            raise ValueError("is not a limit such as 90d, 500M, 20 or 90d+500M+20")
        kind, factor = _UNITS[match[2]]
        if kind in found:
            raise ValueError("has two limits of one kind: give one of time, of size, of number")
        if not int(match[1]):
            # Elsewhere this means no limit.
            raise ValueError("is a limit that keeps nothing: leave keep= out to keep everything")
        found[kind] = int(match[1]) * factor
    return Keep(**found)
