"""meta/: one directory for each live record, one value in each file, as in sysfs.

A value that is not known is an empty file. ``all.json`` holds the same, with null, and ecc as an
object with the keys corrected and unrecoverable, as in summary.json.

============ ==================================================================================
file         value
============ ==================================================================================
type         dmesg, console, pmsg, ftrace, mce...
backend      erst, efi, efi_pstore, ramoops, pstore_blk, nvram...
id           the number in the name, unsigned
time         when the record was written, RFC 3339 in UTC
time_source  where it is from: id, mtime, boot-id (when that boot began), none
reason       from the header line: Panic, Oops, Shutdown...
count        oopses since boot, this one included
part         1 is the newest text of a dump
dump         the directory below dumps/ that the record belongs to
compression  deflate, zlib, lzo, lz4, 842, zstd; none; unknown
state        plain, decoded, salvaged, damaged, suspect, undecodable
ecc          bytes corrected and blocks beyond correction, two numbers
size         bytes as shown
stored_size  bytes as stored
sha256       of the bytes as stored
============ ==================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pstorefs import dump as dumps_of
from pstorefs.catalog.catalog import Catalog
from pstorefs.record import reading
from pstorefs.record.record import NO_TIME, Record
from pstorefs.record.shown import record_path
from pstorefs.source.stamp import Stamp
from pstorefs.system.utc import rfc3339
from pstorefs.tree.composed import ComposedDirectory, ComposedFile
from pstorefs.tree.node import Node, StaleError
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Attributes, Owner


def values(record: Record, dump: str | None) -> dict[str, Any]:
    """What is known of a record; `dump` is the name of the one that it belongs to."""
    nanoseconds, source = dumps_of.when(record)
    header, ecc = record.header, record.ecc
    return {
        "type": record.name.type,
        "backend": record.name.backend,
        # Of 64 bits: as a number, programs that know only doubles (jq) would round it.
        "id": None if record.name.id is None else str(record.name.id),
        "time": None if source == NO_TIME else rfc3339(nanoseconds),
        "time_source": source,
        "reason": header.reason if header else None,
        "count": header.count if header else None,
        "part": header.part if header else None,
        "dump": dump,
        "compression": record.compression,
        "state": record.state,
        "ecc": ecc and ecc._asdict(),
        "size": record.text_size,
        "stored_size": record.size,
        "sha256": record.sha256,
    }


@dataclass(frozen=True, slots=True)
class _Tree:
    """What meta/ looks like while the catalog finds nothing new."""

    live: list[Record]
    records: dict[tuple[str, ...], Record]
    #: Names in each folder.
    folders: dict[tuple[str, ...], set[str]]
    #: Of each folder and each record the rights of all on the way to it, and its own.
    rights: dict[tuple[str, ...], tuple[Stamp, ...]]


class Meta:
    """The directory meta/ of one mount. `extra`: further files, by name, of its root."""

    def __init__(
        self,
        catalog: Catalog,
        owners: Owners,
        extra: Mapping[str, Callable[[], Node]],
    ) -> None:
        self.catalog = catalog
        self._owners = owners
        self._extra = extra
        self._directories: dict[tuple[str, ...], ComposedDirectory] = {}
        self._known: _Tree | None = None
        self.root = self._folder(())

    def _folder(self, folder: tuple[str, ...]) -> ComposedDirectory:
        """The directory for a folder of the source, or for a record, with its rights as of now."""
        known = self._directories.get(folder)
        if known is not None:
            known.find()
        if known is None:
            new = ComposedDirectory(
                partial(self._entries, folder),
                partial(self._describe, folder),
                partial(self._entry, folder),
            )
            known = self._directories.setdefault(folder, new)
        return known

    def _describe(self, folder: tuple[str, ...]) -> Attributes:
        return self._owner(folder).directory(0)

    def _owner(self, path: tuple[str, ...]) -> Owner:
        """For those who may read a record, or what is in a folder."""
        return self._owners.of_records(self._tree().rights.get(path, ()) if path else ())

    def _entries(self, folder: tuple[str, ...]) -> Mapping[str, Node]:
        tree = self._tree()
        if folder in tree.records:
            return self._values(folder, tree.records[folder])
        if not folder:
            for gone in self._directories.keys() - tree.records.keys() - tree.folders.keys() - {()}:
                self._directories.pop(gone, None)
        names = tree.folders.get(folder, set())
        entries: dict[str, Node] = {name: self._folder((*folder, name)) for name in names}
        return entries if folder else entries | {name: of() for name, of in self._extra.items()}

    def _entry(self, folder: tuple[str, ...], name: str) -> Node | None:
        tree = self._tree()
        if folder in tree.records:
            return self._values(folder, tree.records[folder]).get(name)
        if not folder and name in self._extra:
            return self._extra[name]()
        return self._folder((*folder, name)) if name in tree.folders.get(folder, ()) else None

    def _tree(self) -> _Tree:
        """Live records by the path under which the mirror shows them."""
        live = self.catalog.live()
        known = self._known
        if known is None or known.live is not live:
            taken = {record.path for record in live}
            by_path = {
                tuple(
                    record_path(
                        record.path, legible=record.state != reading.UNDECODABLE, taken=taken
                    ).split("/")
                ): record
                for record in live
            }
            folders: dict[tuple[str, ...], set[str]] = {(): set()}
            rights: dict[tuple[str, ...], tuple[Stamp, ...]] = {}
            for path, record in by_path.items():
                way = self.catalog.rights(record)
                for depth in range(len(path)):
                    folders.setdefault(path[:depth], set()).add(path[depth])
                    rights[path[: depth + 1]] = way[: depth + 1]
            self._known = known = _Tree(live, by_path, folders, rights)
        return known

    def _values(self, folder: tuple[str, ...], record: Record) -> Mapping[str, Node]:
        dump = self.catalog.dump_of(record)
        known = values(record, dump.name if dump else None)
        owner = partial(self._owner, folder)
        contents = {name: _text(value) for name, value in known.items()}
        contents["all.json"] = json.dumps(known, indent=1).encode() + b"\n"
        return {
            name: ComposedFile(
                partial(self._value, folder, record, content), owner, record.mtime_ns
            )
            for name, content in contents.items()
        }

    def _value(self, folder: tuple[str, ...], record: Record, content: bytes) -> bytes:
        """A value of a record, if that is still the one of this name."""
        if self._tree().records.get(folder) != record:
            raise StaleError
        return content


def _text(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, dict):
        value = " ".join(map(str, value.values()))
    return f"{value}\n".encode()
