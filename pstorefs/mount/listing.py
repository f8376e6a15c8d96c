"""Directory listings: made once, handed out piece by piece, and for a moment to others as well."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

import pyfuse3

from pstorefs.mount.inodes import FRESH_SECONDS, Inodes
from pstorefs.mount.lanes import Lanes
from pstorefs.tree.node import QUICK, Directory, Node

_ENCODING = sys.getfilesystemencoding()


class Listing:
    """A directory's entries, and when they were found. Another reader may be given the same."""

    __slots__ = ("entries", "made", "reusable")

    def __init__(self, entries: list[tuple[bytes, Node]], made: float, *, reusable: bool) -> None:
        self.entries = entries
        self.reusable = reusable
        self.made = made

    def left(self, now: float) -> float:
        """Seconds for which it may still be shown, by the kernel's cache or to another reader."""
        return self.made + FRESH_SECONDS - now


class Listings:
    """The listings of one mount. Used by the thread of the event loop only."""

    def __init__(self, inodes: Inodes, lanes: Lanes, handles: itertools.count[int]) -> None:
        self._inodes = inodes
        self._lanes = lanes
        self._handle_numbers = handles
        #: By handle. Of a directory that was listed before, the listing is made when it is read.
        self.open: dict[int, Listing | Directory] = {}
        #: By inode number: those that the next reader may be given.
        self._recent: dict[int, Listing] = {}

    async def start(self, directory: Directory) -> int:
        """The handle of a new listing: made now, or at the latest when its entries are asked for.

        find(1) opens each directory twice and reads it once. But records that were never decoded
        are decoded at once: while it reads, the kernel holds a lock on the directory.
        """
        listing: Listing | Directory = directory
        recent = self._recent.get(directory.number)
        if recent and recent.left(time.monotonic()) > FRESH_SECONDS / 2:
            listing = recent
        elif not directory.listed:
            listing = await self._make(directory)
        handle = next(self._handle_numbers)
        self.open[handle] = listing
        return handle

    async def hand_out(self, handle: int, start: int, token: pyfuse3.ReaddirToken) -> None:
        """Entries from number `start` on, until the kernel's buffer is full."""
        listing = self.open[handle]
        if isinstance(listing, Directory):
            listing = self.open[handle] = await self._make(listing)
        left = listing.left(time.monotonic())
        for position in range(start, len(listing.entries)):
            name, node = listing.entries[position]
            entry = self._inodes.entry(node, listing.made)
            if listing.reusable:
                entry.entry_timeout = entry.attr_timeout = max(0.0, left)
            if not pyfuse3.readdir_reply(token, name, entry, position + 1):
                if position >= 2:
                    self._inodes.drop_unknown(node)
                break
            if position >= 2:  # `.` and `..` are not counted as lookups
                node.lookups += 1

    def end(self, handle: int) -> None:
        """Nobody reads it any more."""
        self.open.pop(handle, None)

    def forget_recent(self) -> None:
        """Something was changed: the next reader gets a new listing."""
        self._recent.clear()

    async def _make(self, directory: Directory) -> Listing:
        """List it now; records that were not decoded yet are, for their sizes."""
        began = time.monotonic()
        run = self._lanes.run
        names: list[tuple[str, Node]] = await run(directory.lane, directory.names)
        lazy = any(node.lazy for _, node in names)
        unknown = [node for _, node in names if not (node.fresh or node.lazy)]
        if unknown:
            await run(unknown[0].lane_of_find, _find_all, unknown)
            began = time.monotonic()
        await run(directory.lane_of_find, directory.find)
        directory.listed = True
        entries: list[tuple[bytes, Node]] = [(b".", directory), (b"..", directory)]
        for name, node in names:
            settled = directory.settle(name, node)
            if settled is not None:
                # os.fsencode, in a third of its time.
                entries.append((settled[0].encode(_ENCODING, "surrogateescape"), settled[1]))
        # Generated directories know themselves for how long what they list is current.
        made = Listing(entries, began, reusable=directory.lane == QUICK and not lazy)
        if made.reusable:
            for number in [n for n, old in self._recent.items() if old.left(began) <= 0]:
                del self._recent[number]
            self._recent[directory.number] = made
        return made


def _find_all(nodes: Iterable[Node]) -> None:
    for node in nodes:
        with suppress(FileNotFoundError):  # it is not listed
            node.find()
