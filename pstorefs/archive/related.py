"""Archived dumps that may have to do with records that are not archived: they are read in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pstorefs.archive.entry import ALONE, Entry, boot_tokens, tokens
from pstorefs.record.record import NO_TIME, Record, when

_NEAR = (-1, 0, 1)


def related(entries: Mapping[str, Entry], records: Sequence[Record]) -> set[str]:
    """Archived dumps that may be one with any of these records, or of one boot with them."""
    if not records or not entries:
        return set()
    wanted = set(_wanted(records))
    found = {
        name for name, each in entries.items() if not wanted.isdisjoint(each.tokens.split(" "))
    }
    tails = {each.tail: name for name, each in entries.items() if each.tail is not None}
    if tails:
        for record in records:
            found |= {tails[line] for line in tails.keys() & record.fingerprints()}
    return found | _of_their_boots(entries, found)


def _of_their_boots(entries: Mapping[str, Entry], found: set[str]) -> set[str]:
    """The other dumps of their boots: with some of these alone the evidence could be missing."""
    keys = {_key(entries[name]) for name in found} - {None}
    if not keys:
        return set()
    return {name for name, each in entries.items() if _key(each) in keys}


def _key(entry: Entry) -> str | None:
    return entry.boot.removeprefix(ALONE) if entry.boot else None


def _wanted(records: Iterable[Record]) -> Iterator[str]:
    for record in records:
        yield from tokens(record.name, record.size, record.mtime_ns, _NEAR)
        time, source = when(record)
        if record.last is not None and source != NO_TIME and record.family != "erst":
            yield from boot_tokens(time // 10**9 - record.last // 10**6)
