"""Read a file to its end, whatever st_size says."""

from __future__ import annotations

import errno
import os

_STEP = 1 << 20
# Where nothing more is expected: a large buffer costs several us, even for no bytes.
_LITTLE = 4096


def to_the_end(file: int, data: bytes, limit: int) -> bytes:
    """The whole of an open file that begins with `data`. OSError if it does not end."""
    pieces, total, step = [data], len(data), _LITTLE
    while more := os.pread(file, step, total):
        pieces.append(more)
        total += len(more)
        step = _STEP
        if total > limit:
            raise OSError(errno.EFBIG, "the file does not end")
    return b"".join(pieces)
