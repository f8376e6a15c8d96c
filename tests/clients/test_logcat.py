"""--logcat against Android's own liblog (Debian's android-liblog), which formats logcat's lines."""

from __future__ import annotations

import ctypes
import random
import struct
from collections.abc import Iterator
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_long,
    c_size_t,
    c_uint32,
    c_void_p,
    create_string_buffer,
)
from pathlib import Path

import pytest

from pstorefs.record.pmsg import BUFFERS, Entry, entries, logcat

SEED = 29
ENTRIES = 2000
THREADTIME = 7
BINARY = (2, 5, 6)
# What both show in the same way: no control characters but the tab and the newline.
WORDS = ("a", "Z", " ", "\n", "\t", "é", "%", "\\", "l", "0", ":", "日")
NUMBERS = ((c_int32, "int32", 2**31), (c_int64, "int64", 2**63))


class AndroidLogEntry(ctypes.Structure):
    """log/logprint.h."""

    _fields_ = (
        ("seconds", c_long),
        ("nanoseconds", c_long),
        ("priority", c_int),
        ("uid", c_int32),
        ("pid", c_int32),
        ("tid", c_int32),
        ("tag", c_char_p),
        ("tag_length", c_size_t),
        ("message_length", c_size_t),
        ("message", c_void_p),
    )


class Liblog:
    """The library: its encoder of events, and its formatter in the form of logcat."""

    def __init__(self, path: Path) -> None:
        lib = self._lib = ctypes.CDLL(str(path))
        lib.create_android_logger.restype = c_void_p
        lib.create_android_logger.argtypes = (c_uint32,)
        for kind, name, _ in (*NUMBERS, (c_float, "float32", 0)):
            getattr(lib, f"android_log_write_{name}").argtypes = (c_void_p, kind)
        lib.android_log_write_string8_len.argtypes = (c_void_p, c_char_p, c_size_t)
        lib.android_log_write_list_begin.argtypes = (c_void_p,)
        lib.android_log_write_list_end.argtypes = (c_void_p,)
        lib.android_log_write_list_buffer.argtypes = (c_void_p, POINTER(c_void_p))
        lib.android_log_destroy.argtypes = (POINTER(c_void_p),)
        lib.android_log_format_new.restype = c_void_p
        lib.android_log_setPrintFormat.argtypes = (c_void_p, c_int)
        lib.android_log_processLogBuffer.argtypes = (c_void_p, c_void_p)
        lib.android_log_processBinaryLogBuffer.argtypes = (
            *(c_void_p, c_void_p, c_void_p),
            *(c_char_p, c_int),
        )
        lib.android_log_formatLogLine.restype = c_void_p
        lib.android_log_formatLogLine.argtypes = (
            *(c_void_p, c_char_p, c_size_t),
            *(c_void_p, POINTER(c_size_t)),
        )
        self._format = lib.android_log_format_new()
        lib.android_log_setPrintFormat(self._format, THREADTIME)

    def event(self, pick: random.Random) -> bytes:
        """The payload of an entry of events, as liblog packs it."""
        tag = pick.choice((1, 30008, 2**32 - 1))
        context = c_void_p(self._lib.create_android_logger(tag))
        self._values(context, pick, 0, pick.randrange(1, 5))
        start = c_void_p()
        size = self._lib.android_log_write_list_buffer(context, byref(start))
        values = ctypes.string_at(start, size) if start else b""
        self._lib.android_log_destroy(byref(context))
        return struct.pack("<I", tag) + values

    def _values(self, context: c_void_p, pick: random.Random, depth: int, count: int) -> None:
        lib = self._lib
        for _ in range(count):
            kind = pick.randrange(5)
            if kind < len(NUMBERS):
                _, name, limit = NUMBERS[kind]
                getattr(lib, f"android_log_write_{name}")(context, pick.randrange(-limit, limit))
            elif kind == 2:
                lib.android_log_write_float32(context, pick.choice((1.5, 0.1, -3e10, 1e-9)))
            elif kind == 3:
                word = text(pick, 30)
                lib.android_log_write_string8_len(context, word, len(word))
            elif depth < 3:
                lib.android_log_write_list_begin(context)
                self._values(context, pick, depth + 1, pick.randrange(4))
                lib.android_log_write_list_end(context)

    def lines(self, entry: Entry) -> bytes | None:
        """What logcat shows of an entry; None: nothing, as it does not understand it."""
        seconds, nanoseconds = divmod(entry.nanoseconds, 10**9)
        number = BUFFERS.index(entry.buffer)
        numbers = (entry.pid, entry.tid, seconds, nanoseconds, number, entry.uid)
        head = struct.pack("<HHiIIIII", len(entry.payload), 28, *numbers)
        raw = create_string_buffer(head + entry.payload, 6000)
        shown, message = AndroidLogEntry(), create_string_buffer(1024)
        if number in BINARY:
            arguments = (raw, byref(shown), None, message, len(message))
            status = self._lib.android_log_processBinaryLogBuffer(*arguments)
        else:
            status = self._lib.android_log_processLogBuffer(raw, byref(shown))
        if status < 0:
            return None
        out, size = create_string_buffer(1 << 16), c_size_t()
        arguments = (self._format, out, len(out), byref(shown), byref(size))
        return ctypes.string_at(self._lib.android_log_formatLogLine(*arguments), size.value)


@pytest.fixture
def liblog(monkeypatch: pytest.MonkeyPatch) -> Liblog:
    monkeypatch.setenv("TZ", "UTC")
    (path,) = Path("/usr/lib").glob("*/android/liblog.so.0")
    return Liblog(path)


def text(pick: random.Random, longest: int) -> bytes:
    return "".join(pick.choice(WORDS) for _ in range(pick.randrange(longest))).encode()


def packed(liblog: Liblog, pick: random.Random) -> Iterator[bytes]:
    for _ in range(ENTRIES):
        buffer = pick.randrange(len(BUFFERS))
        if buffer in BINARY:
            payload = liblog.event(pick)
        else:
            tag = text(pick, 12).replace(b"\n", b"").replace(b"\t", b"")
            payload = bytes([pick.randrange(2, 8)]) + tag + b"\0" + text(pick, 60) + b"\0"
        numbers = (1000, pick.randrange(1 << 16), buffer, pick.randrange(1 << 16))
        times = (pick.randrange(1 << 31), pick.randrange(10**9))
        yield b"l" + struct.pack("<HHHBHII", 18 + len(payload), *numbers, *times) + payload


def test_lines_are_those_of_androids_own_formatter(liblog: Liblog) -> None:
    understood = 0
    for data in packed(liblog, random.Random(SEED)):
        (entry,) = entries(data)
        assert isinstance(entry, Entry)
        shown = liblog.lines(entry)
        if shown is None:  # its encoder made a list without items at the end of it
            continue
        understood += 1
        assert logcat(data).partition(b"\n")[2] == shown
    assert understood > ENTRIES * 0.9
