"""All crashes of a fleet by signature, by host and by day, from the names of their index entries.

Pure. There may be a million: of each crash there is its name, once, and a reference to it in each
of the three groups.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Grouped(NamedTuple):
    """Names of index entries, in each group sorted: so by time. Never changed once it is made."""

    #: By the label of the signature.
    labels: Mapping[str, Sequence[str]]
    #: By host; where that is not known, by machine.
    hosts: Mapping[str, Sequence[str]]
    #: By date, each once.
    days: Mapping[str, Sequence[str]]

    @property
    def total(self) -> int:
        """How many crashes there are."""
        return sum(map(len, self.days.values()))


def group(days: Mapping[str, Sequence[str]]) -> Grouped:
    """The crashes of all days; the names of each day are sorted."""
    labels: dict[str, list[str]] = {}
    hosts: dict[str, list[str]] = {}
    for date in sorted(days):
        for name in days[date]:
            _, host, rest = name.split("_", 2)
            label, _, machine, _ = rest.rsplit("_", 3)
            labels.setdefault(label, []).append(name)
            hosts.setdefault(machine if host == keys.NONE else host, []).append(name)
    for names in (*labels.values(), *hosts.values()):
        names.sort()  # what has no time lies among the days
    return Grouped(labels, hosts, {date: days[date] for date in sorted(days)})


def shown(names: Sequence[str], name: str) -> str:
    """What a crash is called among those of its label: dump, host and id.

    Where two machines have sent the same, with the machine.
    """
    short, long = _names(name)
    return short if find(names, short) == name else long


def listed(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The crashes of one label: what each is called, and its name."""
    taken: set[str] = set()
    for name in names:
        short, long = _names(name)
        yield (long if short in taken else short), name
        taken.add(short)


def find(names: Sequence[str], called: str) -> str | None:
    """The crash of one label that is called so."""
    parts = called.split("_")
    if len(parts) not in (3, 4) or not names:
        return None
    dump, host, *rest = parts
    begin, end = f"{dump}_{host}_", "_".join(["", *rest])
    for position in range(bisect_left(names, begin), len(names)):
        name = names[position]
        if not name.startswith(begin):
            break
        if name.endswith(end):
            return name
    return None


def _names(name: str) -> tuple[str, str]:
    dump, host, _ = name.split("_", 2)
    _, machine, id16 = name.rsplit("_", 2)
    return f"{dump}_{host}_{id16}", f"{dump}_{host}_{machine}_{id16}"
