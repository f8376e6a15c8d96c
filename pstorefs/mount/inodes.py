"""Inode numbers: which node the kernel means by one, and for how long it may.

The kernel learns a number from a look-up or a listing, and may use it until it has forgotten it as
often as it learned it. Numbers are never used again, so that what the kernel still caches under an
old number is never shown for a new node.
"""

from __future__ import annotations

import errno
import itertools
import time
from collections.abc import Iterable

import pyfuse3

from pstorefs.mount.watch import LASTING_SECONDS
from pstorefs.source.looked import CURRENT_SECONDS
from pstorefs.tree.node import Directory, Node
from pstorefs.tree.rights import Attributes

#: Names and attributes are at most so old, in seconds: the contract with the user. Or nothing has
#: changed where they come from: watch.py.
FRESH_SECONDS = 1.0
# What is generated was found so long before it is shown, at most.
_REST_SECONDS = FRESH_SECONDS - CURRENT_SECONDS


class Inodes:
    """The nodes that the kernel knows. Used by the thread of the event loop only."""

    def __init__(self, root: Directory) -> None:
        self.nodes: dict[int, Node] = {pyfuse3.ROOT_INODE: root}
        #: Whether the kernel was told to keep anything for long.
        self._lasting = False
        self._numbers = itertools.count(pyfuse3.ROOT_INODE + 1)
        root.number = pyfuse3.ROOT_INODE

    def node(self, number: int) -> Node:
        """The node of a number."""
        node = self.nodes.get(number)
        if node is None:
            raise pyfuse3.FUSEError(errno.ESTALE)
        return node

    def directory(self, number: int) -> Directory:
        """The same, if it is a directory."""
        node = self.node(number)
        if not isinstance(node, Directory):
            raise pyfuse3.FUSEError(errno.ENOTDIR)
        return node

    def entry(self, node: Node, found_at: float | None = None) -> pyfuse3.EntryAttributes:
        """The attributes of a node as pyfuse3 wants them, made once. Gives it its number, too.

        `found_at`: when the node was found, by time.monotonic(), if that was not just now.
        """
        if node.number == 0:
            node.number = next(self._numbers)
        self.nodes[node.number] = node
        # Threads find attributes at any moment. So first it is asked whether they hold, then what
        # they are: in the other order the kernel would keep the old ones as if they were current.
        # Attributes that are new (another object) get a new entry.
        lazy = node.lazy
        found = lazy and node.fresh and node.frozen
        attributes = node.attributes
        made = node.entry
        if made is None or made[0] is not attributes:
            node.entry = made = attributes, _entry_attributes(node.number, attributes)
        entry: pyfuse3.EntryAttributes = made[1]
        entry.entry_timeout = entry.attr_timeout = FRESH_SECONDS
        if (found or not lazy) and node.lasts(found_at or time.monotonic()):
            entry.entry_timeout = entry.attr_timeout = LASTING_SECONDS
            self._lasting = True
        elif lazy:
            # If not found, as in a listing: the kernel asks for them when somebody looks at it.
            entry.attr_timeout = _REST_SECONDS if found else 0
        return entry

    def lasting(self) -> list[int]:
        """The numbers of all that the kernel was allowed to keep for long since the last call."""
        if not self._lasting:
            return []
        self._lasting = False
        return [number for number, node in self.nodes.items() if node.may_last]

    def forget(self, counts: Iterable[tuple[int, int]]) -> None:
        """The kernel gives up so many look-ups of each number; one without any is dropped."""
        for number, count in counts:
            node = self.nodes.get(number)
            if node is None or number == pyfuse3.ROOT_INODE:
                continue
            node.lookups -= count
            if node.lookups <= 0:
                del self.nodes[number]

    def drop_unknown(self, node: Node) -> None:
        """Drop a node that the kernel did not get after all: no forget will come."""
        if not node.lookups:
            del self.nodes[node.number]


def _entry_attributes(number: int, attributes: Attributes) -> pyfuse3.EntryAttributes:
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = number
    entry.st_mode = attributes.mode
    entry.st_nlink = attributes.links
    entry.st_uid = attributes.uid
    entry.st_gid = attributes.gid
    entry.st_size = attributes.size
    entry.st_blksize = 4096
    entry.st_blocks = attributes.blocks
    entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = attributes.mtime_ns
    return entry
