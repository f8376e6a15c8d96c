"""pmsg records of Android as `logcat -L` shows them: its packed log entries to lines. Pure.

Each entry (system/logging/liblog, private/android_logger.h; little-endian, packed): 'l', its
length, uid and pid in 16 bits each; the buffer's id in 8, the thread in 16; seconds and nanoseconds
in 32. Then a text buffer has a priority, a tag and a message, both ended by NUL; a binary one has a
tag of 32 bits and typed values, whose names a device alone knows.

The zone is a ring: its first bytes may be the end of an entry that was overwritten. Times are the
device's, in UTC. The lines are those of liblog's android_log_formatLogLine, which
tests/clients compares; only what would move a terminal's cursor is replaced.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from pstorefs.system.printable import printable

_HEAD = struct.Struct("<BHHHBHII")
_MAGIC = ord("l")
#: Names of buffers, by id.
BUFFERS = ("main", "radio", "events", "system", "crash", "stats", "security", "kernel")
_BINARY = ("events", "stats", "security")
# The priority that logcat gives a binary entry, which has none of its own.
_BINARY_PRIORITY = {"security": "W"}
_PRIORITIES = {2: "V", 3: "D", 4: "I", 5: "W", 6: "E", 7: "F"}
#: Bytes after the header (log/log_read.h, LOGGER_ENTRY_MAX_PAYLOAD).
_LONGEST = 4068
# A record of 2 MiB, the largest there is, has 4 MiB of lines, usually.
_LONGEST_TEXT = 16 << 20
_SECOND = 10**9
# Types of values (log/log_event_list.h): 2 is a string, 3 a list.
_NUMBERS = {0: "<i", 1: "<q", 4: "<f"}
_FLOAT, _STRING, _LIST = 4, 2, 3
_DEEPEST = 8
_MOST_VALUES = 1000


class Entry(NamedTuple):
    """One entry. `nanoseconds` since 1970."""

    buffer: str
    uid: int
    pid: int
    tid: int
    nanoseconds: int
    payload: bytes


class Skipped(NamedTuple):
    """Bytes that are not an entry."""

    size: int


def entries(data: bytes) -> Iterator[Entry | Skipped]:
    """All entries in a record, the oldest first, and what is between them."""
    at = start = 0
    while at < len(data):
        found = _entry(data, at)
        if found is None:
            following = data.find(b"l", at + 1)
            at = len(data) if following < 0 else following
            continue
        entry, length = found
        if at > start:
            yield Skipped(at - start)
        yield entry
        at += length
        start = at
    if at > start:
        yield Skipped(at - start)


def _entry(data: bytes, at: int) -> tuple[Entry, int] | None:
    if data[at] != _MAGIC or at + _HEAD.size > len(data):
        return None
    _, length, uid, pid, buffer, tid, seconds, nanoseconds = _HEAD.unpack_from(data, at)
    fits = _HEAD.size < length <= min(len(data) - at, _HEAD.size + _LONGEST)
    if not fits or buffer >= len(BUFFERS) or nanoseconds >= _SECOND:
        return None
    payload = data[at + _HEAD.size : at + length]
    if BUFFERS[buffer] not in _BINARY and payload[0] not in _PRIORITIES:
        return None
    time = seconds * _SECOND + nanoseconds
    return Entry(BUFFERS[buffer], uid, pid, tid, time, payload), length


def is_android(data: bytes) -> bool:
    """Whether a record has an Android log entry."""
    return any(isinstance(each, Entry) for each in entries(data))


def logcat(data: bytes) -> bytes:
    """The lines of a record; empty if it has no Android log entry."""
    if not is_android(data):
        return b""
    pieces, room = [], _LONGEST_TEXT
    for line in _all_lines(data):
        piece = f"{line}\n".encode(errors="replace")
        room -= len(piece)
        if room < 0:  # each line of a message repeats its tag, which may be as long
            pieces.append(b"[pstorefs: the rest is left out: the text is too long]\n")
            break
        pieces.append(piece)
    return b"".join(pieces)


def _all_lines(data: bytes) -> Iterator[str]:
    seen: set[str] = set()
    for each in entries(data):
        if isinstance(each, Skipped):
            yield f"[pstorefs: {each.size} bytes that are not a whole log entry]"
            continue
        if each.buffer not in seen:
            seen.add(each.buffer)
            yield f"--------- beginning of {each.buffer}"
        yield from _lines(each)


def _lines(entry: Entry) -> Iterator[str]:
    """One line for each line of the message, in logcat's usual form, threadtime."""
    moment = datetime.fromtimestamp(entry.nanoseconds // _SECOND, timezone.utc)
    milliseconds = entry.nanoseconds % _SECOND // 10**6
    time = f"{moment:%m-%d %H:%M:%S}.{milliseconds:03}"
    if entry.buffer in _BINARY:
        priority = _BINARY_PRIORITY.get(entry.buffer, "I")
        tag, message = _binary(entry.payload)
    else:
        priority = _PRIORITIES[entry.payload[0]]
        head, _, rest = entry.payload[1:].partition(b"\0")
        # logcat counts bytes, not characters.
        tag = head.ljust(8).decode(errors="replace")
        message = rest.partition(b"\0")[0].decode(errors="replace")
    before = printable(f"{time} {entry.pid:5} {entry.tid:5} {priority} {tag}: ")
    for line in message.removesuffix("\n").split("\n"):
        # Java's traces are indented with tabs.
        yield before + "\t".join(map(printable, line.split("\t")))


def _binary(payload: bytes) -> tuple[str, str]:
    """The tag and the values of an entry of events."""
    if len(payload) < 4:
        return "?".ljust(8), "?"
    (tag,) = struct.unpack_from("<I", payload)
    values, _ = _value(payload, 4, 0, [0])
    return f"[{tag}]".ljust(8), values


def _value(data: bytes, at: int, depth: int, count: list[int]) -> tuple[str, int]:
    """A value as logcat prints it, and where the next one begins; `?` for what is cut off."""
    count[0] += 1
    end = len(data)
    if at >= end or depth > _DEEPEST or count[0] > _MOST_VALUES:
        return "?" if at < end else "", end
    kind, at = data[at], at + 1
    if kind in _NUMBERS and at + struct.calcsize(_NUMBERS[kind]) <= end:
        (found,) = struct.unpack_from(_NUMBERS[kind], data, at)
        return f"{found:f}" if kind == _FLOAT else str(found), at + struct.calcsize(_NUMBERS[kind])
    if kind == _STRING and at + 4 <= end:
        (size,) = struct.unpack_from("<I", data, at)
        return data[at + 4 : at + 4 + size].decode(errors="replace"), min(end, at + 4 + size)
    if kind == _LIST and at < end:
        items, number, at = [], data[at], at + 1
        for _ in range(number):
            if at >= end:
                break
            item, at = _value(data, at, depth + 1, count)
            items.append(item)
        return f"[{','.join(items)}]", at
    return "?", end
