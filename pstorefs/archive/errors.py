"""Why a command on the archive cannot be done: one errno, one line, and what to do now."""

from __future__ import annotations

import errno

_READ_ONLY = "{path}: read-only file system: remount it (mount -o remount,rw) or give archive=DIR"
_REASONS = {
    errno.ENOENT: "{path}: the directory above it does not exist: mount its disk, or make it",
    errno.ENOTDIR: "{path}: not a directory, or a link to one: give the directory itself",
    errno.ELOOP: "{path}: a symbolic link: give the directory that it points to",
    errno.EACCES: "{path}: permission denied: run as its owner, or give archive=DIR",
    errno.EPERM: "{path}: not permitted: run as its owner, undo chattr +i, or give archive=DIR",
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: "{path}: no space left: delete archived dumps there, or give archive=DIR",
    errno.EDQUOT: "{path}: quota exceeded: delete archived dumps there, or give archive=DIR",
    errno.EFBIG: "{path}: file too large: raise the limit (ulimit -f, LimitFSIZE= of a unit)",
    errno.EIO: "{path}: input/output error: see the kernel log; give archive=DIR on another disk",
    errno.ENOTCONN: "{path}: its file system is gone: mount it again",
    errno.ESTALE: "{path}: its file system is gone: mount it again",
}


class ArchiveError(OSError):
    """A whole command cannot be done: errno, and in strerror one line for the user."""


def explain(path: str, error: OSError) -> ArchiveError:
    """An error of the archive's file system, with what to do."""
    if isinstance(error, ArchiveError):
        return error
    number = error.errno or errno.EIO
    words = _REASONS.get(number)
    return ArchiveError(
        number,
        words.format(path=path)
        if words
        else f"{path}: {error.strerror or error}: see the kernel log, or give archive=DIR",
    )
