"""Files and directories that are still there after a power cut: written, synced, renamed, removed.

All functions take the descriptor of a directory and one name in it, follow no symbolic link and
raise OSError. What is written becomes durable by `sync` of the file, then `sync` of the directory
that holds its name (fsync(2)).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress

from pstorefs.archive.errors import ArchiveError
from pstorefs.source.stamp import ChangedError, Stamp
from pstorefs.system import mountinfo

#: Temporary names begin so. What bears them is left over from an interrupted run.
NEW, OLD = ".pstorefs-new-", ".pstorefs-old-"
#: With more files than this, one sync of the whole file system is quicker than one of each.
MANY = 64

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: should a FIFO be there, do not wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY_MODE, _FILE_MODE = 0o700, 0o600
# Local file systems that were tried: see `sync_filesystem` and `tells_writers`.
_KNOWN = ("ext4", "xfs", "btrfs")
# An archive is two levels deep; a tree deeper than this is not ours to remove.
_DEPTH = 4


def error(number: int, words: str) -> OSError:
    """An OSError with an explanation of its own."""
    return OSError(number, words)


def open_directory(parent: int, name: str) -> int:
    """A descriptor of a directory."""
    return os.open(name, _DIRECTORY, dir_fd=parent)


def make_directory(parent: int, name: str) -> int:
    """Make a directory for the owner alone, whatever the umask; its descriptor."""
    os.mkdir(name, _DIRECTORY_MODE, dir_fd=parent)
    descriptor = open_directory(parent, name)
    try:
        _for_the_owner_alone(descriptor, _DIRECTORY_MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write(parent: int, name: str, data: bytes, mtime_ns: int | None = None) -> None:
    """Write a new file for the owner alone. It is not on the disk before it is synced."""
    descriptor = os.open(name, _CREATE, _FILE_MODE, dir_fd=parent)
    try:
        _for_the_owner_alone(descriptor, _FILE_MODE)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if mtime_ns is not None:
            # Some file systems know no times before 1970; a time is no reason to lose a record.
            with suppress(OSError, OverflowError):
                os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(descriptor)


def _for_the_owner_alone(descriptor: int, mode: int) -> None:
    """Set a mode. On FAT and the like, whose modes are those of the mount, see that it is as good.

    A stick may be all that is at hand in a bad night.
    """
    try:
        os.fchmod(descriptor, mode)
    except PermissionError as failure:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise ArchiveError(
                errno.EPERM,
                "the archive's file system keeps no modes, and others could read what is saved:"
                " mount it with umask=077, or give archive=DIR",
            ) from failure


def sync(parent: int, name: str | None = None) -> None:
    """Wait until a file (or, without a name, the directory itself) is on the disk."""
    if name is None:
        os.fsync(parent)
        return
    descriptor = os.open(name, _READ, dir_fd=parent)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(descriptor: int, files: int) -> bool:
    """Sync the whole file system, once for many files; whether that was done and can be trusted.

    500 dumps are 4500 fsyncs, each a flush of the disk. syncfs(2) reports failed writes since Linux
    5.8, and it is known what these file systems do. Python has it from 3.15 only.
    """
    if files <= MANY or _release() < (5, 8):
        return False
    mount = mountinfo.holding(descriptor)
    if mount is None or mount.kind not in _KNOWN:
        return False
    import ctypes

    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return False
    if syncfs(ctypes.c_int(descriptor)):
        number = ctypes.get_errno()
        raise error(number, os.strerror(number))
    return True


def tells_writers(descriptor: int) -> bool:
    """Whether everybody who writes to a file here, be it by mmap(2), gives it another ctime.

    tmpfs does not notice who reads a page by mmap(2) first; what a server or another program says
    of its files, it may have from anywhere. So this is for file systems of which it is known.
    """
    mount = mountinfo.holding(descriptor)
    return mount is not None and mount.kind in _KNOWN


def _release() -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return tuple(map(int, match.groups())) if match else (0, 0)


#: Which file this is, and which state of it: device, inode, size and mtime. Not its ctime: a rename
#: changes that.
Identity = tuple[int, int, int, int]


def identity(status: os.stat_result) -> Identity:
    """Of the result of a stat."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_size(parent: int, name: str, size: int, *, synced: bool) -> None:
    """Sync a file, unless it is `synced`, and see that it is as long as what was written."""
    if not synced:
        sync(parent, name)
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode) or status.st_size != size:
        raise error(errno.EIO, f"{name} does not have the length that was written")


def read_back(parent: int, name: str, limit: int, *, synced: bool) -> tuple[bytes, Identity]:
    """Sync a regular file, and read what the disk holds of it, not what the page cache does.

    The bytes, and which file it was. It is not synced if it is `synced` already: each fsync, even
    of a clean file, can make the disk flush.
    """
    descriptor = os.open(name, _READ, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise error(errno.EIO, f"{name} is not a regular file")
        if not synced:
            os.fsync(descriptor)
        # Now its pages are clean, and are dropped, so that the next read goes to the disk.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        pieces = []
        total = 0
        while piece := os.read(descriptor, 1 << 20):
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                raise error(errno.EIO, f"{name} is longer than what was saved")
        return b"".join(pieces), identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def read_small(parent: int, name: str, limit: int) -> bytes:
    """A regular file of at most `limit` bytes. OSError if it is longer or something else."""
    descriptor = os.open(name, _READ, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise error(errno.EFBIG, f"{name} is not a regular file of at most {limit} bytes")
        # A byte more than it has: unless it grows, the next read finds the end.
        data, step = b"", status.st_size + 1
        while len(data) <= limit and (piece := os.read(descriptor, step)):
            data += piece
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise ChangedError(f"{name} grew while it was read")
    return data


def read_whole(parent: int, name: str, size: int) -> tuple[bytes, int]:
    """A regular file of at most `size` bytes, mostly of just so many; its st_ctim in ns."""
    descriptor = os.open(name, _READ, dir_fd=parent)
    try:
        # pread: of a FIFO that took its place nothing is taken away.
        data = os.pread(descriptor, size + 1, 0)
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if len(data) != size or status.st_size != size or not stat.S_ISREG(status.st_mode):
        data = read_small(parent, name, size)
    return data, status.st_ctime_ns


def exists(parent: int, name: str) -> bool:
    """Whether something has a name, be it a dangling symbolic link."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def move_new(parent: int, name: str, target: int, new: str) -> None:
    """Rename onto nothing. Python has no RENAME_NOREPLACE; the archive's lock makes this enough."""
    if exists(target, new):
        raise error(errno.EEXIST, f"{new} exists already")
    os.rename(name, new, src_dir_fd=parent, dst_dir_fd=target)


def replace(parent: int, name: str, target: int, new: str) -> None:
    """Rename onto a file: whoever reads finds the old one or the new one, whole."""
    os.rename(name, new, src_dir_fd=parent, dst_dir_fd=target)


def remove(parent: int, name: str) -> None:
    """Remove a file or a directory with what is in it. What is gone already is no error.

    Nothing is removed of a directory in which something is mounted, or that is not of this program.
    """
    check_removable(parent, name)
    _remove(parent, name)


def check_removable(parent: int, name: str, depth: int = _DEPTH) -> None:
    """Raise OSError for what `remove` must not touch, or not all of. Nothing is changed."""
    with suppress(FileNotFoundError):
        if not _is_directory(parent, name):
            return
        if depth == 0:
            raise error(errno.ENOTEMPTY, f"{name} is nested too deeply for this program")
        descriptor = _open_on_the_same_mount(parent, name)
        try:
            for entry in os.listdir(descriptor):
                check_removable(descriptor, entry, depth - 1)
        finally:
            os.close(descriptor)


def _remove(parent: int, name: str) -> None:
    with suppress(FileNotFoundError):
        if not _is_directory(parent, name):
            os.unlink(name, dir_fd=parent)
            return
        # Once more: somebody may have mounted something meanwhile.
        descriptor = _open_on_the_same_mount(parent, name)
        try:
            for entry in os.listdir(descriptor):
                _remove(descriptor, entry)
        finally:
            os.close(descriptor)
        os.rmdir(name, dir_fd=parent)


def _is_directory(parent: int, name: str) -> bool:
    return Stamp.of(os.stat(name, dir_fd=parent, follow_symlinks=False)).is_directory


def _open_on_the_same_mount(parent: int, name: str) -> int:
    descriptor = open_directory(parent, name)
    if _mount(descriptor) != _mount(parent):
        os.close(descriptor)
        raise error(errno.EBUSY, f"something is mounted on {name}: unmount it")
    return descriptor


def _mount(descriptor: int) -> tuple[int, int]:
    return mountinfo.number_of(descriptor), os.fstat(descriptor).st_dev
