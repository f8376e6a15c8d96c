"""How the text of a record looks: the header line, log lines, and how far a text can be believed.

The kernel begins each part of a dump with a header line (fs/pstore: since Linux 2.6.39)::

    Panic#2 Part1
    <4>[   12.345678] the oldest line of this part

and follows it by lines of the log buffer, ``<level>[seconds.micros] text``; with
CONFIG_PRINTK_CALLER a thread or CPU follows the time, ``[  T123]`` or ``[    C0]``.
"""

from __future__ import annotations

import re

from pstorefs.codecs.base import UNKNOWN

REASONS = (
    "Panic",
    "Oops",
    "Emergency",
    "Shutdown",
    "Restart",
    "Halt",
    "Poweroff",
    "Kexec",
    "Unknown",
)
#: The header line. Numbers are printed by %d and %u: ten digits at most.
HEADER = re.compile(
    rb"(?P<reason>"
    + "|".join(REASONS).encode()
    + rb")#(?P<count>\d{1,10}) Part(?P<part>\d{1,10})\n"
)
LOG_LINE = re.compile(
    rb"(?:<\d{1,4}>)?\[ *(?P<seconds>\d{1,9})\.\d{6}\](?:\[ *[TC]\d{1,7}\])?(?: |\Z)"
)
# Found one by one: a list of all lines takes many times the memory of a text made of newlines.
_LONG_LINE = re.compile(rb"[^\n]{25,}")
# Tab is the one control character that kernels print on purpose.
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
# To a byte that is never part of UTF-8; a substitution would cost 100 bytes for each of them.
_CONTROLS_TO_NO_TEXT = bytes(0xFF if _CONTROL.match(bytes([byte])) else byte for byte in range(256))
# The rest of what terminals obey, C1, and what turns or breaks lines where they are shown.
_UNFIT = dict.fromkeys(
    (*range(0x80, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)),
    UNKNOWN.decode(),
)
_LONG_GAP = re.compile(f"{UNKNOWN.decode()}{{9,}}")
_ODD = re.compile(rb"[^\t\n\x20-\x7e]")
# Log lines of several CPUs can be slightly out of order; more than this is no disorder.
_DISORDER_SECONDS = 60
# Damaged lines in a row that still looked right, at most, in experiments with deflate (flips in
# real records): a wrong match copies whole lines. So many lines before the first bad one are
# called uncertain too.
_MARGIN_LINES = 2


def has_header(text: bytes) -> bool:
    """Whether the text begins with a dump's header line."""
    return HEADER.match(text) is not None


def is_text(data: bytes) -> bool:
    """Whether all of this could be written by people or programs for people: UTF-8, no controls."""
    if _CONTROL.search(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def log_lines(text: bytes) -> int:
    """The number of lines that are whole, clean log lines."""
    lines = (found[0] for found in _LONG_LINE.finditer(text))
    return sum(1 for line in lines if LOG_LINE.match(line) and is_text(line))


def believable(text: bytes) -> int:
    """The length of the beginning that shows no sign of damage, whole lines only.

    For text that was decoded from damaged data, where the decoder noticed the damage late or not
    at all. A line is a sign of damage if it is no log line, holds bytes that are no text, or goes
    back in time; as damage may begin unseen in the lines before, these are left out too.
    """
    ends: list[int] = []
    position, newest = 0, 0
    header = HEADER.match(text)
    if header:
        position = header.end()
    floor = position
    while True:
        end = text.find(b"\n", position)
        if end < 0:
            break
        line = text[position:end]
        match = LOG_LINE.match(line)
        if match is None or not is_text(line):
            break
        seconds = int(match["seconds"])
        if seconds + _DISORDER_SECONDS < newest or (ends and seconds > newest + 10 * 86400):
            break
        newest = max(newest, seconds)
        position = end + 1
        ends.append(position)
    return ends[-1 - _MARGIN_LINES] if len(ends) > _MARGIN_LINES else floor


def legible_beginning(data: bytes) -> bytes:
    """The beginning up to the first byte that is no ASCII text."""
    odd = _ODD.search(data)
    return data[: odd.start()] if odd else data


def legible(data: bytes) -> bytes:
    """Uncertain text fit to be shown: what is no text becomes U+FFFD, in runs of eight at most."""
    text = data.translate(_CONTROLS_TO_NO_TEXT).decode("utf-8", "replace").translate(_UNFIT)
    return _LONG_GAP.sub(UNKNOWN.decode() * 8, text).encode()
