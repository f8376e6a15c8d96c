"""Recognises copies of one record, in several places or shapes.

The same record may lie in the store, in the archive and where systemd-pstore moved it, compressed
here and as text there, whole here and damaged there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pstorefs.record.name import id_seconds
from pstorefs.record.reading import DECODED, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pstorefs.record.record import Record

# Copies of one record have the same mtime, but for what archivers round off.
_SAME_MTIME_NS = 10**6


def merge(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """Put copies of one record together, the best first."""
    same_id: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    same_text: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.family in ("erst", "efi") and id_seconds(record.name) is not None:
            same_id[record.family, record.name.type, record.name.id or 0].append(record)
        else:
            same_text[record.family, record.name.type, record.text_hash].append(record)
    found, slots = [], []
    for copies in same_id.values():
        found += [copies] if len(copies) == 1 else _by_id(copies)
    for copies in same_text.values():
        slots += [copies] if len(copies) == 1 else _by_slot(copies)
    found += _worse_shapes(slots)
    return [tuple(sorted(copies, key=lambda record: record.rank)) for copies in found]


def _by_id(records: list[Record]) -> list[list[Record]]:
    """Copies of records whose id is an identity: one record, unless two whole texts differ."""
    texts: dict[str, list[Record]] = {}
    broken = []
    for record in sorted(records, key=lambda record: record.rank):
        if _whole(record) or record.text_hash in texts:
            texts.setdefault(record.text_hash, []).append(record)
        else:
            broken.append(record)
    only = next(iter(texts.values())) if len(texts) == 1 else None
    for record in broken:
        if only and (record.header is None or _head(record) == _head(only[0])):
            only.append(record)
        else:
            texts.setdefault(record.text_hash, []).append(record)
    return list(texts.values())


def _by_slot(records: list[Record]) -> list[list[Record]]:
    """Copies among records of the same text whose id is a slot.

    The same text at another time is another boot's: kernels without time stamps print the same
    lines in every boot. Where times are known they decide, else the slot does.
    """
    found: list[list[Record]] = []
    slots: dict[int | None, list[Record]] = {}
    for record in sorted((i for i in records if i.dated), key=lambda i: (i.mtime_ns, i.rank)):
        if not found or record.mtime_ns - found[-1][-1].mtime_ns > _SAME_MTIME_NS:
            found.append([])
        found[-1].append(record)
        slots[record.name.id] = found[-1]
    for record in sorted((i for i in records if not i.dated), key=lambda i: i.rank):
        if record.name.id not in slots:
            found.append([])
            slots[record.name.id] = found[-1]
        slots[record.name.id].append(record)
    return found


def _worse_shapes(records: list[list[Record]]) -> list[list[Record]]:
    """Add to a whole record what shows the same slot at the same time in a worse state.

    Such as a record that one kernel decompressed wrongly (tests/corpus, other-6.12.107-deb13) and
    another one left as it was.
    """
    moments: dict[tuple[str, str, int | None, int], list[Record]] = {}
    broken = []
    for copies in records:
        if not any(map(_whole, copies)):
            broken.append(copies)
            continue
        for record in copies:
            if record.dated:
                moments[_moment(record, 0)] = copies
    kept = [copies for copies in records if any(map(_whole, copies))]
    for copies in broken:
        record = copies[0]
        near = (_moment(record, shift) for shift in (0, -1, 1))
        home = next((moments[each] for each in near if each in moments), None)
        if record.dated and home and (record.header is None or _head(record) == _head(home[0])):
            home += copies
        else:
            kept.append(copies)
    return kept


def _moment(record: Record, shift: int) -> tuple[str, str, int | None, int]:
    return (
        record.family,
        record.name.type,
        record.name.id,
        record.mtime_ns // _SAME_MTIME_NS + shift,
    )


def _whole(record: Record) -> bool:
    return record.state in (PLAIN, DECODED)


def _head(record: Record) -> tuple[str, int, int] | None:
    header = record.header
    return (header.reason, header.count, header.part) if header else None
