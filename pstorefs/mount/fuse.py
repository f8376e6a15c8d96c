"""The FUSE side: the kernel's requests become calls on the tree's nodes, and their answers go back.

FUSE in short: whoever makes a system call on the mount waits in the kernel, which writes a request
to /dev/fuse. pyfuse3 reads it there and calls the method of `Adapter` that has the request's name,
each as a task of trio; what the method returns is the answer. `cat /mnt/dumps/latest/report.txt`:

==================== ===============================================================================
lookup               one name in one directory: `dumps` in the root, `latest` in that, and so on.
                     The answer is an inode number with attributes (mode, size, times)
readlink             of `latest`; then `lookup` goes on with the directory that it names
open                 report.txt by its number. The answer is a handle
read                 by the handle: an offset and a size, as often as it takes
release              the last close of that handle
forget               later, when the kernel needs the number no more: it says how many look-ups of
                     it are over (`Node.lookups` counts them)
==================== ===============================================================================

`ls -l` is `opendir`, `readdir` and `releasedir`; `stat` alone is `getattr`. Whatever would change
something (`mkdir`, `rename`, ...) is refused, as a read-only file system does.

Three rules keep what is shown fresh although the kernel caches it:

* A number means one content for ever. Changed content is another node, another number.
* `open` compares with the source and answers ESTALE on a mismatch: the kernel then looks the name
  up again and opens the new node automatically, and no reader sees an error.
* So the kernel may cache file content without limit (keep_cache), and names and attributes for a
  second, or until something changes (inodes.py, watch.py).

Here is one thread. What may take long runs in another one, of its lane (lanes.py): whoever asked
for it waits, the mount does not.
"""

from __future__ import annotations

import errno
import functools
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import pyfuse3
import trio

from pstorefs.mount import notify
from pstorefs.mount.inodes import Inodes
from pstorefs.mount.lanes import Lanes
from pstorefs.mount.listing import Listings
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
    Writer,
)

_LONGEST_NAME = 255  # in bytes: NAME_MAX, limits.h

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


def _read_only(name: str) -> Any:  # noqa: ANN401 (in place of handlers of many shapes)
    """A handler for a request that would change something."""

    async def refuse(*_: object) -> None:
        raise pyfuse3.FUSEError(errno.EROFS)

    refuse.__name__ = name
    return refuse


class Adapter(pyfuse3.Operations):  # type: ignore[misc]
    """Requests of one mount.

    ``root`` is the tree, ``statvfs`` gives the numbers of the file system that the source lies on,
    ``answering`` is called when the kernel has greeted the mount and requests will be answered.
    """

    def __init__(
        self,
        root: Directory,
        lanes: Lanes,
        statvfs: Callable[[], os.statvfs_result],
        answering: Callable[[], None],
    ) -> None:
        super().__init__()
        self._statvfs = statvfs
        self._answering = answering
        self._lanes = lanes
        self._handle_numbers = itertools.count(1)
        self.inodes = Inodes(root)
        self.listings = Listings(self.inodes, lanes, self._handle_numbers)
        #: Open files, by handle.
        self.handles: dict[int, tuple[Node, Opened]] = {}

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
        directory = self.inodes.directory(parent_inode)
        wanted = os.fsdecode(name)
        lane = directory.lane_of(wanted)
        if lane == QUICK:
            node, is_described = _look_up(directory, wanted, lane)
        else:
            node, is_described = await self._lanes.run(lane, _look_up, directory, wanted, lane)
        if node is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        if not is_described:
            await self._lanes.run(node.lane_of_find, node.find)
        # Another request may have made another node meanwhile: the directory says which one counts.
        settled = directory.settle(wanted, node)
        if settled is None or settled[0] != wanted:
            raise pyfuse3.FUSEError(errno.ENOENT)
        node = settled[1]
        entry = self.inodes.entry(node)
        node.lookups += 1  # the kernel counts as well, and gives them back with `forget`
        return entry

    async def ask_again(self) -> None:
        """Make the kernel ask again for the attributes of all that it keeps long: see watch.py."""
        numbers = self.inodes.lasting()
        if not numbers:
            return
        try:
            # Not one to be given up: it writes to /dev/fuse, which is closed when the mount ends.
            await trio.to_thread.run_sync(notify.expire, numbers)
        except (RuntimeError, MemoryError):  # no further thread
            notify.expire(numbers)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """The kernel needs some numbers no more: of each, so many look-ups are over."""
        self.inodes.forget(inode_list)

    @_answered
    async def getattr(
        self, inode: int, ctx: pyfuse3.RequestContext | None = None
    ) -> pyfuse3.EntryAttributes:
        """stat(2)."""
        node = self.inodes.node(inode)
        # Who holds an open file goes on seeing what it opened.
        if isinstance(node, Directory) or not (node.fresh or node.opens):
            await self._lanes.run(node.lane_of_find, node.find)
        return self.inodes.entry(node)

    @_answered
    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        """The target of a symbolic link."""
        node = self.inodes.node(inode)
        if not isinstance(node, Link):
            raise pyfuse3.FUSEError(errno.EINVAL)
        return os.fsencode(node.target())

    # Directories: see listing.py

    @_answered
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """List a directory."""
        return await self.listings.start(self.inodes.directory(inode))

    @_answered
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Hand out entries of a listing."""
        await self.listings.hand_out(fh, start_id, token)

    async def releasedir(self, fh: int) -> None:
        """Nobody lists it any more."""
        self.listings.end(fh)

    # Files

    @_answered
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        """Open for reading. Writers are refused here, as the kernel lets root pass all modes."""
        node = self.inodes.node(inode)
        if not isinstance(node, File):
            raise pyfuse3.FUSEError(errno.EINVAL)
        opened: Opened
        if flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC:
            opened = node.open_writer()
        else:
            lane = node.lane
            try:
                opened = node.open() if lane == QUICK else await self._lanes.run(lane, node.open)
            except AgainError:
                opened = await self._lanes.run(COMPOSE, node.open_again)
        handle = next(self._handle_numbers)
        self.handles[handle] = node, opened
        node.opens += 1
        if not node.given:
            notify.give(node, opened)
        # A node's content never changes, so cached pages of it stay right from one open to the
        # next; `control`, whose content does change, is never cached.
        return pyfuse3.FileInfo(fh=handle, keep_cache=not node.direct, direct_io=node.direct)

    @_answered
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """A piece of an open file."""
        opened = self.handles[fh][1]
        if opened.lane == QUICK:
            return opened.read(off, size)
        return cast("bytes", await self._lanes.run(opened.lane, opened.read, off, size))

    @_answered
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        """Commands for `control`. The offset means nothing: `>>` writes behind what was read.

        The answer is always the full length: a shell would send the rest as a new command.
        """
        opened = self.handles[fh][1]
        if not isinstance(opened, Writer):
            raise pyfuse3.FUSEError(errno.EBADF)
        try:
            await self._lanes.command(opened.write, bytes(buf))
        finally:
            self.listings.forget_recent()
        return len(buf)

    async def release(self, fh: int) -> None:
        """The last close."""
        node, opened = self.handles.pop(fh)
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
        node = self.inodes.node(inode)
        others = (fields.update_mode, fields.update_uid, fields.update_gid)
        if not (isinstance(node, File) and node.direct) or any(others):
            raise pyfuse3.FUSEError(errno.EROFS)
        return self.inodes.entry(node)

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
        """Remove a name. What that means the directory knows: of a record, see rm=."""
        remove = self.inodes.directory(parent_inode).remove
        try:
            await self._lanes.command(remove, os.fsdecode(name))
        finally:
            self.listings.forget_recent()

    @_answered
    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Refused, as in a read-only file system; nothing removes generated directories."""
        self.inodes.directory(parent_inode).remove_folder(os.fsdecode(name))


def _look_up(directory: Directory, name: str, lane: Lane) -> tuple[Node | None, bool]:
    """The node under a name, and whether its attributes are found already.

    It is called in `lane`. If that is the node's lane too, the attributes are found at once: that
    saves another way through a thread.
    """
    node = directory.lookup(name)
    if node is None or node.fresh:
        return node, True
    if node.lane_of_find == lane:
        node.find()
        return node, True
    return node, False
