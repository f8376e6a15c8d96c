"""A disk that remembers: python3 -m tests.archive.recorder MOUNT IMAGE RECORDS LOG.

A FUSE file system with a file ``disk.img``, meant to be the backing file of a loop device, and a
directory ``store`` with records that can be read and unlinked. Every write, every flush of the disk
and every unlink is appended to LOG in its order: from that the disk can be rebuilt as a power cut
would have left it at any moment. The unlinks count at once, as in firmware.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from pathlib import Path

import pyfuse3
import trio

DISK, STORE = 2, 3
_FIRST_RECORD = 10
HEAD = struct.Struct("<cQI")  # kind, offset, length; then so many bytes


class Recorder(pyfuse3.Operations):  # type: ignore[misc]
    def __init__(self, image: str, records: str, log: str) -> None:
        super().__init__()
        self._image = os.open(image, os.O_RDWR)
        self._log = Path(log).open("wb", buffering=0)  # noqa: SIM115
        files = sorted(Path(records).iterdir())
        self._data = {_FIRST_RECORD + n: path.read_bytes() for n, path in enumerate(files)}
        self._times = {_FIRST_RECORD + n: path.stat().st_mtime_ns for n, path in enumerate(files)}
        self._names = {path.name.encode(): _FIRST_RECORD + n for n, path in enumerate(files)}

    def _write_log(self, kind: bytes, offset: int, data: bytes) -> None:
        self._log.write(HEAD.pack(kind, offset, len(data)) + data)

    async def getattr(self, inode: int, _context: object = None) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFREG | 0o600
        if inode in (pyfuse3.ROOT_INODE, STORE):
            entry.st_mode = stat.S_IFDIR | 0o700
        elif inode == DISK:
            entry.st_size = os.fstat(self._image).st_size
        elif inode in self._data:
            entry.st_size = len(self._data[inode])
            entry.st_mtime_ns = entry.st_ctime_ns = self._times[inode]
        else:
            raise pyfuse3.FUSEError(errno.ESTALE)
        entry.st_nlink = 1
        entry.st_uid = entry.st_gid = 0
        entry.entry_timeout = entry.attr_timeout = 0
        return entry

    async def setattr(self, inode: int, *_: object) -> pyfuse3.EntryAttributes:
        return await self.getattr(inode)

    async def lookup(self, parent: int, name: bytes, _context: object) -> pyfuse3.EntryAttributes:
        known = {b"disk.img": DISK, b"store": STORE}
        inode = (self._names if parent == STORE else known).get(name)
        if inode is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(inode)

    async def opendir(self, inode: int, _context: object) -> int:
        return inode

    async def readdir(self, handle: int, start: int, token: pyfuse3.ReaddirToken) -> None:
        known = {b"disk.img": DISK, b"store": STORE}
        names = sorted((self._names if handle == STORE else known).items())
        for number, (name, inode) in enumerate(names[start:], start + 1):
            if not pyfuse3.readdir_reply(token, name, await self.getattr(inode), number):
                break

    async def open(self, inode: int, _flags: int, _context: object) -> pyfuse3.FileInfo:
        return pyfuse3.FileInfo(fh=inode, direct_io=inode == DISK)

    async def read(self, handle: int, offset: int, size: int) -> bytes:
        if handle == DISK:
            return os.pread(self._image, size, offset)
        return self._data[handle][offset : offset + size]

    async def write(self, handle: int, offset: int, data: bytes) -> int:
        if handle != DISK:
            raise pyfuse3.FUSEError(errno.EROFS)
        self._write_log(b"W", offset, data)
        return os.pwrite(self._image, data, offset)

    async def fsync(self, handle: int, _data_only: bool) -> None:
        if handle == DISK:
            self._write_log(b"F", 0, b"")

    async def unlink(self, parent: int, name: bytes, _context: object) -> None:
        if parent != STORE or name not in self._names:
            raise pyfuse3.FUSEError(errno.EPERM)
        self._write_log(b"U", 0, name)
        del self._names[name]

    async def statfs(self, _context: object) -> pyfuse3.StatvfsData:
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = 4096
        data.f_blocks = data.f_bfree = data.f_bavail = 1 << 20
        data.f_files = data.f_ffree = data.f_favail = 1 << 16
        data.f_namemax = 255
        return data


def main() -> None:
    point, image, records, log = sys.argv[1:]
    options = {*pyfuse3.default_options, "fsname=recorder"}
    options.discard("default_permissions")
    pyfuse3.init(Recorder(image, records, log), point, options)
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close(unmount=True)


if __name__ == "__main__":
    main()
