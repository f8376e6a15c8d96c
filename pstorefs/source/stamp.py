"""What one look at a file says of it, by which change is noticed: a stamp that differs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Hashable
from typing import NamedTuple


class ChangedError(OSError):
    """The file is not the one that its stamp was taken from, or it changed while it was read."""


#: What the kernel says when a name means something else by now, or nothing.
CHANGED = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENXIO,
    errno.ESPIPE,
    errno.EINVAL,
)


def has_changed(error: OSError) -> bool:
    """Whether an error says that what was looked for is no longer what it was."""
    return isinstance(error, ChangedError) or error.errno in CHANGED


class Inode(NamedTuple):
    """The version of a file in a directory: which file it is, and when it was changed last."""

    device: int
    inode: int
    ctime_ns: int


_NO_INODE = Inode(0, 0, 0)


class Stamp(NamedTuple):
    """One look at a file: what it is, and which state of it. Times in nanoseconds.

    Two stamps that are equal are of the same content. `version` is for that comparison alone, and
    only its own kind of source knows what it is: an `Inode` in a directory; elsewhere anything that
    can be compared and hashed, such as an object's ETag.

    st_blocks is left out: delayed allocation changes it long after a file was written.
    A tuple, as one is made and compared for every file of every listing.
    """

    mode: int
    uid: int
    gid: int
    size: int
    links: int
    mtime_ns: int
    version: Hashable

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of an os.stat result."""
        new = tuple.__new__
        return new(
            cls,
            (
                status.st_mode,
                status.st_uid,
                status.st_gid,
                status.st_size,
                status.st_nlink,
                status.st_mtime_ns,
                new(Inode, (status.st_dev, status.st_ino, status.st_ctime_ns)),
            ),
        )

    @property
    def rights(self) -> Stamp:
        """Owner, group and mode alone: who may do what with it."""
        return Stamp(self.mode, self.uid, self.gid, 0, 0, 0, None)

    @property
    def _inode(self) -> Inode:
        return self.version if isinstance(self.version, Inode) else _NO_INODE

    @property
    def device(self) -> int:
        """Of a file in a directory: st_dev. 0 elsewhere."""
        return self._inode.device

    @property
    def inode(self) -> int:
        """Of a file in a directory: st_ino. 0 elsewhere."""
        return self._inode.inode

    @property
    def ctime_ns(self) -> int:
        """Of a file in a directory: st_ctim. 0 elsewhere."""
        return self._inode.ctime_ns

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)
