"""Joins the parts of a dump to one text, oldest line first, with a line of our own for each gap.

Header lines, what pstore_blk puts before them, and ECC notices are taken off. All other bytes are
the kernel's own, in its own order: kernels before 3.5 cut parts inside a line, so that nothing is
added between two parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.codecs.text import legible
from pstorefs.record.reading import DAMAGED, SALVAGED, SUSPECT, UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pstorefs.dump import Dump
    from pstorefs.dump.part import Part
    from pstorefs.record.record import Record

#: A dump's text has no more bytes, if it has several parts: a dump of SteamOS, the largest of all
#: (2 MiB of ramoops), has 6 MiB.
LONGEST = 8 << 20

# The marks before a part in each state; `salvaged` has its marks in its text.
_BEFORE = {
    UNDECODABLE: "{part} cannot be decoded: {broken}",
    SUSPECT: "{part} may be wrong: {broken}",
    DAMAGED: "{part} may be wrong: its memory was damaged, blocks beyond repair: {blocks}",
    SALVAGED: "{part} is damaged",
}


def join(dump: Dump, text_of: Callable[[Record], bytes]) -> bytes:
    """The whole text. `text_of` gives the text of a record as its `Reading` has it."""
    pieces: list[bytes] = []
    for piece, ours in _pieces(dump, text_of):
        if ours and pieces and not pieces[-1].endswith(b"\n"):
            pieces.append(b"\n")
        if piece:
            pieces.append(piece)
    return b"".join(pieces)


def _pieces(dump: Dump, text_of: Callable[[Record], bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of text, each with whether it is a line of this program."""
    gaps = list(reversed(dump.missing))
    highest = max(0, *(last for _, last in gaps), *(part.number or 0 for part in dump.parts))
    too_long = _too_long(dump.parts)
    doubtful = ""
    for at, part in enumerate(dump.parts):
        number = part.number
        while gaps and number is not None and gaps[0][0] > number:
            yield _say(_missing(highest, *gaps.pop(0))), True
            doubtful = ""
        if doubtful:
            yield _say(f"end of {doubtful}"), True
        record = part.record
        if at < too_long:
            yield _say(f"{_part_name(part)} is left out: the dump is too long; see raw/"), True
            doubtful = ""
            continue
        form = _BEFORE.get(record.state)
        doubtful = _part_name(part) if form and record.state != UNDECODABLE else ""
        if form:
            yield _say(_describe(form, part)), True
        if record.state != UNDECODABLE:
            text = body(record, text_of(record))
            yield (legible(text) if record.state == SUSPECT else text), False
    for gap in gaps:
        yield _say(_missing(highest, *gap)), True


def _too_long(parts: Sequence[Part]) -> int:
    """How many of the oldest parts have no room in the text: the crash is in the newest."""
    room = LONGEST
    for left in range(len(parts), 0, -1):
        record = parts[left - 1].record
        room -= record.text_size if record.state != UNDECODABLE else 0
        if room < 0 and left < len(parts):
            return left
    return 0


def body(record: Record, text: bytes) -> bytes:
    """A record's text without header line and ECC notice."""
    return text[record.header.length if record.header else 0 : len(text) - record.notice_length]


def _say(sentence: str) -> bytes:
    return f"[pstorefs: {sentence}]\n".encode()


def _part_name(part: Part) -> str:
    return part.record.file if part.number is None else f"part {part.number} ({part.record.file})"


def _describe(form: str, part: Part) -> str:
    blocks = part.record.ecc.unrecoverable if part.record.ecc else 0
    return form.format(part=_part_name(part), broken=part.record.broken, blocks=blocks)


def _missing(highest: int, first: int, last: int) -> str:
    if first == last:
        return f"part {first} of at least {highest} is missing"
    return f"parts {last} to {first} of at least {highest} are missing"
