"""The nodes of a mounted tree, and the rules that keep it fresh.

* A file node is frozen: its content and attributes never change. When the source changes, the
  directory hands out another node. Whoever holds an old one gets `StaleError` at `open` and looks
  the name up again.
* A directory looks at the source each time it is asked.
* The attributes of a node may have to be found first (a record has the size of its decoded text):
  `fresh` says whether they are known, `find` finds them. Of a `lazy` node, which is composed, a
  listing shows the name only; what was found holds for half a second.
* A node's `lane` says how long its calls may take, and so which thread makes them.

What a request of the kernel asks (mount/fuse.py, mount/listing.py):

======= ======================================== =======================================
request asks                                     in the lane
======= ======================================== =======================================
lookup  the directory: `lookup`, then `settle`   `lane_of` the name; `settle` needs none
        the node: `find`, unless it is `fresh`   `lane_of_find`
getattr the node: `find`; a file unless `fresh`  `lane_of_find`
readdir the directory: `names`, then `settle`    `lane`
        each node: `find`, if not `fresh`/`lazy` `lane_of_find`
open    the file: `open`                         `lane`
read    what `open` gave: `read`                 that one's `lane`
unlink  the directory: `remove`                  that of commands
======= ======================================== =======================================

Errors are OSErrors with an errno: they are the answer to the caller.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Final, Literal, Protocol, runtime_checkable

from pstorefs.tree.rights import Attributes

#: How long a call may take, and what it may wait for.
Lane = Literal["quick", "decode", "compose"]
#: Microseconds: made by the thread that answers requests. It never waits for anything.
QUICK: Final = "quick"
#: One record is read from the source and decoded, or a source is asked that may not answer.
DECODE: Final = "decode"
#: Many records of all places are read, decoded, grouped: the archive may not answer.
COMPOSE: Final = "compose"


class StaleError(OSError):
    """The node is no longer what its name means."""

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, os.strerror(errno.ESTALE))


class AgainError(StaleError):
    """It would take long after all: `File.open_again` in the lane "compose" may do."""


class Opened(Protocol):
    """A file that somebody reads: the content at the moment of `open`."""

    @property
    def lane(self) -> Lane:
        """The lane of the next `read`."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes; fewer only at the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@runtime_checkable
class Writer(Opened, Protocol):
    """A file that somebody writes commands to."""

    def write(self, data: bytes) -> None:
        """Take all of it, and return when what it asks for is done. OSError if that failed."""
        ...


class Node:
    """Any place of the tree. All but `attributes` is the FUSE adapter's."""

    __slots__ = ("attributes", "entry", "given", "lookups", "number", "opens")

    def __init__(self, attributes: Attributes) -> None:
        #: What `find` found last.
        self.attributes = attributes
        self.number = 0
        self.lookups = 0
        #: Handles that are open: who holds one goes on seeing what it opened.
        self.opens = 0
        #: Whether the kernel was given the content, as far as that is done at all.
        self.given = False
        #: What was made of attributes for the kernel, with these.
        self.entry: tuple[Attributes, Any] | None = None

    @property
    def lane(self) -> Lane:
        """The lane of `open`; of a directory, of `names` and `lookup`."""
        return QUICK

    @property
    def lane_of_find(self) -> Lane:
        """The lane of `find`: attributes may be known without the content."""
        return self.lane

    @property
    def lazy(self) -> bool:
        """Whether a listing need not wait for the attributes: they are found when asked for."""
        return False

    @property
    def fresh(self) -> bool:
        """Whether `attributes` may be shown: if not, `find` is to be called first."""
        return True

    @property
    def frozen(self) -> bool:
        """Of a lazy node: whether `open` shows what `find` found, or else raises `StaleError`."""
        return True

    @property
    def may_last(self) -> bool:
        """Whether `lasts` is ever true."""
        return False

    def lasts(self, since: float) -> bool:
        """Whether the kernel may keep name and attributes, found at that moment, for long."""
        del since
        return False

    def find(self) -> Attributes:
        """The attributes now. From any thread, and again; of several at once, each is answered.

        FileNotFoundError if it is gone, `StaleError` if it no longer shows what is to be shown.
        """
        return self.attributes


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
        """Its content. `StaleError` if the source says something else by now.

        `AgainError` if that takes `open_again`.
        """
        raise NotImplementedError

    def open_again(self) -> Opened:
        """The same in a lane in which it may take long. Never raises `AgainError`."""
        return self.open()


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
    """A directory. stat(2) always asks it: `find` looks at the source."""

    __slots__ = ("listed",)

    def __init__(self, attributes: Attributes) -> None:
        super().__init__(attributes)
        #: The adapter's: that all of it was found once.
        self.listed = False

    def names(self) -> list[tuple[str, Node]]:
        """Everything in it. Names are those that `settle` takes; nodes need not be `fresh`."""
        raise NotImplementedError

    def lane_of(self, name: str) -> Lane:
        """The lane of the `lookup` of a name."""
        del name
        return self.lane

    def lookup(self, name: str) -> Node | None:
        """The node under a name, or None. It need not be `fresh`, see `settle`."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove a name, which may take long. Not permitted, unless a subclass says how."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), name)

    def remove_folder(self, name: str) -> None:
        """Refuse to remove a folder."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """Of a node that is `fresh`, or lazy: its name and the node to show; None if it is gone."""
        return name, node


class Snapshot:
    """An open file whose content is in memory."""

    __slots__ = ("content",)
    lane: Lane = QUICK

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`."""
        return self.content[offset : offset + size]

    def close(self) -> None:
        """See `Opened`."""
        self.content = b""
