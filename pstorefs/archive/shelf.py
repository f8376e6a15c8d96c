"""Records of one place, each read and decoded once, with a bounded number of bytes kept.

What is kept are the bytes that a record was planned with, and its text: saving needs both. What
finds no room is read, and decoded, again. Nothing that is erased is compared with what is kept:
`erase` reads the store once more.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.archive import layout
from pstorefs.record import reading
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE, Record
from pstorefs.source.stamp import ChangedError

if TYPE_CHECKING:
    from pstorefs.record.decoded import Decoded
    from pstorefs.record.name import Name
    from pstorefs.source.directory import OpenDirectory
    from pstorefs.source.stamp import Stamp

# Bytes of records and of their texts that are kept.
_KEPT_BYTES = 48 << 20
# Records seen lately: `rm *` asks for the same ones again and again.
_RECORDS = 4096
_seen: OrderedDict[tuple[str, str, str, int, str], Record] = OrderedDict()


class _Kept(NamedTuple):
    stored: bytes
    sha256: str
    #: None: not decoded.
    text: bytes | None


@dataclass(slots=True)
class Shelf:
    """Records of one place. ``stamps`` are those of its files, by path, as they were listed.

    ``decoded``: what others have decoded lately, if there is anybody else.
    """

    directory: OpenDirectory
    place: str
    stamps: dict[str, Stamp] = field(default_factory=dict)
    decoded: Decoded | None = None
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _size: int = 0

    def record(self, path: str) -> Record:
        """What grouping knows of a record.

        OSError if it cannot be read; `ChangedError` if it is not the file that was listed.
        """
        stored = self._read(path)
        file = path.rpartition("/")[2]
        if self.place == ARCHIVE:
            file = layout.raw_file(file) or file
        mtime = self.stamps[path].mtime_ns
        digest = hashlib.sha256(stored).hexdigest()
        key = (self.place, path, file, mtime, digest)
        record, text = _seen.pop(key, None), None
        if record is None:
            name = parse_name(file)
            if name is None:
                raise ValueError(f"{file!r} is not the name of a record")
            read = self._decode(name, path, stored)
            record = Record.of(file, self.place, mtime, stored, read, path)
            text = read.text
        _seen[key] = record
        while len(_seen) > _RECORDS:
            _seen.popitem(last=False)
        self._keep(path, stored, digest, text)
        return record

    def latest(self, path: str) -> Record:
        """The same; once more if only the links, the owner or the mode of the file changed."""
        try:
            return self.record(path)
        except ChangedError:
            *folder, name = path.split("/")
            self.stamps[path] = self.directory.stamp(tuple(folder), name)
            return self.record(path)

    def stored(self, record: Record) -> bytes:
        """The bytes that `record` was made of. OSError as there."""
        kept = self._kept.get(record.path)
        stored = kept.stored if kept else self._read(record.path)
        digest = kept.sha256 if kept else hashlib.sha256(stored).hexdigest()
        if digest != record.sha256:
            raise ChangedError(f"{record.path} changed while it was archived")
        return stored

    def text(self, record: Record) -> bytes:
        """A record's text as its `Reading` has it. OSError as of `record`."""
        kept = self._kept.get(record.path)
        if kept and kept.text is not None:
            return kept.text
        stored = self.stored(record)
        text = self._decode(record.name, record.path, stored).text
        self._keep(record.path, stored, record.sha256, text)
        return text

    def forget(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._size = 0

    def _read(self, path: str) -> bytes:
        *folder, name = path.split("/")
        return self.directory.read(tuple(folder), name, self.stamps[path])

    def _decode(self, name: Name, path: str, stored: bytes) -> reading.Reading:
        key = path.rpartition("/")[2], self.stamps[path]
        known = self.decoded.get(key) if self.decoded else None
        if known and known[0] == stored:
            return known[1]
        return reading.read(name, stored)

    def _keep(self, path: str, stored: bytes, sha256: str, text: bytes | None) -> None:
        kept = _Kept(stored, sha256, text)
        size = self._size + _size(kept) - _size(self._kept.get(path))
        if size <= _KEPT_BYTES:
            self._size = size
            self._kept[path] = kept


def _size(kept: _Kept | None) -> int:
    """Bytes of memory: the text of a plain record is the very same as what is stored."""
    if kept is None:
        return 0
    return len(kept.stored) + (len(kept.text or b"") if kept.text is not kept.stored else 0)
