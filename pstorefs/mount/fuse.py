"""The FUSE side: the kernel's requests become calls on the tree's nodes, and their answers go back.

The kernel knows a file by an inode number, which it learns from `lookup` or `readdir` and may use
until it says `forget`. Then it asks: `getattr` (stat), `open`, `read`, `release` (the last close).
Everything that would change something is refused the way a read-only file system does.

Three rules keep what is shown fresh although the kernel caches it:

* A number stands for one content for ever. Changed content is another node, another number.
* `open` compares with the source and answers ESTALE on a mismatch: the kernel then looks the name
  up again and opens the new node by itself, and no reader sees an error.
* So file content may stay in the page cache without limit (keep_cache), and names and attributes
  for `FRESH_SECONDS`.

What may take long (decoding) runs in a thread; a listing waits for it, the mount does not.
"""

from __future__ import annotations

import errno
import functools
import itertools
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import pyfuse3
import trio

from pstorefs.mount.fastpath import pace
from pstorefs.tree.node import Directory, File, Link, Node, Opened, Writer
from pstorefs.tree.rights import Attributes

#: Names and attributes are at most so old, in seconds: the contract with the user.
FRESH_SECONDS = 1.0

_LONGEST_NAME = 255  # in bytes: NAME_MAX, limits.h
_ENCODING = sys.getfilesystemencoding()
# Decoding takes turns anyway, but a source that hangs must not hold up all others.
_THREADS = 4

_log = logging.getLogger("pstorefs")
_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Any]])


def _answered(method: _Method) -> _Method:
    """Turn every exception of a handler into an errno: any other would end the whole mount."""

    @functools.wraps(method)
    async def handler(*arguments: Any) -> Any:  # noqa: ANN401 (the handler's own types hold)
        try:
            return await method(*arguments)
        except pyfuse3.FUSEError:
            raise
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno or errno.EIO) from error
        except MemoryError as error:
            raise pyfuse3.FUSEError(errno.ENOMEM) from error
        except Exception as error:
            _log.exception("%s failed: please report this", method.__name__)
            raise pyfuse3.FUSEError(errno.EIO) from error

    return cast("_Method", handler)


def _read_only(name: str) -> Any:  # noqa: ANN401 (it stands for handlers of many shapes)
    """A handler for a request that would change something."""

    async def refuse(*_: object) -> None:
        raise pyfuse3.FUSEError(errno.EROFS)

    refuse.__name__ = name
    return refuse


class Adapter(pyfuse3.Operations):  # type: ignore[misc]
    """Requests of one mount.

    ``root`` is the tree, ``statvfs`` tells of the file system that the source lies on,
    ``answering`` is called when the kernel has greeted the mount and requests will be answered.
    """

    def __init__(
        self,
        root: Directory,
        statvfs: Callable[[], os.statvfs_result],
        answering: Callable[[], None],
    ) -> None:
        super().__init__()
        self._statvfs = statvfs
        self._answering = answering
        self._nodes: dict[int, Node] = {pyfuse3.ROOT_INODE: root}
        self._numbers = itertools.count(pyfuse3.ROOT_INODE + 1)
        self._handles: dict[int, tuple[Node, Opened]] = {}
        #: Of a directory that was listed before, the listing is made when it is read.
        self._listings: dict[int, _Listing | Directory] = {}
        self._recent: dict[int, _Listing] = {}
        self._handle_numbers = itertools.count(1)
        self._threads = trio.CapacityLimiter(_THREADS)
        # Commands may wait for a disk, and must not keep readers waiting for a thread.
        self._commands = trio.CapacityLimiter(_THREADS)
        root.number = pyfuse3.ROOT_INODE

    def init(self) -> None:
        """The kernel's greeting: from now on requests are answered."""
        self._answering()

    # Names and attributes

    @_answered
    async def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Find a name in a directory."""
        if len(name) > _LONGEST_NAME:
            raise pyfuse3.FUSEError(errno.ENAMETOOLONG)  # FUSE itself takes names of 1024
        directory = self._directory(parent_inode)
        wanted = os.fsdecode(name)
        node: Node | None
        if directory.slow:
            node = await self._in_thread(_look_up_and_prepare, directory, wanted)
        else:
            node = directory.lookup(wanted)
        if node is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        if not node.ready:
            await self._in_thread(node.prepare)
        settled = directory.settle(wanted, node)
        if settled is None or settled[0] != wanted:
            raise pyfuse3.FUSEError(errno.ENOENT)
        node = settled[1]
        entry = self._entry(node)
        entry.entry_timeout = FRESH_SECONDS
        if not node.lazy:
            entry.attr_timeout = FRESH_SECONDS
        node.lookups += 1
        return entry

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """The kernel drops what it learned from lookups, so many of each inode."""
        for number, count in inode_list:
            node = self._nodes.get(number)
            if node is None or number == pyfuse3.ROOT_INODE:
                continue
            node.lookups -= count
            if node.lookups <= 0:
                del self._nodes[number]

    @_answered
    async def getattr(
        self, inode: int, ctx: pyfuse3.RequestContext | None = None
    ) -> pyfuse3.EntryAttributes:
        """stat(2)."""
        node = self._node(inode)
        if isinstance(node, Directory):
            await self._ask(node, node.look)
            node.entry = None
        elif node.lazy and not node.opens and not node.checked:
            await self._in_thread(node.check)
            node.entry = None
        return self._entry(node)

    @_answered
    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        """The target of a symbolic link."""
        node = self._node(inode)
        if not isinstance(node, Link):
            raise pyfuse3.FUSEError(errno.EINVAL)
        return os.fsencode(node.target())

    # Directories: a listing is made at opendir and handed out piece by piece

    @_answered
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """List a directory, at the latest when its entries are asked for.

        find(1) opens each directory twice and reads it once. But records that were never decoded
        are decoded at once: while it reads, the kernel holds a lock on the directory.
        """
        directory = self._directory(inode)
        listing: _Listing | Directory = directory
        recent = self._recent.get(inode)
        if recent and recent.left(time.monotonic()) > FRESH_SECONDS / 2:
            listing = recent
        elif not directory.listed:
            listing = await self._list(directory)
        handle = next(self._handle_numbers)
        self._listings[handle] = listing
        return handle

    async def _list(self, directory: Directory) -> _Listing:
        """List it now; records that were not decoded yet are, for their sizes."""
        began = time.monotonic()
        names: list[tuple[str, Node]] = await self._ask(directory, directory.names)
        lazy = any(node.lazy for _, node in names)
        unready = [node for _, node in names if not (node.ready or node.lazy)]
        if unready:
            await self._in_thread(_prepare_all, unready)
            began = time.monotonic()
        await self._ask(directory, directory.look)
        directory.entry = None
        directory.listed = True
        entries: list[tuple[bytes, Node]] = [(b".", directory), (b"..", directory)]
        for name, node in names:
            settled = directory.settle(name, node)
            if settled is not None:
                # os.fsencode, in a third of its time.
                entries.append((settled[0].encode(_ENCODING, "surrogateescape"), settled[1]))
        made = _Listing(entries, began, reusable=not directory.slow and not lazy)
        if made.reusable:
            for number in [n for n, old in self._recent.items() if old.left(began) <= 0]:
                del self._recent[number]
            self._recent[directory.number] = made
        return made

    @_answered
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Hand out entries from number `start_id` on, until the kernel's buffer is full."""
        listing = self._listings[fh]
        if isinstance(listing, Directory):
            listing = self._listings[fh] = await self._list(listing)
        left = listing.left(time.monotonic())
        for position in range(start_id, len(listing.entries)):
            name, node = listing.entries[position]
            entry = self._entry(node)
            if listing.reusable:
                entry.entry_timeout = entry.attr_timeout = max(0.0, left)
            if not pyfuse3.readdir_reply(token, name, entry, position + 1):
                if position >= 2 and not node.lookups:
                    del self._nodes[node.number]  # the kernel never heard of it: no forget comes
                break
            if position >= 2:  # `.` and `..` are not counted as lookups
                node.lookups += 1

    async def releasedir(self, fh: int) -> None:
        """Nobody lists it any more."""
        self._listings.pop(fh, None)

    # Files

    @_answered
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        """Open for reading. root passes all mode bits, so that writers are refused here."""
        node = self._node(inode)
        if not isinstance(node, File):
            raise pyfuse3.FUSEError(errno.EINVAL)
        opened: Opened
        if flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC:
            opened = node.open_writer()
        else:
            opened = await self._in_thread(node.open) if node.slow else node.open()
        if node.lazy:
            node.entry = None  # opening may have frozen it anew: the kernel asks for the size next
        handle = next(self._handle_numbers)
        self._handles[handle] = node, opened
        node.opens += 1
        return pyfuse3.FileInfo(fh=handle, keep_cache=not node.direct, direct_io=node.direct)

    @_answered
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """A piece of an open file."""
        opened = self._handles[fh][1]
        if opened.slow:
            return cast("bytes", await self._in_thread(opened.read, off, size))
        return opened.read(off, size)

    @_answered
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        """A command. The offset is of no meaning: `>>` writes at the end of what was read.

        Always the full length: for a short count a shell would send the rest as a new command.
        """
        opened = self._handles[fh][1]
        if not isinstance(opened, Writer):
            raise pyfuse3.FUSEError(errno.EBADF)
        try:
            await self._in_thread(opened.write, bytes(buf), limiter=self._commands)
        finally:
            self._recent.clear()
        return len(buf)

    async def release(self, fh: int) -> None:
        """The last close."""
        node, opened = self._handles.pop(fh)
        node.opens -= 1
        opened.close()

    @_answered
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """df(1): the numbers of the source's file system."""
        source, data = self._statvfs(), pyfuse3.StatvfsData()
        for field in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail"):
            setattr(data, field, getattr(source, field))
        for field in ("f_files", "f_ffree", "f_favail", "f_namemax"):
            setattr(data, field, getattr(source, field))
        return data

    # Changes. getxattr and flush are left undefined: the kernel stops asking after the first time.

    @_answered
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        """chmod, chown, touch, truncate. `> control` truncates it: that is accepted."""
        node = self._node(inode)
        others = (fields.update_mode, fields.update_uid, fields.update_gid)
        if not (isinstance(node, File) and node.direct) or any(others):
            raise pyfuse3.FUSEError(errno.EROFS)
        return self._entry(node)

    mknod = _read_only("mknod")
    mkdir = _read_only("mkdir")
    symlink = _read_only("symlink")
    rename = _read_only("rename")
    link = _read_only("link")
    create = _read_only("create")
    setxattr = _read_only("setxattr")
    removexattr = _read_only("removexattr")

    @_answered
    async def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Remove a name: what that means, the directory knows."""
        remove = self._directory(parent_inode).remove
        try:
            await self._in_thread(remove, os.fsdecode(name), limiter=self._commands)
        finally:
            self._recent.clear()

    @_answered
    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Refused, as in a read-only file system; what is composed cannot be removed at all."""
        self._directory(parent_inode).remove_folder(os.fsdecode(name))

    # Helpers

    def _node(self, number: int) -> Node:
        node = self._nodes.get(number)
        if node is None:
            raise pyfuse3.FUSEError(errno.ESTALE)
        return node

    def _directory(self, number: int) -> Directory:
        node = self._node(number)
        if not isinstance(node, Directory):
            raise pyfuse3.FUSEError(errno.ENOTDIR)
        return node

    def _entry(self, node: Node) -> pyfuse3.EntryAttributes:
        """The attributes of a node as pyfuse3 wants them, made once. Gives it its number, too."""
        if node.number == 0:
            node.number = next(self._numbers)
        self._nodes[node.number] = node
        entry: pyfuse3.EntryAttributes = node.entry
        if entry is None:
            node.entry = entry = _entry_attributes(node.number, node.attributes)
            if node.lazy:
                # Of a listing: what is shown is asked for, by getattr, when somebody looks at it.
                entry.attr_timeout = 0
        return entry

    async def _ask(self, directory: Directory, call: Callable[..., Any], *names: str) -> Any:  # noqa: ANN401
        """Ask a directory, in a thread if it may have to think about it."""
        return await self._in_thread(call, *names) if directory.slow else call(*names)

    async def _in_thread(
        self,
        call: Callable[..., Any],
        *arguments: object,
        limiter: trio.CapacityLimiter | None = None,
    ) -> Any:  # noqa: ANN401
        pace.waiting += 1
        try:
            return await trio.to_thread.run_sync(call, *arguments, limiter=limiter or self._threads)
        finally:
            pace.waiting -= 1


class _Listing:
    """A directory's entries, and when they were found. Another reader may be given the same."""

    __slots__ = ("_made", "entries", "reusable")

    def __init__(self, entries: list[tuple[bytes, Node]], made: float, *, reusable: bool) -> None:
        self.entries = entries
        self.reusable = reusable
        self._made = made

    def left(self, now: float) -> float:
        """For how many seconds it may still be shown: what the kernel keeps of it counts, too."""
        return self._made + FRESH_SECONDS - now


def _look_up_and_prepare(directory: Directory, name: str) -> Node | None:
    node = directory.lookup(name)
    if node is not None and not node.ready:
        node.prepare()
    return node


def _prepare_all(nodes: list[Node]) -> None:
    for node in nodes:
        node.prepare()


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
    entry.entry_timeout = entry.attr_timeout = FRESH_SECONDS
    return entry
