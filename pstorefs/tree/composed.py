"""Generated files and directories, which are in no store: made when somebody looks.

The life of a file's node:

========= ======================================================================================
listed    its name is known, no more
looked up it is composed (`find`): size and rights are known, and hold for half a second
opened    it is composed again and frozen: it shows this from now on, or nothing
changed   the next `open` composes something else: `StaleError`. The kernel looks the name up again,
          `settle` finds that the old node is not the `same`, and the new one is opened
========= ======================================================================================

What seldom changes is frozen as soon as it was looked up, so that the kernel need not ask for its
size each time.
"""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Mapping

from pstorefs.source import looked
from pstorefs.tree.node import (
    COMPOSE,
    QUICK,
    AgainError,
    Directory,
    File,
    Lane,
    Link,
    Node,
    Opened,
    Snapshot,
    StaleError,
)
from pstorefs.tree.rights import Attributes, Owner

# Of a file that nobody asked for yet: nobody may do anything with it.
_NOT_YET = Attributes(stat.S_IFREG, 0, 0, 0, 0)
#: Held for as long as it takes to compare. One for all: there may be a million nodes.
_FREEZING = threading.Lock()


class ComposedFile(File):
    """A file whose content somebody composes. `compose` may take long, and may raise OSError.

    It is lazy: a listing does not compose it, as that may need every record decoded and read.
    `lasting`: its content seldom changes.
    """

    __slots__ = (
        "_at_hand",
        "_checked",
        "_compose",
        "_digest",
        "_lasting",
        "_opened",
        "_owner",
        "_stale",
        "_told",
        "mtime_ns",
    )

    def __init__(
        self,
        compose: Callable[[], bytes],
        owner: Callable[[], Owner],
        mtime_ns: int,
        at_hand: Callable[[], bool] = lambda: False,
        *,
        lasting: bool = False,
    ) -> None:
        super().__init__(_NOT_YET)
        self._compose = compose
        #: Whether `compose` has nothing left to do but to hand out what it made a moment ago.
        self._at_hand = at_hand
        #: Asked once it is composed: who may read it can depend on what it is composed of.
        self._owner = owner
        #: Size and hash of what it shows; None: not known yet.
        self._digest: tuple[int, int] | None = None
        #: What `find` knew of it without composing it: see foretold.py. None: nothing.
        self._told: object = None
        self._checked = looked.NEVER
        self._opened = False
        self._lasting = lasting
        #: Somebody was told to look it up again: he must not be given the same once more.
        self._stale = False
        self.mtime_ns = mtime_ns

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return QUICK if self._at_hand() else COMPOSE

    @property
    def lazy(self) -> bool:
        """See `Node`."""
        return True

    @property
    def fresh(self) -> bool:
        """See `Node`: whether it was composed a moment ago."""
        return looked.holds(self._checked)

    @property
    def frozen(self) -> bool:
        """See `Node`."""
        found = self._told or self._digest
        return self._opened or (self._lasting and found is not None)

    def find(self) -> Attributes:
        """See `Node`."""
        if not self.fresh:
            self._take(self._compose)
        return self.attributes

    def open(self) -> Opened:
        """See `File`."""
        return self._opened_by(self._compose)

    def _opened_by(self, compose: Callable[[], bytes]) -> Opened:
        """Whoever is told to look it up again gets another node."""
        told = self.attributes if self._digest else None
        try:
            return Snapshot(self._take(compose, told, opening=True))
        except AgainError:
            raise
        except StaleError:
            self._stale = True
            raise

    def same(self, other: ComposedFile) -> bool:
        """Whether this one may be handed out instead of the other, which was just looked up.

        If the other is not composed yet (a listing), it may: whoever wants more of it than the name
        will have it found. Content may change back: between the look-up that follows a `StaleError`
        and its `open` it would change once more, and the kernel tries twice only. A node never
        opened cannot fail.
        """
        if other._digest is None and other._told is None:
            return True
        if other._digest is None:
            alike = self._told == other._told
        else:
            alike = self._digest == other._digest
        alike = alike and self.attributes == other.attributes and not self._stale
        if alike:  # what was found of the other was found of this one
            self._checked = max(self._checked, other._checked)
        return alike

    def _take(
        self, compose: Callable[[], bytes], told: Attributes | None = None, *, opening: bool = False
    ) -> bytes:
        """Compose it. Once it is frozen, it must come out the same each time.

        `opening` freezes it. `told`: what whoever opens it was let in by.

        Until it is opened the kernel holds no page of it, and it may be frozen anew. So an `open`
        succeeds for the node that was just looked up, however fast its content changes. That of a
        lasting one does so at the kernel's second try.
        """
        content = compose()
        attributes = self._owner().file(len(content), self.mtime_ns)
        digest = len(content), self._hash_of(content)
        with _FREEZING:  # of two that open it at once, both show the same
            frozen = self.frozen
            other = self._digest not in (None, digest) or attributes != self.attributes
            changed = frozen and other
            if changed or (told is not None and _rights(told) != _rights(attributes)):
                self._stale = True
                raise StaleError
            if not frozen:
                self.attributes = attributes
            self._digest = digest
            self._opened = self._opened or opening
            self._checked = time.monotonic()
        return content

    def _foretold(self, told: object, attributes: Attributes) -> None:
        """Take what is known of it before it is composed. `StaleError` if that was otherwise."""
        with _FREEZING:
            if not self.frozen:
                self.attributes, self._told = attributes, told
            elif (told, attributes) != (self._told, self.attributes):
                raise StaleError
            self._checked = time.monotonic()

    def _hash_of(self, content: bytes) -> int:
        """64 bits that tell it from others."""
        # Python's SipHash: of texts that a cache hands out again it is known already.
        return hash(content)


def _rights(of: Attributes) -> tuple[int, int, int]:
    return of.mode, of.uid, of.gid


class ComposedLink(Link):
    """A symbolic link that is in no store."""

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
    `child` gives a single one, where that is less work. `describe` gives the directory's own
    attributes. Several threads call them at once.
    """

    __slots__ = ("_child", "_children", "_describe", "_known")

    def __init__(
        self,
        children: Callable[[], Mapping[str, Node]],
        describe: Callable[[], Attributes],
        child: Callable[[str], Node | None] | None = None,
    ) -> None:
        super().__init__(describe())
        self._children = children
        self._child = child or (lambda name: children().get(name))
        self._describe = describe
        self._known: dict[str, Node] = {}

    def find(self) -> Attributes:
        """See `Node`."""
        self.attributes = self._describe()
        return self.attributes

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return COMPOSE

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        children = self._children()
        for gone in self._known.keys() - children.keys():
            self._known.pop(gone, None)
        return list(children.items())

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        return self._child(name)

    def remove_folder(self, name: str) -> None:
        """See `Directory`."""
        self.remove(name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        known = self._known.get(name)
        if isinstance(known, ComposedDirectory) and isinstance(node, ComposedDirectory):
            known.attributes = node.attributes  # what is in it, it asks for each time
            return name, known
        return name, settled(self._known, name, node)


def settled(known: dict[str, Node], name: str, node: Node) -> Node:
    """The node to show in the place of one that was just looked up.

    That is the one that is known, if it shows the same; else the new one is known from now on.
    """
    old = known.get(name)
    if old is not None and _same(old, node):
        return old
    known[name] = node
    return node


def _same(known: Node, node: Node) -> bool:
    """Whether the node that the kernel knows already will do."""
    if isinstance(known, ComposedFile) and isinstance(node, ComposedFile):
        return type(known) is type(node) and known.same(node)
    if isinstance(known, ComposedLink) and isinstance(node, ComposedLink):
        return known.target() == node.target()
    return known is node
