"""One dump of the archive, read consistently, without delaying the archive.

An archiving command may run meanwhile, and add parts that come later to a dump. It writes raw/
first and SHA256SUMS last (archive/save.py). So SHA256SUMS is read before and after all the rest: if
it is the same, and raw/ holds just what it lists, everything read between belongs to it.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.archive import durable, layout
from pstorefs.fleet import bundle, entry, keys

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUMS_BYTES, _SUMMARY_BYTES = 8 << 20, 1 << 20


class NotNowError(Exception):
    """The dump is being changed: try again later."""


class UnfitError(Exception):
    """The dump cannot be shipped as it is, and trying again does not mend it."""


class Brief(NamedTuple):
    """The facts of a dump that are needed before it is read whole."""

    name: str
    signature: str
    #: Sorts by the time of the crash; dumps without a time come first.
    time: str


class Saved(NamedTuple):
    """A dump as it is in the archive."""

    name: str
    #: SHA256SUMS, as it is there.
    sums: bytes
    #: The SHA-256 of all records.
    hashes: tuple[str, ...]
    #: Paths below the dump's directory, records.json and SHA256SUMS aside, to contents.
    files: Mapping[str, bytes]
    #: summary.json, parsed; empty if there is none.
    summary: dict[str, Any]
    #: When the first of it was archived, Unix time; 0: not known.
    saved: int
    #: The id of what the dump was before its last records joined it.
    replaces: str | None

    @property
    def id(self) -> str:
        """See `keys.id_of`."""
        return keys.id_of(self.hashes)


def brief(archive: int, name: str) -> Brief:
    """What its summary.json says of a dump; never raises."""
    summary: dict[str, Any] = {}
    try:
        directory = durable.open_directory(archive, name)
        try:
            summary = entry.parse(durable.read_small(directory, layout.SUMMARY, _SUMMARY_BYTES))
        finally:
            os.close(directory)
    except OSError:
        pass
    signature, time = entry.column(summary, "signature"), entry.column(summary, "time")
    return Brief(name, signature or "", time or "")


def read(archive: int, name: str) -> Saved:
    """A dump, verified. Raises `NotNowError`, `UnfitError`, or OSError where it cannot be read."""
    if not layout.is_dump_name(name):
        raise UnfitError("not the name of a dump")
    try:
        directory, raw = layout.open_raw(archive, name)
    except FileNotFoundError:
        raise NotNowError("it has just been removed") from None
    try:
        text = durable.read_small(directory, layout.SUMS, _SUMS_BYTES)
        sums = layout.parse_sums(text)
        if sums is None:
            raise UnfitError(f"its {layout.SUMS} is not as pstorefs writes it")
        files = _records(raw, sums)
        room = bundle.MOST_BYTES - sum(map(len, files.values()))
        files |= _composed(directory, room)
        files[layout.SUMS] = text
        history = layout.read_facts(directory)
        if durable.read_small(directory, layout.SUMS, _SUMS_BYTES) != text or set(
            os.listdir(raw)
        ) != set(sums):
            raise NotNowError("records are being added to it")
    finally:
        os.close(directory)
        os.close(raw)
    summary = entry.parse(files.get(layout.SUMMARY, b""))
    saved = {digest: fact.saved for (file, digest), fact in history.items() if file in sums}
    hashes = tuple(sums.values())
    return Saved(
        name, text, hashes, files, summary, min(saved.values(), default=0), _before(hashes, saved)
    )


def _records(raw: int, sums: Mapping[str, str]) -> dict[str, bytes]:
    names = set(os.listdir(raw))
    if names - set(sums):
        raise NotNowError("records are being added to it")
    if set(sums) - names:
        raise UnfitError(f"raw/{min(set(sums) - names)} is missing")
    if len(names) > bundle.MOST_FILES:
        raise UnfitError(f"more than {bundle.MOST_FILES} records")
    files, room = {}, bundle.MOST_BYTES
    for name in sorted(sums):
        if layout.raw_file(name) is None:
            raise UnfitError(f"raw/{name!r} is not a record")
        data = _bounded(raw, name, room)
        room -= len(data)
        if hashlib.sha256(data).hexdigest() != sums[name]:
            raise UnfitError(f"raw/{name} is damaged: its SHA-256 is not that of {layout.SUMS}")
        files[f"{layout.RAW}/{name}"] = data
    return files


def _composed(directory: int, room: int) -> dict[str, bytes]:
    files = {}
    for name in layout.COMPOSED:
        try:
            limit = min(room, _SUMMARY_BYTES) if name == layout.SUMMARY else room
            data = _bounded(directory, name, limit)
        except FileNotFoundError:
            continue
        room -= len(data)
        files[name] = data
    return files


def _bounded(directory: int, name: str, room: int) -> bytes:
    import errno

    try:
        return durable.read_small(directory, name, room)
    except OSError as error:
        if error.errno == errno.EFBIG:
            words = f"{name} makes it longer than {bundle.MOST_BYTES >> 20} MiB, or is not a file"
            raise UnfitError(words) from None
        raise


def _before(hashes: tuple[str, ...], saved: Mapping[str, int]) -> str | None:
    """The id before the last records joined: of all records saved earlier than the last of them."""
    moments = {digest: saved.get(digest, 0) for digest in hashes}
    earlier = [digest for digest, moment in moments.items() if moment < max(moments.values())]
    return keys.id_of(earlier) if earlier else None
