"""Copies of one record, in several places or shapes, put together.

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

    from pstorefs.record.record import Item

# Copies of one record have the same mtime, but for what archivers round off.
_SAME_MTIME_NS = 10**6


def merge(items: Iterable[Item]) -> list[tuple[Item, ...]]:
    """Put copies of one record together, the best first."""
    same_id: dict[tuple[str, str, int], list[Item]] = defaultdict(list)
    same_text: dict[tuple[str, str, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.family in ("erst", "efi") and id_seconds(item.name) is not None:
            same_id[item.family, item.name.type, item.name.id or 0].append(item)
        else:
            same_text[item.family, item.name.type, item.text_hash].append(item)
    found, slots = [], []
    for copies in same_id.values():
        found += [copies] if len(copies) == 1 else _by_id(copies)
    for copies in same_text.values():
        slots += [copies] if len(copies) == 1 else _by_slot(copies)
    found += _worse_shapes(slots)
    return [tuple(sorted(copies, key=lambda item: item.rank)) for copies in found]


def _by_id(items: list[Item]) -> list[list[Item]]:
    """Copies of records whose id is an identity: one record, unless two whole texts differ."""
    texts: dict[str, list[Item]] = {}
    broken = []
    for item in sorted(items, key=lambda item: item.rank):
        if _whole(item) or item.text_hash in texts:
            texts.setdefault(item.text_hash, []).append(item)
        else:
            broken.append(item)
    only = next(iter(texts.values())) if len(texts) == 1 else None
    for item in broken:
        if only and (item.header is None or _head(item) == _head(only[0])):
            only.append(item)
        else:
            texts.setdefault(item.text_hash, []).append(item)
    return list(texts.values())


def _by_slot(items: list[Item]) -> list[list[Item]]:
    """Copies among records of the same text whose id is a slot.

    The same text at another time is another boot's: kernels without time stamps print the same
    lines in every boot. Where times are known they decide, else the slot does.
    """
    found: list[list[Item]] = []
    slots: dict[int | None, list[Item]] = {}
    for item in sorted((i for i in items if i.dated), key=lambda i: (i.mtime_ns, i.rank)):
        if not found or item.mtime_ns - found[-1][-1].mtime_ns > _SAME_MTIME_NS:
            found.append([])
        found[-1].append(item)
        slots[item.name.id] = found[-1]
    for item in sorted((i for i in items if not i.dated), key=lambda i: i.rank):
        if item.name.id not in slots:
            found.append([])
            slots[item.name.id] = found[-1]
        slots[item.name.id].append(item)
    return found


def _worse_shapes(records: list[list[Item]]) -> list[list[Item]]:
    """Add to a whole record what shows the same slot at the same time in a worse state.

    Such as a record that one kernel decompressed wrongly (tests/corpus, other-6.12.107-deb13) and
    another one left as it was.
    """
    moments: dict[tuple[str, str, int | None, int], list[Item]] = {}
    broken = []
    for copies in records:
        if not any(map(_whole, copies)):
            broken.append(copies)
            continue
        for item in copies:
            if item.dated:
                moments[_moment(item, 0)] = copies
    kept = [copies for copies in records if any(map(_whole, copies))]
    for copies in broken:
        item = copies[0]
        near = (_moment(item, shift) for shift in (0, -1, 1))
        home = next((moments[each] for each in near if each in moments), None)
        if item.dated and home and (item.header is None or _head(item) == _head(home[0])):
            home += copies
        else:
            kept.append(copies)
    return kept


def _moment(item: Item, shift: int) -> tuple[str, str, int | None, int]:
    return item.family, item.name.type, item.name.id, item.mtime_ns // _SAME_MTIME_NS + shift


def _whole(item: Item) -> bool:
    return item.state in (PLAIN, DECODED)


def _head(item: Item) -> tuple[str, int, int] | None:
    header = item.header
    return (header.reason, header.count, header.part) if header else None
