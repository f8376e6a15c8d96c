"""The index of an archive: a file `.index` in its root with a line for each dump, see entry.py.

It is a cache. Whoever lists the archive learns all dumps from one file; what is not in it, or not
as it is there, is read from the dump itself. It may be deleted at any time. Only who holds the
archive's lock writes it, after dumps were saved or removed: lines are appended, the last one of a
name counts, and when half of them are of no use any more, all of it is written anew. A line that
was cut off by a crash, or is hostile, is passed over: each has a checksum and is checked as such.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.archive import durable, entry
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pstorefs.archive.entry import Entry

NAME = ".index"
_HEADER = b"pstorefs-index 2"
#: Bytes that are read of it, at most: 100,000 dumps are about 30 MB.
LARGEST = 256 << 20
_STEP = 1 << 20
# Lines of no use that are put up with, beyond half of all.
_SLACK = 64
# Lines of an earlier version that are made anew with one command: a second or two.
_RENEWED = 2000
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def stamp_of(archive: OpenDirectory) -> Stamp | None:
    """The stamp of the index; None if there is none. TimeoutError if the archive hangs."""
    try:
        stamp = archive.stamp((), NAME)
    except TimeoutError:
        raise
    except OSError:
        return None
    return stamp if stamp.is_file and stamp.size <= LARGEST else None


class Index(NamedTuple):
    """What an index says."""

    #: All entries by name.
    entries: dict[str, Entry]
    #: How many lines there are.
    lines: int
    #: Names of dumps whose lines an earlier version wrote, and tell less than this one's.
    old: set[str]


def read(archive: OpenDirectory, stamp: Stamp) -> Index:
    """All of it; nothing if it cannot be read. TimeoutError if the archive hangs."""
    found = Index({}, 0, set())
    count = 0
    try:
        for line in _lines(archive, stamp):
            count += 1
            if each := entry.parse(line):
                found.entries[each.name] = each
                (found.old.discard if entry.is_current(line) else found.old.add)(each.name)
    except TimeoutError:
        raise
    except OSError:
        return Index({}, 0, set())
    return found._replace(lines=count)


def known(archive: OpenDirectory, names: Iterable[str]) -> dict[str, Entry]:
    """What the index says of dumps; nothing of those that are not the ones it tells of."""
    stamp = stamp_of(archive)
    entries = read(archive, stamp).entries if stamp else {}
    found = {}
    with archive.folder(()) as root:
        for name in names:
            entry = entries.get(name)
            if entry is None:
                continue
            with suppress(FileNotFoundError):
                if entry.is_of(Stamp.of(os.stat(name, dir_fd=root, follow_symlinks=False))):
                    found[name] = entry
    return found


def _lines(archive: OpenDirectory, stamp: Stamp) -> Iterator[bytes]:
    """The whole lines behind the header; none if that is not ours."""
    file = archive.open((), NAME, stamp)
    try:
        rest, offset, header = b"", 0, False
        while offset < stamp.size:
            piece, _ = archive.pread(file, min(_STEP, stamp.size - offset), offset)
            if not piece:
                return
            offset += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            if lines and not header:
                header = lines.pop(0) == _HEADER
                if not header:
                    return
            yield from lines
            if len(rest) > entry.LONGEST:
                return
    finally:
        os.close(file)


def update(
    archive: OpenDirectory, root: int, make: Callable[[str], Entry | None]
) -> dict[str, Entry]:
    """Bring the index up to date, under the archive's lock. `make` reads a dump for its entry.

    What is there is kept where the directory is the same and was not changed since. Lines of an
    earlier version are made anew, but not too many at once, those of the newest dumps first.
    """
    stamp = stamp_of(archive)
    known, lines, old = read(archive, stamp) if stamp else Index({}, 0, set())
    there = {
        name: each
        for name, each in archive.scan(()).items()
        if each.is_directory and not name.startswith(".")
    }
    renewed = set(sorted(old & there.keys(), reverse=True)[:_RENEWED])
    entries: dict[str, Entry] = {}
    new: list[Entry] = []
    for name, directory in there.items():
        found = known.get(name)
        if found is not None and found.is_of(directory):
            entries[name] = found
            if name not in renewed:
                continue
        made = make(name)
        if made is not None and len(made.line()) <= entry.LONGEST:
            entries[name] = made
            new.append(made)
    if not lines or lines + len(new) > 2 * len(entries) + _SLACK:
        _write(root, entries)
    elif stamp and new:
        _append(root, stamp, new)
    return entries


def _write(root: int, entries: Mapping[str, Entry]) -> None:
    """All of it, the oldest dump first."""
    ordered = sorted(entries.values(), key=lambda each: each.age)
    data = b"".join([_HEADER, b"\n", *(each.line() for each in ordered)])
    temporary = durable.NEW + NAME
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=root)
    durable.write(root, temporary, data)
    durable.replace(root, temporary, root, NAME)


def _append(root: int, stamp: Stamp, new: list[Entry]) -> None:
    file = os.open(NAME, _APPEND, dir_fd=root)
    try:
        if Stamp.of(os.fstat(file)).inode == stamp.inode:
            # The newline first: what is before may have been cut off.
            os.write(file, b"\n" + b"".join(each.line() for each in new))
    finally:
        os.close(file)
