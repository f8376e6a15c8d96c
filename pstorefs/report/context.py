"""What the files of a dump say that its records do not: the machine it is read on, its boot."""

from __future__ import annotations

from dataclasses import dataclass, field

from pstorefs.system.machine import Machine


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another dump of the same boot. The title is fit for a terminal."""

    name: str
    title: str
    order: int
    reason: str


@dataclass(frozen=True)
class Context:
    """The reading machine, and the other dumps of that boot.

    ``own``: the records are those of the reading machine. ``boot`` and ``order``: the key of its
    boot, and which dump of that boot this one is; None: not known.
    """

    machine: Machine = field(default_factory=Machine)
    own: bool = False
    siblings: tuple[Sibling, ...] = ()
    order: int | None = None
    boot: str | None = None
