"""Put a block's literals in their places, where a damaged stream gave too many or too few.

A damaged Huffman stream is read in step up to the damage and soon again behind it, but the number
of literals is wrong by a few. Those before the damage then count from the stream's beginning, the
others from its end. Where the damage is can be seen from how well the literals fit beside the
matches that the sequences put next to them.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.codecs.salvage.char_pairs import Kinds
from pstorefs.codecs.salvage.tokens import HOLE, match, play_behind
from pstorefs.codecs.zstd_frame import BLOCK_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.codecs.zstd_blocks import Part, Step


class _Joint(NamedTuple):
    """A literal, by its number in the block, and the known byte that a match puts next to it."""

    number: int
    neighbour: int
    is_before: bool


def place_literals(parts: Sequence[Part], steps: Sequence[Step], text: bytes) -> list[int]:
    """Give the literals of all parts, with a hole for each that is missing.

    ``steps`` are the block's sequences, as far as they are known, ``text`` is the text before it.
    """
    literals = [literal for part in parts for literal in _padded(part)]
    if all(part.cut_off or len(part.values) == part.size for part in parts):
        return literals
    doubtful = [
        literal if part.sound else HOLE
        for part in parts
        for literal in (part.values if part.sound else range(part.size))
    ]
    joints, kinds = _find_joints(doubtful, steps, text)
    start = 0
    for part in parts:
        if not part.cut_off and len(part.values) != part.size:
            mine = [
                joint._replace(number=joint.number - start)
                for joint in joints
                if start <= joint.number < start + part.size
            ]
            literals[start : start + part.size] = _fitted(part, mine, kinds)
        start += part.size
    return literals


def _padded(part: Part) -> list[int]:
    values = list(part.values[: part.size])
    missing = [HOLE] * (part.size - len(values))
    return missing + values if part.cut_off else values + missing


def _find_joints(
    literals: Sequence[int], steps: Sequence[Step], text: bytes
) -> tuple[list[_Joint], Kinds]:
    """Find the neighbours of literals in the reliable output, and the kinds of its characters."""
    tokens: list[int] = []
    number = 0
    ends: list[tuple[int, int]] = []
    size = 0
    for step in steps:
        tokens += literals[number : number + step.literals]
        tokens.append(match(step.distance, step.length))
        size += step.literals + step.length
        number += step.literals
        ends.append((number, size))
        if number > len(literals) or size > BLOCK_MAX:
            break
    out = play_behind(tokens, text, 0, BLOCK_MAX)
    joints = []
    for place, (number, end) in enumerate(ends):
        step = steps[place]
        following_is_literal = place + 1 == len(steps) or steps[place + 1].literals > 0
        copied = out[end - step.length] if end - step.length < len(out) else HOLE
        if step.literals and copied != HOLE:
            joints.append(_Joint(number - 1, copied, is_before=False))
        if following_is_literal and end <= len(out) and out[end - 1] != HOLE:
            joints.append(_Joint(number, out[end - 1], is_before=True))
    return joints, Kinds(text + bytes(byte for byte in out if byte != HOLE))


def _fitted(part: Part, joints: Sequence[_Joint], kinds: Kinds) -> list[int]:
    """Put the gap, or the cut, where the literals on both sides of it fit best."""
    values = part.values
    surplus = len(values) - part.size
    gap = max(-surplus, 0)
    # The score of each place, if the literals count from the stream's beginning, or from its end.
    from_begin, from_end = [0] * part.size, [0] * part.size
    for joint in joints:
        for scores, place in (
            (from_begin, joint.number),
            (from_end, joint.number + surplus),
        ):
            if 0 <= place < len(values):
                pair = (joint.neighbour, values[place])
                scores[joint.number] += kinds.affinity(*(pair if joint.is_before else pair[::-1]))
    before = list(accumulate(from_begin, initial=0))
    behind = list(accumulate(reversed(from_end), initial=0))[::-1]
    cut = max(range(part.size - gap + 1), key=lambda place: before[place] + behind[place + gap])
    return [*values[:cut], *[HOLE] * gap, *values[cut + gap + surplus :]]
