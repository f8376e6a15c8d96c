"""A FUSE file system for tests: one file hangs on demand, another never ends.

``python -m tests.hostile.unreliable FLAGS POINT`` shows what is in FLAGS/files. As long as FLAGS
holds a file named lookup, open, read or readdir, that request for `SLOW` (readdir: for the root)
waits. What is called `ENDLESS` gives zeros for ever, whatever its size.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pyfuse3
import trio

SLOW, ENDLESS = "dmesg-erst-5", "dmesg-erst-6"


class Unreliable(pyfuse3.Operations):
    """Flat, read-only."""

    def __init__(self, flags: Path) -> None:
        super().__init__()
        self._flags = flags
        self._names = sorted(os.listdir(flags / "files"))

    async def _wait(self, flag: str) -> None:
        while (self._flags / flag).exists():  # noqa: ASYNC110 (another process takes it away)
            await trio.sleep(0.05)

    def _name(self, inode: int) -> str:
        return self._names[inode - 2]

    def _data(self, inode: int) -> bytes:
        return (self._flags / "files" / self._name(inode)).read_bytes()

    async def getattr(self, inode, ctx=None):  # noqa: ANN001, ANN201, ARG002
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFDIR | 0o755
        if inode != pyfuse3.ROOT_INODE:
            entry.st_mode = stat.S_IFREG | 0o644
            entry.st_size = len(self._data(inode))
        entry.attr_timeout = entry.entry_timeout = 0
        return entry

    async def lookup(self, parent_inode, name, ctx=None):  # noqa: ANN001, ANN201, ARG002
        name = os.fsdecode(name)
        if name.startswith(SLOW):
            await self._wait("lookup")
        if name not in self._names:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(self._names.index(name) + 2)

    async def opendir(self, inode, ctx):  # noqa: ANN001, ANN201, ARG002
        return inode

    async def readdir(self, fh, start_id, token):  # noqa: ANN001, ANN201, ARG002
        await self._wait("readdir")
        for at in range(start_id, len(self._names)):
            name = self._names[at].encode()
            if not pyfuse3.readdir_reply(token, name, await self.getattr(at + 2), at + 1):
                return

    async def open(self, inode, flags, ctx):  # noqa: ANN001, ANN201, ARG002
        if self._name(inode).startswith(SLOW):
            await self._wait("open")
        return pyfuse3.FileInfo(fh=inode, direct_io=True)

    async def read(self, fh, off, size):  # noqa: ANN001, ANN201
        if self._name(fh).startswith(ENDLESS):
            return b"\0" * size
        if self._name(fh).startswith(SLOW):
            await self._wait("read")
        return self._data(fh)[off : off + size]


def main() -> None:
    flags, point = Path(sys.argv[1]), sys.argv[2]
    pyfuse3.init(Unreliable(flags), point, {"fsname=unreliable", "subtype=unreliable"})
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
