"""One archived dump as its own files say, without reading its records.

summary.json says what a dump is. It is believed where it agrees with SHA256SUMS and with what is in
raw/: the same names, the sizes and sums of each record, and the times that `saved` tells. Where it
does not, or is of a shape that this program never wrote, the records are read (`in_full`).

What it says beside what is shown, and how it is guarded against silent damage: saved_summary.py.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.archive import durable, layout
from pstorefs.archive.saved_summary import SAVED, is_sealed, readers_bytes, shown
from pstorefs.archive.shape import KEYS, shaped
from pstorefs.record.record import ARCHIVE
from pstorefs.source.directory import stamps_in
from pstorefs.source.stamp import Stamp
from pstorefs.system.json_lines import laid_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.source.directory import OpenDirectory

#: Bytes of a summary.json and of a report.txt that are read.
SUMMARY_BYTES = 1 << 20
# What file systems round mtimes off by, at most (FAT); whoever changes a file leaves a later one.
_ROUNDED_NS = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Stored:
    """A dump that is as its summary.json says. `keys` are those of summary.json, without `saved`.

    ``stamps``: the dump's directory and raw/; while these are the same, so is all of this.
    """

    name: str
    keys: dict[str, Any]
    #: summary.json itself.
    summary: bytes
    raw: dict[str, Stamp]
    stamps: tuple[Stamp, ...]
    #: When its records were put there, in seconds since 1970.
    saved: int
    mtime_ns: int
    #: SHA-256 of dmesg.txt and what is beside it; empty: an earlier version did not say.
    texts: Mapping[str, str]
    key: str = ""
    start: int | None = None
    tail: int | None = None
    #: Bytes of dmesg.txt as it lies there; None: it does not.
    length: int | None = None

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records as summary.json has them."""
        records: list[dict[str, Any]] = self.keys["records"]
        return records

    @property
    def sure(self) -> Sure | None:
        """What the index tells; None: summary.json says something else than it was found to."""
        try:
            # Other dumps of its boot are looked for each time: `shaped` drops them.
            whole = {**self.keys, "boot_dumps": json.loads(self.summary)["boot_dumps"]}
            return _sure(self, whole) if laid_out(whole) == shown(self.summary) else None
        except (KeyError, RecursionError):  # of what no version wrote
            return None


class Sure(NamedTuple):
    """What is known of a summary.json that agrees with all else, before it is read again."""

    #: See `unchanged`.
    mark: int
    #: Its bytes as shown, but for those of `readers_bytes`.
    fixed: int


class Unchanged(NamedTuple):
    """summary.json of a dump that is as it was when it was read in full, and the dump's stamps."""

    stamps: tuple[Stamp, ...]
    summary: bytes


class _Found(NamedTuple):
    """What is on the disk of one dump."""

    stamps: tuple[Stamp, ...]
    raw: dict[str, Stamp]
    summary: bytes
    sums: bytes
    #: When SHA256SUMS was written, in nanoseconds since 1970.
    finished_ns: int
    #: Bytes of dmesg.txt.
    length: int | None


def read(archive: OpenDirectory, name: str, limit: int = SUMMARY_BYTES) -> Stored | None:
    """A dump of an archive; None if its summary.json is not to be believed. OSError if it hangs.

    Of at most `limit` bytes is the summary, and of about as many the list of its records.
    """
    try:
        found = archive.within((name,), lambda directory: _found(directory, limit))
    except TimeoutError:
        raise
    except OSError:
        return None
    sums = layout.parse_sums(found.sums)
    try:
        whole = json.loads(found.summary)
        keys = shaped(whole)
        saved = _saved(whole, found.summary)
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    raw = found.raw
    if sums is None or not _agree(name, keys, raw, sums, saved.get("mtimes")):
        return None
    keys["name"] = name
    when = saved.get("mtime_ns", _seconds(keys["time"]) or max(s.mtime_ns for s in raw.values()))
    return Stored(
        name=name,
        keys=keys,
        summary=found.summary,
        raw=raw,
        stamps=found.stamps,
        saved=found.finished_ns // 10**9,
        mtime_ns=when,
        texts=saved.get("texts", {}),
        key=saved.get("key", ""),
        start=saved.get("start"),
        tail=saved.get("tail"),
        length=found.length,
    )


def look(archive: OpenDirectory, name: str) -> tuple[tuple[Stamp, ...], dict[str, Stamp]]:
    """The stamps that tell whether a dump changed, and the records in its raw/. OSError."""
    return archive.within((name,), _look)


def unchanged(archive: OpenDirectory, name: str, mark: int, limit: int) -> Unchanged | None:
    """A dump, if its `mark` is the one that the index tells; None: it has to be read. OSError.

    Then all that is agreed on already: that saves three quarters of the time.
    """
    found = archive.within((name,), lambda directory: _small(directory, limit))
    return found if _mark(found) == mark else None


def sure_of(archive: OpenDirectory, name: str) -> Sure | None:
    """The same of a dump that was just saved: what was written needs no checking. OSError."""
    found = archive.within((name,), lambda directory: _small(directory, SUMMARY_BYTES))
    return _sure(found, json.loads(found.summary)) if is_sealed(found.summary) else None


def _sure(dump: Stored | Unchanged, keys: Mapping[str, Any]) -> Sure:
    return Sure(_mark(dump), len(shown(dump.summary)) - readers_bytes(keys))


def _small(directory: int, limit: int) -> Unchanged:
    stamps, _ = _look_within(directory, limit)
    return Unchanged(stamps, durable.read_small(directory, layout.SUMMARY, limit))


def _mark(dump: Stored | Unchanged) -> int:
    """64 bits of a SHA-256 over summary.json and whatever a stamp says, but for the device.

    That may have another number after the next boot. Also over the keys that are known: a version
    that knows more of them shows them as null, and has to read it.
    """
    stamps = [(*stamp[:-1], stamp.inode, stamp.ctime_ns) for stamp in dump.stamps]
    digest = hashlib.sha256(repr((KEYS, stamps)).encode())
    digest.update(dump.summary)
    return int.from_bytes(digest.digest()[:8], "big")


def _found(directory: int, limit: int) -> _Found:
    """All that tells what a dump is, but for its records. OSError, also if it is too large."""
    stamps, raw = _look_within(directory, limit)
    summary = durable.read_small(directory, layout.SUMMARY, limit)
    sums = durable.read_small(directory, layout.SUMS, layout.SUMS_BYTES)
    finished = os.stat(layout.SUMS, dir_fd=directory, follow_symlinks=False).st_mtime_ns
    length = None
    with suppress(FileNotFoundError):
        length = os.stat(layout.TEXT, dir_fd=directory, follow_symlinks=False).st_size
    return _Found(stamps, raw, summary, sums, finished, length)


def _look_within(directory: int, limit: int) -> tuple[tuple[Stamp, ...], dict[str, Stamp]]:
    """`_look`, if the list of its records is of about `limit` bytes at most. OSError if not."""
    if os.stat(layout.RAW, dir_fd=directory, follow_symlinks=False).st_size > limit:
        raise durable.error(errno.EFBIG, f"{layout.RAW} holds too many records")
    return _look(directory)


def _look(directory: int) -> tuple[tuple[Stamp, ...], dict[str, Stamp]]:
    descriptor = durable.open_directory(directory, layout.RAW)
    try:
        there: dict[str, Stamp] = {}
        stamps_in(descriptor, there)
        places = [Stamp.of(os.fstat(directory)), Stamp.of(os.fstat(descriptor))]
    finally:
        os.close(descriptor)
    raw = {
        file: stamp
        for file, stamp in there.items()
        if stamp.is_file and layout.raw_file(file) is not None
    }
    for file in (layout.SUMMARY, layout.SUMS):
        with suppress(FileNotFoundError):
            places.append(Stamp.of(os.stat(file, dir_fd=directory, follow_symlinks=False)))
    return (*places, *raw.values()), raw


def small(archive: OpenDirectory, name: str, file: str, limit: int) -> bytes:
    """A regular file of a dump, of at most so many bytes. OSError."""
    stamp = archive.stamp((name,), file)
    if not stamp.is_file or stamp.size > limit:
        raise durable.error(errno.EFBIG, f"{name}/{file} is not a file of at most {limit} bytes")
    return archive.read((name,), file, stamp)


def _saved(whole: dict[str, Any], data: bytes) -> dict[str, Any]:
    """What `saved` tells, checked; ValueError if it is not as it was written."""
    saved = whole.get(SAVED)
    if saved is None:
        return {}
    if not is_sealed(data):
        raise ValueError("it was changed")
    checked = shaped(saved, SAVED)
    if checked["tail"] is not None:
        checked["tail"] = int(checked["tail"], 16)
    return checked


def _agree(
    name: str,
    keys: dict[str, Any],
    raw: Mapping[str, Stamp],
    sums: Mapping[str, str],
    mtimes: Mapping[str, int] | None,
) -> bool:
    """Whether a summary tells of exactly what is in raw/. Records of other places are dropped."""
    records = [record for record in keys["records"] if record["place"] == ARCHIVE]
    files = [os.path.basename(record["path"]) for record in records]
    if not (sorted(files) == sorted(raw) == sorted(sums) and files):
        return False
    for record, file in zip(records, files, strict=True):
        record["path"] = f"{name}/{layout.RAW}/{file}"
        if record["name"] != layout.raw_file(file):
            return False
        if (record["size"], record["sha256"]) != (raw[file].size, sums[file]):
            return False
        if mtimes is not None and abs(mtimes.get(file, 0) - raw[file].mtime_ns) > _ROUNDED_NS:
            return False
    keys["records"] = records
    return any(record["use"] == "part" for record in records)


def _seconds(time: str | None) -> int | None:
    """RFC 3339 as this program writes it, in nanoseconds since 1970."""
    from datetime import datetime, timezone

    if time is None:
        return None
    moment = datetime.fromisoformat(time.removesuffix("Z")).replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 10**9
