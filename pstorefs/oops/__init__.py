"""What a dump's text says: the title, place, machine and signature of a crash.

Pure functions on the bytes of a log. Texts repeat: a dump holds whatever the log buffer held, so
that the text of a panic begins with the oops of minutes before. The text is therefore split into
the kernel's separate reports first (reports.py), and what kind of dump it is says which of them is
meant: of an oops its own, the last one; of a panic the one that the panic line names; of a log
without a header the one that it ends in, else the first. All others are listed and never give the
title. In doubt the title is the kernel's own line. Input may be any bytes; time is linear in their
number and output is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pstorefs.oops.frames import Frame, Location
from pstorefs.oops.leads import made_by
from pstorefs.oops.lines import Line, clean, stamped, times
from pstorefs.oops.lines import split as split_lines
from pstorefs.oops.report import Report, read_body
from pstorefs.oops.report_kinds import UNSIGNED
from pstorefs.oops.reports import split as split_reports
from pstorefs.oops.tasks import Task, read_banner, read_task
from pstorefs.oops.titles import Name, name, panic_message, signature
from pstorefs.oops.trace import Body
from pstorefs.oops.which_report import (
    Choice,
    choose_console,
    choose_dump,
    choose_end,
    lacks_oops,
    speaks_of_another,
)

__all__ = [
    "Facts",
    "Frame",
    "Location",
    "Other",
    "Span",
    "caused_by",
    "ends_in_crash",
    "parse_console",
    "parse_dump",
    "stamped",
]

#: Further reports of a text that are listed.
OTHERS_MAX = 64
#: Microseconds from the dump of an oops to that of the panic in which it ends at once: a panic
#: stops the other CPUs first, which may take seconds.
SOON = 10_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """Where a report is in the text that was parsed."""

    first_line: int  # from 0
    last_line: int  # the last one included
    start: int  # bytes
    end: int  # bytes; text[start:end] is the report, without the last newline


@dataclass(frozen=True, slots=True)
class Other:
    """A report in the same text that is not the one in question."""

    title: str
    error_class: str
    signature: str
    span: Span
    time: int | None  # microseconds since boot
    before: bool  # begins before the report in question


@dataclass(frozen=True, slots=True)
class Facts:
    """What the text of a dump or a console says. None and empty: the text does not say."""

    title: str
    #: A short word: oops, bug, panic, warning, kasan, hung-task, ...: a column of
    #: report_kinds.KINDS; and none (no report), restart, halt, poweroff, shutdown, emergency.
    error_class: str
    #: "2:<16 hex digits>": the same for the same bug on any machine, boot and build of the kernel;
    #: empty where what is known would be the same for different bugs.
    signature: str
    signature_key: str
    #: In the same form: the same where the kernel came to the bug by the same functions.
    stack: str
    function: str | None  # the one in the title
    panic: str | None  # the panic's message, if the kernel panicked
    #: False: the text does not hold the report of this dump, or not its first line.
    found: bool
    kernel: str | None  # "6.1.192"
    build: str | None  # "#1 SMP PREEMPT_DYNAMIC Mon Nov 23 07:22:25 UTC 2026"
    taint: str | None  # the letters, "" for not tainted
    cpu: int | None
    pid: int | None
    comm: str | None
    hardware: str | None
    ip: Location | None
    trace: tuple[Frame, ...]
    modules: tuple[str, ...]
    others: tuple[Other, ...]
    #: The kernel's own report from its first line to its end, or to that of the panic it led to.
    span: Span | None
    #: A log without a header ends in this report: it is what the machine died of.
    crashed: bool
    #: The text begins inside the report: its first lines are lost.
    cut: bool
    #: Who called what `ip` points at, by the register that holds the return address.
    caller: Location | None
    #: `ip` and the task are those of what an interrupt interrupted.
    interrupted: bool
    #: Somebody made the crash: "sysrq" or "lkdtm"; None: nothing says so.
    made_by: str | None
    #: The panic's message speaks of an oops, and the text does not hold that one's first line.
    cause_missing: bool
    first_time: int | None  # of the text's lines, microseconds since boot
    last_time: int | None


def parse_dump(text: bytes, reason: str, count: int | None = None) -> Facts:
    """Return what a pstore dump says: its parts joined from the oldest, headers taken off.

    `reason` and `count` are those of the header, such as "Oops" and 2 for `Oops#2`. Without a
    reason the text is a log that has no header: of a console, or of powerpc's NVRAM.
    """
    lines = split_lines(text)
    reports = split_reports(lines)
    if not reason:
        return _facts(lines, reports, choose_end(lines, reports))
    return _facts(lines, reports, choose_dump(lines, reports, reason, count))


def parse_console(text: bytes) -> Facts:
    """Return what a console log says, which has no header: the first report is the cause."""
    lines = split_lines(text)
    reports = split_reports(lines)
    ends = choose_end(lines, reports).crashed
    return _facts(lines, reports, replace(choose_console(lines, reports), crashed=ends))


def caused_by(panic: Facts, oops: Facts) -> Facts:
    """Return what a panic's dump says, called after the oops that was dumped just before it.

    `oops` is of the same boot. It gives the name where the panic's own text lacks it, and only if
    the panic followed at once.
    """
    then, now = oops.last_time, panic.last_time
    soon = then is None or now is None or 0 <= now - then <= SOON
    if not (panic.cause_missing and oops.found and oops.signature and soon):
        return panic
    return replace(
        panic,
        title=oops.title,
        error_class=oops.error_class,
        signature=oops.signature,
        signature_key=oops.signature_key,
        stack=oops.stack,
        function=oops.function,
        made_by=panic.made_by or oops.made_by,
    )


def ends_in_crash(text: bytes) -> bool:
    """Whether a log without a header ends in a crash: no orderly end of a boot, no mere warning."""
    if not any(word in text for word in _CRASH_WORDS):
        return False
    lines = split_lines(text)
    return choose_end(lines, split_reports(lines)).crashed


#: One of these is in every text that ends in a crash.
_CRASH_WORDS = tuple(
    word.encode()
    for word in (
        *("Kernel panic", "Oops", "BUG", "[#", "lockup", "LOCKUP", "stall", "nable to", "SError"),
        *("overflow", "double fault", "Kernel Fault", "no context", "Bad ", "CFI failure"),
        *("Insufficient stack", "kernel code", "unaligned access", "RIP", "NIP", "PC is", "pc :"),
    )
)


def _facts(lines: list[Line], reports: list[Report], choice: Choice) -> Facts:
    report, panic = choice.report, choice.panic
    called, body = name(report, lines, panic) if report is not None else (None, None)
    task = _task(report, body)
    if task is None and panic is not None and panic is not report:
        task = read_body(panic, lines).task  # in whose name the kernel panicked, its line lost
    kernel, build, hardware = _machine(lines, task, body)
    first_time, last_time = times(lines)
    signed = report is not None and report.kind not in UNSIGNED
    key = _key(report, called)
    return Facts(
        title=called.title if called is not None else choice.title,
        error_class=called.error_class if called is not None else choice.error_class,
        signature=signature(key),
        signature_key=key,
        stack=signature(called.path) if called is not None and signed else "",
        function=called.function if called is not None else None,
        panic=panic_message(panic) if panic is not None else None,
        found=report is not None and not report.lost_head,
        kernel=kernel,
        build=build,
        taint=task.taint if task is not None else None,
        cpu=task.cpu if task is not None else None,
        pid=task.pid if task is not None else None,
        comm=(task.comm or None) if task is not None else None,
        hardware=hardware,
        ip=body.pointer if body is not None else None,
        trace=body.frames if body is not None else (),
        modules=body.modules if body is not None else (),
        others=_others(lines, reports, report, panic),
        span=_span(lines, report, panic) if report is not None else None,
        crashed=choice.crashed,
        cut=report is not None and report.lost_head,
        caller=body.caller if body is not None else None,
        interrupted=body is not None and body.interrupted,
        made_by=made_by(report, body, lines) if report is not None and body is not None else None,
        cause_missing=report is not None and panic is not None and lacks_oops(panic, report),
        first_time=first_time,
        last_time=last_time,
    )


def _key(report: Report | None, called: Name | None) -> str:
    """Return what a report's signature is a hash of; empty if that would be of other bugs, too."""
    if report is None or called is None or report.kind in UNSIGNED:
        return ""
    # A panic whose own trace says what it was is called after that.
    return "" if called.error_class == "panic" and speaks_of_another(report) else called.key


def _task(report: Report | None, body: Body | None) -> Task | None:
    """Return whom the report is about: the task that hangs, not the one that noticed it."""
    if report is None or body is None:
        return None
    groups, printer = report.groups, body.task
    if "pid" not in groups:
        return _on_cpu(groups.get("cpu"), body)
    cpu = groups.get("cpu")
    return Task(
        cpu=int(cpu) if cpu else printer.cpu if printer and "comm" not in groups else None,
        pid=int(groups["pid"]),
        comm=clean(groups["comm"], 64) if "comm" in groups else printer.comm if printer else "",
        taint=printer.taint if printer else None,
        kernel=printer.kernel if printer else None,
        build=printer.build if printer else None,
    )


def _on_cpu(cpu: str | None, body: Body) -> Task | None:
    """Return the task on the CPU that a report is about, or else the one that printed it."""
    printer = body.task
    if cpu is None or (printer is not None and printer.cpu in (None, int(cpu))):
        return printer
    known = next((task for task in body.tasks if task.cpu == int(cpu)), None)
    if known is not None or printer is None:
        return known
    return Task(int(cpu), None, "", printer.taint, printer.kernel, printer.build)


def _machine(
    lines: list[Line], task: Task | None, body: Body | None
) -> tuple[str | None, str | None, str | None]:
    """Return kernel, build and hardware: the report's own, else what the text says elsewhere.

    A log is of one boot, so any report in it names the same kernel.
    """
    kernel = task.kernel if task is not None else None
    build = task.build if task is not None else None
    hardware = body.hardware if body is not None else None
    banner = read_banner(lines)
    if banner is not None and kernel in (None, banner[0]):
        kernel, build = banner[0], banner[1] or build
    for line in reversed(lines):
        if kernel is not None and hardware is not None:
            break
        if kernel is None and "omm: " in line.text:
            other = read_task(line.text)
            if other is not None:
                kernel, build = other.kernel, other.build
        elif hardware is None and line.text.startswith("Hardware name: "):
            hardware = clean(line.text[15:])
    return kernel, build, hardware


def _others(
    lines: list[Line], reports: list[Report], report: Report | None, panic: Report | None
) -> tuple[Other, ...]:
    rest = [one for one in reports if one is not report and one is not panic]
    result = []
    for one in rest[:OTHERS_MAX]:
        called, _ = name(one, lines)
        before = report is None or one.first < report.first
        result.append(
            Other(
                called.title,
                called.error_class,
                signature(_key(one, called)),
                _span(lines, one, None),
                lines[one.head].time,
                before,
            )
        )
    return tuple(result)


def _span(lines: list[Line], report: Report, panic: Report | None) -> Span:
    last = report.last if panic is None else max(report.last, panic.last)
    return Span(report.first, last, lines[report.first].start, lines[last].end)
