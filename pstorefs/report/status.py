"""`status`: the newest crash, whether it explains the last reboot, all dumps, the store.

Sentences for people (`text`) and the same for programs (`as_json`); both from one `Status`. Each
finding about health names its way out.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pstorefs import __version__
from pstorefs.catalog.catalog import Catalog
from pstorefs.dump import Dump
from pstorefs.record import reading
from pstorefs.record.record import ARCHIVE
from pstorefs.report.files import rfc3339
from pstorefs.report.health import Finding, backend, counted, health
from pstorefs.report.test_crash import Seeker
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable, whole

SCHEMA = 1
# A machine that crashed is up again within this time, usually; firmware tests and kdump take long.
_REBOOT_SECONDS = 3600
# Clocks are set while a machine boots.
_CLOCK_SECONDS = 120
_JOURNAL_SECONDS = 3


@dataclass(frozen=True)
class Status:
    """Everything that `status` says."""

    now: float
    source: str
    backend: str
    newest: Dump | None
    newest_title: str
    newest_kernel: str | None
    running_kernel: str | None
    last_reboot: str
    #: (dump, title), the oldest first.
    dumps: tuple[tuple[Dump, str], ...]
    states: dict[str, int]
    stored_bytes: int
    archive: str | None
    findings: tuple[Finding, ...] = field(default=())
    #: What became of the last crash that was made on purpose; empty: there was none.
    test_crash: str = ""


class Reporter:
    """Makes `status` for a mount.

    ``own``: the records are those of the reading machine; ``archive``: where they are archived.
    ``further`` adds findings of others, such as the archive's.
    """

    def __init__(
        self,
        catalog: Catalog,
        source: str,
        machine: Machine,
        *,
        own: bool,
        archive: str | None = None,
        further: Callable[[], list[Finding]] = list,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._survey = catalog
        self._source = source
        self._machine = machine
        self._own = own
        self._archive = archive
        self._further = further
        self._clock = clock
        self._seeker = Seeker(catalog, archive) if own and archive else None
        self._boot_before: tuple[bool, float] | bool | None = False

    def collect(self) -> Status:
        """Look at everything."""
        catalog = self._survey
        records = catalog.live()
        dumps = tuple((dump, catalog.brief(dump).title) for dump in catalog.dumps().values())
        newest = catalog.latest()
        backends = sorted({record.name.backend for record in records})
        findings = [*health(self._machine, catalog, own=self._own), *self._further()]
        return Status(
            now=self._clock(),
            source=self._source,
            backend=self._backend() or ", ".join(backends),
            newest=newest,
            newest_title=catalog.brief(newest).title if newest else "",
            newest_kernel=catalog.brief(newest).kernel if newest else None,
            running_kernel=self._machine.kernel,
            last_reboot=self._last_reboot(newest) if self._own else "",
            dumps=dumps,
            states=dict(Counter(record.state for record in records)),
            stored_bytes=sum(record.size for record in records),
            archive=self._archive,
            findings=tuple(findings),
            test_crash=str((self._seeker and self._seeker.verdict()) or ""),
        )

    def text(self) -> bytes:
        """The file `status`."""
        return text(self.collect())

    def json(self) -> bytes:
        """The file meta/status.json."""
        return as_json(self.collect())

    def _backend(self) -> str:
        return backend(self._machine) if self._own else ""

    def _last_reboot(self, newest: Dump | None) -> str:
        """Whether the newest crash explains why the machine was booted the last time."""
        if self._boot_before is False:
            self._boot_before = end_of_boot_before(self._machine)
        before = self._boot_before if isinstance(self._boot_before, tuple) else None
        return explain(newest, self._machine.boot_seconds, before)


def explain(newest: Dump | None, booted: int | None, before: tuple[bool, float] | None) -> str:
    """A sentence on the last reboot.

    `booted`: when this boot began; `before`: whether the boot before ended orderly, and when its
    last sign of life was, where a journal or wtmp tells.
    """
    if booted is None:
        return "Whether it explains the last reboot is not known: /proc/stat tells no boot time."
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


# What is shown


def text(status: Status) -> bytes:
    """The file `status`."""
    tried = [status.test_crash] if status.test_crash else []
    lines = [
        *_newest_lines(status),
        *tried,
        "",
        *_dump_lines(status),
        "",
        *_store_lines(status),
        "",
    ]
    if status.findings:
        lines.append("Needs attention:")
        for finding in status.findings:
            lines += [f"  * {finding.what}.", f"    {finding.way_out}."]
    else:
        lines.append("Nothing needs attention.")
    return ("\n".join(lines) + "\n").encode(errors="replace")


def _newest_lines(status: Status) -> list[str]:
    newest = status.newest
    if newest is None:
        return ["No crash on record.", *([status.last_reboot] if status.last_reboot else [])]
    lines = [f"Newest crash: {status.newest_title}"]
    when = "at a time that is not known"
    if newest.time_ns is not None:
        when = f"{rfc3339(newest.time_ns)}, {_age(status.now - newest.time_ns / 1e9)}"
    kernel = status.newest_kernel
    if kernel:
        same = kernel == status.running_kernel
        now = "which runs now" if same else f"now running {status.running_kernel}"
        when += f"; Linux {printable(kernel)}, {now}"
    lines += [f"  {when}", f"  dumps/{newest.name}/report.txt"]
    if status.last_reboot:
        lines.append(f"  {status.last_reboot}")
    return lines


def _dump_lines(status: Status) -> list[str]:
    if not status.dumps:
        return ["No dumps."]
    lines = [f"{counted(len(status.dumps), 'dump')}, the newest last:"]
    width = max(len(dump.name) for dump, _ in status.dumps)
    for dump, title in status.dumps:
        archived = all(record.place == ARCHIVE for record in dump.records)
        flaw = ", incomplete" if dump.missing else ""
        place = "  (archived)" if archived else ""
        lines.append(f"  {dump.name:{width}}  {title}{flaw}{place}")
    return lines


def _store_lines(status: Status) -> list[str]:
    count = sum(status.states.values())
    states = ", ".join(
        f"{status.states[state]} {state}" for state in reading.STATES if state in status.states
    )
    backend_words = f" ({status.backend})" if status.backend else ""
    size = f", {-(-status.stored_bytes // 1024)} KiB" if count else ""
    lines = [
        f"Store: {printable(status.source)}{backend_words}: "
        + (f"{counted(count, 'record')}: {states}{size}" if count else "empty")
    ]
    if status.archive:
        archived = sum(
            any(record.place == ARCHIVE for record in dump.records) for dump, _ in status.dumps
        )
        lines.append(f"Archive: {printable(status.archive)}: {counted(archived, 'dump')}")
    return lines


def as_json(status: Status) -> bytes:
    """The file meta/status.json. Keys are stable; no key depends on the moment of reading."""
    newest = status.newest
    known: dict[str, Any] = {
        "schema": SCHEMA,
        "program": f"pstorefs {__version__}",
        "newest_crash": newest
        and {
            "name": newest.name,
            "title": status.newest_title,
            "time": rfc3339(newest.time_ns),
            "kernel": status.newest_kernel,
        },
        "running_kernel": status.running_kernel,
        "last_reboot": status.last_reboot or None,
        "test_crash": status.test_crash or None,
        "dumps": [
            {
                "name": dump.name,
                "id": dump.id,
                "title": title,
                "crash": dump.is_crash,
                "time": rfc3339(dump.time_ns),
                "complete": not dump.missing,
                "places": sorted({record.place for record in dump.records}),
            }
            for dump, title in status.dumps
        ],
        "store": {
            "source": whole(status.source),
            "backend": status.backend or None,
            "records": sum(status.states.values()),
            "states": {state: status.states.get(state, 0) for state in reading.STATES},
            "bytes": status.stored_bytes,
        },
        "archive": status.archive and whole(status.archive),
        "findings": [
            {"key": finding.key, "what": finding.what, "way_out": finding.way_out}
            for finding in status.findings
        ],
    }
    return json.dumps(known, indent=1).encode() + b"\n"


def _age(seconds: float) -> str:
    """How long ago, in the largest unit that gives more than one."""
    if seconds < 0:
        return "in the future: a clock is wrong"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}s ago"
    return "just now" if seconds < 60 else "a minute ago"
