"""A directory of records: list it, read it, notice change. Everything goes through descriptors.

The source is /sys/fs/pstore or any directory that holds copies of records. Its root is held open;
what lies below is reached from there, one name at a time and never through a symbolic link. The
kernel sends no inotify event when a record appears, so change is noticed by looking again: a
`Stamp` that differs means other content.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pstorefs.source import looked
from pstorefs.source.stamp import ChangedError, Inode, Stamp
from pstorefs.system import mountinfo
from pstorefs.system.whole import to_the_end

_Result = TypeVar("_Result")
#: Files up to this size, in bytes, are read whole and kept as a snapshot while they are open.
SNAPSHOT_LIMIT = 8 << 20

# O_NONBLOCK: should a FIFO have taken a file's place, do not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Records never get this long (the kernel's ftrace text of a 2 MiB zone is about 8 MiB); a file
# whose end does not come is given up.
_ENDLESS = 32 << 20
# What a source looks like that is not there (yet): as pstore's own root does since Linux 3.x.
_NOWHERE = Stamp(stat.S_IFDIR | 0o750, 0, 0, 0, 2, 0, Inode(0, 0, 0))


class OpenDirectory:
    """A directory that is held open: the source of a mount, or an archive.

    A folder is a tuple of names below its root. ``path`` is opened at once (OSError if that fails).
    With ``pinned`` it is never looked up again: the mount will cover it, and to look would be to
    ask ourselves. Otherwise `refresh` notices that another directory, or a newly mounted pstore,
    has taken its place. With ``optional`` it may be missing, and is empty until it comes.
    """

    #: Whether a call may take seconds: see timeout.py.
    may_hang = False

    def __init__(self, path: str, *, pinned: bool = False, optional: bool = False) -> None:
        self.path = path
        self.pinned = pinned
        self._root: int | None = None
        # Held while the root is exchanged or duplicated, as several threads work with it.
        self._lock = threading.Lock()
        self._looked = looked.NEVER
        self.is_pstore = False
        try:
            self._hold(os.open(path, _DIRECTORY))
        except OSError:
            if not optional:
                raise

    @classmethod
    def at(cls, descriptor: int, path: str) -> OpenDirectory:
        """A directory that is open already: what is returned has a descriptor of its own."""
        opened = cls("", pinned=True, optional=True)
        opened.path = path
        opened._hold(os.dup(descriptor))
        return opened

    def close(self) -> None:
        """Close the root."""
        with self._lock:
            old, self._root = self._root, None
        if old is not None:
            os.close(old)

    def _hold(self, descriptor: int) -> None:
        self.is_pstore = _is_pstore(descriptor)
        with self._lock:
            if self._root is None:
                self._root = descriptor
                return
            # The number stays the same, and never means anything but a root: other threads
            # may be about to use it.
            os.dup2(descriptor, self._root, inheritable=False)
        os.close(descriptor)

    def refresh(self, *, now: bool = False) -> None:
        """Follow the path again, in case something else is there; if not `now`, twice a second."""
        if self.pinned or (not now and looked.holds(self._looked)):
            return
        self._looked = time.monotonic()  # before the look: nobody else looks meanwhile
        try:
            there, held = os.stat(self.path), self.stamp(())
            if (there.st_dev, there.st_ino) != (held.device, held.inode):
                self._hold(os.open(self.path, _DIRECTORY))
        except OSError:
            return  # gone for the moment: what is held shows what is left of it

    @contextmanager
    def folder(self, folder: tuple[str, ...]) -> Iterator[int]:
        """A descriptor of a folder, for the time of the block: the same one, whatever happens."""
        with self._lock:
            if self._root is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
            descriptor = self._root if folder else os.dup(self._root)
        if folder:  # in one call, for the root may be exchanged meanwhile
            descriptor = os.open(folder[0], _DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        try:
            for name in folder[1:]:
                below = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def within(self, folder: tuple[str, ...], look: Callable[[int], _Result]) -> _Result:
        """What `look` makes of a folder's descriptor: all its calls reach the same directory."""
        if self._root is None or len(folder) != 1:
            with self.folder(folder) as descriptor:
                return look(descriptor)
        # As `folder` does it, without its price: this is how each archived dump is read.
        descriptor = os.open(folder[0], _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._root)
        try:
            return look(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def held(self, folder: tuple[str, ...]) -> Iterator[OpenDirectory]:
        """A folder as a root of its own: all calls within the block reach the same directory."""
        with self.folder(folder) as descriptor:
            below = self.at(descriptor, self.path)
            try:
                yield below
            finally:
                below.close()

    def scan(self, folder: tuple[str, ...]) -> dict[str, Stamp]:
        """All names of a folder with their stamps. A name that vanishes meanwhile is left out."""
        found: dict[str, Stamp] = {}
        self._scan(folder, found)
        return found

    def _scan(self, folder: tuple[str, ...], found: dict[str, Stamp]) -> None:
        if self._root is None:
            return
        with self.folder(folder) as descriptor:
            stamps_in(descriptor, found)

    def stamp(self, folder: tuple[str, ...], name: str | None = None) -> Stamp:
        """The stamp of one name in a folder, or of the folder itself. OSError if it is gone."""
        if name is None and not folder:
            with self._lock:
                return _NOWHERE if self._root is None else Stamp.of(os.fstat(self._root))
        if name is None:
            folder, name = folder[:-1], folder[-1]
        if not folder and self._root is not None:
            return Stamp.of(os.stat(name, dir_fd=self._root, follow_symlinks=False))
        with self.folder(folder) as descriptor:
            return Stamp.of(os.stat(name, dir_fd=descriptor, follow_symlinks=False))

    def open(self, folder: tuple[str, ...], name: str, expected: Stamp) -> int:
        """A descriptor for reading a regular file. `ChangedError` if it is not the expected one."""
        file = self._open(folder, name)
        if Stamp.of(os.fstat(file)) != expected:
            os.close(file)
            raise ChangedError(f"{name} has changed")
        return file

    def _open(self, folder: tuple[str, ...], name: str) -> int:
        if not folder and self._root is not None:
            return os.open(name, _FILE, dir_fd=self._root)
        with self.folder(folder) as descriptor:
            return os.open(name, _FILE, dir_fd=descriptor)

    def read(self, folder: tuple[str, ...], name: str, expected: Stamp) -> bytes:
        """A whole file. `ChangedError` if it is not the expected one or changes meanwhile."""
        if expected.size > _ENDLESS:
            raise OSError(errno.EFBIG, f"{expected.size} bytes are more than any record has", name)
        file = self._open(folder, name)
        try:
            # Of a FIFO that took the file's place, pread takes nothing away: it fails.
            data = os.pread(file, expected.size + 1, 0)
            # To the end, whatever the size says: the kernel's is wrong for ftrace records.
            if len(data) != expected.size or self.is_pstore:
                # But a device that took its place may have no end, and what changed needs none.
                if Stamp.of(os.fstat(file)) != expected:
                    raise ChangedError(f"{name} has changed")
                data = to_the_end(file, data, _ENDLESS)
            if Stamp.of(os.fstat(file)) != expected:
                raise ChangedError(f"{name} changed while it was read")
        finally:
            os.close(file)
        return data

    def pread(self, file: int, size: int, offset: int) -> tuple[bytes, Stamp]:
        """A piece of an open file, and its stamp afterwards."""
        return os.pread(file, size, offset), Stamp.of(os.fstat(file))

    def erase(self, folder: tuple[str, ...], name: str) -> None:
        """Remove a record for good. OSError if the store refuses, or if it is still there."""
        with self.folder(folder) as descriptor:
            before = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            os.unlink(name, dir_fd=descriptor)
            try:
                after = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return
        # Another file is a new record: ramoops and efi use names again.
        if (before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns):
            return
        raise OSError(errno.EIO, f"{name} is still there although the store said it was erased")

    def readlink(self, folder: tuple[str, ...], name: str) -> str:
        """The target of a symbolic link."""
        with self.folder(folder) as descriptor:
            return os.readlink(name, dir_fd=descriptor)

    def statvfs(self) -> os.statvfs_result:
        """The numbers of the file system that the source lies on."""
        with self._lock:
            return os.statvfs("/" if self._root is None else self._root)


def stamps_in(directory: int, found: dict[str, Stamp]) -> None:
    """Add all names of a directory with their stamps. A name that vanishes is left out."""
    of = Stamp.of
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                found[entry.name] = of(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue


def _is_pstore(descriptor: int) -> bool:
    return mountinfo.kind_of(os.fstat(descriptor).st_dev) == "pstore"
