"""What all decoders share: their results, their one error, and the mark for unknown bytes.

A codec is a module with these names:

* ``NAME``, what users see in ``meta/RECORD/compression``;
* ``SLOW``, whether decoding a record takes longer than handing the work to a thread (0.1 ms);
* ``ENDS_WHOLE``, whether a stream that was cut never decodes to its end;
* ``decode(data, limit) -> Stream``: the whole stream or ``CodecError``;
* ``salvage(data, limit) -> Remains``: all that can be had of a stream that does not decode.

Both take any bytes whatsoever, return at most ``limit`` bytes of text, take time in proportion
to ``len(data) + limit``, raise nothing but ``CodecError`` (``salvage`` raises nothing at all) and
neither open, log nor guess anything. Neither judges whether the text looks like a kernel log:
detect.py does.
"""

from __future__ import annotations

from typing import NamedTuple

# A byte of text that a salvaged stream refers to but that was lost: U+FFFD, which every terminal
# shows as a question mark in a box and which no kernel writes.
UNKNOWN = "\N{REPLACEMENT CHARACTER}".encode()


class CodecError(Exception):
    """The data is no whole stream of this format.

    The message is a clause for people without a full stop, such as "the data ends inside a match".
    """


class Stream(NamedTuple):
    """A stream that decoded from its first byte to its end."""

    text: bytes
    #: Bytes of input up to and with the end of the stream (and padding that belongs to the format).
    #: Less than the length of the input where something follows that the format does not know.
    used: int
    #: A checksum inside the stream agreed with the text.
    checked: bool = False


class Remains(NamedTuple):
    """What is left of a stream that does not decode.

    ``text`` is exactly what a decoder had put out when it reached the break: certain, if everything
    before the break is undamaged. ``rest`` is what decoding beyond the break gave, with
    ``UNKNOWN`` for each byte that is lost; its distance from ``text`` is not known. It is empty
    where the format allows no going on.
    """

    text: bytes
    #: Bytes of input that were read for ``text``.
    used: int
    #: What happened, a clause without a full stop.
    reason: str
    rest: bytes = b""
    #: The data simply ended: nothing in it was wrong. False: something in it was impossible, so
    #: that the damage lies at the break or, unseen, anywhere before it.
    truncated: bool = False
