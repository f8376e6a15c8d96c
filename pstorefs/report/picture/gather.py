"""A picture out of an origin: what is counted, what is asked, and what is left out.

Nothing here is without a bound: how many crashes are counted, how many are asked for what their
name does not say, how many reports are fetched, and for how long. What was cut off becomes a note.
"""

from __future__ import annotations

import html
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.report.picture import crashes as model
from pstorefs.report.picture.crashes import Bounds, Crash, Facts, Group, Picture
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# A store answers within some ten milliseconds, so it is asked for several things at once.
_THREADS = 16


class Found(NamedTuple):
    """What there is. `notes`: what was not looked at."""

    crashes: list[Crash]
    notes: list[str]


class UnreadableError(Exception):
    """Something of a crash cannot be read. One line for people."""


class Origin(Protocol):
    """Where crashes are. `facts` and `report` are called by several threads."""

    name: str
    is_fleet: bool

    def crashes(self, most: int) -> Found:
        """At most so many crashes, the newest first."""

    def facts(self, crash: Crash) -> Facts | None:
        """What a crash says; None if it is not to be read."""

    def report(self, crash: Crash, most: int) -> bytes:
        """The first bytes of its report. Raises `UnreadableError`."""


def gather(origin: Origin, now: datetime, bounds: Bounds | None = None) -> Picture:
    """All that a page shows. `now`: in UTC. Raises what the origin's `crashes` raises."""
    work = _Gathering(origin, bounds or Bounds(), f"{now:%Y-%m-%d}")
    try:
        return work.picture(f"{now:%Y-%m-%dT%H:%M:%SZ}")
    finally:
        work.pool.shutdown(cancel_futures=True)


class _Gathering:
    """What is at work for one picture."""

    def __init__(self, origin: Origin, bounds: Bounds, today: str) -> None:
        self.origin, self.bounds, self.today = origin, bounds, today
        self.end = time.monotonic() + bounds.seconds
        self.late = False
        self.known: dict[tuple[str, str], Facts | None] = {}
        self.pool = ThreadPoolExecutor(_THREADS, "picture")
        self.notes: list[str] = []

    def picture(self, made: str) -> Picture:
        found = self.origin.crashes(self.bounds.crashes)
        self.notes += found.notes
        crashes, strange = model.dated(found.crashes, self.today)
        if strange:
            self._note(
                f"{strange:,} crashes are dated before 2011 or in the future, as the clocks of"
                " their machines were wrong. They are not counted."
            )
        days = model.days_shown(crashes, self.today, self.bounds.days)
        crashes = self._each_once(crashes, days)
        groups = self._of_crashes(model.grouped(crashes, days, self.today))
        shown, others = model.chosen(groups, self.bounds.groups)
        self._ask(shown)
        self._reports(shown)
        older = sum(crash.day < days[0] for crash in crashes)
        if older:
            self._note(f"{older:,} crashes happened before {days[0]}. They are not in the chart.")
        if self.late:
            self._note("The store answered too slowly: kernels and reports are missing.")
        return Picture(
            self.origin.name, made, self.origin.is_fleet, days, shown, others, self.notes
        )

    def _note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def _facts(self, crash: Crash) -> Facts | None:
        """What a crash says, asked once."""
        name = crash.machine, crash.id
        if name not in self.known:
            if time.monotonic() > self.end:
                self.late = True
                return None
            self.known[name] = self.origin.facts(crash)
        return self.known[name]

    def _all_facts(self, crashes: Sequence[Crash]) -> list[Facts | None]:
        return list(self.pool.map(self._facts, crashes))

    def _each_once(self, crashes: list[Crash], days: Sequence[str]) -> list[Crash]:
        """Without what another crash replaces, as far as that is looked at."""
        doubtful = model.doubtful([crash for crash in crashes if crash.day >= days[0]])
        asked = doubtful[-self.bounds.replaced :]
        if len(asked) < len(doubtful):
            self._note(
                f"{len(doubtful) - len(asked):,} crashes of machines that crashed twice within a"
                " second were not looked at: some of them may be one crash, counted twice."
            )
        self._all_facts(asked)
        return model.unreplaced(crashes, {n: said for n, said in self.known.items() if said})

    def _of_crashes(self, groups: list[Group]) -> list[Group]:
        """Without the groups of logs that no crash is in."""
        # What has a signature has crashed.
        unsure = [group for group in groups if group.key.startswith(" ")][: self.bounds.probed]
        said = self._all_facts([group.crashes[-1] for group in unsure])
        logs = {group.key for group, facts in zip(unsure, said, strict=True) if _is_log(facts)}
        if logs:
            count = sum(group.count for group in groups if group.key in logs)
            self._note(f"{count:,} logs of machines that did not crash are not counted.")
        return [group for group in groups if group.key not in logs]

    def _ask(self, groups: list[Group]) -> None:
        """Fill in what the newest crashes of each group say."""
        asked = [(g, crash) for g in groups for crash in g.crashes[-self.bounds.sampled :][::-1]]
        for (group, _), said in zip(
            asked, self._all_facts([crash for _, crash in asked]), strict=True
        ):
            if said is None:
                continue
            if not group.asked:
                group.title = said.title or group.title
            group.signature = group.signature or said.signature
            group.asked += 1
            if said.kernel:
                group.kernels[said.kernel] += 1

    def _reports(self, groups: list[Group]) -> None:
        room = self.bounds.reports_bytes
        for group, text in zip(groups, self.pool.map(self._report, groups), strict=True):
            if text is None:
                continue
            lines = text.decode(errors="replace").expandtabs().splitlines()
            report = "\n".join(printable(line) for line in lines)
            size = len(html.escape(report, quote=False).encode())
            if size > room:
                group.why = "Left out, as the page would become too large."
                continue
            room -= size
            group.report = report
            if len(text) >= self.bounds.report_bytes:
                group.why = f"Cut after {self.bounds.report_bytes >> 10} KiB."

    def _report(self, group: Group) -> bytes | None:
        """The report of the newest crash of a group."""
        group.shown = group.crashes[-1]
        if time.monotonic() > self.end:
            self.late = True
            group.why = "Not read: the store answered too slowly."
            return None
        try:
            return self.origin.report(group.shown, self.bounds.report_bytes)
        except UnreadableError as error:
            group.why = f"It cannot be read: {error}"
            return None


def _is_log(facts: Facts | None) -> bool:
    return facts is not None and not facts.is_crash
