"""Records to the parts of dumps: which records belong together.

A dump is written part by part, part 1 (the newest text) first; each part's header line says
``<reason>#<count> Part<n>``. Counts start at 1 in every boot, so that a store is full of Panic#1:
they are distinguished by the id, as far as each backend's can be trusted.

====== ============================= ============================================================
family id                            one dump is
====== ============================= ============================================================
erst   time of boot, running number  what has one time, reason and count (erst.py)
efi    part's time, part, count      what has one reason and count, rising parts and times, and
                                     no long pause (part 1 again: the next dump)
slots  index, used again             one record: ramoops, pstore_blk and nvram keep part 1 only
other  not known                     as efi, by the times of the files
====== ============================= ============================================================

Where two dumps could take a record (several machines' records in one directory), the times of the
log lines decide: part n+1 ends where part n begins. Records without a header (undecodable, or
suspect) are placed by their ids alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.dump import copies, erst
from pstorefs.dump.part import Group, Part
from pstorefs.record.name import id_number, id_seconds
from pstorefs.record.record import NO_TIME, Record, efi_seconds, when

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Copies = tuple[Record, ...]

#: Backends that keep part 1 only.
SLOTS = ("ramoops", "pstore_blk", "nvram")

# Seconds between two parts of one dump: the time that one write takes. EFI variables took up to a
# second in the captures; firmware that tidies its flash takes longer, a reboot longer still.
_WRITE_S = 10
_WRITE_MISSING_S = 2
_WRITE_MOST_S = 60
# What makes a record fit badly, in microseconds of a gap between log lines: each missing part, and
# each second between two writes. In most dumps the clock ticks once or twice: that costs little.
_MISSING_COST = 10**6
_TICKS, _TICK_COST = 2, 10**4
_PAUSE_COST = 10**6
# Dumps that may still grow. More than one means several machines; the bound keeps a hostile
# directory from taking quadratic time.
_OPEN = 16
# A part above 99 carries into the time of an EFI id. Such a reading is believed only if parts of
# the same dump lead up to it.
_NEAR_CARRY = 10


def split(records: Iterable[Record]) -> list[Group]:
    """Group all records. Which groups come out does not depend on the order of the records."""
    dumps: dict[tuple[str, bool], list[Copies]] = defaultdict(list)
    checks: dict[int, set[int]] = defaultdict(set)
    groups = []
    for shapes in copies.merge(records):
        record = shapes[0]
        seconds = id_seconds(record.name) if record.family in ("erst", "efi") else None
        if record.is_dump:
            dumps[record.family, seconds is not None].append(shapes)
            continue
        groups.append(Group([Part(None, shapes)]))
        if record.family == "erst" and seconds is not None:
            checks[seconds].add(id_number(record.name) or 0)
    for (family, timed), found in sorted(dumps.items()):
        if family == "erst" and timed:
            groups += _erst(found, checks)
        elif family == "efi" and timed:
            groups += _efi(found)
        elif family in SLOTS:
            groups += map(_alone, found)
        else:
            groups += _by_header(found)
    return groups


def _alone(shapes: Copies) -> Group:
    group = Group()
    header = shapes[0].header
    group.add(Part(header.part if header else None, shapes))
    return group


def _erst(records: Iterable[Copies], checks: dict[int, set[int]]) -> list[Group]:
    boots: dict[int, list[tuple[int, Copies]]] = defaultdict(list)
    for shapes in records:
        name = shapes[0].name
        boots[id_seconds(name) or 0].append((id_number(name) or 0, shapes))
    groups = []
    for seconds, run in sorted(boots.items()):
        run.sort(key=lambda each: (each[0], each[1][0].text_hash, each[1][0].rank))
        groups += erst.Boot(run, checks.get(seconds, set())).groups
    return groups


@dataclass(frozen=True, slots=True)
class _Piece:
    """A record on its way into a dump."""

    shapes: Copies
    #: Sorts records in the order in which they were written.
    order: tuple[int, int]
    #: None: not known.
    time: int | None
    #: None: only the id decides.
    part: int | None


def _efi(records: Iterable[Copies]) -> list[Group]:
    buckets: dict[int, list[_Piece]] = defaultdict(list)
    for shapes in records:
        record = shapes[0]
        number = record.name.id or 0
        header = record.header
        # A count above 999 carries: every record has only its last three digits.
        count = header.count if header else number
        piece = _Piece(
            shapes,
            (number, 0),
            efi_seconds(record, number // 100_000),
            header.part if header else None,
        )
        buckets[count % 1000].append(piece)
    return [group for _, pieces in sorted(buckets.items()) for group in _grow(pieces)]


def _by_header(records: Iterable[Copies]) -> list[Group]:
    buckets: dict[tuple[str, int], list[_Piece]] = defaultdict(list)
    groups = []
    for shapes in records:
        record = shapes[0]
        header = record.header
        if header is None:
            groups.append(_alone(shapes))
            continue
        nanoseconds, source = when(record)
        time = None if source == NO_TIME else nanoseconds // 10**9
        piece = _Piece(shapes, (time or 0, header.part), time, header.part)
        buckets[header.reason, header.count].append(piece)
    return groups + [group for _, pieces in sorted(buckets.items()) for group in _grow(pieces)]


def _grow(pieces: list[_Piece]) -> list[Group]:
    """Walk along the records in the order in which they were written, adding each to its dump."""
    pieces.sort(key=lambda piece: (*piece.order, piece.shapes[0].text_hash, piece.shapes[0].rank))
    groups: list[Group] = []
    growing: list[Group] = []
    for piece in pieces:
        group = _best(growing, piece)
        if group is None:
            group = Group()
            groups.append(group)
        else:
            growing.remove(group)
        part, time = _decode(piece, group)
        group.add(Part(part, piece.shapes), time)
        growing.insert(0, group)
        del growing[_OPEN:]
    return groups


def _best(growing: Sequence[Group], piece: _Piece) -> Group | None:
    """The dump that a record continues; None if it begins one."""
    found, least = None, 0
    for group in growing:
        cost = _cost(group, piece)
        if cost is not None and (found is None or cost < least):
            found, least = group, cost
    return found


def _cost(group: Group, piece: _Piece) -> int | None:
    """How badly a record fits as the next part of a dump, in microseconds; None: not at all."""
    record = piece.shapes[0]
    header = record.header
    if header and group.reason and (header.reason, header.count) != (group.reason, group.count):
        return None
    part, time = _decode(piece, group)
    missing = part - group.last_number - 1
    distance = group.distance(record)
    if missing < 0 or distance is None:
        return None
    passed = time - group.time if time is not None and group.time is not None else 0
    if not 0 <= passed <= min(_WRITE_S + _WRITE_MISSING_S * missing, _WRITE_MOST_S):
        return None
    pause = max(0, passed - _TICKS)
    return distance + missing * _MISSING_COST + passed * _TICK_COST + pause * _PAUSE_COST


def _decode(piece: _Piece, group: Group) -> tuple[int, int | None]:
    """Part and time of a record as the next one of a dump, from its header or else its EFI id."""
    if piece.part is not None:
        return piece.part, piece.time
    number = piece.shapes[0].name.id or 0
    count = number % 1000 if group.count is None else group.count
    time, part = divmod((number - count) // 1000, 100)
    last = group.last_number if group.parts else 0
    carry = (last - part) // 100 + 1 if part <= last else 0
    if carry <= (last + _NEAR_CARRY) // 100 or part == 0:
        return part + 100 * carry, time - carry
    return part, time
