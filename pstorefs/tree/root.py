"""The root of a mount: the mirror, and the virtual places beside it."""

from __future__ import annotations

from pstorefs.record.shown import RESERVED
from pstorefs.tree.composed import ComposedDirectory
from pstorefs.tree.mirror_directory import MirrorDirectory
from pstorefs.tree.node import Directory, Lane, Node
from pstorefs.tree.rights import Attributes


class Root(Directory):
    """The mirror's root, with the entries of another directory added."""

    __slots__ = ("_mirror", "_places")

    def __init__(self, mirror: MirrorDirectory, places: ComposedDirectory) -> None:
        self._mirror = mirror
        self._places = places
        super().__init__(self._mirror.attributes)

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return self._mirror.lane

    def find(self) -> Attributes:
        """See `Node`."""
        # One link: not counted, as in `Owner.directory`. The source's own would leave places out.
        self.attributes = self._mirror.find()._replace(links=1)
        return self.attributes

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return [*self._mirror.names(), *self._places.names()]

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        return (self._places if name in RESERVED else self._mirror).lookup(name)

    def remove(self, name: str) -> None:
        """See `Directory`."""
        (self._places if name in RESERVED else self._mirror).remove(name)

    def remove_folder(self, name: str) -> None:
        """See `Directory`."""
        (self._places if name in RESERVED else self._mirror).remove_folder(name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        return (self._places if name in RESERVED else self._mirror).settle(name, node)
