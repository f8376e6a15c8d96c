"""Why a source cannot be opened, in one line with what to do: the same for every command."""

from __future__ import annotations

import errno

_FOR_ROOT = "permission denied: crash records are for root; use sudo, or copies"
_WORDS = {
    errno.ENOENT: "no such directory: give the one that holds records",
    errno.ENOTDIR: "not a directory: give the one that holds records"
    " (to decode one file: pstorecat FILE)",
    errno.EACCES: _FOR_ROOT,
    errno.EPERM: _FOR_ROOT,
}


def why_unopened(path: str, error: OSError) -> str:
    """The line for people, of an error that opening or listing the source gave."""
    return f"{path}: {_WORDS.get(error.errno or 0) or error.strerror or error}"
