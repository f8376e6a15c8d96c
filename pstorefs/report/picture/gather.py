"""A picture out of an origin: what is counted, what is asked, and what is left out.

Nothing here is without a bound: how many crashes are counted, how many are asked for what their
name does not say, how many reports are fetched, and for how long. What was cut off becomes a note.
"""

from __future__ import annotations

import html
import time
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.fleet import gather as threads
from pstorefs.fleet.remote import RemoteError
from pstorefs.report.picture import crashes as model
from pstorefs.report.picture.crashes import CRASH, Bounds, Crash, Facts, Group, Picture
from pstorefs.system.printable import noun, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import TypeVar

    _Asked = TypeVar("_Asked")
    _Said = TypeVar("_Said")

# A store answers within some ten milliseconds, so it is asked for several things at once.
_THREADS = 16


class Found(NamedTuple):
    """The crashes that were found. `notes`: what was not read."""

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
        """The facts of a crash; None if it cannot be read."""

    def presumed(self, crash: Crash) -> bool:
        """Whether something without a signature is a crash, as far as a list says."""

    def place(self, crash: Crash) -> str:
        """Where to find it, for people."""

    def report(self, crash: Crash, most: int) -> bytes:
        """The first bytes of its report. Raises `UnreadableError`."""


def gather(origin: Origin, now: datetime, bounds: Bounds | None = None) -> Picture:
    """All that a page shows. `now`: in UTC. Raises what the origin's `crashes` raises."""
    work = _Gathering(origin, bounds or Bounds(), f"{now:%Y-%m-%d}")
    return work.picture(f"{now:%Y-%m-%dT%H:%M:%SZ}")


def _each(call: Callable[[_Asked], _Said], asked: Sequence[_Asked]) -> list[_Said]:
    """What a call gives for each, in their order. Several at a time."""
    made: dict[int, _Said] = {}
    numbers = range(len(asked))
    for number, said in threads.gather(lambda each: call(asked[each]), numbers, _THREADS):
        if isinstance(said, RemoteError):
            raise said
        made[number] = said
    return [made[number] for number in numbers]


class _Gathering:
    """The state of the work on one picture."""

    def __init__(self, origin: Origin, bounds: Bounds, today: str) -> None:
        self.origin, self.bounds, self.today = origin, bounds, today
        self.end = time.monotonic() + bounds.seconds
        self.late = False
        self.notes: list[str] = []

    def picture(self, made: str) -> Picture:
        found = self.origin.crashes(self.bounds.crashes)
        self.notes += found.notes
        crashes, strange = model.dated(model.each_once(found.crashes), self.today)
        if strange:
            self._note(
                f"Not counted: {strange:,} {noun(strange, *CRASH)} dated before 2011 or in the"
                " future, by a clock that was wrong."
            )
        days = model.days_shown(crashes, self.today, self.bounds.days)
        crashes = self._named(crashes)
        groups = model.grouped(crashes, days, self.today)
        shown, others = model.chosen(groups, self.bounds.groups)
        _each(self._ask, shown)
        self._reports(shown)
        older = sum(crash.day < days[0] for crash in crashes)
        if older:
            self._note(f"Not in the chart: {older:,} {noun(older, *CRASH)} before {days[0]}.")
        if self.late:
            self._note("The store answered too slowly: titles and reports are missing.")
        return Picture(
            self.origin.name, made, self.origin.is_fleet, days, shown, others, self.notes
        )

    def _note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def _facts(self, crash: Crash) -> Facts | None:
        """The facts of a crash; None if it has none, or not in time."""
        if time.monotonic() > self.end:
            self.late = True
            return None
        return self.origin.facts(crash)

    def _named(self, crashes: list[Crash]) -> list[Crash]:
        """All that are crashes; those without a signature by their title, if they are asked."""
        unsure = [crash for crash in crashes if crash.group.startswith(" ")]
        asked = unsure[-self.bounds.unnamed :]
        said = dict(zip(asked, _each(self._facts, asked), strict=True))
        found = [crash for crash in crashes if not crash.group.startswith(" ")]
        logs = unknown = 0
        for crash in unsure:
            facts = said.get(crash)
            if facts is None:
                unknown += 1
            if facts.is_crash if facts else self.origin.presumed(crash):
                title = facts.title if facts else ""
                found.append(crash._replace(group=f" {title}", title=title) if title else crash)
            else:
                logs += 1
        if unsure:
            found.sort(key=attrgetter("at"))
        if logs:
            self._note(f"Not counted: {logs:,} {noun(logs, 'log')} without a crash.")
        if unknown:
            self._note(f"Titles not read: {unknown:,} {noun(unknown, 'dump')} without a signature.")
        return found

    def _ask(self, group: Group) -> None:
        """Fill in what the newest crashes of a group say, until one says it."""
        for crash in group.crashes[-self.bounds.asked :][::-1]:
            if said := self._facts(crash):
                group.title = said.title or group.title
                group.signature = said.signature
                return

    def _reports(self, groups: list[Group]) -> None:
        room = self.bounds.reports_bytes
        for group, text in zip(groups, _each(self._report, groups), strict=True):
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
        group.shown = self.origin.place(group.crashes[-1])
        if time.monotonic() > self.end:
            self.late = True
            group.why = "Not read: the store answered too slowly."
            return None
        try:
            return self.origin.report(group.crashes[-1], self.bounds.report_bytes)
        except UnreadableError as error:
            group.why = f"It cannot be read: {error}"
            return None
