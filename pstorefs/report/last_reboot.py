"""Whether the newest crash explains why the machine was booted the last time."""

from __future__ import annotations

import json
import os
import struct
import subprocess

from pstorefs.catalog.view import Listed, is_undated_log
from pstorefs.system.machine import Machine
from pstorefs.system.utc import rfc3339

# A machine that crashed is up again within this time, usually; firmware tests and kdump take long.
_REBOOT_SECONDS = 3600
# Clocks are set while a machine boots.
_CLOCK_SECONDS = 120
_JOURNAL_SECONDS = 3


def explain(newest: Listed | None, booted: int | None, before: tuple[bool, float] | None) -> str:
    """A sentence on the last reboot.

    `booted`: when this boot began; `before`: whether the boot before ended orderly, and when its
    last sign of life was, where a journal or wtmp tells.
    """
    if booted is None:
        return "Whether it explains the last reboot is not known: /proc/stat tells no boot time."
    if newest is not None and is_undated_log(newest):
        return "Whether it explains the last reboot is not known: the log has no time."
    fatal = newest is not None and newest.reason in ("Panic", "Emergency")
    at = newest.time_ns / 1e9 if newest is not None and newest.time_ns else None
    if before is not None and before[0]:
        return f"The last reboot was orderly: shut down at {rfc3339(int(before[1] * 1e9))}."
    if not fatal or at is None or at > booted + _CLOCK_SECONDS:
        return "The last boot left no record of a crash."
    since = before[1] if before is not None else booted - _REBOOT_SECONDS
    if at >= since - _CLOCK_SECONDS:
        return "It explains the last reboot: this boot began soon after it."
    return (
        f"It does not explain the last reboot ({rfc3339(booted * 10**9)}):"
        " the last boot left no record of a crash."
    )


def end_of_boot_before(machine: Machine) -> tuple[bool, float] | None:
    """(shut down orderly, time of the last sign of life) of the boot before; None: not known."""
    return _from_wtmp(machine) or (_from_journal() if machine.root == "/" else None)


# struct utmp of glibc, the same on all 64-bit Linux (utmp(5)): type, user, time.
_UTMP = struct.Struct("<h 2x i 32s 4s 32s 256s 4x i i i 16s 20x")
_RUN_LEVEL, _BOOT_TIME = 1, 2


def _from_wtmp(machine: Machine) -> tuple[bool, float] | None:
    try:
        with open(os.path.join(machine.root, "var/log/wtmp"), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() // _UTMP.size - 2000) * _UTMP.size)
            data = file.read(2000 * _UTMP.size)
    except OSError:
        return None
    # What stands before the newest boot record is the boot before.
    past: list[tuple[int, bytes, int]] = []
    ended: tuple[bool, float] | None = None
    for fields in _UTMP.iter_unpack(data[: len(data) // _UTMP.size * _UTMP.size]):
        kind, user, seconds = fields[0], fields[4].rstrip(b"\0"), fields[7]
        if kind == _BOOT_TIME:
            last = past[-1] if past else None
            orderly = last is not None and last[0] == _RUN_LEVEL and last[1] == b"shutdown"
            ended = (orderly, float(last[2])) if last is not None else None
        if seconds:
            past.append((kind, user, seconds))
    return ended


def _from_journal() -> tuple[bool, float] | None:
    command = ["journalctl", "-q", "-b", "-1", "-n", "1", "-o", "json"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_JOURNAL_SECONDS, check=False)
        entry = json.loads(done.stdout.splitlines()[-1])
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired):
        return None
    # journald says goodbye last of all when the machine is shut down orderly.
    return str(entry.get("MESSAGE", "")).startswith("Journal stopped"), at
