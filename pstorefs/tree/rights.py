"""Owners and modes: of what mirrors the source, and of what is generated."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from pstorefs.source.stamp import Stamp

BLOCK = 512  # bytes that one st_blocks counts, stat(2)


class Attributes(NamedTuple):
    """What stat(2) says of a node. Sizes in bytes, times in nanoseconds since 1970."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    links: int = 1

    @property
    def blocks(self) -> int:
        """st_blocks, such that du shows what a file of this size takes."""
        return -(-self.size // 4096) * (4096 // BLOCK)


class Access(NamedTuple):
    """Owner and mode of everything in a mount, as the options uid=, gid=, umask= ... change it.

    None leaves what the source says.
    """

    uid: int | None = None
    gid: int | None = None
    file_mask: int | None = None
    directory_mask: int | None = None

    def attributes(self, stamp: Stamp, size: int | None = None) -> Attributes:
        """The attributes of a node that mirrors what the stamp was taken from."""
        mask = self.directory_mask if stamp.is_directory else self.file_mask
        mode = stamp.mode
        if mask is not None and not stat.S_ISLNK(mode):
            # As on vfat the mode follows from the mask alone; but no mask makes anything writable.
            full = 0o755 if stamp.is_directory else 0o444
            mode = stat.S_IFMT(mode) | (full & ~mask)
        return Attributes(
            mode=mode,
            uid=stamp.uid if self.uid is None else self.uid,
            gid=stamp.gid if self.gid is None else self.gid,
            size=stamp.size if size is None else size,
            mtime_ns=stamp.mtime_ns,
            links=stamp.links if stamp.is_directory else 1,
        )


class Owner(NamedTuple):
    """Who owns generated files, and their modes: those of the source's root, or less."""

    uid: int
    gid: int
    directory_mode: int
    file_mode: int
    #: The owner of archived dumps.
    keeper: int

    @classmethod
    def of(cls, root: Stamp, access: Access) -> Owner:
        """As the source's root is shown: files get its mode without x, and without w."""
        shown = access.attributes(root)
        mode = stat.S_IMODE(shown.mode)
        file_mode = 0o444 & (mode if access.file_mask is None else ~access.file_mask)
        keeper = os.geteuid() if access.uid is None else access.uid
        return cls(shown.uid, shown.gid, mode, file_mode, keeper)

    @property
    def alone(self) -> Owner:
        """The same for what comes from an archive: readable by its owner alone."""
        return self.masked(0o700)._replace(uid=self.keeper)

    def within(self, rights: Iterable[Stamp], access: Access) -> Owner:
        """The same for what is generated from records: for those who may read all of them.

        `rights` are those of the records, and of the folders that they lie in.
        """
        readers = 0o444
        owners = set()
        for shown in map(access.attributes, set(rights)):
            # To read what is in a folder x is what it takes.
            may = (shown.mode & 0o111) << 2 if stat.S_ISDIR(shown.mode) else shown.mode & 0o444
            readers &= may
            if may != 0o444:  # who owns what everybody may read is all the same
                owners.add((shown.uid, shown.gid))
        if len(owners) > 1:
            # Of several owners none may read what is another's.
            owners = {(self.keeper, self.gid)}
            readers = 0o400
        uid, gid = next(iter(owners), (self.uid, self.gid))
        own = self._replace(uid=uid, gid=gid, file_mode=self.file_mode | 0o400)
        return own.masked(readers | readers >> 1 | readers >> 2)

    def masked(self, mask: int) -> Owner:
        """The same with these bits at most."""
        return self._replace(
            directory_mode=self.directory_mode & mask, file_mode=self.file_mode & mask
        )

    def directory(self, mtime_ns: int) -> Attributes:
        """The attributes of a directory. One link: its subdirectories are not counted.

        Two would say that there are none: programs that go by that (find of old, File::Find of
        Perl if told so) would never look into them.
        """
        mode = stat.S_IFDIR | self.directory_mode
        return Attributes(mode, self.uid, self.gid, 0, mtime_ns, links=1)

    def file(self, size: int, mtime_ns: int) -> Attributes:
        """The attributes of a file."""
        return Attributes(stat.S_IFREG | self.file_mode, self.uid, self.gid, size, mtime_ns)

    def link(self, target: str, mtime_ns: int) -> Attributes:
        """The attributes of a symbolic link."""
        size = len(target.encode(errors="surrogateescape"))
        return Attributes(stat.S_IFLNK | 0o777, self.uid, self.gid, size, mtime_ns)
