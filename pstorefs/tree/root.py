"""The root of a mount: the mirror, and the virtual places beside it."""

from __future__ import annotations

from collections.abc import Mapping

from pstorefs.tree.mirror import Mirror
from pstorefs.tree.node import Attributes, Directory, Node

#: Names of virtual places. A source entry that has one of them is shown as ``NAME~source``.
RESERVED = ("dumps", "meta", "control", "status")


class Root(Directory):
    """The mirror's root, with places added."""

    __slots__ = ("_mirror", "_places")

    def __init__(self, mirror: Mirror, places: Mapping[str, Node]) -> None:
        self._mirror = mirror.root(reserved=RESERVED)
        self._places = dict(places)
        super().__init__(self._mirror.attributes)

    def look(self) -> Attributes:
        """See `Directory`."""
        self.attributes = self._mirror.look()
        return self.attributes

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return [*self._mirror.names(), *((name, self._place(name)) for name in self._places)]

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        if name in self._places:
            return self._place(name)
        return self._mirror.lookup(name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        if name in self._places:
            return name, self._places[name]
        return self._mirror.settle(name, node)

    def _place(self, name: str) -> Node:
        return self._places[name]
