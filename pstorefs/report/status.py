"""`status`: the newest crash, whether it explains the last reboot, the newest dumps, the store.

Sentences for people (`text`) and the same for programs (`as_json`), both made of one `Status`.
Whatever needs attention comes with what to do about it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pstorefs import __version__
from pstorefs.archive.entry import Entry
from pstorefs.catalog import bounds
from pstorefs.catalog.brief import Brief
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.view import Listed, Totals, View, is_undated_log
from pstorefs.record import reading
from pstorefs.record.record import ARCHIVE
from pstorefs.report.health import Finding, backend, health, returned
from pstorefs.report.last_reboot import Cause, Crash, judge
from pstorefs.report.next_crash import checks
from pstorefs.report.test_crash import Seeker
from pstorefs.system.crash_setup import read_setup
from pstorefs.system.last_boot import LastBoot, read_last_boot
from pstorefs.system.machine import Machine
from pstorefs.system.printable import counted, printable, whole
from pstorefs.system.utc import rfc3339

SCHEMA = 2
# After these the machine does not go on.
_PANICS = ("Panic", "Emergency")


@dataclass(frozen=True, slots=True)
class Line:
    """One of the newest dumps."""

    dump: Listed
    brief: Brief
    #: Whether it came since this machine was booted.
    new: bool

    @property
    def places(self) -> list[str]:
        """Where its records are."""
        return sorted({record.place for record in self.dump.records}) or [ARCHIVE]


@dataclass(frozen=True)
class Status:
    """Everything that `status` says."""

    now: float
    source: str
    backend: str
    newest: Listed | None
    newest_title: str
    newest_kernel: str | None
    running_kernel: str | None
    last_reboot: Cause | None
    #: The newest dumps, the oldest of them first; and how many there are in all.
    dumps: tuple[Line, ...]
    totals: Totals
    states: dict[str, int]
    stored_bytes: int
    archive: str | None
    findings: tuple[Finding, ...] = field(default=())
    #: The result of the last test crash; empty: there was none.
    test_crash: str = ""


class Reporter:
    """Makes `status` for a mount.

    ``own``: the records are those of the reading machine; ``archive``: where they are archived.
    ``archiving`` says what keeps that from working.
    """

    def __init__(
        self,
        catalog: Catalog,
        source: str,
        machine: Machine,
        *,
        own: bool,
        archive: str | None = None,
        archiving: Callable[[], Iterable[Finding]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalog = catalog
        self._source = source
        self._machine = machine
        self._own = own
        self._archive = archive
        self._archiving = archiving
        self._clock = clock
        self._seeker = Seeker(catalog, archive) if own and archive else None
        self._boot: LastBoot | None = None

    def _returned(self) -> list[Finding]:
        return returned(self._catalog, self._archive) if self._archive else []

    def collect(self) -> Status:
        """Look at everything, and at each dump once."""
        catalog = self._catalog
        briefs: dict[str, Brief] = {}

        def brief_of(dump: Listed) -> Brief:
            return briefs.get(dump.name) or briefs.setdefault(dump.name, catalog.brief(dump))

        records = catalog.live()
        view = catalog.view()
        booted = self._machine.boot_seconds if self._own else None
        newest = view.latest or view.witness
        brief = brief_of(newest) if newest else None
        # Before the findings: what is damaged in the archive is found by it.
        dumps = tuple(Line(dump, brief_of(dump), view.is_new(dump, booted)) for dump in view.newest)
        backends = sorted({record.name.backend for record in records})
        of_records = health(self._machine, catalog, own=self._own)
        findings = [*self._archiving(), *of_records, *self._returned()]
        return Status(
            now=self._clock(),
            source=self._source,
            backend=self._backend() or ", ".join(backends),
            newest=newest,
            newest_title=brief.title if brief else "",
            newest_kernel=brief.kernel if brief else None,
            running_kernel=self._machine.kernel,
            last_reboot=self._last_reboot(brief_of) if self._own else None,
            dumps=dumps,
            totals=view.totals(booted, partial(self._is_complete, view)),
            states=dict(Counter(record.state for record in records)),
            stored_bytes=sum(record.size for record in records),
            archive=self._archive,
            findings=tuple(findings),
            test_crash=str((self._seeker and self._seeker.verdict()) or ""),
        )

    def _is_complete(self, view: View, dump: Listed) -> bool:
        """As `complete` in its summary.json; but the texts of thousands of dumps are not read."""
        if isinstance(dump, Entry) or len(view.dump_of) > bounds.FACTS_KEPT:
            return dump.is_complete
        return dump.is_complete and self._catalog.brief(dump).complete

    def text(self) -> bytes:
        """The file `status`."""
        return text(self.collect())

    def json(self) -> bytes:
        """The file meta/status.json."""
        return as_json(self.collect())

    def _backend(self) -> str:
        return backend(self._machine) if self._own else ""

    def _last_reboot(self, brief_of: Callable[[Listed], Brief]) -> Cause:
        """Why the machine was booted the last time. What does not change is read once."""
        if self._boot is None:
            self._boot = read_last_boot(self._machine)
        panics = [d for d in self._catalog.dumps().values() if d.reason in _PANICS]
        newest = max(panics, key=lambda dump: dump.age, default=None)
        latest = self._catalog.latest()
        undated = latest if latest is not None and is_undated_log(latest) else None
        setup = checks(read_setup(self._machine))
        return judge(self._boot, _crash(newest, brief_of), setup, _crash(undated, brief_of))


def _crash(dump: Listed | None, brief_of: Callable[[Listed], Brief]) -> Crash | None:
    if dump is None:
        return None
    at = None if dump.time_ns is None else dump.time_ns / 1e9
    return Crash(at, dump.name, brief_of(dump).title)


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
    reboot = status.last_reboot.lines() if status.last_reboot else []
    if newest is None:
        return ["No crash on record.", *reboot]
    lines = [f"Newest crash: {status.newest_title}"]
    when = "time not known"
    if newest.time_ns is not None:
        when = f"{rfc3339(newest.time_ns)}, {_age(status.now - newest.time_ns / 1e9)}"
    kernel = status.newest_kernel
    if kernel:
        same = kernel == status.running_kernel
        now = "which runs now" if same else f"now running {status.running_kernel}"
        when += f"; Linux {printable(kernel)}, {now}"
    lines += [f"  {when}", f"  dumps/{newest.name}/report.txt"]
    return [*lines, *reboot]


def _dump_lines(status: Status) -> list[str]:
    totals = status.totals
    if not totals.dumps:
        return ["No dumps."]
    more = totals.dumps - len(status.dumps)
    which = f"; the newest {len(status.dumps)}," if more else ","
    new = f", {totals.new} new since the last boot" if totals.new else ""
    lines = [f"{counted(totals.dumps, 'dump')}{new}{which} the newest last:"]
    width = max(len(line.dump.name) for line in status.dumps)
    for line in status.dumps:
        flaw = "" if line.brief.complete else ", incomplete"
        place = "  (archived)" if line.places == [ARCHIVE] else ""
        new = "  (new)" if line.new else ""
        lines.append(f"  {line.dump.name:{width}}  {line.brief.title}{flaw}{place}{new}")
    if more:
        lines.append(
            f"  {more} older: ls dumps; {counted(totals.crashes, 'crash', 'crashes')} in all,"
            f" {totals.incomplete} incomplete"
        )
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
        archived = counted(status.totals.archived, "dump")
        lines.append(f"Archive: {printable(status.archive)}: {archived}")
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
        "last_reboot": str(status.last_reboot) if status.last_reboot else None,
        "reboot_cause": status.last_reboot and status.last_reboot.as_dict(),
        "test_crash": status.test_crash or None,
        "totals": status.totals._asdict(),
        "dumps": [_dump(line) for line in status.dumps],
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


def _dump(line: Line) -> dict[str, Any]:
    return {
        "name": line.dump.name,
        "id": line.brief.id,
        "title": line.brief.title,
        "crash": line.dump.is_crash,
        "time": rfc3339(line.dump.time_ns),
        "complete": line.brief.complete,
        "places": line.places,
        "new": line.new,
    }


def _age(seconds: float) -> str:
    """How long ago, in the largest unit that gives more than one."""
    if seconds < 0:
        return "in the future: a clock is wrong"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}s ago"
    return "just now" if seconds < 60 else "a minute ago"
