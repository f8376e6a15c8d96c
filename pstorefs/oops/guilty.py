"""Which function a report is about: the first one that is not the machinery that noticed it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pstorefs.oops.frames import HIDDEN
from pstorefs.oops.report_kinds import FILE, SYMBOL, Blame
from pstorefs.oops.skip_functions import (
    entry,
    first,
    interrupted,
    is_checker,
    is_entry,
    plain,
)

if TYPE_CHECKING:
    from pstorefs.oops.lines import Line
    from pstorefs.oops.report import Report
    from pstorefs.oops.trace import Body

_ADDRESS = rf"(?:\[<(?:[0-9a-f]{{1,16}}|{HIDDEN})>\] ?)?"
_PLACE = rf"{_ADDRESS}(?P<function>{SYMBOL})(?:\+0x| {FILE}|$)"
_AT = re.compile(rf"(?:.{{0,300}}? )?at: {_PLACE}", re.ASCII)
_BARE = re.compile(rf"\s*{_PLACE}", re.ASCII)
_CALLER = re.compile(rf"caller is (?P<function>{SYMBOL})(?!.{{0,300}} \[inline\]$)", re.ASCII)
_LAST = re.compile(
    rf"\s*(?:last function: |preempt=.{{1,60}} workfn=)(?P<function>{SYMBOL})", re.ASCII
)
#: kernel/workqueue.c, print_worker_info(); in parentheses may be what the work is on.
_WORK = re.compile(
    rf"Workqueue: .{{1,64}}? (?P<function>{SYMBOL})(?: \[[\w-]{{1,64}}\])?(?: \(.{{0,64}}\))?$",
    re.ASCII,
)

#: What finds and prints a report is never what it is about, nor who gives the processor away: each
#: trace of a task that waits has it.
_NEVER = re.compile(
    r"_*(?:(?:dump|show|print)_\w+|(?:v?panic|warn|v?printk)(?:_\w+)?|oops_\w+|report_bug"
    r"|sched_show_task|update_process_times|rcu_(?:sched_clock_irq|check_callbacks)"
    r"|watchdog_(?:timer_fn|overflow_callback)|nmi_\w+|(?:arch_)?trigger_\w+|rcu_dump_\w+"
    r"|(?:io_|preempt_)?schedule(?:_\w+)?|context_switch|switch_to\w*|rcu_gp_(?:kthread|fqs_loop))\Z"
)

#: Lines after "at:" in which the place is looked for: one, and foreign ones in between, such as
#: what a program prints on the same console.
_FOREIGN = 8

#: What the line before another trace ends with.
_HEADS = ("trace:", "Trace:", " lock:", " at:")

#: What all of the kernel waits for, by what a hang is then called.
_OF_ALL = {
    "rtnl_lock": "rtnl_lock",
    "rtnl_lock_killable": "rtnl_lock",
    "synchronize_rcu": "synchronize_rcu",
    "synchronize_rcu_normal": "synchronize_rcu",
    "synchronize_rcu_expedited": "synchronize_rcu",
    "synchronize_rcu_bh": "synchronize_rcu",
    "synchronize_rcu_tasks": "synchronize_rcu",
    "synchronize_sched": "synchronize_rcu",
    "synchronize_sched_expedited": "synchronize_rcu",
    "synchronize_net": "synchronize_rcu",
}


def blame(report: Report, tables: str, lines: list[Line], body: Body) -> str | None:
    """Return the function that a report is about, or None if nothing in it tells."""
    how = report.kind.blame if report.kind is not None else Blame.POINTER
    if how is Blame.NOBODY:
        return None
    if how is Blame.PLACES:
        return _of_a_stall(body, tables, lines)
    pointer = _pointer(body)
    named = _named(how, report, lines)
    if how is Blame.LOCK and named is not None:
        return plain(named[0])
    if how is Blame.CALLER and named is not None:
        return _who_called(named[0], body)
    if named is None and how is Blame.HEADER:  # before 3.x a warning's line had no function
        how = Blame.POINTER
    found = None
    if "waits" in tables and report.kind is not None and report.kind.error_class == "hung-task":
        found = _hangs_on(body)
    elif how is Blame.POINTER and pointer is not None and not body.interrupted:
        found = first((pointer, *_caller(body)), tables)
    elif how is Blame.FORMER:
        found = first(_frames_after("which became", lines), tables)
    elif how is Blame.PAGE:
        found = first(_frames_after("page last allocated", lines), tables)
    if found is None and named is not None:
        found = first((named,), tables)
    found = found or _from_trace(body, tables)
    if found is not None or body.cut:  # who called the machinery is in what is lost
        return found
    work = _work(lines) if "waits" in tables else None
    return work or _in_need(named, pointer, *body.places)


def _pointer(body: Body) -> tuple[str, str | None] | None:
    """Return the function that ran, and its module; of a jump to nowhere the one that jumped."""
    pointer = body.pointer
    if pointer is not None and pointer.function is None:
        pointer = body.caller
    if pointer is None or pointer.function is None:
        return None
    return pointer.function, pointer.module


def _caller(body: Body) -> tuple[tuple[str, str | None], ...]:
    """Return who called the function that ran, by the register that holds the return address.

    A function that has called another one finds an address of its own there. One that has not need
    not have a frame: the trace goes on with the caller's caller (arm64 up to 6.12, powerpc). Checks
    that the compiler calls have rules of their own for registers.
    """
    here, by = body.pointer, body.caller
    if here is None or by is None or by.function is None or here.function is None:
        return ()
    if is_checker(here.function):
        return ()
    return ((by.function, by.module),) if plain(by.function) != plain(here.function) else ()


def _in_need(*places: tuple[str, str | None] | None) -> str | None:
    """Return machinery where nothing else is known, but no check, printer, entry or scheduler."""
    names = (plain(place[0]) for place in places if place is not None)
    for name in names:
        if not (is_checker(name) or is_entry(name) or _NEVER.match(name)):
            return name
    return None


def _who_called(named: str, body: Body) -> str | None:
    """Return the caller that the line names, or who called that if it only checks."""
    names = [function for function, _ in body.places]
    if named not in names:
        if is_checker(named):
            return first(body.places) or (None if body.cut else plain(named))
        return plain(named)
    after = names[names.index(named) :]
    by = next((name for name in after if not is_checker(name)), None if body.cut else named)
    return plain(by) if by is not None else None


def _named(how: Blame, report: Report, lines: list[Line]) -> tuple[str, str | None] | None:
    """Return the function that the report's lines name themselves, and its module."""
    if how is Blame.HEADER:
        groups = report.groups
        function = groups.get("function") or groups.get("function_old")
        module = groups.get("module") or groups.get("decoded") or groups.get("cut")
        return (function, module) if function is not None else None
    if how in (Blame.LOCK, Blame.LOCKED):
        function = _lock(lines)
        return (function, None) if function is not None else None
    pattern = {Blame.CALLER: _CALLER, Blame.FUNCTION: _LAST}.get(how)
    if pattern is None:
        return None
    found = next(filter(None, (pattern.match(line.text) for line in lines)), None)
    return (found["function"], None) if found is not None else None


def _frames_after(words: str, lines: list[Line]) -> list[tuple[str, str | None]]:
    """Return the frames of the trace that follows a line with these words."""
    found: list[tuple[str, str | None]] = []
    expected = 0
    for line in lines:
        if line.text.endswith("[inline]"):  # the real function follows
            continue
        frame = _BARE.match(line.text) if expected else None
        if frame is not None:
            found.append((frame["function"], None))
            expected = _FOREIGN
        elif words in line.text:
            expected = _FOREIGN
        elif found and (not line.text or line.text.endswith(_HEADS)):
            break
        elif expected:
            expected -= 1
    return found


def _lock(lines: list[Line]) -> str | None:
    """Return who takes or gives the first lock: after "at:", maybe in the next line."""
    expected = 0
    for line in lines:
        text = line.text.rstrip()
        if text.endswith("[inline]"):  # decode_stacktrace.sh: the real function follows
            continue
        found = _AT.match(text) or (_BARE.match(text) if expected else None)
        if found is not None:
            return found["function"]
        expected = _FOREIGN if text.endswith("at:") else max(0, expected - 1)
    return None


def _of_a_stall(body: Body, tables: str, lines: list[Line]) -> str | None:
    """Return the activity that goes on for too long.

    One that idles may be the processor that noticed it: only where nothing else is known. Of a
    trace that breaks off before it, the work of a worker says more than where that was by chance.
    """
    places = interrupted(body.places)
    busy = [one for one in places if one[0] != "do_idle"]
    found = entry(busy, tables) or entry(places, tables)
    if found is None and body.cut:
        found = _work(lines)
    found = found or first(places, tables)
    if found is None and len(places) < len(body.places) and not body.cut:
        found = _in_need(*places)  # the trace begins in the detector
    found = found or _from_trace(body, tables) or _work(lines)
    return found if found is not None or body.cut else _in_need(_pointer(body), *body.places)


def _work(lines: list[Line]) -> str | None:
    """Return the work of a worker that stalls or waits: where its activity entered the kernel.

    The trace need not show it: arm64 has only __switch_to of a task that runs.
    """
    for line in lines:
        if line.text.startswith(("Call Trace", "Call trace")):  # after it come other processors
            break
        found = _WORK.match(line.text)
        if found is not None:
            return plain(found["function"])
    return None


def _hangs_on(body: Body) -> str | None:
    """Return the lock or the wait of the whole kernel in which a task hangs, if it is one.

    Whoever takes these is a victim of another who does not give them back. Only the first trace is
    the task's; those of a lock's owner and of other processors follow.
    """
    own = [frame.function for frame in body.frames if frame.reliable]
    words = map(plain, own or [function for function, _ in body.places])
    return next((_OF_ALL[word] for word in words if word in _OF_ALL), None)


def _from_trace(body: Body, tables: str) -> str | None:
    """Return the first frame to blame: a reliable one, else one found on the stack.

    Where the frames are those of an exception and its checks, it is what the exception came in.
    """
    if any(frame.reliable for frame in body.frames):
        return first(body.places, tables)
    return first(((frame.function, frame.module) for frame in body.frames), tables)
