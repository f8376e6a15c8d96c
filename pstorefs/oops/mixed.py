"""Whose line it is where two processors print their reports at the same time, without callers.

Each report prints what it has to say in one order: what happened, the count of oopses, whose it is,
the registers, the trace, the end. A line that the report which printed last cannot print any more,
and another open one has still to print, is that one's. A PID decides where both know theirs. What
either could have printed goes on with the report that printed last: two traces that run at the same
time cannot be told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pstorefs.oops.body_lines import REGISTERS, is_frame, is_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.oops.lines import Line
    from pstorefs.oops.report import Report
    from pstorefs.oops.report_kinds import Kind

#: Reports that are open at the same time, beside the one that printed last.
OPEN_MAX = 3
#: Lines, and microseconds, without a line of its own after which a report is not open any more.
QUIET = 64
QUIET_US = 2_000_000

#: Where in its report a line stands: 0 is its first one.
DETAIL, WHOSE, MACHINE, POINTER, STACK, TRACE, FRAME, END = range(1, 9)
_PLACES = (
    (("Read of size", "Write of size", "Read at addr", "Write at addr"), DETAIL),
    (("Free of addr", "in_atomic(): "), DETAIL),
    (("CPU: ", "Pid: "), WHOSE),
    (("Hardware name: ",), MACHINE),
    (REGISTERS, POINTER),
    (("RSP: ", "ESP: ", "sp : "), STACK),  # arm64's pstate comes before the pointer
    (("---[ end trace",), END),
)
#: Lines that reports of one class alone have.
_OWN = (
    (("#PF: ", "PGD ", "*pde", "*pgd", "Mem abort info", "  ESR = "), ("oops",)),
    (("Read of size", "Write of size", "Read at addr", "Write at addr"), ("kasan",)),
    (("Free of addr", "Allocated by", "Freed by", "The buggy "), ("kasan",)),
    (("in_atomic(): ", "preempt_count: ", "RCU nest depth: "), ("atomic-sleep",)),
    (("---[ end trace",), ("oops", "bug", "warning", "stack-overflow", "serror", "rust")),
)
#: Functions that stand in the traces of one class.
_FRAMES_OF = (
    (re.compile(r"_*(?:kasan|asan)_|print_(?:report|address_desc)|check_memory_region"), "kasan"),
    (re.compile(r"_*(?:might_(?:sleep|resched)|schedule_bug)\b"), "atomic-sleep"),
    (re.compile(r"_*warn(?:_slowpath\w{0,20})?\Z"), "warning"),
)
#: Reports whose frames come after a header: what comes before it is another's.
_HEADED = (
    *("oops", "bug", "warning", "atomic-sleep", "kasan", "stack-overflow", "serror"),
    *("soft-lockup", "hard-lockup"),
)
#: Reports whose second line may be the processor's exception, with the count of oopses.
EXPLAINED = ("oops", "bug", "kasan", "ubsan", "stack-overflow", "serror", "rust", "vfs", "dentry")
_PID = re.compile(r"(?:CPU: \d{1,6} )?(?:UID: \d{1,10} )?[Pp](?:ID|id): (\d{1,10})\b", re.ASCII)
_TOLD = re.compile(r".{0,120}(?:by task .{1,64}/|, pid: )(\d{1,10})\b", re.ASCII)


def can_wait(report: Report, another: Report) -> bool:
    """Whether a report may go on after another one has begun. After a panic none does."""
    return _class(report) in _HEADED and not report.ended and _class(another) != "panic"


def still_open(report: Report, number: int, lines: Sequence[Line]) -> bool:
    """Whether a report may go on at the line `number`."""
    then, now = lines[report.last].time, lines[number].time
    soon = then is None or now is None or now - then < QUIET_US
    return soon and number - report.last <= QUIET


def note(report: Report, text: str, known: Kind | None = None) -> None:
    """Remember how far a report has come with this line, and whose it is."""
    report.place = max(report.place, _place_of(text, known))
    if not report.pid and (known is None or not known.trap):
        report.pid = report.groups.get("pid") or _pid_in(text)


def catch_up(report: Report, lines: Sequence[Line]) -> None:
    """Find how far a report has come as another one begins. Until then nobody needs to know."""
    if not report.placed:
        report.placed = True
        report.place = DETAIL if report.die is not None else 0
        report.pid = report.groups.get("pid", "") or _pid_in(lines[report.head].text)
        for number in (each for each in report.lines if each != report.head):
            note(report, lines[number].text)


def owner(last: Report, others: Sequence[Report], text: str, known: Kind | None = None) -> Report:
    """Return the open report that a line belongs to; `last` is the one that printed last."""
    place = _place_of(text, known)
    classes = next((each for starts, each in _OWN if text.startswith(starts)), ())
    if not place and not classes:
        return last
    fits = [one for one in (last, *others) if _fits(one, place, classes, known)]
    if known is not None:
        is_bug = "invalid opcode" in text or "BUG" in text
        fits = [one for one in fits if (_class(one) == "bug") == is_bug] or fits
    elif place == WHOSE:
        pid = _pid_in(text)
        fits = [one for one in fits if one.pid == pid] or [one for one in fits if not one.pid]
    elif place == POINTER:
        fits = _named(fits, text) or [one for one in fits if "function" not in one.groups] or fits
    elif place == FRAME:
        if last in fits:  # of the others, only what has proved that it goes on
            fits = [one for one in fits if one is last or max(one.first, one.last) > last.first]
        fits = _named(fits, text) or _of_its_class(fits, text) or fits
    expecting = (one for one in fits if one.place >= _before(one, place))
    return next(expecting, fits[0] if fits else last)


def _class(report: Report) -> str:
    return report.kind.error_class if report.kind is not None else ""


def _place_of(text: str, known: Kind | None) -> int:
    """Return where in its report a line stands; 0: anywhere, or it is the first one."""
    if known is not None:
        return DETAIL if known.trap else 0
    for starts, place in _PLACES:
        if text.startswith(starts):
            return place
    if is_frame(text):
        return FRAME
    if is_trace(text):  # arm has no line before its trace
        return FRAME if " from " in text else TRACE
    return 0


def _pid_in(text: str) -> str:
    if not text.startswith(("CPU: ", "Pid: ", "PID: ")):
        found = _TOLD.match(text) if "task " in text or "pid: " in text else None
    else:
        found = _PID.match(text)
    return found[1] if found is not None else ""


def _fits(report: Report, place: int, classes: Sequence[str], known: Kind | None) -> bool:
    """Whether a report may have such a line now."""
    error_class = _class(report)
    if not error_class or (classes and error_class not in classes):
        return False  # one that is only announced has its first line still to come
    if known is not None:
        return error_class in EXPLAINED and report.die is None and report.place < WHOSE
    if place == FRAME:
        return report.place in (TRACE, FRAME) or error_class not in _HEADED
    if place == END:
        return report.place >= TRACE
    return not place or report.place < place


def _before(report: Report, place: int) -> int:
    """Return what a report has mostly shown before such a line."""
    error_class = _class(report)
    if place == WHOSE:
        return DETAIL if error_class in ("oops", "bug", "kasan", "atomic-sleep") else 0
    if place == TRACE:
        return WHOSE if error_class in ("kasan", "atomic-sleep") else POINTER
    return {MACHINE: WHOSE, POINTER: WHOSE, STACK: POINTER}.get(place, 0)


def _symbol(text: str) -> str:
    """Return the function in a line "RIP: 0010:f+0x1/0x2" or " [<ffff>] ? f+0x1/0x2"."""
    words = text[: text.find("+0x")].split()
    return words[-1].rpartition(":")[2].lstrip("(") if words else ""


def _named(reports: Sequence[Report], text: str) -> list[Report]:
    """Return the reports whose first line names the function in this one."""
    symbol = _symbol(text)
    return [one for one in reports if one.groups.get("function") == symbol]


def _of_its_class(reports: Sequence[Report], text: str) -> list[Report]:
    """Return the reports of the class in whose traces alone such a function is."""
    symbol = _symbol(text)
    of = next((each for pattern, each in _FRAMES_OF if pattern.match(symbol)), None)
    return [one for one in reports if _class(one) == of]
