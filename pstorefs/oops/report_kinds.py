"""The kinds of report a kernel prints: how each begins, what it is called, whom it blames.

A table over branches: one row per first line. The words are those that the kernel prints (5.10 to
7.x; older forms where they differ) and the titles those that its developers use for them in the
subject lines of bug reports. Sources: Documentation/admin-guide/{bug-hunting,sysrq,lockup-
watchdogs}.rst, Documentation/dev-tools/{kasan,kmsan,kcsan,ubsan,kfence,kmemleak}.rst,
Documentation/RCU/stallwarn.rst, Documentation/locking/lockdep-design.rst, and the printk() calls
themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What stands for a symbol in patterns; Rust's legacy symbols have `$` in them.
SYMBOL = r"[A-Za-z_][\w.$]*"
#: The source, where syzkaller puts it between a function and its module.
SOURCE = r" [^\s()\[\]]{1,200}:\d{1,6}"
#: "foo+0x1/0x2 [module]", maybe with the source in between.
_EXACT = (
    rf"(?P<function>{SYMBOL})(?:\+0x[0-9a-f]+/0x[0-9a-f]+"
    rf"(?:(?:{SOURCE})? \[(?P<module>[\w-]{{1,64}})[^\]]{{0,64}}\])?"
)
#: A place in the source, as decode_stacktrace.sh says it: unlike "sd 0:0:0:0", which is a device.
FILE = r"(?:[^\s:]{0,200}\.[A-Za-z]\w{0,3}|\?\?):[\d?]"
#: The same or, after decode_stacktrace.sh, "foo (file.c:12)", "foo file.c:12" and "foo file.c:12
#: [inline]"; or "foo" or "foo [module]" at the end of a line whose offsets
#: somebody has cut off.
_PLACE = _EXACT + (
    r"| \([^\s():]{1,200}:\d[^\[\]]{0,200}\) +\[(?P<decoded>[\w-]{1,64})\]|\+0x"
    rf"| {FILE}"
    r"| \[(?P<cut>[\w-]{1,64})\]$|$)"
)


class Blame(Enum):
    """Where the function stands that a report's title names."""

    HEADER = auto()  # in the first line; in the trace if that one is machinery
    POINTER = auto()  # the instruction pointer; in the trace if that one is machinery
    TRACE = auto()  # the first frame that is no machinery
    PLACES = auto()  # the first of instruction pointers and frames, in the order of the text
    LOCK = auto()  # after "at:" of the first lock that the report shows; so, too, if it only locks
    LOCKED = auto()  # the same; in the trace if that one is machinery
    PAGE = auto()  # who allocated the page, if the report shows that; else as TRACE
    FORMER = auto()  # where the other lock was taken first, in the trace after "which became"
    CALLER = auto()  # in the line "caller is foo+0x1/0x2"
    FUNCTION = auto()  # in the line "last function: foo"
    NOBODY = auto()  # the title names none


@dataclass(frozen=True, slots=True)
class Kind:
    """One way for a report to begin.

    `starts` are the literal beginnings of the line, `pattern` is matched at its first character;
    named groups fill the title, and where they are called so, comm, pid, cpu and function.
    """

    error_class: str
    starts: tuple[str, ...]
    pattern: str
    title: str
    blame: Blame = Blame.NOBODY
    skip: str = ""  # names of further tables of machinery
    single: bool = False  # the whole report is this line
    trap: bool = False  # a processor exception's "X: 0000 [#1]": second line to a better first one
    dies: bool = False  # no report without such a line: programs fault with the same words
    vague: bool = False  # no report without the kernel's time or a body: people say this, too
    #: Classes of report whose first lines go on with this one, before its body. They say less.
    then: tuple[str, ...] = ()
    warns: str = ""  # the file of the warning at its end, whose trace may be its only one

    def says_more_than(self, second: Kind) -> bool:
        """Whether of two first lines of one report this one says what happened."""
        return second.trap or second.error_class in self.then


def _kind(
    error_class: str,
    start: str | tuple[str, ...],
    title: str,
    blame: Blame = Blame.NOBODY,
    rest: str = "",
    *,
    skip: str = "",
    single: bool = False,
    trap: bool = False,
    dies: bool = False,
    vague: bool = False,
    then: tuple[str, ...] = (),
    warns: str = "",
) -> Kind:
    starts = (start,) if isinstance(start, str) else start
    heads = "|".join(re.escape(one) for one in starts)
    pattern = f"(?:{heads}){rest}"
    flags = (single, trap, dies, vague)
    return Kind(error_class, starts, pattern, title, blame, skip, *flags, then, warns)


#: The count of oopses at the end of a line.
_DIE = r" ?\[#(?P<die>\d{1,9})\]"
#: What a fault of the memory management is called: in the first page, and elsewhere.
NULL = "BUG: unable to handle kernel NULL pointer dereference"
PAGING = "BUG: unable to handle kernel paging request"
#: What the kernel cannot handle: "kernel paging request", "kernel data access"...
_UNABLE = (
    r"(?P<what>[a-zA-Z][a-zA-Z -]{2,60}?)"
    r"(?: on (?:read|write))?(?: (?:without|outside) uaccess routines| with fs=\w{1,20})?"
    r"(?: \(|,| at | for | in |$)"
)
#: A cache of the slab allocator that its debugging is about.
_CACHE = r"(?P<what>\S{1,60}) \((?:Not tainted|Tainted[^)]{0,80})\): "
#: What lock checkers begin with, between which and "]" 2.6.18 to 4.11 put what they found.
LOCKDEP = ("WARNING: ", "[ INFO: ", "[ BUG: ", "BUG: ", "INFO: ")

KINDS: tuple[Kind, ...] = (
    # Sanitizers: lib/ubsan.c, mm/{kasan,kmsan,kfence}/report.c, kernel/kcsan/report.c
    _kind(
        "kasan",
        ("BUG: KASAN: ", "BUG: KASan: "),
        "KASAN: {what}{access}",
        Blame.HEADER,
        rf"(?:double-free or )?(?P<what>[\w -]{{1,60}}?)(?: on address [0-9a-f]+)?"
        rf"(?: in {_PLACE}| in | at |$)",
        then=("slab",),  # up to 4.8 it goes on with "BUG cache (Not tainted): kasan: bad access"
    ),
    # 4.12 and before
    _kind(
        "kasan",
        "BUG: Double free or freeing an invalid pointer",
        "KASAN: invalid-free",
        Blame.TRACE,
    ),
    _kind(
        "kmsan",
        "BUG: KMSAN: ",
        "KMSAN: {what}",
        Blame.HEADER,
        rf"(?P<what>[\w -]{{1,60}}?)(?: in {_PLACE}| in |$)",
        skip="messages",
    ),
    _kind(
        "kcsan",
        "BUG: KCSAN: ",
        "KCSAN: {what} in {racers}",
        Blame.NOBODY,
        rf"(?P<what>[\w: -]{{1,60}}?) in (?P<racers>{SYMBOL}.*)",
    ),
    _kind(
        "kfence",
        "BUG: KFENCE: ",
        "KFENCE: {what}",
        Blame.HEADER,
        rf"(?P<what>use-after-free|out-of-bounds) (?:read|write)(?: in {_PLACE}| in |$)",
    ),
    _kind(
        "kfence",
        "BUG: KFENCE: ",
        "KFENCE: {what}",
        Blame.HEADER,
        rf"(?P<what>[\w -]{{1,60}}?)(?: in {_PLACE}| in |$)",
    ),
    _kind("ubsan", "UBSAN: Undefined behaviour in ", "UBSAN: undefined-behaviour", Blame.TRACE),
    _kind("ubsan", "UBSAN: ", "UBSAN: {what}", Blame.TRACE, r"(?P<what>[a-z][\w -]{2,40}) in "),
    # where the check is an instruction (x86 since 6.13); the processor's exception follows
    _kind(
        "ubsan",
        "UBSAN: ",
        "UBSAN: {what}",
        Blame.HEADER,
        rf"(?P<what>[a-z][\w /-]{{2,60}}) at {_PLACE}",
    ),
    # Faults of the memory management: arch/*/mm/fault.c
    # arm up to 3.x writes to 0 where it has said "kernel BUG at" (`OLD_BUG`)
    _kind(
        "oops",
        "Unable to handle kernel NULL pointer dereference at virtual address 00000000",
        NULL,
        Blame.POINTER,
        "$",
        trap=True,
    ),
    _kind(
        "oops",
        (
            "BUG: kernel NULL pointer dereference",
            NULL,
            "BUG: Kernel NULL pointer dereference",
            "Unable to handle kernel NULL pointer dereference",
            # powerpc
            "BUG: Unable to handle kernel instruction fetch (NULL",
        ),
        NULL,
        Blame.POINTER,
    ),
    _kind(
        "oops",
        (
            "BUG: unable to handle page fault for address",
            PAGING,
            "Unable to handle kernel paging request",
            # powerpc
            "BUG: Unable to handle kernel data access",
            "BUG: Unable to handle kernel instruction fetch",
            "Unable to handle kernel data access",
            "Unable to handle kernel instruction fetch",
        ),
        PAGING,
        Blame.POINTER,
    ),
    # One thing, whichever of these words an architecture begins with
    _kind(
        "oops",
        ("BUG: unable to handle ", "BUG: Unable to handle "),
        "BUG: unable to handle {what}",
        Blame.POINTER,
        _UNABLE,
    ),
    _kind(
        "oops",
        "Unable to handle kernel ",
        "BUG: unable to handle kernel {what}",
        Blame.POINTER,
        _UNABLE,
    ),
    # mips, loongarch
    _kind(
        "oops",
        "CPU ",
        "BUG: unable to handle {what}",
        Blame.POINTER,
        rf"\d{{1,6}} Unable to handle (?=kernel ){_UNABLE}",
    ),
    # arm; then "Unhandled fault: alignment exception", which is the same
    _kind(
        "oops",
        "Alignment trap: ",
        "Alignment trap",
        Blame.POINTER,
        r"not handling instruction ",
        dies=True,
        then=("oops",),
    ),
    # arm, arm64; the same words for a program's fault, which kills that alone
    *(
        _kind("oops", f"{name}: ", name, Blame.POINTER, r"[\w -]{3,60} \(0x", dies=True)
        for name in ("Unhandled fault", "Unhandled prefetch abort")
    ),
    _kind(
        "oops",
        "Unhandled fault at 0x",
        "Unhandled fault",
        Blame.POINTER,
        r"[0-9a-f]{8,16}$",
        dies=True,
    ),
    # parisc
    _kind(
        "oops",
        (
            "Kernel Fault: ",
            "Bad Address (null pointer deref?): ",
            "Page fault: no context: ",
            "Kernel unaligned access: ",
        ),
        "Kernel Fault",
        Blame.POINTER,
        r"Code=\d",
    ),
    # mips; a program's is its own affair
    *(
        _kind("oops", f"{name}, ", name, Blame.POINTER, r"epc == ", dies=True)
        for name in ("Data bus error", "Instruction bus error")
    ),
    # powerpc, where xmon stops the machine before it says anything else
    _kind(
        "oops",
        "cpu 0x",
        PAGING,
        Blame.POINTER,
        r"[0-9a-f]{1,4}: Vector: [34][08]0 \(",
    ),
    _kind(
        "oops",
        "cpu 0x",
        "{what}",
        Blame.POINTER,
        r"[0-9a-f]{1,4}: Vector: [0-9a-f]{3,4} \((?P<what>[A-Z][A-Za-z -]{2,40})\) at \[",
    ),
    # m68k, after "*** ILLEGAL INSTRUCTION ***"; after "kernel BUG at", too
    _kind(
        "oops", "BAD KERNEL TRAP: ", "BAD KERNEL TRAP", Blame.POINTER, r"[0-9a-f]{8}$", trap=True
    ),
    # arm's microcontrollers (arch/arm/kernel/v7m.c)
    _kind(
        "oops",
        "Unhandled exception: ",
        "Unhandled exception",
        Blame.POINTER,
        r"IPSR = [0-9a-f]{8} LR = [0-9a-f]{8}$",
    ),
    # powerpc
    _kind("oops", "Bad kernel stack pointer ", "Bad kernel stack pointer", Blame.POINTER),
    # x86-64 before 2.6.25 counts oopses without a #
    _kind(
        "oops",
        tuple(
            f"{name}: "
            for name in (
                *("Oops", "general protection fault", "invalid opcode", "divide error"),
                *("stack segment", "double fault", "int3"),
            )
        ),
        "{trap}",
        Blame.POINTER,
        r"[0-9a-f]{4} \[(?P<die>\d{1,9})\]",
        skip="memory",
        trap=True,
    ),
    # arc and m68k have no count of oopses
    _kind("oops", "Oops", "Oops", Blame.POINTER, r"$", vague=True),
    _kind("oops", "Oops: ", "Oops", Blame.POINTER, r"[0-9a-f]{8}$", trap=True),
    _kind(
        "oops",
        (
            "BUG: stack guard page was hit",
            "BUG: TASK stack guard page was hit",
            "BUG: IRQ stack guard page was hit",
        ),
        "BUG: stack guard page was hit",
        Blame.POINTER,
        then=("stack-overflow",),  # up to 6.x "kernel stack overflow (page fault): 0000 [#1]"
    ),
    _kind(
        "oops",
        ("PANIC: double fault", "traps: PANIC: double fault"),
        "PANIC: double fault",
        Blame.POINTER,
    ),
    # before the kernel can do more: arch/x86/mm/extable.c
    _kind("oops", "PANIC: early exception ", "PANIC: early exception", Blame.POINTER),
    _kind(
        "oops",
        "CFI failure at ",
        "CFI failure",
        Blame.HEADER,
        rf"(?:{_PLACE})?",
        then=("warning",),
    ),
    # up to 5.18: what was called, not who called it
    _kind("oops", "CFI failure (target: ", "CFI failure", Blame.TRACE, then=("warning",)),
    # arm64, up to 5.12 and since then
    _kind("oops", "Bad mode in ", "Bad mode", Blame.POINTER),
    _kind(
        "oops",
        "Unhandled ",
        "Unhandled {what} exception",
        Blame.POINTER,
        r"(?P<what>[\w -]{2,40}?) exception on CPU\d{1,6}, ESR 0x",
    ),
    _kind("serror", "SError Interrupt on ", "SError Interrupt", Blame.POINTER),
    _kind(
        "stack-overflow",
        ("Insufficient stack space to handle ", "Kernel stack overflow", "kernel stack overflow"),
        "kernel stack overflow",
        Blame.POINTER,
        r"(?:[^\[]{0,60}\[#(?P<die>\d{1,9})\])?",
    ),
    # x86-64 before 2.6.19 and kernels without the place ("[verbose debug info unavailable]") have
    # a capital letter
    _kind("bug", "kernel BUG at ", "kernel BUG", Blame.POINTER, r"(?P<place>\S{1,200})!"),
    _kind(
        "bug",
        "Kernel BUG at ",
        "kernel BUG",
        Blame.POINTER,
        r"(?P<place>[0-9a-f]{8,16} \[|\S{1,200}:\d)",
    ),
    # alpha
    _kind("bug", "Kernel bug at ", "kernel BUG", Blame.POINTER, r"(?P<place>\S{1,200}:\d{1,6})$"),
    # architectures without an instruction for it (include/asm-generic/bug.h); then a panic, "BUG!"
    _kind(
        "bug",
        "BUG: failure at ",
        "kernel BUG",
        Blame.HEADER,
        rf"(?P<place>\S{{1,200}}:\d{{1,6}})/(?P<function>{SYMBOL})\(\)!",
    ),
    # riscv after the place; mips as the first line
    _kind("bug", "Kernel BUG ", "kernel BUG", Blame.POINTER, _DIE, trap=True),
    _kind("bug", ("Kernel bug detected",), "kernel BUG", Blame.POINTER, _DIE),
    # mips, loongarch: exceptions in the kernel
    *(
        _kind("oops", name, name, Blame.POINTER, _DIE)
        for name in (
            "Break instruction in kernel code",
            "Reserved instruction in kernel code",
            "Trap instruction in kernel code",
            "Unhandled kernel unaligned access",
            "Unhandled kernel unaligned access or invalid instruction",
            "Kernel unaligned instruction access",
            "Kernel ade access",
            "Kernel ale access",
            "Bound check error",
            "FP exception in kernel code",
            "Integer overflow",
            *(
                f"do_{unit} invoked from kernel context!"
                for unit in ("cpu", "fpu", "lsx", "lasx", "lbt")
            ),
        )
    ),
    # Lock checking (kernel/locking/lockdep.c): up to 4.11 INFO or BUG and what follows, in
    # brackets; since then WARNING
    *(
        Kind("lockdep", LOCKDEP, rf"(?:\[ )?(?P<head>\w+): {rest}", title, how, "sockets")
        for rest, title, how in (
            (
                r"[A-Z_]{4,12}(?:-READ)?-safe -> [A-Z_]{4,12}(?:-READ)?-unsafe lock order",
                "possible deadlock",
                Blame.FORMER,
            ),
            (
                r"(?:possible )?(?:circular|recursive|irq lock inversion|cyclic) ",
                "possible deadlock",
                Blame.LOCK,
            ),
            (r"inconsistent lock state", "inconsistent lock state", Blame.TRACE),
            (r"[Ii]nvalid wait context", "WARNING: locking bug", Blame.TRACE),
            (r"bad unlock balance", "{head}: bad unlock balance", Blame.LOCKED),
            (r"bad contention", "{head}: bad contention", Blame.LOCKED),
            (r"[Ss]uspicious (?:RCU|rcu)", "{head}: suspicious RCU usage", Blame.TRACE),
            (
                r"lock held when returning to user",
                "{head}: lock held when returning to user space",
                Blame.LOCKED,
            ),
            (r"held lock freed", "{head}: held lock freed", Blame.LOCKED),
            (r"lock held at task exit", "{head}: lock held at task exit", Blame.LOCKED),
            (r".{1,64}? still has locks held", "{head}: still has locks held", Blame.LOCKED),
            (r"still has locks held", "{head}: still has locks held", Blame.LOCKED),
            (r"[Nn]ested lock was not taken", "{head}: nested lock was not taken", Blame.TRACE),
            (r"possible unsafe locking|lock order risk", "possible deadlock", Blame.LOCK),
        )
    ),
    _kind(
        "lockdep",
        ("INFO: trying to register non-static key", "trying to register non-static key"),
        "INFO: trying to register non-static key",
        Blame.TRACE,
        skip="sockets",
    ),
    _kind(
        "lockdep",
        "BUG: key ",
        "BUG: key has not been registered",
        Blame.TRACE,
        r"\S{1,18} (?:has not been registered|not in \.data)",
        then=("warning",),
    ),
    _kind(
        "lockdep",
        "BUG: MAX_",
        "BUG: MAX_{what} too low!",
        Blame.NOBODY,
        r"(?P<what>[A-Z_]{3,40}) too low",
    ),
    # Stalls: kernel/{watchdog,hung_task}.c, kernel/rcu/tree_stall.h, kernel/workqueue.c
    _kind(
        "hung-task",
        "INFO: task ",
        "INFO: task hung",
        Blame.TRACE,
        r"(?P<comm>.{1,64}):(?P<pid>\d{1,10}) blocked (?:for|in) ",
        skip="waits",
    ),
    _kind(
        "hung-task",
        "INFO: task ",
        "INFO: task can't die",
        Blame.TRACE,
        r"(?P<comm>.{1,64}):(?P<pid>\d{1,10}) can't die",
        skip="waits",
    ),
    # A task's name may hold a newline
    _kind(
        "hung-task",
        "INFO: task ",
        "INFO: task hung",
        Blame.TRACE,
        r".{0,16}$",
        skip="waits",
        vague=True,
    ),
    _kind(
        "soft-lockup",
        (
            "watchdog: BUG: soft lockup - ",
            "BUG: soft lockup - ",
            "NMI watchdog: BUG: soft lockup - ",
        ),
        "BUG: soft lockup",
        Blame.PLACES,
        r"CPU#(?P<cpu>\d{1,6}) stuck for .{1,20}?! \[(?P<comm>.{1,64}):(?P<pid>\d{1,10})\]",
        skip="stalls",
    ),
    # 2.6.23 and before
    _kind(
        "soft-lockup",
        "BUG: soft lockup detected on CPU#",
        "BUG: soft lockup",
        Blame.PLACES,
        r"(?P<cpu>\d{1,6})!",
        skip="stalls",
    ),
    _kind(
        "hard-lockup",
        ("watchdog: ", "NMI watchdog: "),
        "Watchdog detected hard LOCKUP",
        Blame.PLACES,
        r"(?:CPU\d{1,6}: )?Watchdog detected hard LOCKUP(?: on cpu (?P<cpu>\d{1,6}))?",
        skip="stalls",
    ),
    # x86 before 2.6.37
    _kind(
        "hard-lockup",
        ("BUG: NMI Watchdog detected LOCKUP on ", "NMI Watchdog detected LOCKUP on "),
        "Watchdog detected hard LOCKUP",
        Blame.PLACES,
        r"CPU ?(?P<cpu>\d{1,6})",
        skip="stalls",
    ),
    # powerpc: the CPU that hangs is the subject, not the one that notices it
    _kind(
        "hard-lockup",
        "watchdog: CPU ",
        "Watchdog detected hard LOCKUP",
        Blame.PLACES,
        r"\d{1,6} detected hard LOCKUP on other CPUs (?P<cpu>\d{1,6})",
        skip="stalls",
    ),
    _kind(
        "hard-lockup",
        "watchdog: CPU ",
        "Watchdog detected hard LOCKUP",
        Blame.PLACES,
        r"(?P<cpu>\d{1,6}) (?:Hard LOCKUP|self-detected hard LOCKUP)",
        skip="stalls",
    ),
    _kind(
        "rcu-stall",
        ("INFO: rcu", "rcu: INFO: rcu"),
        "INFO: rcu detected stall",
        Blame.PLACES,
        r"\w{0,40} (?:self-)?detected (?:expedited )?stalls? ",
        skip="stalls",
    ),
    _kind("workqueue", "BUG: workqueue lockup", "BUG: workqueue lockup"),
    _kind(
        "workqueue",
        "BUG: workqueue leaked ",
        "BUG: workqueue leaked {what}",
        Blame.FUNCTION,
        r"(?P<what>[a-zA-Z, ]{4,40}): ",
    ),
    # Warnings: kernel/panic.c, the forms of 6.18, 3.12 and before
    # of a place without a line of source: after a failure of CFI, and in modules
    _kind(
        "warning",
        ("WARNING: CPU: ", "WARNING: at "),
        "WARNING",
        Blame.HEADER,
        rf"(?:(?P<cpu>\d{{1,6}}) PID: (?P<pid>\d{{1,10}}) at )?{_EXACT}| \([^\s():]{{1,200}}:\d)",
    ),
    _kind(
        "warning",
        "WARNING: CPU: ",
        "WARNING",
        Blame.HEADER,
        rf"(?P<cpu>\d{{1,6}}) PID: (?P<pid>\d{{1,10}}) at (?P<place>\S{{1,200}}) (?:{_PLACE})?",
    ),
    _kind(
        "warning",
        "WARNING: at ",
        "WARNING",
        Blame.HEADER,
        rf"(?P<place>\S{{1,200}}:\d{{1,6}})(?:$| (?:{_PLACE}|(?P<function_old>{SYMBOL})\(\))?)",
    ),
    # with CONFIG_DEBUG_BUGVERBOSE_DETAILED the condition comes first
    _kind(
        "warning",
        "WARNING: ",
        "WARNING",
        Blame.HEADER,
        rf"(?:\[.{{1,300}}\] )?(?P<place>\S{{1,200}}:\d{{1,6}}) at (?:{_PLACE}|0x)",
    ),
    # 2.6.18 and before, powerpc up to 3.x
    _kind(
        "warning",
        "BUG: warning at ",
        "WARNING",
        Blame.HEADER,
        rf"(?P<place>\S{{1,200}}:\d{{1,6}})/(?P<function>{SYMBOL})\(\)",
    ),
    _kind(
        "warning",
        ("Badness in ", "Badness at "),
        "WARNING",
        Blame.HEADER,
        rf"(?:(?P<function>{SYMBOL}) at )?(?P<place>\S{{1,200}}:\d{{1,6}})$",
    ),
    # arm: who divided is the caller of the library's function
    _kind("warning", "Division by zero in kernel.", "Division by zero in kernel", Blame.TRACE),
    # Stacks that the unwinder cannot read: arch/x86/kernel/unwind_*.c
    _kind(
        "warning",
        "WARNING: kernel stack ",
        "WARNING: kernel stack frame pointer has bad value",
        Blame.NOBODY,
        r"frame pointer at \S+ in .{1,64} has bad value",
    ),
    _kind(
        "warning",
        "WARNING: kernel stack ",
        "WARNING: kernel stack regs has bad {what} value",
        Blame.NOBODY,
        r"regs at \S+ in .{1,64} has bad (?P<what>'\w{1,3}') value",
    ),
    # Atomic context and its like: kernel/sched/core.c, lib/smp_processor_id.c
    _kind(
        "atomic-sleep",
        "BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context",
        Blame.TRACE,
    ),
    _kind(
        "atomic-sleep",
        "BUG: scheduling while atomic",
        "BUG: scheduling while atomic",
        Blame.TRACE,
        skip="waits",
    ),
    _kind(
        "atomic-sleep",
        "BUG: using ",
        "BUG: using {what} in preemptible code",
        Blame.CALLER,
        r"(?P<what>\w{1,60}\(\)) in preemptible",
    ),
    _kind(
        "atomic-sleep",
        "BUG: assuming ",
        "BUG: assuming {what}",
        Blame.TRACE,
        r"(?P<what>[a-z -]{4,40}) at ",
    ),
    _kind(
        "spinlock",
        "BUG: ",
        "BUG: {what}",
        Blame.TRACE,
        r"(?P<what>(?:spinlock|rwlock)[ -][a-zA-Z -]{3,40}?)(?: on CPU#|,|$)",
        skip="sockets",
    ),
    _kind(
        "atomic-sleep",
        "BUG: atomic counter underflow at:",
        "BUG: atomic counter underflow",
        Blame.TRACE,
    ),
    # Memory: mm/kmemleak.c, mm/page_alloc.c, mm/memory.c, mm/slub.c
    _kind("memory-leak", "BUG: memory leak", "memory leak", Blame.TRACE, skip="leaks"),
    _kind(
        "memory-leak",
        tuple(f"unreferenced object {of}0x" for of in ("", "(percpu) ", "(phys) ")),
        "memory leak",
        Blame.TRACE,
        r"[0-9a-f]+ \(size",
        skip="leaks",
    ),
    _kind(
        "bad-page",
        "BUG: Bad page ",
        "BUG: Bad page {what}",
        Blame.PAGE,
        r"(?P<what>state) in process (?P<comm>.{1,64}?) {1,2}pfn:",
    ),
    # 2.6.28 and before
    _kind(
        "bad-page",
        "Bad page state in process '",
        "BUG: Bad page state",
        Blame.TRACE,
        r"(?P<comm>.{1,64}?)'$",
    ),
    # Who finds it, at the end of a process, has not done it
    _kind(
        "bad-page",
        "BUG: Bad page ",
        "BUG: Bad page {what}",
        Blame.NOBODY,
        r"(?P<what>map|cache) in process (?P<comm>.{1,64}?) {1,2}(?:pfn|pte|pmd|pud|p4d|pgd):",
    ),
    _kind("bad-page", "BUG: Bad rss-counter state", "BUG: Bad rss-counter state", single=True),
    _kind(
        "bad-page",
        "BUG: non-zero ",
        "BUG: non-zero {what} on freeing mm: NUM",
        rest=r"(?P<what>pgtables_bytes) on freeing mm",
        single=True,
    ),
    _kind(
        "bad-page",
        "BUG: non-zero ",
        "BUG: non-zero {what} on freeing mm",
        rest=r"(?P<what>nr_ptes|nr_pmds) on freeing mm",
        single=True,
    ),
    # Who finds a freed object changed, or one left over, has not done it. Since 6.15 the trace is
    # that of a warning at the report's end.
    _kind(
        "slab",
        "BUG ",
        "BUG {what}: {literal}",
        Blame.NOBODY,
        rf"{_CACHE}(?P<literal>Poison overwritten|Padding overwritten|Objects remaining)",
        then=("warning",),
        warns="mm/slub.c",
    ),
    _kind(
        "slab",
        "BUG ",
        "BUG {what}: {literal}",
        Blame.TRACE,
        rf"{_CACHE}(?P<literal>[^.\[]{{3,80}})",
        then=("warning",),
        warns="mm/slub.c",
    ),
    # SLAB, up to 6.7
    _kind(
        "slab", "Slab corruption", "Slab corruption", Blame.NOBODY, r"[^:]{0,100}: .{0,80}start="
    ),
    _kind("slab", "slab error in ", "slab error", Blame.TRACE, r"\w{1,60}\(\): cache "),
    _kind(
        "dentry",
        "BUG: Dentry ",
        "BUG: Dentry still in use in unmount",
        Blame.NOBODY,
        r".{1,200}still in use .{0,20}\[unmount of ",
        then=("warning", "bug"),
        warns="fs/dcache.c",
    ),
    _kind("dentry", "BUG: Dentry ", "BUG: Dentry still in use", rest=r".{1,200}still in use"),
    # with CONFIG_BUG_ON_DATA_CORRUPTION a BUG() follows, else a warning
    _kind(
        "vfs",
        "VFS: ",
        "VFS: {what} (use-after-free)",
        Blame.NOBODY,
        r"(?P<what>Busy inodes after unmount)",
        then=("warning", "bug"),
        warns="fs/super.c",
    ),
    _kind(
        "vfs",
        ("VFS: Close: file count is 0", "VFS: Close: file count is zero"),
        "VFS: Close: file count is zero (use-after-free)",
        then=("warning", "bug"),
        warns="fs/open.c",
    ),
    # OpenZFS, outside of the kernel's tree: its assertions stop a thread, not the machine
    _kind(
        "bug",
        "PANIC at ",
        "PANIC at {literal}",
        rest=rf"(?P<literal>[\w./-]{{1,80}}\.[ch]:\d{{1,6}}:{SYMBOL}\(\))$",
    ),
    # The rest of the kernel's own bugs: literally
    _kind("bug", "BUG: ", "BUG: {literal}", Blame.NOBODY, r"(?P<literal>\S.{2,200})", vague=True),
    _kind(
        "unregister-netdevice",
        "unregister_netdevice: waiting for ",
        "unregister_netdevice: waiting for DEV to become free",
        Blame.NOBODY,
        r"\S{1,64} to become free",
        single=True,
    ),
    # Rust: rust/kernel/lib.rs; the message is in the same line up to 1.72, else in the next one
    _kind(
        "rust",
        "rust_kernel: panicked at ",
        "{rust}",
        Blame.TRACE,
        r"(?P<place>.{0,400})",
        then=("bug",),  # its end
    ),
    _kind(
        "panic",
        ("Kernel panic - not syncing: ", "Kernel panic: ", "Kernel panic - not syncing"),
        "kernel panic: {message}",
        Blame.NOBODY,
        r"(?P<message>.{0,400})",
    ),
)

#: A processor exception: the second line of a report that explained it in its first, or the first.
TRAP = Kind(
    "oops",
    (),
    r"[^\[]{0,300}\[#(?P<die>\d{1,9})\]",
    "{trap}",
    Blame.POINTER,
    "memory",
    trap=True,
)
_TRAP_NAME = re.compile(
    r"(?:traps: |Oops: )*"
    r"(?P<name>Oops|Internal error|Bad pagetable"
    r"|(?:Machine check|[a-z][a-z0-9-]*)(?: [A-Za-z0-9()-]+){0,5}?)"
    r"(?:$| - |[:,] | [0-9a-f]{4}$)",
    re.ASCII,
)
#: Where the count of oopses begins, and the words on the exception end.
_COUNT = re.compile(r"\[#|(?<=[0-9a-f]{4} )\[\d", re.ASCII)
#: What ends the words on an exception: its error code, or the signal that it would be elsewhere.
_ERROR_CODE = re.compile(r"[ :][0-9a-f]{4,16}(?: ilc:\d)?$|sig: \d{1,2}$", re.ASCII)

#: What a report whose beginning is lost is called: nothing in the text says what happened.
LOST = Kind("unknown", (), "", "report without its beginning", Blame.POINTER)
#: The same where the dump's reason says that it is an oops.
LOST_OOPS = Kind("oops", (), "", "Oops", Blame.POINTER)
#: The same of a panic whose line is not in the text.
LOST_PANIC = Kind("panic", (), "", "kernel panic", Blame.POINTER)
#: What is known of these is too little to recognise the same bug by.
UNSIGNED = (LOST, LOST_OOPS, LOST_PANIC)
#: What writes to address 0 in this function: arm up to 3.x had no instruction for a BUG.
OLD_BUG = "__bug"
BUG = Kind("bug", (), "", "kernel BUG", Blame.POINTER)
#: What the detector of hard lockups said by a warning of its own, up to 4.0 (kernel/watchdog.c).
HARD_LOCKUP = Kind("hard-lockup", (), "", "Watchdog detected hard LOCKUP", Blame.PLACES, "stalls")
RCU_STALL = Kind("rcu-stall", (), "", "INFO: rcu detected stall", Blame.PLACES, "stalls")
#: Functions in the trace of a report whose beginning is lost, and what it was by them. Each is
#: called for that alone.
_LOST_BY_FRAME = {
    "__warn": Kind("warning", (), "", "WARNING", Blame.POINTER),
    "page_fault_oops": Kind("oops", (), "", "{fault}", Blame.POINTER),
    "die_addr": Kind("oops", (), "", "general protection fault", Blame.POINTER),
    "handle_invalid_op": BUG,
    "watchdog_timer_fn": Kind("soft-lockup", (), "", "BUG: soft lockup", Blame.PLACES, "stalls"),
    "rcu_dump_cpu_stacks": RCU_STALL,
    "print_cpu_stall": RCU_STALL,
    "print_other_cpu_stall": RCU_STALL,
    # lib/ubsan.c: they begin and end like a warning
    **{
        f"__ubsan_handle_{handler}": Kind("ubsan", (), "", f"UBSAN: {what}", Blame.TRACE)
        for handler, what in (
            ("out_of_bounds", "array-index-out-of-bounds"),
            ("shift_out_of_bounds", "shift-out-of-bounds"),
            ("load_invalid_value", "invalid-load"),
            ("divrem_overflow", "division-overflow"),
            ("add_overflow", "signed-integer-overflow"),
            ("sub_overflow", "signed-integer-overflow"),
            ("mul_overflow", "signed-integer-overflow"),
            ("pointer_overflow", "pointer-overflow"),
        )
    },
}


def lost_kind(functions: Iterable[str]) -> Kind:
    """Return the kind of a report whose beginning is lost, by the functions in its trace."""
    plain = (function.split(".", 1)[0] for function in functions)
    return next((_LOST_BY_FRAME[one] for one in plain if one in _LOST_BY_FRAME), LOST)


#: x86, arm, x86-64 before 2.6.20
CUT_HERE = ("------------[ cut here ]", "8<--- cut here ---", "----------- [cut here ]")
#: Lines that come before the first line of a report and belong to it. A row of = or - is one too.
PREFACES = (
    *CUT_HERE,
    "kernel tried to execute",
    "Kernel attempted to ",
    "unable to execute userspace code (SMEP?)",
    "kasan: GPF could be caused by",
    "kasan: CONFIG_KASAN_INLINE enabled",
    "list_add ",
    "list_del ",
    "usercopy: ",
    "page dumped because: ",
    "page:",
    "skbuff: skb_",
    "skb_over_panic",
    "skb_under_panic",
    "VERIFY",
    "ASSERT",
)

#: What the first line of a report begins with, unless it is a `TRAP`.
FIRST_LINES = tuple(start for kind in KINDS for start in kind.starts)
_DISPATCH: dict[str, list[Kind]] = {}
for _row in KINDS:
    for _start in _row.starts:
        _rows = _DISPATCH.setdefault(_start.split(" ", 1)[0], [])
        if _row not in _rows:
            _rows.append(_row)
_WORD_MAX = max(map(len, _DISPATCH))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a row's pattern at its first use: all of them take tens of milliseconds."""
    return re.compile(pattern, re.ASCII)


def recognise(text: str) -> tuple[Kind, re.Match[str]] | None:
    """Return the kind of report that begins with this line, or None."""
    word = text[: _WORD_MAX + 1].split(" ", 1)[0]
    for kind in _DISPATCH.get(word, ()):
        if text.startswith(kind.starts):
            found = _compiled(kind.pattern).match(text)
            if found is not None:
                return kind, found
    if "[#" in text and trap_name(text) is not None:
        found = _compiled(TRAP.pattern).match(text)
        if found is not None:
            return TRAP, found
    return None


def trap_name(text: str) -> str | None:
    """Return how the processor calls the exception of a line "X: 0000 [#1] SMP".

    "Oops: 0002 [#1] SMP", "Oops: general protection fault, probably for ...: 0000 [#1]" (6.10 and
    later), "invalid opcode: 0000 [#2]", "Internal error: Oops: 96000004 [#1]", "Oops [#1]" (riscv).
    """
    head = _COUNT.split(text, maxsplit=1)[0].rstrip(": ")
    found = _UBSAN.match(head)
    if found is not None:
        return f"UBSAN: {found['what'].replace(' ', '-')}"
    found = _INTERNAL.match(head)
    if found is not None:
        return "kernel BUG" if found["what"] == "Oops - BUG" else "Internal error"
    found = _OOPS_OF.match(head)
    if found is not None:
        return "kernel BUG" if found["what"] == "BUG" else found["what"]
    found = next(filter(None, (pattern.match(head) for pattern in _SAYS_WHAT)), None)
    if found is not None:
        return found["what"]
    found = _TRAP_NAME.match(head)
    if found is not None and (head == "Oops" or _ERROR_CODE.search(head)):
        return found["name"]
    return "Oops" if head.startswith("Oops") and _ERROR_CODE.search(head) else None


#: riscv, loongarch: "Oops - illegal instruction", "Oops - BUG"
_OOPS_OF = re.compile(r"Oops - (?P<what>BUG|[a-z][\w ()-]{2,50})$", re.ASCII)
#: How the other architectures' lines say what the exception is.
_SAYS_WHAT = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        # powerpc: "Oops: Unrecoverable VSX Unavailable Exception, sig: 6". Of a fault, which has
        # other words, the address says more.
        r"Oops: (?!Kernel access of bad area)(?P<what>[A-Z][\w ]{2,60}), sig: \d{1,2}$",
        # sparc: "init(58): Kernel illegal instruction", "init(58): Oops"
        r".{1,16}\(\d{1,10}\): (?P<what>Oops|Kernel [\w ]{3,40})$",
        # xtensa says "Illegal instruction in kernel: sig: 9"
        r"(?!Oops)(?P<what>[A-Z][\w -]{3,60}): sig: \d{1,2}$",
    )
)
#: arm64, of a check that is an instruction: "Internal error: UBSAN: shift out of bounds: 00f2"
_UBSAN = re.compile(r"Internal error: UBSAN: (?P<what>[a-z][a-z /-]{2,60})", re.ASCII)
#: arm, arm64: "Internal error: Oops - BUG: 0", "Internal error: undefined instruction: 0"
_INTERNAL = re.compile(
    r"Internal error: (?P<what>[A-Za-z][\w /-]*?|)(?::? [0-9a-f]{1,16})?$", re.ASCII
)
