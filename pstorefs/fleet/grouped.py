"""All crashes of a fleet by signature, by host and by day, from the names of their index entries.

Pure. There may be a million: of each crash there is its name, once, and a reference to it in each
of the three groups.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from pstorefs.fleet import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Grouped:
    """Names of index entries, in each group sorted: so by time. Never changed once it is made."""

    __slots__ = ("_hosts", "_machines", "days", "labels")

    def __init__(self, days: Mapping[str, Sequence[str]]) -> None:
        #: By date, each once.
        self.days = {date: days[date] for date in sorted(days)}
        #: By the label of the signature.
        self.labels = self._grouped(label_in)
        self._hosts: Mapping[str, Sequence[str]] | None = None
        self._machines: int | None = None

    @property
    def hosts(self) -> Mapping[str, Sequence[str]]:
        """By host; where that is not known, by machine. Made when somebody asks."""
        if self._hosts is None:
            self._hosts = self._grouped(_host)
        return self._hosts

    @property
    def machines(self) -> int:
        """How many machines there are, by their own names. Counted when somebody asks."""
        if self._machines is None:
            every = self.days.values()
            self._machines = len({name.rsplit("_", 2)[1] for names in every for name in names})
        return self._machines

    @property
    def total(self) -> int:
        """How many crashes there are."""
        return sum(map(len, self.days.values()))

    def following(self, name: str, count: int) -> Sequence[str]:
        """Those that come behind a crash among those of its label, so many at most."""
        names = self.labels.get(label_in(name), ())
        begin = bisect_right(names, name)
        return names[begin : begin + count]

    def _grouped(self, key: Callable[[str], str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for names in self.days.values():
            for name in names:
                found.setdefault(key(name), []).append(name)
        for group in found.values():
            group.sort()  # names without a time are among the days
        return found


def label_in(name: str) -> str:
    """The label in a name: the same as by `keys.split_entry`, in a third of the time."""
    return name.split("_", 2)[2].rsplit("_", 3)[0]


def _host(name: str) -> str:
    _, host, rest = name.split("_", 2)
    return rest.rsplit("_", 2)[1] if host == keys.NONE else host


def shown(names: Sequence[str], name: str) -> str:
    """The name of a crash among those of its label: dump, host and id.

    Where two machines have sent the same, with the machine.
    """
    short, long = _names(name)
    return short if find(names, short) in (name, None) else long


def listed(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The crashes of one label: what each is called, and its name."""
    taken: set[str] = set()
    for name in names:
        called = next((each for each in _names(name) if each not in taken), None)
        if called is not None:  # else it is in two days, which only a liar makes so
            taken.add(called)
            yield called, name


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
