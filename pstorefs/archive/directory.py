"""The directory that is the archive: opened with care, refused where it would keep nothing, locked.

Every refusal is an `ArchiveError`: an errno, and one line that names the thing, the reason and
what to do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pstorefs.archive import durable
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.system import mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pstorefs.archive.policy import Policy
    from pstorefs.source.directory import OpenDirectory

_LOCK = ".lock"
_LOCK_POLL_SECONDS = 0.05
_OURS = "fuse.pstorefs"
_VOLATILE = ("tmpfs", "ramfs", "devtmpfs", "rootfs")
# Overlays of overlays; the kernel allows two levels.
_OVERLAYS = 3
# Levels of directories above the archive to be synced, and looked at for the source.
_LEVELS = 40
# Directories, what is composed, and the file system's own book-keeping, per dump.
_OVERHEAD_BYTES = 64 << 10
_OVERHEAD_FILES = 8


@contextmanager
def opened(
    path: str, store: OpenDirectory, *, volatile: bool, create: bool
) -> Iterator[int | None]:
    """A descriptor of the archive; None if it is not there and is not to be made.

    Raises `ArchiveError` for a place that must not be one. With `volatile`, one that does not
    outlive a reboot is taken too.
    """
    if create:
        _check_source(store)
    made = create and not os.path.lexists(path)
    try:
        descriptor = _open(path, create=create)
    except OSError as error:
        raise explain(path, error) from error
    if descriptor is None:
        yield None
        return
    try:
        try:
            _check(path, descriptor, store, volatile=volatile)
        except ArchiveError:
            if made:
                with suppress(OSError):
                    os.rmdir(path)
            raise
        yield descriptor
    finally:
        os.close(descriptor)


def obstacle(path: str, store: OpenDirectory, policy: Policy) -> ArchiveError | None:
    """Why nothing can be archived in a directory at the moment; None: it can. Writes nothing."""
    try:
        _check_source(store)
        with opened(path, store, volatile=policy.volatile, create=False) as descriptor:
            if descriptor is None:
                os.stat(os.path.dirname(path.rstrip("/")) or ".")
                return None
            if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            check_room(path, descriptor, [], 0, policy)
    except OSError as error:
        return explain(path, error)
    return None


def _open(path: str, *, create: bool) -> int | None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileNotFoundError):
        return os.open(path.rstrip("/") or "/", flags)
    if not create:
        return None
    # The last name only: what is missing above may be a disk that is not mounted.
    above, name = os.path.split(path.rstrip("/"))
    parent = os.open(above or ".", flags & ~os.O_NOFOLLOW)
    try:
        return durable.make_directory(parent, name)
    except FileExistsError:  # another process was quicker
        return os.open(path.rstrip("/") or "/", flags)
    finally:
        os.close(parent)


def _check(path: str, descriptor: int, store: OpenDirectory, *, volatile: bool) -> None:
    status = os.fstat(descriptor)
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ArchiveError(
            errno.EACCES,
            f"{path}: other users may write there: chown root and chmod 700 it,"
            " or give archive=DIR",
        )
    source = store.stamp(())
    if _lies_in(descriptor, (source.device, source.inode)):
        raise ArchiveError(
            errno.EINVAL, f"{path}: is inside the source {store.path}: give archive=DIR elsewhere"
        )
    with suppress(FileNotFoundError), store.folder(()) as root:  # none: no source is there yet
        if _lies_in(root, (status.st_dev, status.st_ino)):
            raise ArchiveError(
                errno.EINVAL, f"{path}: the source {store.path} is inside it: give another archive"
            )
    mount = mountinfo.holding(descriptor)
    if mount and mount.kind in (_OURS, "pstore"):
        raise ArchiveError(
            errno.EINVAL, f"{path}: is on a mount of {mount.kind}: give archive=DIR on a disk"
        )
    if not volatile:
        check_lasting(path, descriptor)


def _check_source(store: OpenDirectory) -> None:
    """Refuse what a mount of this program shows: texts, whose records it erases for good.

    Such as the store itself below a mount over it, of which other programs are to read texts.
    """
    with suppress(FileNotFoundError), store.folder(()) as root:
        mount = mountinfo.holding(root)
        if mount and mount.kind == _OURS:
            raise ArchiveError(
                errno.EINVAL,
                f"{store.path}: a mount of pstorefs, which shows texts and not what is stored:"
                " unmount it, or give the directory that it shows",
            )


def check_lasting(path: str, descriptor: int) -> None:
    """Raise `ArchiveError` for a file system that does not outlive a reboot."""
    if reason := _volatile(mountinfo.holding(descriptor)):
        raise ArchiveError(
            errno.EINVAL,
            f"{path}: {reason}, so that records would be lost at reboot:"
            " give archive=DIR on a disk, or archive_volatile",
        )


def _lies_in(descriptor: int, above: tuple[int, int]) -> bool:
    """Whether a directory is the one given by device and inode, or lies below it."""
    current = os.dup(descriptor)
    try:
        for _ in range(_LEVELS):
            status = os.fstat(current)
            if (status.st_dev, status.st_ino) == above:
                return True
            parent = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = parent
            higher = os.fstat(current)
            if (higher.st_dev, higher.st_ino) == (status.st_dev, status.st_ino):
                return False
    finally:
        os.close(current)
    return False


def _volatile(mount: mountinfo.Mount | None) -> str:
    """Why what is written to a mount is gone after a reboot; empty if it stays."""
    for _ in range(_OVERLAYS):
        if mount is None:
            return ""
        if mount.kind in _VOLATILE:
            return f"is on {mount.kind}"
        if mount.kind != "overlay":
            return ""
        words = dict(word.partition("=")[::2] for word in mount.options.split(","))
        upper = mountinfo.above(os.path.realpath(words.get("upperdir", "/")))
        if upper is None or upper.number == mount.number:
            # Live systems hide the upper directory; an overlay without one is read-only.
            return "is on an overlay whose upper directory cannot be seen"
        mount = upper
    return "is on overlays above overlays"


@contextmanager
def locked(archive: int, wait_seconds: float) -> Iterator[None]:
    """Hold the archive's lock; other processes and other commands of this one wait."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        lock = os.open(_LOCK, flags, 0o600, dir_fd=archive)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            words = f"{_LOCK} in the archive is not a regular file: remove it, and try again"
            raise ArchiveError(error.errno, words) from error
        raise
    try:
        end = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ArchiveError(
                        errno.EAGAIN,
                        "another pstorefs has been archiving there for"
                        f" {wait_seconds:.0f} seconds: see if it hangs, then try again",
                    ) from None
                time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(lock)


def clean(archive: int) -> list[str]:
    """Remove what interrupted runs left. For the one who holds the lock.

    What cannot be removed stops nobody: a sentence tells of it.
    """
    said = []
    for name in os.listdir(archive):
        if name.startswith((durable.NEW, durable.OLD)):
            try:
                durable.remove(archive, name)
            except OSError as error:
                said.append(f"{name} in the archive cannot be removed: {error.strerror or error}")
    return said


def check_room(path: str, archive: int, sizes: list[int], dumps: int, policy: Policy) -> None:
    """Raise `ArchiveError` if, with files of these sizes, less than the reserve would stay free."""
    room = os.fstatvfs(archive)
    block = room.f_frsize or 4096
    needed = sum(-(-size // block) * block for size in sizes) * 2 + dumps * _OVERHEAD_BYTES
    # Of nobody's records, nobody fears for them.
    words = "; nothing unsaved was erased" if sizes else ""
    reserve = max(int(room.f_blocks * policy.reserve_share) * block, policy.reserve_bytes)
    free = room.f_bavail * block
    if free - needed < reserve:
        raise ArchiveError(
            errno.ENOSPC,
            f"{path}: {free >> 20} MiB free, {reserve >> 20} MiB must stay free:"
            f" delete archived dumps there or give archive=DIR{words}",
        )
    # btrfs and others count no inodes.
    if room.f_files and room.f_favail < len(sizes) + dumps * _OVERHEAD_FILES:
        raise ArchiveError(
            errno.ENOSPC,
            f"{path}: no inodes left: delete files there{words}",
        )


def sync_above(archive: int) -> None:
    """Sync the names that lead to the archive, up to the root of its file system.

    Also for an archive made earlier: a run may have been cut off right after it made it.
    """
    current = os.dup(archive)
    try:
        for _ in range(_LEVELS):
            # By name alone first: what is above may be a file system that hangs.
            above = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=current)
            try:
                if mountinfo.number_of(above) != mountinfo.number_of(current):
                    return
                status, higher = os.fstat(current), os.fstat(above)
                if higher.st_dev != status.st_dev or higher.st_ino == status.st_ino:
                    return
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
                parent = os.open(".", flags, dir_fd=above)
            except PermissionError:
                return  # not ours, so not made by us
            finally:
                os.close(above)
            os.close(current)
            current = parent
            durable.sync(current)
    finally:
        os.close(current)
