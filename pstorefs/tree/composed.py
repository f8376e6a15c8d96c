"""Files and directories that exist in no store: their content is composed when somebody looks.

Content may change between two looks (a record is archived, a dump gets a part). A file node is
frozen all the same: the place that composes is asked again at `open`, and if it says something else
by now, the caller is told to look the name up again.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pstorefs.store import Stamp
from pstorefs.tree.node import (
    Access,
    Attributes,
    Directory,
    File,
    Link,
    Node,
    Opened,
    Snapshot,
    StaleError,
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose composed places are, and their modes: those of the source's root."""

    uid: int
    gid: int
    directory_mode: int
    file_mode: int

    @classmethod
    def of(cls, root: Stamp, access: Access) -> Owner:
        """As the source's root is shown: files get its mode without x, and without w."""
        shown = access.attributes(root)
        mode = stat.S_IMODE(shown.mode)
        if access.file_mask is None:
            file_mode = mode & 0o444
        else:
            file_mode = 0o444 & ~access.file_mask
        return cls(shown.uid, shown.gid, mode, file_mode)

    @property
    def alone(self) -> Owner:
        """The same for what comes from an archive: readable by its owner alone."""
        return Owner(self.uid, self.gid, self.directory_mode & 0o700, self.file_mode & 0o700)

    def directory(self, mtime_ns: int) -> Attributes:
        """The attributes of a directory."""
        mode = stat.S_IFDIR | self.directory_mode
        return Attributes(mode, self.uid, self.gid, 0, mtime_ns, links=2)

    def file(self, size: int, mtime_ns: int) -> Attributes:
        """The attributes of a file."""
        return Attributes(stat.S_IFREG | self.file_mode, self.uid, self.gid, size, mtime_ns)

    def link(self, target: str, mtime_ns: int) -> Attributes:
        """The attributes of a symbolic link."""
        size = len(target.encode(errors="surrogateescape"))
        return Attributes(stat.S_IFLNK | 0o777, self.uid, self.gid, size, mtime_ns)


class ComposedFile(File):
    """A file whose content somebody composes. `compose` may take long, and may raise OSError."""

    __slots__ = ("_compose", "_digest", "_owner", "_ready", "mtime_ns")

    def __init__(self, compose: Callable[[], bytes], owner: Owner, mtime_ns: int) -> None:
        super().__init__(owner.file(0, mtime_ns))
        self._compose = compose
        self._owner = owner
        self._digest = b""
        self._ready = False
        self.mtime_ns = mtime_ns

    @property
    def ready(self) -> bool:
        """See `Node`."""
        return self._ready

    @property
    def slow(self) -> bool:
        """See `Node`."""
        return True

    def prepare(self) -> None:
        """See `Node`."""
        if self._ready:
            return
        try:
            content = self._compose()
        except OSError:
            content = b""  # whoever opens it is told
        self._digest = _digest(content)
        self.attributes = self._owner.file(len(content), self.mtime_ns)
        self._ready = True

    def open(self) -> Opened:
        """See `File`."""
        content = self._compose()
        if _digest(content) != self._digest:
            raise StaleError
        return Snapshot(content)

    def same(self, other: ComposedFile) -> bool:
        """Whether both, being ready, show the same."""
        return self._digest == other._digest and self.attributes == other.attributes


class ComposedLink(Link):
    """A symbolic link that stands in no store."""

    __slots__ = ("_target",)

    def __init__(self, target: str, owner: Owner, mtime_ns: int) -> None:
        super().__init__(owner.link(target, mtime_ns))
        self._target = target

    def target(self) -> str:
        """See `Link`."""
        return self._target


class ComposedDirectory(Directory):
    """A directory whose entries are composed. Both callables may take long and raise OSError.

    `children` gives the entries by name, freshly made or the same ones as before; those that show
    the same as before are exchanged for the old ones, so that the kernel's cache of them holds.
    `describe` gives the directory's own attributes.
    """

    __slots__ = ("_children", "_describe", "_known")

    def __init__(
        self, children: Callable[[], Mapping[str, Node]], describe: Callable[[], Attributes]
    ) -> None:
        super().__init__(describe())
        self._children = children
        self._describe = describe
        self._known: dict[str, Node] = {}

    def look(self) -> Attributes:
        """See `Directory`."""
        self.attributes = self._describe()
        return self.attributes

    @property
    def slow(self) -> bool:
        """See `Node`: what is in it has to be found out."""
        return True

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return list(self._children().items())

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        return self._children().get(name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        known = self._known.get(name)
        if isinstance(node, ComposedFile) and isinstance(known, ComposedFile) and known.same(node):
            return name, known
        if (
            isinstance(node, ComposedLink)
            and isinstance(known, ComposedLink)
            and known.target() == node.target()
        ):
            return name, known
        self._known[name] = node
        return name, node


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


