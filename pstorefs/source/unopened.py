"""Why a source cannot be opened, in one line with what to do: the same for every command."""

from __future__ import annotations

import errno

_FOR_ROOT = "permission denied: only root may read crash records: use sudo, or copies of them"
_WORDS = {
    errno.ENOENT: "no such directory: give a directory with records",
    errno.ENOTDIR: "not a directory: give a directory with records"
    " (to decode one file: pstorecat FILE)",
    errno.EACCES: _FOR_ROOT,
    errno.EPERM: _FOR_ROOT,
}


def why_unopened(path: str, error: OSError) -> str:
    """The line for people, of an error that opening or listing the source gave."""
    return f"{path}: {_WORDS.get(error.errno or 0) or error.strerror or error}"
