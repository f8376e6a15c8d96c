"""pmsg records of Android: entries made to the format of its log, as logcat -L shows them.

What logcat shows was asked of Android's own formatter: the lines here are its lines, but for the
control characters. tests/clients/test_logcat.py asks it at each run.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pstorefs.cli.pstorecat import main
from pstorefs.record.pmsg import Entry, Skipped, entries, logcat

TIME = (1_786_795_204, 123_456_789)  # 2026-08-15T12:00:04Z


def packed(
    payload: bytes, buffer: int = 0, time: tuple[int, int] = TIME, length: int | None = None
) -> bytes:
    size = 18 + len(payload) if length is None else length
    return b"l" + struct.pack("<HHHBHII", size, 1000, 1234, buffer, 1250, *time) + payload


def text(priority: int, tag: str, message: str) -> bytes:
    return bytes([priority]) + tag.encode() + b"\0" + message.encode() + b"\0"


HELLO = packed(text(4, "ActivityManager", "hello"))
LINE = "08-15 12:00:04.123  1234  1250 I ActivityManager: hello"

CASES: list[tuple[str, bytes, list[str]]] = [
    ("one", HELLO, ["--------- beginning of main", LINE]),
    ("two of a buffer", HELLO * 2, ["--------- beginning of main", LINE, LINE]),
    (
        "another buffer",
        HELLO + packed(text(6, "x", "bad"), 4),
        [
            "--------- beginning of main",
            LINE,
            "--------- beginning of crash",
            "08-15 12:00:04.123  1234  1250 E x       : bad",
        ],
    ),
    (
        "two lines",
        packed(text(7, "libc", "one\ntwo\n")),
        [
            "--------- beginning of main",
            "08-15 12:00:04.123  1234  1250 F libc    : one",
            "08-15 12:00:04.123  1234  1250 F libc    : two",
        ],
    ),
    (
        "the end of an entry that is overwritten",
        b"tail of lost" + HELLO,
        [
            "[pstorefs: 12 bytes that are not a whole log entry]",
            "--------- beginning of main",
            LINE,
        ],
    ),
    (
        "cut short",
        HELLO + HELLO[:-3],
        [
            "--------- beginning of main",
            LINE,
            f"[pstorefs: {len(HELLO) - 3} bytes that are not a whole log entry]",
        ],
    ),
    (
        "control characters",
        packed(text(4, "a\x1b[2J", "b\x07")),
        ["--------- beginning of main", "08-15 12:00:04.123  1234  1250 I a�[2J   : b�"],
    ),
    (
        "an event with a list",
        packed(
            struct.pack("<I", 30008)
            + b"\3\4\0"
            + struct.pack("<i", -7)
            + b"\1"
            + struct.pack("<q", 1 << 40)
            + b"\2"
            + struct.pack("<I", 3)
            + b"abc"
            + b"\4"
            + struct.pack("<f", 1.5),
            2,
        ),
        [
            "--------- beginning of events",
            "08-15 12:00:04.123  1234  1250 I [30008] : [-7,1099511627776,abc,1.500000]",
        ],
    ),
    (
        "a trace of Java's",
        packed(text(6, "AndroidRuntime", "FATAL EXCEPTION: main\n\tat a.b.c(D.java:7)"), 4),
        [
            "--------- beginning of crash",
            "08-15 12:00:04.123  1234  1250 E AndroidRuntime: FATAL EXCEPTION: main",
            "08-15 12:00:04.123  1234  1250 E AndroidRuntime: \tat a.b.c(D.java:7)",
        ],
    ),
    (
        "empty lines at the end: one newline is the entry's own",
        packed(text(4, "x", "a\n\n")),
        [
            "--------- beginning of main",
            "08-15 12:00:04.123  1234  1250 I x       : a",
            "08-15 12:00:04.123  1234  1250 I x       : ",
        ],
    ),
    (
        "a tag beyond ASCII is padded by bytes",
        packed(text(4, "日é", "a")),
        ["--------- beginning of main", "08-15 12:00:04.123  1234  1250 I 日é   : a"],
    ),
    (
        "an event of the security log",
        packed(struct.pack("<I", 210005) + b"\0" + struct.pack("<i", 5), 6),
        ["--------- beginning of security", "08-15 12:00:04.123  1234  1250 W [210005]: 5"],
    ),
    (
        "an event that is cut short",
        packed(struct.pack("<I", 5) + b"\3\2\2\xff\xff\xff\xffxy", 2),
        ["--------- beginning of events", "08-15 12:00:04.123  1234  1250 I [5]     : [xy]"],
    ),
]


@pytest.mark.parametrize(("_", "data", "lines"), CASES, ids=[case[0] for case in CASES])
def test_entries_are_shown_as_logcat_does(_: str, data: bytes, lines: list[str]) -> None:
    assert logcat(data).decode().splitlines() == lines


NONE = [
    b"",
    b"plain text of another system\n",
    b"\0" * 5000,
    packed(b"", length=18),
    packed(b"x", buffer=8),
    packed(b"x", time=(0, 10**9)),
    packed(b"x", length=65535),
    packed(text(0, "tag", "of no priority")),
    packed(text(8, "tag", "of a priority that is never written")),
    packed(text(4, "tag", "longer than an entry can be" * 200)),
]


@pytest.mark.parametrize("data", NONE, ids=range(len(NONE)))
def test_what_is_no_log_of_android_gives_nothing(data: bytes) -> None:
    assert logcat(data) == b""


def test_each_byte_is_in_an_entry_or_skipped() -> None:
    data = b"ll" + HELLO + b"l" * 100 + HELLO + b"\0l"
    size = 0
    for each in entries(data):
        size += each.size if isinstance(each, Skipped) else 18 + len(each.payload)
    assert size == len(data)
    assert sum(isinstance(each, Entry) for each in entries(data)) == 2


def test_lists_in_lists_end() -> None:
    deep = struct.pack("<I", 1) + b"\3\xff" * 2000
    assert logcat(packed(deep, 2)).startswith(b"--------- beginning of events\n")


def test_a_long_tag_before_many_lines_stays_bounded() -> None:
    shown = logcat(packed(text(4, "t" * 2000, "\n" * 2000)) * 20)
    assert len(shown) < (16 << 20) + 100
    assert shown.endswith(b"\n[pstorefs: the rest is left out: the text is too long]\n")


def test_pstorecat_writes_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "pmsg-ramoops-0"
    record.write_bytes(HELLO + b"\nECC: No errors detected\n")
    assert main(["--logcat", str(record)]) == 0
    assert capfd.readouterr().out == f"--------- beginning of main\n{LINE}\n"
    record.write_bytes(b"text")
    assert main(["--logcat", str(record)]) == 1
    assert "not an Android log" in capfd.readouterr().err
