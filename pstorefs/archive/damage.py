"""Dumps in the archive that are not as they were saved, or cannot be written to.

Nothing joins such a dump: its dmesg.txt can be all that is left of a record, and would be composed
anew without it. What belongs to it and is not saved yet gets a directory of its own.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pstorefs.archive import durable, layout

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from pstorefs.source.directory import OpenDirectory

# linux/fs.h: FS_IOC_GETFLAGS, FS_IMMUTABLE_FL and FS_APPEND_FL, see ioctl_iflags(2). The number is
# that of most 64-bit machines; where it is another, the call fails, and no flag is known.
_GET_FLAGS, _FIXED = 0x80086601, 0x10 | 0x20


def found(
    listing: layout.Listing,
    archive: OpenDirectory,
    dump: str,
    live: Container[str],
    sums: Mapping[str, str] | None,
) -> str:
    """What is wrong with a dump, in words that go on from its path; empty if nothing is.

    Its records are not read. `sums`: what `layout.sums_in` says of it. `live`: the SHA-256 of what
    the store holds: a record that comes back makes its dump whole again.
    """
    begin = durable.NEW + dump
    if any(name == begin or name.startswith(begin + "~") for name in listing.names):
        return ": the leftovers of an interrupted run cannot be removed"
    gone = {name for name in sums or () if name not in listing.dumps[dump]}
    try:
        with archive.folder((dump,)) as directory:
            obstacle = _obstacle(directory) or _in_place_of(gone, directory)
    except OSError as error:
        return f" cannot be read: {error.strerror or error}"
    if obstacle:
        return obstacle
    if sums is None:
        return f"/{layout.SUMS} is missing, or was changed"
    name = min((name for name in gone if sums[name] not in live), default="")
    return f"/{layout.RAW}/{name} is missing" if name else ""


def _obstacle(directory: int) -> str:
    """What keeps a file of ours from being replaced."""
    for name in (".", layout.RAW, *layout.COMPOSED, layout.FACTS, layout.SUMS):
        try:
            file = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
            )
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket: a rename replaces it
                continue
            return f"/{name} cannot be opened: {error.strerror}"
        try:
            if name not in (".", layout.RAW) and stat.S_ISDIR(os.fstat(file).st_mode):
                return f"/{name} is a directory"
            if _flags(file) & _FIXED:
                return f"/{name} is immutable (chattr -i)"
        finally:
            os.close(file)
    return ""


def _in_place_of(records: Iterable[str], directory: int) -> str:
    """What is where records were that are not there: they cannot come back. OSError."""
    for name in sorted(records):
        with suppress(FileNotFoundError):
            os.stat(f"{layout.RAW}/{name}", dir_fd=directory, follow_symlinks=False)
            return f"/{layout.RAW}/{name} is no file"
    return ""


def _flags(file: int) -> int:
    import fcntl

    flags = bytearray(8)
    try:
        fcntl.ioctl(file, _GET_FLAGS, flags)
    except OSError:  # a file system without such flags
        return 0
    return int.from_bytes(flags[:4], sys.byteorder)


def is_whole(archive: OpenDirectory, dump: str) -> bool:
    """Whether raw/ holds what SHA256SUMS tells. Reads all of it."""
    import hashlib

    sums = layout.sums_in(archive, dump)
    if sums is None:
        return False
    try:
        with archive.folder((dump, layout.RAW)) as raw:
            return all(
                hashlib.sha256(durable.read_small(raw, name, layout.LONGEST_RECORD)).hexdigest()
                == digest
                for name, digest in sums.items()
            )
    except OSError:
        return False
