"""Names in the source to names in the mount and back: the one place that knows how they differ.

===================== ============================== ==========================================
in the source         in the mount                   why
===================== ============================== ==========================================
X.enc.z, a record     X                              its text is shown (see `record.reading`)
the same, undecodable X.enc.z                        its bytes are shown
X.enc.z beside an X   X.enc.z                        X has the plain name already
NAME of a virtual     NAME~source                    the name at the mount's root is taken
place, at the root
anything else         the same name
===================== ============================== ==========================================

A path is relative to the root of the source, or of the mount. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from pstorefs.record.name import ENCODED, parse_name

#: Names of the virtual places at the root of a mount.
RESERVED = ("dumps", "meta", "control", "status")
_SOURCE = "~source"


def shown(path: str) -> str:
    """The path in the mount of a path in the source, ``.enc.z`` left alone.

    A first component that is reserved, or reserved with ~source after it, gets ~source.
    """
    first, slash, rest = path.partition("/")
    bare = first
    while bare.endswith(_SOURCE):
        bare = bare.removesuffix(_SOURCE)
    return first + _SOURCE + slash + rest if bare in RESERVED else path


def stored(path: str) -> str | None:
    """The reverse of `shown`: a path in the source; None for a virtual place."""
    first, slash, rest = path.partition("/")
    if first in RESERVED:
        return None
    file = first.removesuffix(_SOURCE)
    return file + slash + rest if file != first and shown(file) == first else path


def encoded(path: str) -> str | None:
    """The compressed record that is shown under a name that the source does not hold.

    None if no record of a kernel has such a name.
    """
    file = path.rpartition("/")[2] + ENCODED
    return path + ENCODED if parse_name(file) is not None else None


def held(path: str, holds: Callable[[str], bool]) -> str | None:
    """The file of the source that a path with or without ``.enc.z`` means; None if there is none.

    `holds` says whether the source has a file with exactly this name.
    """
    if holds(path):
        return path
    record = encoded(path)
    return record if record is not None and holds(record) else None


def record_path(path: str, *, legible: bool, taken: Container[str] = ()) -> str:
    """The path in the mount of a record; `taken` are paths in the source, or those beside it.

    `legible`: it has a text to be shown.
    """
    plain = path.removesuffix(ENCODED)
    return shown(plain if legible and plain not in taken else path)
