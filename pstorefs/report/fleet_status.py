"""What a fleet's mount says of all crashes together: status, and each signature's summary. Pure.

Everything comes out of the names of index entries, so nothing has to be read for it.
"""

from __future__ import annotations

import datetime
import json
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet import keys
from pstorefs.fleet.grouped import label_in
from pstorefs.system.printable import counted, printable
from pstorefs.system.utc import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pstorefs.fleet.grouped import Grouped

_WEEK = datetime.timedelta(days=7)
_DAY = datetime.timedelta(days=1)
_SECOND = 10**9
#: Rows of each list of `status`, and kernels and machines of a summary, at most.
_MOST_ROWS, _MOST_NAMES = 10, 1000


class _Row(NamedTuple):
    """One signature, as a line of `status`."""

    label: str
    crashes: int
    machines: int
    first: str
    last: str


def _when(listed: float) -> str:
    """Of the newest list. 0: there is none; what is shown is from the cache."""
    if not listed:
        return "not listed since the mount"
    return f"listed {rfc3339(int(listed) * _SECOND)}"


def status_text(store: str, crashes: Grouped, listed: float, trouble: str, now: float) -> bytes:
    """`status`. Times are Unix time, `listed` may be 0; `trouble`: what could not be listed."""
    moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    recent = _between(crashes, moment - _WEEK, moment + _DAY)
    day = _between(crashes, moment - _DAY, moment + _DAY)
    signatures = len(crashes.labels.keys() - {keys.NONE})
    lines = [
        ("Store:", f"{printable(store)}, {_when(listed)}"),
        ("Machines:", f"{crashes.machines} crashed"),
        ("Last day:", _count(day)),
        ("Last week:", _count(recent)),
        ("In all:", f"{_crashes(crashes.total)}, {counted(signatures, 'signature')}"),
    ]
    if trouble:
        lines.insert(1, ("Trouble:", printable(trouble)))
    text = "".join(f"{name:<12}{value}\n" for name, value in lines)
    labels = Counter(map(label_in, recent))
    known = _known(crashes, labels, moment - _WEEK)
    new = [label for label in labels if label not in known]
    new.sort(key=lambda label: crashes.labels[label][0], reverse=True)
    frequent = [label for label, _ in labels.most_common(_MOST_ROWS)]
    text += _table("New signatures of the last week", [_row(crashes, each) for each in new])
    text += _table("The most frequent of the last week", [_row(crashes, each) for each in frequent])
    return (text + _kernels(recent)).encode()


def summary_json(label: str, names: Sequence[str]) -> bytes:
    """summary.json of a signature: count, machines, kernels, first, last; null: not known."""
    entries = list(map(keys.split_entry, names))
    times = [name[:16] for name in names if keys.time_of(f"{name[:16]}-")]
    kernels = Counter(entry.kernel for entry in entries)
    machines = Counter(entry.machine for entry in entries)
    whole = {
        "signature": label,
        "count": len(names),
        "machines": len(machines),
        "kernels": dict(kernels.most_common(_MOST_NAMES)),
        "first": _iso(times[0]) if times else None,
        "last": _iso(times[-1]) if times else None,
        "hosts": _hosts(entries),
    }
    return json.dumps(whole, indent=1).encode() + b"\n"


def _hosts(entries: Iterable[keys.Entry]) -> dict[str, int]:
    found = Counter(each.machine if each.host == keys.NONE else each.host for each in entries)
    return dict(found.most_common(_MOST_NAMES))


def _between(crashes: Grouped, first: datetime.datetime, last: datetime.datetime) -> list[str]:
    """The crashes since a moment, until the end of the day of another one.

    Those without a time count by their day. Later ones come from a clock that was wrong.
    """
    stamp = _stamp(first)
    return [
        name
        for day, names in crashes.days.items()
        if first.date().isoformat() <= day <= last.date().isoformat()
        for name in names
        if name[:16] >= stamp
    ]


def _known(crashes: Grouped, labels: Iterable[str], moment: datetime.datetime) -> set[str]:
    """The labels that a crash had before a moment, and `keys.NONE`."""
    date, stamp = moment.date().isoformat(), _stamp(moment)
    undated = {
        label_in(name)
        for day, names in crashes.days.items()
        if day < date
        for name in names[_dated(names) :]
    }
    dated = {label for label in labels if crashes.labels[label][0][:16] < stamp}
    return dated | undated | {keys.NONE}


def _dated(names: Sequence[str]) -> int:
    """How many begin with a time, of names that are sorted: those are before all others."""
    return bisect_left(names, ":")  # behind the digits


def _stamp(moment: datetime.datetime) -> str:
    """As names begin that have a time."""
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _machine(name: str) -> str:
    return name.rsplit("_", 2)[1]


def _count(names: Sequence[str]) -> str:
    return f"{_crashes(len(names))} of {counted(len(set(map(_machine, names))), 'machine')}"


def _crashes(number: int) -> str:
    return counted(number, "crash", "crashes")


def _row(crashes: Grouped, label: str) -> _Row:
    names = crashes.labels[label]
    machines = len(set(map(_machine, names)))
    dated = names[: _dated(names)] or ("",)
    return _Row(label, len(names), machines, _iso(dated[0][:16]), _iso(dated[-1][:16]))


def _iso(stamp: str) -> str:
    moment = keys.time_of(f"{stamp}-")
    return f"{moment.year:04}{moment:-%m-%dT%H:%M:%SZ}" if moment else "-"


def _table(title: str, rows: Sequence[_Row]) -> str:
    if not rows:
        return f"\n{title}: none\n"
    cells = [("crashes", "machines", "first", "last", "")]
    cells += [
        (f"{r.crashes}", f"{r.machines}", r.first, r.last, r.label) for r in rows[:_MOST_ROWS]
    ]
    text = f"\n{title}\n"
    for count, machines, first, last, label in cells:
        text += f"  {count:>7}  {machines:>8}  {first:<20}  {last:<20}  {label}".rstrip() + "\n"
    if len(rows) > _MOST_ROWS:
        text += f"  and {len(rows) - _MOST_ROWS} more\n"
    return text


def _kernels(names: Sequence[str]) -> str:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(keys.split_entry(name).kernel, []).append(name)
    if not found:
        return "\nKernels of the last week: none\n"
    text = "\nKernels of the last week\n  crashes  machines\n"
    most = sorted(found, key=lambda kernel: (-len(found[kernel]), kernel))[:_MOST_ROWS]
    for kernel in most:
        machines = len(set(map(_machine, found[kernel])))
        text += f"  {len(found[kernel]):>7}  {machines:>8}  {kernel}\n"
    return text
