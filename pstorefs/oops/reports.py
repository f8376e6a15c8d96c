"""A log's separate reports: where each begins and ends, and what kind it is.

A report begins with a line that the table of kinds knows, or with a line that announces one ("cut
here"), and ends with its end trace, with a row of =, with the next report, or with the last line
that looks like part of it. With CONFIG_PRINTK_CALLER each task and CPU has reports of its own, so
that lines of other CPUs in between do no harm. What other CPUs print as they are stopped belongs to
none. Where a text begins inside a report, its registers or its end are the proof that there was
one; registers that the kernel prints again after an end trace say where it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pstorefs.oops.asides import Aside
from pstorefs.oops.body_lines import REGISTERS, is_body, is_part, is_stopping, is_tail, is_trace
from pstorefs.oops.foreign import END, ends_with_row, is_announcement, is_foreign
from pstorefs.oops.gaps import GAP, goes_on, loses_text, oops_open
from pstorefs.oops.leads import first_of, first_of_fault
from pstorefs.oops.mixed import EXPLAINED, OPEN_MAX, can_wait, catch_up, note, owner, still_open
from pstorefs.oops.report import Report, read_body
from pstorefs.oops.report_kinds import CUT_HERE, Blame, Kind, lost_kind, recognise

if TYPE_CHECKING:
    from pstorefs.oops.lines import Line

#: Lines without anything of a report in them after which a report is over.
GAP_LINES = 64
#: The same with what programs print to the same console, in lines without the kernel's time.
GAP_MAX = 1024
#: Lines between an announcement and the first line it announces (page dumps are the longest).
ANNOUNCED = 16
#: Reports in one text beyond which further ones are not looked at (one line makes one report).
REPORTS_MAX = 4096
#: Lines after an end trace within which the kernel prints the registers again.
AGAIN = 40
#: Lines before the registers of all processors that somebody wants to see, and what says so.
ASKED = 8
_ASKED_FOR = re.compile(
    r"(?:sysrq: )?(?:SysRq : |sysrq: )Show (?:backtrace|Regs|State|Blocked)", re.IGNORECASE
)


def split(lines: list[Line]) -> list[Report]:
    """Return the reports of a log, in the order in which they begin."""
    return _Splitter(lines).run()


class _Splitter:
    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._open: dict[str, Report] = {}
        self._found: list[Report] = []
        self._lost_head_possible = True
        #: An open report on a stall: the stalled CPUs print their own part of it, these callers.
        self._stall: Report | None = None
        self._stalled: set[str] = set()
        self._before_gap: Report | None = None
        self._aside = Aside()
        #: Without callers: open reports beside the one that printed last, the latest first.
        self._waiting: list[Report] = []
        #: The report that ended last, by caller: its registers may be printed again.
        self._ended: dict[str, Report] = {}
        #: A panic has begun that has not said its end yet.
        self._panicked = False
        #: Line after the last report of a known kind: what leads to one is not looked for before.
        self._floor = 0

    def run(self) -> list[Report]:
        for number, line in enumerate(self._lines):
            if line.text:
                self._take(number, line.caller, line.text)
        for report in self._found:
            if report.kind is None and (report.lost_head or report.body):
                self._judge_lost(report)
        return [
            report for report in self._found if report.kind is not None and self._is_one(report)
        ]

    def _is_one(self, report: Report) -> bool:
        """Whether there was a report: programs and people use the same words."""
        assert report.kind is not None  # noqa: S101 -- run() has asked
        if report.kind.vague and not report.body:
            return self._lines[report.head].time is not None
        return not report.kind.dies or report.die is not None

    def _judge_lost(self, report: Report) -> None:
        """Decide what a report whose beginning is lost was. A stack dump alone is none."""
        before = self._lines[max(0, report.first - ASKED) : report.first + 1]
        if any(_ASKED_FOR.match(line.text) for line in before):
            return
        body = read_body(report, self._lines)
        named = body.pointer is not None and body.pointer.function is not None
        if named or (report.traced and report.ended):
            report.lost_head = True
            functions = [frame.function for frame in body.frames]
            if report.ended and self._lines[report.first].text.startswith(CUT_HERE):
                functions.append("__warn")  # the other one, BUG(), counts an oops
            report.kind = lost_kind(functions)

    def _take(self, number: int, caller: str, text: str) -> None:
        if not caller and self._open and self._aside.takes(text):
            return
        if is_foreign(text) and (caller or not self._waiting):
            self._pass(number, caller, text)
            return
        known = recognise(text)
        if not caller and self._waiting:
            self._choose(number, text, known[0] if known is not None else None)
        if text.startswith(END):
            self._take_end_of_panic(number, caller, text)
            self._end(number, caller, traced="end trace" in text)
            return
        if text.startswith(GAP):
            self._cut(text)
            return
        report = self._open.get(caller)
        if known is not None:
            self._begin(number, caller, *known)
        elif is_announcement(text):
            self._announce(number, caller, text, report)
        elif report is not None:
            self._continue(number, caller, text, report)
        elif self._stall is not None and self._is_of_stall(caller, text):
            self._continue(number, None, text, self._stall)
        elif self._lost_head_possible and is_body(text):
            self._open_lost(number, caller)
            self._continue(number, caller, text, self._open[caller])
        elif self._ended and text.startswith(REGISTERS):
            self._take_again(number, caller)

    def _cut(self, text: str) -> None:
        """Where text is lost, what is open ends, but for an oops that goes on behind the gap."""
        if not loses_text(text):
            return
        self._before_gap = oops_open((*self._open.values(), *self._waiting)) or self._before_gap
        self._open, self._waiting, self._stall = {}, [], None
        self._lost_head_possible = True

    def _open_lost(self, number: int, caller: str) -> None:
        """Open a report whose beginning is lost, or the one that a gap cut."""
        cut, self._before_gap = self._before_gap, None
        if cut is not None and goes_on(cut, number, self._lines):
            self._lost_head_possible = False
            self._open[caller] = cut
        else:
            self._open_report(Report(number, None, number, number, lost_head=True), caller)

    def _pass(self, number: int, caller: str, text: str) -> None:
        """Take a foreign line: one between those of the report that is open, if there is one."""
        report = self._open.get(caller)
        if report is not None:
            self._take_foreign(number, caller, text, report)
        elif self._stall is not None and not self._stall.ended:
            self._take_foreign(number, None, text, self._stall)

    def _is_of_stall(self, caller: str, text: str) -> bool:
        """Whether another caller's line is what a stalled CPU prints: it says so at first."""
        if text.startswith("NMI backtrace"):
            self._stalled.add(caller)
        return caller in self._stalled and self._stall is not None and not self._stall.ended

    def _begin(self, number: int, caller: str, kind: Kind, match: re.Match[str]) -> None:
        report = self._open.get(caller)
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        if kind.single and report is not None and report.body:  # a foreign line ends nothing
            if len(self._found) < REPORTS_MAX:
                self._found.append(
                    Report(number, kind, number, number, groups=groups, lines=[number])
                )
            return
        early = report is not None and (not report.is_complete() or (kind.trap and self._waiting))
        if report is not None and early and self._is_same(report, kind, number):
            if report.kind is None or not report.kind.says_more_than(kind):
                report.kind, report.groups, report.head = kind, groups, number
            report.lost_head = False
        else:
            first = number
            if kind.error_class == "panic":
                first = first_of(groups.get("message", ""), self._lines, self._floor, number)
            elif kind.trap:
                first = first_of_fault(self._lines, self._floor, number)
            report = Report(first, kind, number, groups=groups)
            report.lines += range(first, number)
            self._open_report(report, caller)
            self._stall = report if kind.blame is Blame.PLACES else None
            self._stalled.clear()
        self._panicked = self._panicked or kind.error_class == "panic"
        self._floor = number + 1
        report.last = number
        report.lines.append(number)
        if "die" in groups:
            report.die = int(groups["die"])
            report.trap = match.string
        if report.placed:
            note(report, match.string, kind)
        if kind.single:
            report.ended = True
            del self._open[caller]

    def _is_same(self, report: Report, kind: Kind, number: int) -> bool:
        """Whether this first line goes on with a report that has not shown its body yet."""
        if report.kind is None:
            return kind.error_class != "panic" and number - report.first <= ANNOUNCED
        if kind.error_class in report.kind.then and kind is not report.kind:
            return report.kind.warns in self._lines[number].text
        if kind.trap:
            told = report.trap == self._lines[number].text  # by two consoles
            return told or (report.die is None and report.kind.error_class in EXPLAINED)
        if report.kind.error_class == kind.error_class == "memory-leak":
            return True
        if kind.error_class == "hard-lockup":  # seen by one CPU, then by the one that hangs
            return report.kind.error_class == kind.error_class
        head = self._lines[report.head].text
        # decode_stacktrace.sh repeats the line for each inlined function, two consoles repeat all.
        return kind is report.kind and ("[inline]" in head or head == self._lines[number].text)

    def _choose(self, number: int, text: str, known: Kind | None) -> None:
        """Of several open reports of no caller, make that the current one whose line this is."""
        self._waiting = [one for one in self._waiting if still_open(one, number, self._lines)]
        last = self._open.get("")
        if last is None:
            return
        found = owner(last, self._waiting, text, known)
        if found is not last:
            self._waiting.remove(found)
            self._waiting.insert(0, last)
            self._open[""] = found

    def _open_report(self, report: Report, caller: str) -> None:
        other = self._open.get(caller)
        if caller == "" and other is not None and can_wait(other, report):
            self._waiting = [other, *self._waiting][:OPEN_MAX]
            catch_up(other, self._lines)
        report.placed = caller == "" and self._waiting != []
        self._lost_head_possible, self._before_gap = False, None
        self._ended.pop(caller, None)
        if len(self._found) < REPORTS_MAX:
            self._found.append(report)
        self._open[caller] = report

    def _announce(self, number: int, caller: str, text: str, report: Report | None) -> None:
        if report is None or (report.is_complete() and text.startswith((*CUT_HERE, "="))):
            if report is not None and text[0] == "=" and ends_with_row(report):
                self._end(number, caller, traced=True)
            else:
                self._open_report(Report(number, None, number, number, lines=[number]), caller)
        else:  # announced twice, such as by "list_add corruption" and "cut here"; or part of it
            report.last = number
            report.lines.append(number)

    def _continue(self, number: int, caller: str | None, text: str, report: Report) -> None:
        if is_stopping(text):
            report.stopping = True
        elif is_tail(text):
            report.stopping = False
            report.last = number
        if report.stopping:
            return
        traced = is_trace(text)
        if traced or is_body(text):
            report.body = True
            report.traced = report.traced or traced
            report.last = number
        elif is_part(text):
            report.last = number
        else:
            self._take_foreign(number, caller, text, report)
            return
        report.programs = 0
        report.lines.append(number)
        if report.placed:
            note(report, text)

    def _take_foreign(self, number: int, caller: str | None, text: str, report: Report) -> None:
        """Take a line that looks like no part of a report: after many of them it is over."""
        if report.stopping:
            return
        announced = report.kind is None and not report.lost_head
        if number - report.first > ANNOUNCED if announced else self._is_over(report, number):
            self._close(caller, report)
            return
        report.lines.append(number)
        if report.placed:
            note(report, text)

    def _is_over(self, report: Report, number: int) -> bool:
        """Whether nothing of a report has come for so long that it is over."""
        lines = self._lines
        if lines[number].time is None and lines[report.head].time is not None:
            report.programs += 1
        silent = number - report.last
        return silent - report.programs > GAP_LINES or silent > GAP_MAX

    def _close(self, caller: str | None, report: Report) -> None:
        if report is self._stall:
            self._stall = None
        if caller is not None:
            del self._open[caller]

    def _end(self, number: int, caller: str, *, traced: bool) -> None:
        if caller not in self._open and traced and self._lost_head_possible:
            self._open_lost(number, caller)
        report = self._open.pop(caller, None)
        self._lost_head_possible = False
        if report is not None:
            report.last = number
            report.ended = True
            report.lines.append(number)
            self._ended[caller] = report
        if caller == "" and self._waiting and still_open(self._waiting[0], number, self._lines):
            self._open[caller] = self._waiting.pop(0)

    def _take_end_of_panic(self, number: int, caller: str, text: str) -> None:
        """Where a panic's own line is lost, take the one at its end, which has the same message."""
        known = recognise(text.removeprefix(END).removesuffix(" ]---"))
        if known is None or known[0].error_class != "panic":
            return
        seen, self._panicked = self._panicked, False
        if seen:
            return
        report = self._open.get(caller)
        if report is None or report.kind is not None or not report.lost_head:
            self._begin(number, caller, *known)
            self._open[caller].lost_head, self._panicked = True, False
        else:
            report.kind, report.groups, report.head = known[0], known[1].groupdict(), number

    def _take_again(self, number: int, caller: str) -> None:
        report = self._ended.get(caller)
        if report is not None and number - report.last <= AGAIN and not report.again:
            report.again.append(number)
