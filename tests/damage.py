"""Damage done to streams on purpose, and how much of the text a salvage brings back."""

from __future__ import annotations

import random
from collections.abc import Iterable

from pstorefs.codecs.base import UNKNOWN, Remains
from tests.records import Record, records, without_notice


def real(algorithm: str) -> list[tuple[bytes, bytes]]:
    """Payload and text of all undamaged records of an algorithm."""
    return [
        (without_notice(record.stored), without_notice(record.reference))
        for record in records(algorithm)
        if record.reference is not None
    ]


def unrecoverable(algorithm: str) -> list[tuple[Record, bytes, bytes]]:
    """Records that a kernel could not decode, their payloads and texts before the damage."""
    return [
        (record, without_notice(record.stored), without_notice(record.truth))
        for record in records(algorithm)
        if record.truth is not None and record.reference is None
    ]


def flip(data: bytes, rng: random.Random) -> bytes:
    """Change 11 bytes of 128, which is more than the ECC of ramoops can bear."""
    damaged = bytearray(data)
    start = rng.randrange(max(1, len(data) - 128))
    for place in rng.sample(range(start, min(start + 128, len(data))), 11):
        damaged[place] ^= rng.randrange(1, 256)
    return bytes(damaged)


def recovered(truth: bytes, remains: Remains) -> tuple[int, int]:
    """How many bytes of the true text are in what is left: certain, and uncertain and right.

    The end of the rest is the end of the text. Long gaps are cut short in it, so only what follows
    the last one is counted.
    """
    tail = remains.rest.split(UNKNOWN * 24)[-1].replace(UNKNOWN, b"\0")[-len(truth) :]
    right = sum(a == b for a, b in zip(reversed(tail), reversed(truth), strict=False))
    certain = next(
        (at for at, (a, b) in enumerate(zip(remains.text, truth, strict=False)) if a != b),
        min(len(remains.text), len(truth)),
    )
    return certain, right


def shares(pairs: Iterable[tuple[bytes, Remains]]) -> tuple[float, float]:
    """``recovered`` of many, in parts of all their text."""
    certain = uncertain = total = 0
    for truth, remains in pairs:
        first, second = recovered(truth, remains)
        certain, uncertain, total = certain + first, uncertain + second, total + len(truth)
    return certain / total, uncertain / total
