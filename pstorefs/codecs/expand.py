"""What the decoders written here (LZ4, LZO, 842) have in common: how they stop, and copies."""

from __future__ import annotations

from pstorefs.codecs.base import CodecError


class Break(CodecError):  # noqa: N818 - not all of them are errors
    """A stream stops making sense; its text up to there is in the caller's buffer."""

    def __init__(self, reason: str, used: int, *, truncated: bool = False) -> None:
        super().__init__(reason)
        #: Bytes of data up to the instruction that failed; all of them where the data just ended.
        self.used = used
        self.truncated = truncated


def too_long(limit: int, used: int) -> Break:
    """The Break of a text that would exceed ``limit`` bytes."""
    return Break(f"the text is longer than {limit} bytes", used)


def copy_match(out: bytearray, distance: int, length: int, limit: int, used: int) -> None:
    """Append ``length`` bytes from ``distance`` bytes ago; they may run into what they append."""
    size = len(out)
    if not 0 < distance <= size:
        raise Break("a copy begins before the text", used)
    if size + length > limit:
        raise too_long(limit, used)
    if length <= distance:
        start = size - distance
        out += out[start : start + length]
    else:
        out += (out[-distance:] * (length // distance + 1))[:length]
