"""What leads to a panic or an exception before its line, and where in the text that begins.

A panic's message is often the last word only: the line on the device, the machine check's banks or
the list of disks are printed before it, by no form of their own. One row for each: what the message
says, and which lines belong to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pstorefs.oops.report_kinds import NULL, PAGING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.oops.lines import Line
    from pstorefs.oops.report import Report
    from pstorefs.oops.trace import Body

#: Lines before the panic's in which its leads are looked for, and microseconds.
REACH = 256
REACH_US = 30_000_000

#: arch/x86/kernel/cpu/mce/core.c, drivers/acpi/apei/ghes.c, drivers/base/power/main.c,
#: init/do_mounts.c, drivers/tty/sysrq.c, kernel/signal.c, arch/x86/kernel/nmi.c, mm/oom_kill.c
LEADS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(message, re.ASCII), re.compile(line, re.ASCII))
    for message, line in (
        (
            r".{0,80}(?:[Mm]achine [Cc]heck|broadcast exception|[Hh]ardware [Ee]rror|MCE|corrupt)",
            r".{0,40}\[Hardware Error\]|mce: ",
        ),
        (r".{0,200}unrecoverable failure", r".{0,200}\*\*\*\* DPM device timeout"),
        (
            r"VFS: |No working init found|No init found|.{0,40}mount root",
            r"List of all partitions|No filesystem could|VFS: |Please append|Run /|Failed to exec",
        ),
        (r"sysrq triggered crash|.{0,80}sysrq", r"(?:sysrq|SysRq) ?: "),
        (r"Attempted to kill init!", r"(?:traps: )?[\w./-]{1,16}\[1\](?:: | )"),
        (r".{0,80}NMI", r"Uhhuh\. NMI|NMI: |Do you have a strange|Dazed and confused|.{0,60}NMI"),
        (r"(?:.{0,40}[Oo]ut of memory|System is deadlocked)", r".{1,64} invoked oom-killer: "),
        (r"dumptest", r"lkdtm: Performing "),
        # With errors=panic: ext2 to ext4, FAT, F2FS, JFS, NILFS2, OCFS2.
        (
            r".{0,60}panic (?:forced after|from previous) error",
            r"(?:[A-Z0-9]{2,6}(?:-fs)?:? )?(?:error|ERROR):? \(device |FAT-fs \(.{1,32}\): error",
        ),
    )
)


def first_of(message: str, lines: Sequence[Line], floor: int, head: int) -> int:
    """Return the index of the first line that leads to a panic; `head` is its own line's.

    Nothing before the line `floor` is looked at.
    """
    wanted = next((row[1] for row in LEADS if row[0].match(message)), None)
    first = head
    if wanted is None:
        return first
    newest = lines[head].time
    for number in range(head - 1, max(floor, head - REACH) - 1, -1):
        line = lines[number]
        if newest is not None and line.time is not None and newest - line.time > REACH_US:
            break
        if line.text and wanted.match(line.text):
            first = number
    return first


_SHORTLY = 8  # lines

#: What the memory management says of a fault between its first line and the exception's name:
#: arch/{x86,arm,arm64,powerpc,s390}/mm/fault.c
_OF_A_FAULT = re.compile(
    r"#PF: |PGD |\*p[dm]|(?:Mem|Data) abort info:|  [A-Z][A-Za-z0-9]{1,5} = |pgd = |"
    r"(?:user|swapper) pgtable: |\[[0-9a-f]{8,16}\] |Failing address: |Fault in |Faulting ",
    re.ASCII,
)


def first_of_fault(lines: Sequence[Line], floor: int, head: int) -> int:
    """Return the index of the first line of a fault whose own first line is lost.

    `head` is that with the exception's name. Nothing before the line `floor` is looked at.
    """
    first = head
    for number in range(head - 1, max(floor, head - REACH) - 1, -1):
        line = lines[number]
        if line.caller != lines[head].caller or first - number > _SHORTLY:
            break
        if _OF_A_FAULT.match(line.text):
            first = number
    return first


_PAGE = 4096
#: The address of a fault: x86, riscv, powerpc, arm and arm64.
_FAULT_AT = re.compile(
    r"(?:CR2: |status: .{1,60}badaddr: |CFAR: .{1,60}DAR: |DAR: |(?P<table>\[))"
    r"(?P<address>[0-9a-f]{8,16})(?(table)\] (?:\*?pgd=|user address but active_mm is swapper)|\b)",
    re.ASCII,
)


def fault_title(lines: Sequence[Line]) -> str | None:
    """Return what a fault is called, by its address: the kernel's own rule (arch/*/mm/fault.c).

    None if the lines say of no address.
    """
    found = next(filter(None, (_FAULT_AT.match(line.text) for line in lines)), None)
    if found is None:
        return None
    return NULL if int(found["address"], 16) < _PAGE else PAGING


#: Functions whose place in a trace says that somebody made the crash, and by what.
_MADE_IN = (
    (re.compile(r"sysrq_handle_crash\b", re.ASCII), "sysrq"),
    (re.compile(r"lkdtm_\w", re.ASCII), "lkdtm"),
)
#: What is printed just before such a crash.
_MADE_AFTER = (
    (re.compile(r"(?:sysrq|SysRq) ?: Trigger a crash", re.ASCII), "sysrq"),
    (re.compile(r"lkdtm: Performing ", re.ASCII), "lkdtm"),
)


def made_by(report: Report, body: Body, lines: Sequence[Line]) -> str | None:
    """Return by what somebody made a crash on purpose, or None if nothing says so."""
    if report.groups.get("message") == "sysrq triggered crash":
        return "sysrq"
    functions = [frame.function for frame in body.frames if frame.reliable]
    if body.pointer is not None and body.pointer.function is not None:
        functions.append(body.pointer.function)
    for pattern, what in _MADE_IN:
        if any(pattern.match(function) for function in functions):
            return what
    for line in lines[max(0, report.first - _SHORTLY) : report.head]:
        for pattern, what in _MADE_AFTER:
            if pattern.match(line.text):
                return what
    return None
