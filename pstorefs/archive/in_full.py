"""Reads an archived dump from its records, where its summary.json is missing, old or doubtful."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pstorefs import dump as dumps
from pstorefs.archive import entry, layout, stored
from pstorefs.codecs.detect import MAX_INPUT
from pstorefs.record import reading
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE, Record
from pstorefs.source.stamp import Stamp, has_changed

if TYPE_CHECKING:
    from pstorefs.archive.entry import Entry
    from pstorefs.dump import Dump
    from pstorefs.source.directory import OpenDirectory

# Records of one dump: more are none of a kernel's, and are passed over.
_MOST = 20_000


@dataclass(slots=True)
class InFull:
    """The records of one directory of an archive, and what is wrong with them."""

    name: str
    stamps: tuple[Stamp, ...]
    raw: dict[str, Stamp]
    records: list[Record] = field(default_factory=list)
    #: Paths of records that are not what SHA256SUMS tells, or not there.
    rotten: list[str] = field(default_factory=list)
    #: What could not be read, by path, with the reason.
    unreadable: dict[str, str] = field(default_factory=dict)

    def dump(self) -> Dump | None:
        """The one dump that it is, named after its directory; None if it is none, or several."""
        found = dumps.group(self.records)
        return replace(found[0], name=self.name) if len(found) == 1 else None

    def entry(self) -> Entry | None:
        """The entry of that dump. Saved it was, as far as is known, when raw/ was last changed."""
        dump = self.dump()
        if dump is None:
            return None
        return entry.of_dump(dump, self.raw, self.stamps[0], self.stamps[1].mtime_ns // 10**9)


def read(archive: OpenDirectory, name: str) -> InFull | None:
    """Read all records of a directory. None if it is gone; TimeoutError if the archive hangs."""
    # Before the look: of what is saved meanwhile they would tell what was not there yet.
    sums = layout.sums_in(archive, name) or {}
    try:
        stamps, raw = stored.look(archive, name)
    except TimeoutError:
        raise
    except OSError:
        if not sums:
            return None
        stamps, raw = (), {}  # without raw/
    found = InFull(name, stamps, raw)
    found.rotten += [f"{name}/{layout.RAW}/{file}" for file in sorted(sums.keys() - raw.keys())]
    for file, stamp in list(raw.items())[:_MOST]:
        _read(archive, found, file, stamp, sums.get(file, ""))
    return found


def _read(archive: OpenDirectory, found: InFull, file: str, stamp: Stamp, expected: str) -> None:
    path = f"{found.name}/{layout.RAW}/{file}"
    called = layout.raw_file(file) or file
    name = parse_name(called)
    if name is None:
        return
    if stamp.size > MAX_INPUT:
        found.unreadable[path] = "longer than any kernel record"
        return
    try:
        data = archive.read((found.name, layout.RAW), file, stamp)
    except TimeoutError:
        raise
    except OSError as error:
        if not has_changed(error):
            found.unreadable[path] = error.strerror or str(error)
        return
    read = reading.read(name, data)
    record = Record.of(called, ARCHIVE, stamp.mtime_ns, data, read, path)
    found.records.append(record)
    if expected not in ("", record.sha256):
        found.rotten.append(path)


def entry_of(archive: OpenDirectory, name: str) -> Entry | None:
    """The entry of an archived dump, from its summary.json or else from its records."""
    known = stored.read(archive, name)
    if known is not None:
        return entry.of_stored(known)
    found = read(archive, name)
    return found.entry() if found else None
