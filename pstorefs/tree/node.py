"""The nodes of a mounted tree, and the rules that keep it fresh.

* A file node is frozen: its content and attributes never change. Where the source changes, the
  directory hands out another node. Whoever holds an old one is told `StaleError` at `open` and
  looks the name up again.
* A directory looks at the source each time it is asked.
* A node may be not `ready`: its attributes need the record decoded. `prepare` does that and may
  take a while; it may run in any thread. Everything else is quick and belongs to one thread.

Errors are OSErrors with an errno: they are the answer to the caller.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Protocol, runtime_checkable

from pstorefs.tree.rights import Attributes


class StaleError(OSError):
    """The node is no longer what stands under its name."""

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, os.strerror(errno.ESTALE))


class Opened(Protocol):
    """A file that somebody reads: the content at the moment of `open`."""

    @property
    def slow(self) -> bool:
        """Whether the next `read` may take longer than a caller of something else should wait."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes; fewer only at the end."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@runtime_checkable
class Writer(Opened, Protocol):
    """A file that somebody writes commands to."""

    def write(self, data: bytes) -> None:
        """Take all of it, and return when what it asks for is done. OSError tells of a failure."""
        ...


class Node:
    """Any place of the tree. The fields of the lower half belong to the FUSE adapter."""

    __slots__ = ("attributes", "entry", "lookups", "number", "opens")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.number = 0
        self.lookups = 0
        #: Handles that are open: who holds one goes on seeing what it opened.
        self.opens = 0
        self.entry: Any = None

    @property
    def ready(self) -> bool:
        """Whether the attributes are those that are to be shown."""
        return True

    @property
    def slow(self) -> bool:
        """Whether opening it may take longer than a caller of something else should wait."""
        return False

    @property
    def lazy(self) -> bool:
        """Whether a listing need not wait for the attributes: `check` is called when they count."""
        return False

    @property
    def checked(self) -> bool:
        """Of a lazy node: whether its attributes were found a moment ago, so that they hold."""
        return False

    def prepare(self) -> None:
        """Make it ready. May be called from any thread, and again."""

    def check(self) -> None:
        """Make a lazy node ready. `StaleError` if it no longer shows what is to be shown."""


class File(Node):
    """A regular file."""

    __slots__ = ()

    @property
    def direct(self) -> bool:
        """Whether each read and write comes here, past the kernel's cache, whatever the size."""
        return False

    def open_writer(self) -> Writer:
        """Open for writing (and reading). Almost everything is read-only."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open(self) -> Opened:
        """Its content. `StaleError` if the source says something else by now."""
        raise NotImplementedError


class Link(Node):
    """A symbolic link."""

    __slots__ = ()

    def target(self) -> str:
        """Where it points."""
        raise NotImplementedError


class Special(Node):
    """A FIFO, socket or device: shown for what it is, never opened by us."""

    __slots__ = ()


class Directory(Node):
    """A directory. Its attributes are current when it is asked through `look`."""

    __slots__ = ("listed",)

    def __init__(self, attributes: Attributes) -> None:
        super().__init__(attributes)
        #: The adapter's: that all of it was ready once.
        self.listed = False

    def look(self) -> Attributes:
        """The attributes now. OSError if it is gone."""
        return self.attributes

    def names(self) -> list[tuple[str, Node]]:
        """Everything in it, as it would be listed: nodes may be not `ready`, see `listed`."""
        raise NotImplementedError

    def lookup(self, name: str) -> Node | None:
        """The node under a name, or None. It may be not `ready`, see `settle`."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove a name, which may take long. Where nothing else is said, it is not permitted."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), name)

    def remove_folder(self, name: str) -> None:
        """Refuse to remove a folder."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """Once the node is ready, or lazy: its name and the node to show; None if it vanished."""
        return name, node


class Snapshot:
    """An open file whose content is in memory."""

    __slots__ = ("_content",)
    slow = False

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`."""
        return self._content[offset : offset + size]

    def close(self) -> None:
        """See `Opened`."""
        self._content = b""
