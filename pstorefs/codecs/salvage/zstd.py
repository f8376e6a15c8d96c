"""Recovery of a damaged or cut zstd frame: the library returns nothing of a broken block.

Kernels write a record as one block, so damage concerns all of it:

* Damage in a stream of literals: the sequences give the place of every literal, so that all of the
  text can be recovered except literals of that one stream, around the damage.
* Damage in the sequences: the text up to there, then the literals that follow, without what stood
  between them.
* Cut off: the sequences are last, hence only literals, in order. Of the stream that was cut
  there is its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from pstorefs.codecs.base import CodecError, Remains
from pstorefs.codecs.salvage.tokens import match, play, play_behind, render
from pstorefs.codecs.salvage.zstd_literals import place_literals
from pstorefs.codecs.zstd_blocks import State, read_literals, read_sequences
from pstorefs.codecs.zstd_frame import (
    CHECKSUM_SIZE,
    RAW,
    RLE,
    CutOffError,
    read_blocks,
    read_header,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.codecs.zstd_frame import Block

# More compressed blocks than that, each up to 128 KiB of text, take too long.
_MOST_BLOCKS = 16


class _TooMuchError(CodecError):
    """The work is more than the bound allows."""


@dataclass(slots=True)
class _Salvage:
    """The text so far and, once something was wrong, the tokens of what is behind it."""

    limit: int
    text: bytearray = field(default_factory=bytearray)
    behind: list[int] | None = None
    reason: str = ""
    truncated: bool = False
    #: Bytes of input for ``text``.
    used: int = 0
    #: Length of ``text`` and of what is behind it.
    size: int = 0
    state: State = field(default_factory=State)
    blocks_left: int = _MOST_BLOCKS

    def put(self, tokens: Sequence[int], size: int | None = None) -> None:
        """Add to the text or to what is behind the break; literals if no size is given."""
        self.size += len(tokens) if size is None else size
        if self.behind is None:
            play(tokens, self.text, self.limit)
        else:
            self.behind += tokens

    def break_off(self, reason: str, *, truncated: bool = False) -> None:
        """Note that everything from here on is uncertain."""
        if self.behind is None:
            self.behind, self.reason, self.truncated = [], reason, truncated


def salvage_frame(data: bytes, limit: int) -> Remains:
    """Decode a frame as far as it goes and further; no reason is given if nothing is wrong."""
    salvage = _Salvage(limit)
    try:
        _read_frame(salvage, data)
    except CodecError as error:
        salvage.break_off(str(error), truncated=isinstance(error, CutOffError))
    text = bytes(salvage.text)
    rest = play_behind(salvage.behind or [], text, 0, limit - len(text))
    return Remains(
        text, salvage.used, salvage.reason, render(rest, limit - len(text)), salvage.truncated
    )


def find_flaw(data: bytes, limit: int) -> str:
    """Say what is wrong with a frame that the library accepts; an empty string: nothing.

    The library (seen with 1.5.4 and 1.5.7) accepts a stream of literals that does not end where it
    has to, as most damaged ones do. A frame too large to be decoded here counts as right.
    """
    salvage = _Salvage(limit)
    try:
        _read_frame(salvage, data)
    except _TooMuchError:
        return ""
    except CodecError as error:
        return str(error)
    return salvage.reason


def _read_frame(salvage: _Salvage, data: bytes) -> None:
    header = read_header(data, salvage.limit)
    for block in read_blocks(data, header):
        _read_block(salvage, data, block)
        if salvage.size > salvage.limit:
            raise CodecError(f"the text is longer than {salvage.limit} bytes")
        if salvage.behind is None:
            salvage.used = min(block.end, len(data))
    if header.has_checksum and salvage.used + CHECKSUM_SIZE > len(data):
        raise CutOffError("the data ends inside the checksum")
    if header.content_size not in {None, salvage.size}:
        raise CodecError(f"the text has {salvage.size} bytes, its frame says {header.content_size}")


def _read_block(salvage: _Salvage, data: bytes, block: Block) -> None:
    content = data[block.start : block.end]
    if block.kind == RAW:
        salvage.put(content)
    elif block.kind == RLE:
        size = block.text_max if content else 0
        salvage.put([*content, match(1, size - 1)] if size > 1 else content[:size], size)
    elif not salvage.blocks_left:
        raise _TooMuchError(f"only {_MOST_BLOCKS} compressed blocks are decoded")
    else:
        salvage.blocks_left -= 1
        _read_compressed(salvage, content, block.text_max, cut_off=block.end > len(data))


def _read_compressed(salvage: _Salvage, content: bytes, text_max: int, *, cut_off: bool) -> None:
    if cut_off:
        # Even a broken header is most likely just cut off.
        salvage.break_off("the data ends inside a block", truncated=True)
    parts, end = read_literals(content, salvage.state)
    if cut_off:
        salvage.put(place_literals(parts, [], b""))
        raise CutOffError(salvage.reason)
    steps, problem = read_sequences(content[end:], salvage.state)
    literals = place_literals(parts, steps, bytes(salvage.text))
    sound = sum(part.size for part in takewhile(lambda part: part.sound, parts))
    place = 0
    end_of_block = salvage.size + text_max
    for step in steps:
        stop = place + step.literals
        size = salvage.size + step.literals
        if stop > len(literals) or step.distance > size or size + step.length > end_of_block:
            problem = "a match is impossible"
            break
        _put_literals(salvage, literals[place:stop], sound - place)
        salvage.put([match(step.distance, step.length)], step.length)
        place = stop
    if not problem and salvage.size + len(literals) - place > end_of_block:
        problem = f"a block has more than {text_max} bytes of text"
    if problem:
        salvage.break_off(problem)
    _put_literals(salvage, literals[place:], sound - place)
    if problem:
        raise CodecError(problem)


def _put_literals(salvage: _Salvage, literals: list[int], sound: int) -> None:
    """Add literals; those behind the first ``sound`` ones may be wrong."""
    if sound < len(literals):
        salvage.put(literals[: max(sound, 0)])
        salvage.break_off("a block's literals are damaged")
        literals = literals[max(sound, 0) :]
    salvage.put(literals)
