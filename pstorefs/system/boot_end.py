"""How the boot before ended, by wtmp and the journal: parsed, and asked for in bounded time.

Sources of the facts: utmp(5); systemd.journal-fields(7), journalctl(1).
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from pstorefs.system.machine import Machine

_SECONDS = 3
_MOST_BYTES = 4 << 20
# struct utmp of glibc, the same on all 64-bit Linux (utmp(5)): type, user, time.
_UTMP = struct.Struct("<h 2x i 32s 4s 32s 256s 4x i i i 16s 20x")
_RUN_LEVEL, _BOOT_TIME = 1, 2
_LAST_ENTRIES = 2000
# Clocks are set while a machine boots.
_CLOCK_SECONDS = 300


class End(NamedTuple):
    """How the boot before ended. Times are Unix times; None: not known."""

    orderly: bool
    #: Its last sign of life.
    at: float
    #: The source.
    source: str
    #: When it began.
    began: float | None = None


def from_wtmp(machine: Machine) -> End | None:
    """What wtmp says of the end of the boot before; None: it does not say.

    One that does not know of this boot was left behind: Debian 13 does not write it any more.
    """
    data = _last_entries(machine, "var/log/wtmp")
    booted = newest_boot(data)
    # utmp is made anew at each boot, and gets the same entry.
    now = newest_boot(_last_entries(machine, "run/utmp"))
    if now is None and machine.boot_seconds is not None and booted is not None:
        known = abs(booted - machine.boot_seconds) <= _CLOCK_SECONDS
    else:
        known = now is None or now == booted
    return parse_wtmp(data) if known else None


def _last_entries(machine: Machine, path: str) -> bytes:
    try:
        with open(os.path.join(machine.root, path), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() // _UTMP.size - _LAST_ENTRIES) * _UTMP.size)
            return file.read(_LAST_ENTRIES * _UTMP.size)
    except OSError:
        return b""


def newest_boot(data: bytes) -> int | None:
    """The time of the newest boot in wtmp or utmp."""
    found = None
    for fields in _UTMP.iter_unpack(data[: len(data) // _UTMP.size * _UTMP.size]):
        if fields[0] == _BOOT_TIME:
            found = int(fields[7])
    return found


def parse_wtmp(data: bytes) -> End | None:
    """The end of the boot before the newest one."""
    past: list[tuple[int, bytes, int]] = []
    ended: End | None = None
    began: float | None = None
    for fields in _UTMP.iter_unpack(data[: len(data) // _UTMP.size * _UTMP.size]):
        kind, user, seconds = fields[0], fields[4].rstrip(b"\0"), fields[7]
        if kind == _BOOT_TIME:
            last = past[-1] if past else None
            orderly = last is not None and last[0] == _RUN_LEVEL and last[1] == b"shutdown"
            ended = End(orderly, float(last[2]), "wtmp", began) if last is not None else None
            began = float(seconds) or None
        if seconds:
            past.append((kind, user, seconds))
    return ended


FIELDS = "--output-fields=MESSAGE,_SOURCE_MONOTONIC_TIMESTAMP,PRIORITY"


def _entries(output: bytes) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        with suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


#: How many of the last entries are searched for the end of a shutdown.
END_ENTRIES = 30
# What systemd and journald say last of all when a machine is shut down. Where /var is a file system
# of its own, journald leaves it before the end, and its own goodbye is lost.
_GOODBYES = (
    "Journal stopped",
    "Shutting down.",
    "Reached target shutdown.target",
    "Reached target final.target",
    "Reached target umount.target",
    "Reached target Shutdown",
    "Reached target Final Step",
    "Stopping systemd-journal-flush.service",
    "Stopping Flush Journal to Persistent Storage",
)


def parse_journal_end(output: bytes) -> End | None:
    """The end of a boot, by the last entries of its journal."""
    orderly, at, began = False, None, None
    for entry in _entries(output):
        with suppress(ValueError, LookupError, TypeError):
            at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
            # Any user may log any message; the kernel's have no user.
            if entry.get("_UID", "0") == "0":
                orderly = orderly or str(entry.get("MESSAGE", "")).startswith(_GOODBYES)
            # By the clock of the last entry, which may have been set since.
            began = at - int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6
    return None if at is None else End(orderly, at, "journal", began)


def both(wtmp: End | None, journal: End | None) -> End | None:
    """What two witnesses say together: the later sign of life, and a shutdown if one saw it.

    wtmp knows logins alone: where nobody logs in, it is silent for months. A shutdown that an
    administrator forced is not in it.
    """
    if wtmp is None or journal is None:
        return wtmp or journal
    ended = max(wtmp.at, journal.at)
    began = wtmp.began if journal.began is None else journal.began
    if wtmp.orderly == journal.orderly:
        return End(wtmp.orderly, ended, "wtmp and journal", began)
    return End(True, ended, wtmp.source if wtmp.orderly else journal.source, began)


def parse_journal_kernel(output: bytes) -> list[tuple[float, str]]:
    """(seconds since boot, text) of the kernel's messages in a journal."""
    found = []
    for entry in _entries(output):
        with suppress(ValueError, TypeError):
            seconds = int(entry.get("_SOURCE_MONOTONIC_TIMESTAMP") or 0) / 1e6
            message = entry.get("MESSAGE")
            found.append((seconds, message if isinstance(message, str) else ""))
    return found


def journal_text(output: bytes) -> bytes:
    """The kernel's messages in a journal as a log: `<level>[seconds] text`."""
    lines = []
    for entry in _entries(output):
        with suppress(ValueError, TypeError):
            at = int(entry.get("_SOURCE_MONOTONIC_TIMESTAMP") or 0)
            level, message = int(entry.get("PRIORITY") or 6), entry.get("MESSAGE")
            if isinstance(message, str):
                for line in message.split("\n"):
                    lines.append(f"<{level}>[{at // 10**6:5}.{at % 10**6:06}] {line}\n")
    return "".join(lines).encode(errors="replace")


def run(*command: str) -> bytes:
    """The output of a program, bounded in size and time; empty if it cannot be run."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return b""
    timer = threading.Timer(_SECONDS, process.kill)
    timer.daemon = True
    with process:
        try:
            timer.start()
            return process.stdout.read(_MOST_BYTES) if process.stdout else b""
        except (OSError, RuntimeError):
            return b""
        finally:
            timer.cancel()
            process.kill()
