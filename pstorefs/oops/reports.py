"""A log's separate reports: where each begins and ends, and what kind it is.

A report begins with a line that the table of kinds knows, or with a line that announces one ("cut
here"), and ends with its end trace, with a row of =, with the next report, or with the last line
that looks like part of it. With CONFIG_PRINTK_CALLER each task and CPU has reports of its own, so
that lines of other CPUs in between do no harm. Registers that the kernel prints again after an end
trace belong to no report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pstorefs.oops.report_kinds import CUT_HERE, PREFACES, Blame, Kind, recognise

if TYPE_CHECKING:
    from pstorefs.oops.lines import Line

#: Lines without anything of a report in them after which a report is over.
PATIENCE = 64
#: Lines between an announcement and the first line it announces (page dumps are the longest).
ANNOUNCED = 16
#: Reports in one text beyond which further ones are not looked at (one line makes one report).
REPORTS_MAX = 4096

#: Reports that end with a row of =; to others it announces the next one.
FRAMED = ("kasan", "kmsan", "kcsan", "kfence", "hung-task")

_GAP = "[pstorefs: "
_ROW = re.compile(r"(?:={20,}|-{20,})$")
#: The lines by which the body of a report shows itself. Their first words:
_BODY = re.compile(
    r"(?:CPU: |CPU \d|Pid: |PID: |RIP|EIP|NIP|pc : |PC is at|epc |Call [Tt]race|Backtrace|"
    r"Modules linked in|Hardware name|task:|NMI backtrace|Stack:|Code: |lr : |x29: |"
    r"stack backtrace)"
)
#: Further lines that belong to a report wherever they stand in it.
_PART = re.compile(
    r"(?:[ \t(?]|\[<|#PF|PGD |\*p[gmu]d|Oops|Internal error|KASAN: |Mem abort|Data abort|Tainted|"
    r"[RE]?(?:[ABCDS][XPI]|FLAGS)?:|[RE][A-Z0-9]{1,2}: |R\d\d?: |[CDEFGS]S: |CR[0-9]|DR[0-9]|"
    r"PKRU|ORIG_RAX|"
    r"FS: |x\d\d?: |sp : |ra : |pstate|Workqueue|Read of|Write of|Free of|Allocated by|Freed by|"
    r"Memory state|The buggy|which belongs|The faulty|flags: |raw: |Last potentially|"
    r"Uninit was|Local variable|Bytes |swapper|page |page:|owner|other info|1 lock|[2-9]\d? locks|"
    r"the existing|-> #|but task|and this task|this task|hardirqs|softirqs|irq event|"
    r"Dumping ftrace|Kernel Offset|unreferenced|comm |INFO: lockdep|preempt_count|in_atomic|"
    r"[0-9a-f]{4,16}: |stack segment|---\[)"
)


@dataclass(slots=True)
class Report:
    """A report in the lines of a text: indexes of lines, the last one included."""

    first: int
    kind: Kind | None  # None: only announced, or its beginning is lost
    head: int = 0  # the line that says what happened
    last: int = 0
    groups: dict[str, str] = field(default_factory=dict)
    die: int | None = None  # the kernel's count of oopses, "[#2]"
    trap: str = ""  # the text of the line with [#2]
    body: bool = False
    lost_head: bool = False
    traced: bool = False  # has a call trace, which registers printed again have not
    ended: bool = False
    lines: list[int] = field(default_factory=list)  # those of its caller


def split(lines: list[Line]) -> list[Report]:
    """Return the reports of a log, in the order in which they begin."""
    return _Splitter(lines).run()


class _Splitter:
    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._open: dict[str, Report] = {}
        self._found: list[Report] = []
        self._lost_head_possible = True
        #: An open report on a stall: the stalled CPUs print their own part of it.
        self._stall: Report | None = None

    def run(self) -> list[Report]:
        for number, line in enumerate(self._lines):
            if line.text:
                self._take(number, line.caller, line.text)
        return [
            one for one in self._found if one.kind is not None or (one.lost_head and one.traced)
        ]

    def _take(self, number: int, caller: str, text: str) -> None:
        if text.startswith("---[ end "):
            self._end(number, caller)
            return
        if text.startswith(_GAP):
            self._open.clear()
            self._stall = None
            self._lost_head_possible = True
            return
        report = self._open.get(caller)
        known = recognise(text)
        if known is not None:
            self._begin(number, caller, *known)
        elif _is_announcement(text):
            self._announce(number, caller, text, report)
        elif report is not None:
            self._continue(number, caller, text, report)
        elif self._stall is not None and not self._stall.ended:
            self._continue(number, None, text, self._stall)
        elif self._lost_head_possible and _BODY.match(text):
            self._open_report(Report(number, None, number, number, lost_head=True), caller)
            self._continue(number, caller, text, self._open[caller])

    def _begin(self, number: int, caller: str, kind: Kind, match: re.Match[str]) -> None:
        report = self._open.get(caller)
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        if report is not None and not report.body and self._is_same(report, kind, number):
            if report.kind is None or not kind.trap:
                report.kind, report.groups, report.head = kind, groups, number
            report.lost_head = False
        else:
            report = Report(number, kind, number, groups=groups)
            self._open_report(report, caller)
            self._stall = report if kind.blame is Blame.PLACES else None
        report.last = number
        report.lines.append(number)
        if "die" in groups:
            report.die = int(groups["die"])
            report.trap = match.string
        if kind.single:
            report.ended = True
            del self._open[caller]

    def _is_same(self, report: Report, kind: Kind, number: int) -> bool:
        """Whether this first line goes on with a report that has not shown its body yet."""
        if report.kind is None:
            return kind.error_class != "panic" and number - report.first <= ANNOUNCED
        if kind.trap:
            return report.die is None and report.kind.error_class in ("oops", "bug", "kasan")
        # decode_stacktrace.sh repeats the line for each inlined function.
        return kind is report.kind and "[inline]" in self._lines[report.head].text

    def _open_report(self, report: Report, caller: str) -> None:
        self._lost_head_possible = False
        if len(self._found) < REPORTS_MAX:
            self._found.append(report)
        self._open[caller] = report

    def _announce(self, number: int, caller: str, text: str, report: Report | None) -> None:
        if report is None or (report.body and text.startswith((CUT_HERE, "="))):
            if report is not None and text[0] == "=" and self._ends_with_row(report):
                self._end(number, caller)
            else:
                self._open_report(Report(number, None, number, number, lines=[number]), caller)
        else:  # announced twice, such as by "list_add corruption" and "cut here"; or part of it
            report.last = number
            report.lines.append(number)

    @staticmethod
    def _ends_with_row(report: Report) -> bool:
        return report.kind is not None and report.kind.error_class in FRAMED

    def _continue(self, number: int, caller: str | None, text: str, report: Report) -> None:
        if _BODY.match(text):
            report.body = True
            report.traced = report.traced or text.startswith(("Call T", "Call t", "Backtrace"))
            report.last = number
        elif _PART.match(text):
            report.last = number
        elif report.kind is None and not report.lost_head:
            if number - report.first > ANNOUNCED:
                self._close(caller, report)
                return
        elif number - report.last > PATIENCE:
            self._close(caller, report)
            return
        report.lines.append(number)

    def _close(self, caller: str | None, report: Report) -> None:
        if report is self._stall:
            self._stall = None
        if caller is not None:
            del self._open[caller]

    def _end(self, number: int, caller: str) -> None:
        self._lost_head_possible = False
        report = self._open.pop(caller, None)
        if report is not None:
            report.last = number
            report.ended = True
            report.lines.append(number)


def _is_announcement(text: str) -> bool:
    return text.startswith(PREFACES) or (text[0] in "=-" and _ROW.match(text) is not None)
