"""Names of virtual places at the root of a mount, and what source entries of that name are called.

Pure, and apart from the commands, which a plain mount does not import (50 ms).
"""

from __future__ import annotations

#: Names of virtual places. A source entry that has one of them is shown as ``NAME~source``.
RESERVED = ("dumps", "meta", "control", "status")
_SOURCE = "~source"


def shown(path: str) -> str:
    """How the mount shows a path of the source.

    A first component that is reserved, or taken for one with ~source behind it, gets ~source.
    """
    first, slash, rest = path.partition("/")
    bare = first
    while bare.endswith(_SOURCE):
        bare = bare.removesuffix(_SOURCE)
    return first + _SOURCE + slash + rest if bare in RESERVED else path


def stored(path: str) -> str | None:
    """The reverse of `shown`: a path of the source; None for a virtual place."""
    first, slash, rest = path.partition("/")
    if first in RESERVED:
        return None
    file = first.removesuffix(_SOURCE)
    return file + slash + rest if file != first and shown(file) == first else path
