"""What the kernel is told without having asked: FUSE calls these notifications."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pyfuse3

from pstorefs.tree.node import File, Opened, Snapshot

#: Of a longer file the kernel asks for as much as is read.
_GIVEN_BYTES = 128 << 10


def give(file: File, opened: Opened) -> None:
    """Give the kernel the content of a file with its first open(2): then it need not ask for it.

    Never later: the kernel locks pages that it asks for until it has our answer, and this would
    wait for them, and we for this. Nobody has asked for any yet.
    """
    file.given = True
    if file.direct or not isinstance(opened, Snapshot):
        return
    if len(opened.content) == file.attributes.size and len(opened.content) <= _GIVEN_BYTES:
        with suppress(OSError):  # it will ask
            pyfuse3.notify_store(file.number, 0, opened.content)


def expire(numbers: Iterable[int]) -> None:
    """Tell the kernel that these attributes are old. In a thread: there may be 100,000.

    The kernel takes no lock for it that a request might hold.
    """
    for number in numbers:
        with suppress(OSError):  # it forgot that one
            pyfuse3.invalidate_inode(number, attr_only=True)
