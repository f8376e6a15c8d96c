"""A place in the kernel's code, and a line of a call trace, as patterns find them in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.oops.report_kinds import SOURCE, SYMBOL

if TYPE_CHECKING:
    import re

#: powerpc's old ABI has a dot before the name of a function, x86-64's before 2.6.25 its module.
WHERE = (
    rf"(?::(?P<module_before>[\w-]{{1,64}}):)?\.?(?P<function>{SYMBOL})\+0x(?P<offset>[0-9a-f]{{1,16}})/0x(?P<size>[0-9a-f]{{1,16}})"
    rf"(?:(?:{SOURCE})? +\[(?P<module>[\w-]{{1,64}})[^\]]{{0,64}}\])?"
)

#: What 4.15 and later print in place of an address before they have random numbers to hide it.
HIDDEN = r"\((?:ptrval|____ptrval____)\)"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the kernel's code. No function: a bare address, such as the 0 of a null call."""

    function: str | None
    offset: int | None  # bytes
    size: int | None  # bytes, of the function
    module: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a call trace."""

    function: str
    offset: int | None
    size: int | None
    module: str | None
    #: False: found on the stack (`?`), but the unwinder does not vouch for it.
    reliable: bool
    #: The stack it is on: "TASK", "IRQ", "NMI" and the like; empty where the kernel says nothing.
    stack: str


def is_beyond(found: re.Match[str]) -> bool:
    """Whether an offset is beyond the function's end: an address that no symbol covers."""
    groups = found.groupdict()
    offset, size = groups.get("offset"), groups.get("size")
    return offset is not None and size is not None and int(offset, 16) >= int(size, 16) > 0


def location_of(found: re.Match[str]) -> Location:
    """Return the place that a pattern found; without a size its offset is decimal."""
    groups = found.groupdict()
    offset, size = groups.get("offset"), groups.get("size")
    base = 16 if size else 10
    return Location(
        groups["function"],
        int(offset, base) if offset else None,
        int(size, 16) if size else None,
        groups.get("module") or groups.get("module_before"),
    )


def frame_of(found: re.Match[str], stack: str) -> Frame:
    """Return the line of a trace that a pattern found; `stack` is the one it is on."""
    where = location_of(found)
    groups = found.groupdict()
    doubtful = groups.get("unsure") or groups.get("unreliable") or is_beyond(found)
    return Frame(where.function or "", where.offset, where.size, where.module, not doubtful, stack)
