"""Finds the dumps among the directories of an archive, by names and stamps alone."""

from __future__ import annotations

from pstorefs.archive import entry, layout
from pstorefs.catalog import bounds
from pstorefs.record.dump_name import is_given
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp


def directories(archive: OpenDirectory) -> dict[str, Stamp]:
    """The directories of an archive that may be dumps."""
    found = {
        name: stamp
        for name, stamp in archive.scan(()).items()
        if stamp.is_directory and layout.is_dump_name(name)
    }
    while len(found) > bounds.MOST_DUMPS:
        found.popitem()
    return found


def odd(there: dict[str, Stamp]) -> set[str]:
    """Dumps that have to be grouped with others, as one may be a part of another one.

    Records that join a damaged dump are saved beside it, under its name and a hash; and a directory
    that is not called as a dump may hold anything.
    """
    found = {name for name in there if not is_given(name)}
    for name in there:
        begin, _, tag = name.rpartition("-")
        if len(tag) in entry.TAGS and begin in there:
            found |= {name, begin}
    return found
