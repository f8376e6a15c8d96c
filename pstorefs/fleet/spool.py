"""A store that is a directory: for NFS, for sites without a network, and for rclone to move on.

Nothing but system calls. A file appears under its name at once, whole and durable, or not at all:
written under a temporary name in the directory's root, synced, linked onto nothing, the directory
synced. A program that copies DIRECTORY/v1 never sees half a file.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pstorefs.archive import durable
from pstorefs.fleet.remote import MOST_KEYS, Found, RemoteError
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY_MODE, _FILE_MODE = 0o750, 0o640
#: Errors that may pass; all others stay until somebody acts.
_PASSING = (
    *(errno.EIO, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.ESTALE, errno.ENOTCONN),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EBUSY, errno.ENOSPC),
    *(errno.EDQUOT, errno.ENFILE, errno.EMFILE, errno.ENOMEM, errno.ENOLCK),
)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Spool:
    """See `store.Store` and `remote.Remote`."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        #: Folders that are on the disk. One that is there already may be of a run that was killed
        #: before it had synced the folder above.
        self._durable: set[tuple[str, ...]] = set()

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        """See `store.Store`."""
        del kind
        try:
            return self._put(key, data)
        except OSError as error:
            result = RETRY if error.errno in _PASSING else REFUSED
            why = f"{self.directory}/{key}: {error.strerror or error}"
            if error.errno == errno.ENOENT:
                why = f"{self.directory}: {error.strerror}: make it, or mount what it is on"
            return Answer(result, why, store_wide=True)

    def folders(self, prefix: str) -> list[str]:
        """See `remote.Remote`."""
        return self._entries(prefix, os.DirEntry.is_dir)

    def names(self, prefix: str) -> Found:
        """See `remote.Remote`."""
        found = self._entries(prefix, os.DirEntry.is_file)
        missing = (f"more than {MOST_KEYS} files in {prefix}: the rest is ignored",)
        return Found(found[:MOST_KEYS], missing if len(found) > MOST_KEYS else ())

    def get(self, key: str, limit: int) -> bytes:
        """See `remote.Remote`."""
        *folders, name = key.split("/")
        try:
            with self._folder(folders) as folder:
                return durable.read_small(folder, name, limit)
        except RemoteError as error:
            if self._is_there_without(error):
                raise RemoteError(errno.EIO, "no such file: was it deleted?") from None
            raise

    def _is_there_without(self, error: RemoteError) -> bool:
        """Whether the directory itself is there, and what was looked for below it is not."""
        return error.errno == errno.ENOENT and os.path.isdir(self.directory)

    def _entries(self, prefix: str, wanted: Callable[..., bool]) -> list[str]:
        try:
            folders = prefix.rstrip("/").split("/")
            with self._folder(folders) as folder, os.scandir(folder) as entries:
                found = [one.name for one in entries if wanted(one, follow_symlinks=False)]
        except RemoteError as error:
            if self._is_there_without(error):
                return []  # nothing was shipped yet
            raise
        return sorted(name for name in found if name.isascii())

    @contextmanager
    def _folder(self, names: list[str]) -> Iterator[int]:
        """A descriptor of a folder below, and OSErrors as `RemoteError`; no link is followed."""
        opened: list[int] = []
        try:
            opened.append(os.open(self.directory, _DIRECTORY))
            for name in names:
                opened.append(durable.open_directory(opened[-1], name))
            yield opened[-1]
        except OSError as error:
            where = "/".join([self.directory, *names])
            raise RemoteError(error.errno or errno.EIO, f"{where}: {error.strerror}") from None
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _put(self, key: str, data: bytes) -> Answer:
        *folders, name = key.split("/")
        # The directory itself is not made: what is missing may be a disk that is not mounted.
        root = os.open(self.directory, _DIRECTORY)
        try:
            folder = self._descend(root, folders)
            try:
                if durable.exists(folder, name):
                    os.fsync(
                        folder
                    )  # the process that linked it may have been interrupted before that
                    return Answer(EXISTS)
                temporary = f"{durable.NEW}{name}"
                try:
                    _write(root, temporary, data)
                    result = _link(root, temporary, folder, name)
                finally:  # on a full disk as well: it may be all machines'
                    with suppress(OSError):
                        os.unlink(temporary, dir_fd=root)
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            os.close(root)
        return Answer(result)

    def _descend(self, root: int, folders: list[str]) -> int:
        """A descriptor of a folder below, made where it is not there; no link is followed."""
        current = os.dup(root)
        for depth, name in enumerate(folders, 1):
            path = tuple(folders[:depth])
            try:
                try:
                    os.mkdir(name, _DIRECTORY_MODE, dir_fd=current)
                    self._durable.discard(path)
                except FileExistsError:
                    pass
                if path not in self._durable:
                    os.fsync(current)
                    self._durable.add(path)
                below = durable.open_directory(current, name)
            finally:
                os.close(current)
            current = below
        return current


def _write(root: int, name: str, data: bytes) -> None:
    # What an interrupted run left: the name is of this machine and this dump alone.
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=root)
    descriptor = os.open(name, _CREATE, _FILE_MODE, dir_fd=root)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(root: int, temporary: str, folder: int, name: str) -> str:
    """Give a file its name, onto nothing."""
    try:
        os.link(temporary, name, src_dir_fd=root, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return EXISTS
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT, some FUSE: no links. The key is this machine's own, so nobody else takes it.
        durable.move_new(root, temporary, folder, name)
    return DONE
