"""What lines begin with, by the first character: most lines of a log begin like none of a table.

`text.startswith(table.get(text[:1], ()))` compares with a few beginnings instead of with all.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: All blanks of Latin-1: what `str.lstrip` takes away.
BLANKS = tuple(character for character in map(chr, range(256)) if character.isspace())


def by_first(starts: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Beginnings of lines, none of them empty, by their first character."""
    table: dict[str, list[str]] = defaultdict(list)
    for start in starts:
        table[start[0]].append(start)
    return {first: tuple(dict.fromkeys(found)) for first, found in table.items()}
