"""Records of one place, each read and decoded once, with a bounded number of bytes kept."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pstorefs.archive import layout
from pstorefs.record import reading
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE, Record
from pstorefs.source.directory import ChangedError

if TYPE_CHECKING:
    from pstorefs.source.directory import Stamp, Store

_TEXT_BYTES = 32 << 20
# Records seen lately: `rm *` asks for the same ones again and again.
_RECORDS = 4096
_seen: OrderedDict[tuple[str, str, str, int, str], Record] = OrderedDict()


@dataclass(slots=True)
class Shelf:
    """Records of one place. ``stamps`` are those of its files, by path, as they were listed."""

    store: Store
    place: str
    stamps: dict[str, Stamp] = field(default_factory=dict)
    _texts: dict[str, bytes] = field(default_factory=dict)
    _room: int = _TEXT_BYTES

    def read(self, path: str) -> bytes:
        """The stored bytes. `ChangedError` if the file is not the one that was listed."""
        *folder, name = path.split("/")
        return self.store.read(tuple(folder), name, self.stamps[path])

    def record(self, path: str) -> Record:
        """What grouping knows of a record. OSError as from `read`."""
        stored = self.read(path)
        file = path.rpartition("/")[2]
        if self.place == ARCHIVE:
            file = layout.raw_file(file) or file
        mtime = self.stamps[path].mtime_ns
        key = (self.place, path, file, mtime, hashlib.sha256(stored).hexdigest())
        record = _seen.pop(key, None)
        if record is None:
            name = parse_name(file)
            if name is None:
                raise ValueError(f"{file!r} is no name of a record")
            read = reading.read(name, stored)
            record = Record.of(file, self.place, mtime, stored, read, path)
            self._keep(path, read.text)
        _seen[key] = record
        while len(_seen) > _RECORDS:
            _seen.popitem(last=False)
        return record

    def latest(self, path: str) -> Record:
        """The same; once more if only the links, the owner or the mode of the file changed."""
        try:
            return self.record(path)
        except ChangedError:
            *folder, name = path.split("/")
            self.stamps[path] = self.store.stamp(tuple(folder), name)
            return self.record(path)

    def text(self, record: Record) -> bytes:
        """A record's text as its `Reading` has it."""
        text = self._texts.get(record.path)
        if text is None:
            text = reading.read(record.name, self.read(record.path)).text
            self._keep(record.path, text)
        return text

    def _keep(self, path: str, text: bytes) -> None:
        if len(text) <= self._room:
            self._room -= len(text)
            self._texts[path] = text
