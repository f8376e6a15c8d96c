"""Which of a text's reports is meant.

An oops is dumped when its report is printed (oops_exit(), kernel/panic.c): its report is the last
thing in the text. A panic is dumped after its line, which says in a few words what led to it: the
report it speaks of is the last one of that class before it. Everything else in the text is older.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.oops.lines import Line, clean
from pstorefs.oops.report_kinds import LOST, LOST_OOPS, LOST_PANIC

if TYPE_CHECKING:
    from pstorefs.oops.report import Report

#: Lines that other CPUs may have printed after an oops while it was being dumped.
TAIL = 40
#: Classes of report that are oopses even where the kernel prints no count of them.
OOPSES = ("oops", "bug", "stack-overflow", "serror", "unknown")
#: Microseconds between reports of hung tasks that one round of the watchdog found; rounds are at
#: least a second apart by hung_task_check_interval_secs, by default 120 (kernel/hung_task.c).
ROUND = 10_000_000

#: The same between an oops and the panic that it leads to at once: nothing comes between.
AT_ONCE = 5_000_000

#: Lines, and microseconds, between the first lines of two reports that begin at the same time.
TOGETHER = 8
TOGETHER_US = 20_000

#: What a kernel only warns of.
_WARNS = (
    *("warning", "refcount", "debugobjects", "kobject", "proc", "kasan", "kmsan", "kcsan"),
    *("kfence", "ubsan", "atomic-sleep", "lockdep"),
)
#: What a panic's message says of its cause: the classes of report that it can speak of, or "die":
#: one with a count of oopses. kernel/panic.c, kernel/hung_task.c, kernel/watchdog.c,
#: kernel/rcu/tree_stall.h, arch/*/kernel/traps.c, mm/kasan/report.c.
CAUSES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.ASCII), classes)
    for pattern, classes in (
        (r".{0,80}Fatal exception", ("die",)),
        # Killed by a signal (the low seven bits) that an oops sends to the task it hit: see SIGNALS
        (r"Attempted to kill init! exitcode=0x000000[08][4-9ab]\b", ("die at once",)),
        (r"Attempted to kill the idle task!", ("die at once",)),
        (r"Aiee, killing interrupt handler!", ("die at once",)),
        (r".{0,40}SError", ("serror",)),
        (r"bad mode$|Unhandled exception$", ("oops",)),
        (r"[Kk]ernel stack overflow|Corrupt kernel stack", ("stack-overflow",)),
        (r"BUG!$", ("bug",)),
        (r"Kernel Fault|Bad Address|Page fault: no context", ("oops",)),
        (r"(?:traps: )?(?:double fault|.{0,40}stack guard)|Machine halted", ("die", "oops")),
        (r"(?:KASAN|kasan)\b", ("kasan",)),
        (r"(?:KMSAN|kmsan|panic_on_kmsan)\b", ("kmsan",)),
        (r"(?:KCSAN|kcsan)\b", ("kcsan",)),
        (r"(?:KFENCE|kfence)\b", ("kfence",)),
        (r"(?:UBSAN|ubsan)\b", ("ubsan",)),
        (r"scheduling while atomic", ("atomic-sleep",)),
        (r".{0,60}(?:panic_on_warn set|system warned too often)", _WARNS),
        # of a module's taint there is no report
        (
            r"panic_on_taint set",
            (*_WARNS, "slab", "bad-page", "soft-lockup", "die at once"),
        ),
        (r"Oopsed too often", ("die",)),
        # arch/um: the registers are before it, by no form of their own
        (r"Kernel mode fault at |Kernel tried to access user |Segfault with no mm", ("oops",)),
        (r"workqueue: ", ("workqueue",)),
        (r"hung_task: ", ("hung-task",)),
        (r"softlockup: ", ("soft-lockup",)),
        (r".{0,40}[Hh]ard (?:LOCKUP|lockup)|nmi watchdog|Non maskable interrupt", ("hard-lockup",)),
        (r"RCU Stall", ("rcu-stall",)),
    )
)

#: Reasons of kmsg dumps that are no crashes (include/linux/kmsg_dump.h), and what to call them.
NO_CRASH = {
    "emergency": "emergency restart",
    "shutdown": "shutdown",
    "restart": "restart",
    "reboot": "restart",
    "halt": "halt",
    "poweroff": "power off",
    "kexec": "kexec",
}


#: Classes of report after which a machine may hang or reset itself without another word.
FATAL = ("oops", "bug", "stack-overflow", "serror", "soft-lockup", "hard-lockup", "rcu-stall")
#: A boot that ends as somebody wanted: kernel/reboot.c, kernel/kexec_core.c, drivers/tty/sysrq.c.
_ORDERLY = re.compile(
    r"reboot: |Restarting system\.|System halted\.|Power down\.|Starting new kernel|"
    r"kexec_core: Starting|(?:sysrq|SysRq) ?: Resetting"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The report that is meant, the panic that it led to, and what to say if there is none."""

    report: Report | None
    panic: Report | None
    title: str = ""
    error_class: str = "none"
    #: The text ends in this report: it is what the machine died of.
    crashed: bool = False


def choose_dump(lines: list[Line], reports: list[Report], reason: str, count: int | None) -> Choice:
    """Return the report of a dump with the header `<reason>#<count>`."""
    word = reason.lower()
    if word == "panic":
        panic = _last_panic(reports)
        if panic is None:
            return _without_panic_line(lines, reports)
        return Choice(cause_of(panic, lines, reports) or panic, panic)
    if word == "oops":
        oops = _own_oops(lines, reports, count)
        if oops is not None and oops.kind is LOST:
            oops.kind = LOST_OOPS
        return Choice(oops, None, "Oops (its report is not in the text)", "oops")
    if word in NO_CRASH:
        return Choice(None, None, NO_CRASH[word], word)
    return Choice(None, None, clean(reason, 40) or "unknown", "none")


def _without_panic_line(lines: list[Line], reports: list[Report]) -> Choice:
    """Return the report with which a panic's text ends where its line was pushed out or lost.

    The NVRAM of powerpc holds some kilobytes: what other processors print after the line takes
    its place.
    """
    last = reports[-1] if reports else None
    if last is not None and (last.last < len(lines) - TAIL or (last.ended and not last.lost_head)):
        last = None
    if last is not None and last.kind is LOST:
        last.kind = LOST_PANIC
    return Choice(last, None, "kernel panic (its line is not in the text)", "panic")


def choose_console(lines: list[Line], reports: list[Report]) -> Choice:
    """Return the first report of a console log; one without its first line only in need."""
    whole = (one for one in reports if not one.lost_head)
    first = min(whole, key=lambda one: one.head, default=reports[0] if reports else None)
    if first is None:
        return Choice(None, None, "no report in the text")
    first = _died_first(first, lines, reports)
    if _class(first) == "panic":
        cause = cause_of(first, lines, reports)
        if cause is not None and cause.kind is not LOST:  # cut, but its trace says what it was
            return Choice(cause, first)
    for one in reports:
        if _class(one) == "panic":
            led = one is first or cause_of(one, lines, reports) is first
            return Choice(first, one if led else None)
    return Choice(first, None)


def _died_first(first: Report, lines: list[Line], reports: list[Report]) -> Report:
    """Return the report that the kernel went on with first, of those that began together with one.

    But for x86, processors say together what they could not access, and wait for each other then.
    """
    for one in reports:
        before = one.die is not None and (one.die < first.die if first.die else not first.traced)
        together = one.kind is first.kind and one.head - first.head < TOGETHER
        if before and together and _near(lines[first.head], lines[one.head], TOGETHER_US):
            first = one
    return first


def choose_end(lines: list[Line], reports: list[Report]) -> Choice:
    """Return the report that a log without a header ends in, or else what `choose_console` does.

    Of a log that goes on into another boot only the last boot counts. A panic ends each boot; any
    other report does if there is next to nothing after it.
    """
    begin = next(
        (at for at in range(len(lines) - 1, -1, -1) if lines[at].text.startswith("Linux version ")),
        0,
    )
    last_boot = [one for one in reports if one.head >= begin]
    panic = _last_panic(last_boot)
    if panic is not None:
        return Choice(cause_of(panic, lines, last_boot) or panic, panic, crashed=True)
    end = len(lines)
    while end and not lines[end - 1].text:
        end -= 1
    last = next((one for one in reversed(last_boot) if _is_fatal(one)), None)
    if (
        last is not None
        and end - last.last <= TAIL
        and not any(_ORDERLY.match(line.text) for line in lines[last.last : end])
    ):
        return Choice(last, None, crashed=True)
    return choose_console(lines, reports) if reports else Choice(None, None)


def _is_fatal(report: Report) -> bool:
    if report.die is not None:
        return True
    # After what a kernel only warns of it goes on: clang's CFI with cfi=warn. So it does after most
    # of what it calls a BUG in words of its own.
    kind = report.kind
    goes_on = kind is not None and (
        "warning" in kind.then or (_class(report) == "bug" and kind.vague)
    )
    return _class(report) in FATAL and not goes_on


def cause_of(panic: Report, lines: list[Line], reports: list[Report]) -> Report | None:
    """Return the report that a panic's message speaks of, or None: then the panic is its own.

    Whoever reports panics itself: what another task or processor printed in between is not it.
    """
    classes = _causes(panic)
    before = [one for one in reports if one.first < panic.first and one is not panic]
    fits = [one for one in before if _is_of(one, classes)]
    caller = lines[panic.head].caller
    fits = [one for one in fits if caller and lines[one.head].caller == caller] or fits
    cause = fits[-1] if fits else None
    if cause is not None and "die at once" in classes and not _at_once(cause, panic, lines):
        return None
    if cause is None or classes != ("hung-task",):
        return cause
    # One round of the watchdog reports all tasks that hang, and panics at its end: the first.
    for one in reversed(before):
        if _is_of(one, classes) and _near(lines[one.head], lines[cause.head]):
            cause = one
    return cause


def lacks_oops(panic: Report, report: Report) -> bool:
    """Whether a panic's message speaks of an oops that its text does not hold, or not whole."""
    wanted = _causes(panic)
    return ("die" in wanted or "die at once" in wanted) and (report is panic or report.lost_head)


def speaks_of_another(report: Report) -> bool:
    """Whether a report is a panic whose message is the end of any bug, and says nothing of its own.

    init, unlike those, is mostly killed by a bug in itself.
    """
    of_init = report.groups.get("message", "").startswith("Attempted to kill init!")
    return _class(report) == "panic" and _causes(report) != () and not of_init


def _causes(panic: Report) -> tuple[str, ...]:
    message = panic.groups.get("message", "")
    return next((row[1] for row in CAUSES if row[0].match(message)), ())


def _is_of(report: Report, classes: tuple[str, ...]) -> bool:
    if _class(report) in classes:
        return True
    # Such as a failure of CFI, or what SLUB finds: the warning is part of the report.
    if report.kind is not None and "warning" in report.kind.then and "warning" in classes:
        return True
    unsaid = report.lost_head and _class(report) in OOPSES
    died = report.die is not None or unsaid
    return died and ("die" in classes or "die at once" in classes)


def _class(report: Report) -> str:
    return report.kind.error_class if report.kind is not None else ""


def _near(one: Line, other: Line, most: int = ROUND) -> bool:
    return one.time is not None and other.time is not None and other.time - one.time < most


def _at_once(oops: Report, panic: Report, lines: list[Line]) -> bool:
    """Whether a panic follows an oops so closely that it is its end."""
    then, now = lines[oops.last].time, lines[panic.head].time
    soon = then is None or now is None or now - then < AT_ONCE
    return soon and panic.head - oops.last < TAIL


def _last_panic(reports: list[Report]) -> Report | None:
    panics = (one for one in reversed(reports) if one.kind and one.kind.error_class == "panic")
    return next(panics, None)


def _own_oops(lines: list[Line], reports: list[Report], count: int | None) -> Report | None:
    """Return the report of the oops that was dumped as number `count` since boot.

    Its position is the better evidence: oopses before the backend was loaded count as dies, but
    not as dumps. A last one with a lower number, however, is older than this dump.
    """
    oopses = [one for one in reports if one.die is not None or _class(one) in OOPSES]
    # One of which only the first line is there is another processor's, and not dumped yet.
    begun = [one for one in oopses if one.body or one.die is not None]
    if begun and begun[-1].last >= len(lines) - TAIL:
        oopses = begun
    last = oopses[-1] if oopses else None
    if last is None or last.last < len(lines) - TAIL:
        counted = next((one for one in reversed(oopses) if one.die == count), None)
        return counted or (_at_end(lines, reports) if last is None else None)
    if last.die is None or count is None or last.die >= count:
        return last
    return None


def _at_end(lines: list[Line], reports: list[Report]) -> Report | None:
    """Return the report with which a text ends: kernels have dumped warnings as oopses."""
    last = reports[-1] if reports else None
    return last if last is not None and last.last >= len(lines) - TAIL else None
