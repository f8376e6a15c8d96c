"""The processes that a process has begun."""

from __future__ import annotations

import re
from pathlib import Path


def children(process: int) -> list[int]:
    words = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(word) for word in words]


def below(process: int) -> tuple[int, int]:
    """The keeper, and the worker, of a process that has no other children."""
    (keeper,) = [one for one in children(process) if children(one)]
    (worker,) = children(keeper)
    return keeper, worker


def status(process: int, name: str) -> set[str]:
    """A line of the status of all threads."""
    found = set()
    for path in Path(f"/proc/{process}/task").glob("*/status"):
        found |= set(re.findall(rf"^{name}:\s*(.*)$", path.read_text(), re.MULTILINE))
    return found
