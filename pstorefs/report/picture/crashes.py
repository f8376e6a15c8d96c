"""What a picture is made of, and how crashes are counted. Pure.

A group is what one signature has; crashes without a signature are grouped by their title. Moments
are RFC 3339 in UTC, or only the day where no time is known: as texts they sort as they happened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: pstore is in Linux since 2011: what is dated earlier comes of a clock that was never set.
FIRST_DAY = "2011-01-01"
#: One, and several.
CRASH = ("crash", "crashes")
#: A night has two days; so what is new is what was first seen on the last two.
NEW_DAYS = 2


class Bounds(NamedTuple):
    """How much a page holds, and how much is read for it."""

    #: Crashes that are read, the newest first.
    crashes: int = 300_000
    days: int = 30
    #: Signatures that have a row and a report.
    groups: int = 40
    #: Crashes of each of these that are asked for their title, until one answers.
    asked: int = 3
    #: Crashes without a signature that are asked what they are.
    unnamed: int = 1000
    #: Machines and crashes that are named of each signature.
    named: int = 10
    report_bytes: int = 48 << 10
    #: Of all reports together, as HTML.
    reports_bytes: int = 3 << 20
    #: After which nothing more is read.
    seconds: float = 300.0


class Crash(NamedTuple):
    """One crash, as a list of crashes knows it."""

    #: YYYY-MM-DD. One text for all of a day: it is looked at more often than all else.
    day: str
    at: str
    group: str
    #: For people, where nothing better is known.
    title: str
    host: str
    machine: str
    kernel: str
    id: str
    #: Where its origin finds it.
    where: str


class Facts(NamedTuple):
    """The facts from the crash itself. Empty: not known."""

    title: str = ""
    signature: str = ""
    is_crash: bool = True


@dataclass
class Group:
    """One signature, or one title without a signature."""

    key: str
    #: The oldest first, all of them.
    crashes: list[Crash]
    #: Crashes of each day shown.
    days: Counter[str]
    is_new: bool
    title: str = ""
    signature: str = ""
    report: str = ""
    #: Where the crash is that this is the report of.
    shown: str = ""
    #: Why there is no report, or not all of it.
    why: str = ""

    @property
    def count(self) -> int:
        """Crashes on the days shown."""
        return self.days.total()

    @cached_property
    def recent(self) -> list[Crash]:
        """The crashes on the days shown."""
        return [crash for crash in self.crashes if crash.day in self.days]

    @property
    def machines(self) -> Counter[str]:
        """Machines by host name or id, with their crashes on the days shown."""
        return Counter(crash.host or crash.machine for crash in self.recent)

    @cached_property
    def kernels(self) -> Counter[str]:
        """Kernels, with their crashes on the days shown."""
        return Counter(crash.kernel for crash in self.recent if crash.kernel)

    @cached_property
    def machine_count(self) -> int:
        """How many machines; a host name may be that of several."""
        return len({crash.machine or crash.host for crash in self.recent})


@dataclass
class Picture:
    """All that a page shows."""

    name: str
    #: When it was made, RFC 3339.
    made: str
    is_fleet: bool
    days: list[str]
    #: Groups with a row, in order; and those that are only summed up.
    groups: list[Group]
    others: list[Group]
    #: What was left out: sentences.
    notes: list[str]


def dated(crashes: Iterable[Crash], today: str) -> tuple[list[Crash], int]:
    """The crashes with a believable day, in order; and how many have none."""
    # A machine's clock may be ahead of ours, and its day begin earlier.
    last = (date.fromisoformat(today) + timedelta(days=1)).isoformat()
    found: list[Crash] = []
    known: dict[str, bool] = {}
    strange = 0
    for crash in crashes:
        day = crash.day
        good = known.get(day)
        if good is None:
            good = known[day] = FIRST_DAY <= day <= last and _is_day(day)
        if good:
            found.append(crash)
        else:
            strange += 1
    found.sort(key=attrgetter("at"))
    return found, strange


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def days_shown(crashes: Sequence[Crash], today: str, count: int) -> list[str]:
    """The last days up to today; or up to the newest crash, if these would be empty."""
    newest = crashes[-1].day if crashes else today
    first = (date.fromisoformat(today) - timedelta(days=count - 1)).isoformat()
    end = date.fromisoformat(newest if newest < first or newest > today else today)
    return [(end - timedelta(days=back)).isoformat() for back in range(count - 1, -1, -1)]


def grouped(crashes: Iterable[Crash], days: Sequence[str], today: str) -> list[Group]:
    """The groups with a crash on the days shown: those with most of them first."""
    found: dict[str, list[Crash]] = {}
    for crash in crashes:
        found.setdefault(crash.group, []).append(crash)
    recent = (date.fromisoformat(today) - timedelta(days=NEW_DAYS - 1)).isoformat()
    groups, shown = [], frozenset(days)
    for key, own in found.items():
        counted = Counter(crash.day for crash in own if crash.day in shown)
        if counted:
            groups.append(Group(key, own, counted, own[0].day >= recent, own[-1].title))
    return sorted(groups, key=lambda group: (-group.count, group.key))


def chosen(groups: Sequence[Group], most: int) -> tuple[list[Group], list[Group]]:
    """Those that get a row, the new ones first; and the others. Both in order of their count."""
    ordered = sorted(groups, key=lambda group: (not group.is_new, -group.count, group.key))
    # What is new must not crowd out what is frequent.
    frequent = [group.key for group in groups[: most // 2]]
    picked = set(frequent)
    for group in ordered:
        if len(picked) < most:
            picked.add(group.key)
    return (
        [group for group in ordered if group.key in picked],
        [group for group in groups if group.key not in picked],
    )


def each_once(crashes: Iterable[Crash]) -> list[Crash]:
    """Each crash once, by machine and id."""
    return list({(crash.machine, crash.id): crash for crash in crashes}.values())
