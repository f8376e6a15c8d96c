"""The forms of the lines that say where a processor was: registers, callers, frames of a trace.

Those of x86 since 2.6, arm, arm64, loongarch, m68k, mips, parisc, powerpc, riscv, s390 and sparc,
and what decode_stacktrace.sh makes of them. One row for each form; trace.py reads by them.
"""

from __future__ import annotations

import re

from pstorefs.oops.frames import HIDDEN, WHERE
from pstorefs.oops.report_kinds import FILE, SYMBOL

_ADDRESS = rf"\[<?(?:(?:0x)?[0-9a-f]{{8,16}}|{HIDDEN})>?\]"
#: " f+0x1/0x2 [mod]", after at most two addresses: "[<ip>] f", "([<ip>] f)" (s390, of a frame
#: whose return address was changed), "[sp] [ip] f (unreliable)" (powerpc), "[sp] ip f" (xmon);
#: "? f" (x86).
FRAME = re.compile(
    rf"\s*\(?(?:{_ADDRESS}\)? *){{0,2}}(?:[0-9a-f]{{16}} )?(?P<unsure>\? ?)?\(?{WHERE}(?![\w+])"
    r"\)?(?P<unreliable> \(unreliable\))?",
    re.ASCII,
)
#: arm: "[<80776938>] (schedule) from [<8014ac8c>] (io_schedule+0x20/0x40)", each function named
#: once as the callee and once as the caller; " schedule from io_schedule+0x20/0x40" since 5.17.
FROM = re.compile(
    rf"\s*(?:{_ADDRESS} )?\(?(?P<callee>{SYMBOL})(?:\+0x[0-9a-f]{{1,16}}/0x[0-9a-f]{{1,16}})?"
    rf"(?: \[(?P<callee_module>[\w-]{{1,64}})\])?\)? from (?:{_ADDRESS} )?\(?"
    rf"(?:{WHERE}|(?P<decoded>{SYMBOL}) \([^\s():]{{1,200}}:[\d?]|0x[0-9a-f])",
    re.ASCII,
)
#: powerpc: where an interrupt or a fault came; before 5.13 without registers after it.
INTERRUPT = re.compile(
    rf"--- (?:interrupt|Exception): [0-9a-f]{{1,5}} at {WHERE}(?![\w+])", re.ASCII
)
#: x86-64 before 2.6.19: "<ffffffff80134455>{do_softirq+49}", maybe several in one line; decimal.
BRACED = re.compile(
    rf"<[0-9a-f]{{16}}>\{{(?::(?P<module>[\w-]{{1,64}}):)?(?P<function>{SYMBOL})\+(?P<offset>\d{{1,9}})\}}",
    re.ASCII,
)
#: What a trace begins with; frames may follow in the same line (m68k, old x86).
#: Lockdep announces its own, after those of the past: on arm that is all there is before it.
HEADERS = (
    *("Call Trace", "Call trace", "Backtrace", "  backtrace", "Trace:", "Stack Trace:"),
    "stack backtrace:",
)
#: After these the traces are those of other times and tasks.
HISTORY = (
    "Allocated by",
    "Allocated in ",
    "Freed by",
    "Freed in ",
    "Last potentially",
    "Last Breaking-Event-Address",
    "Uninit was",
    "Local variable",
    "Showing all locks",
    "Second to last",
    "Instruction dump",
)
MARK = re.compile(r"\s*</?(?P<stack>[A-Z#][A-Z0-9_ -]{1,15})>")
#: Stacks of what interrupts: what a processor did before is then not what the report is about.
INTERRUPTS = ("IRQ", "NMI", "HARDIRQ", "SOFTIRQ", "#MC", "#DB")
#: What stands before the place in a line on the instruction pointer.
_POINTERS = (
    # x86-64, from 2.6 to now; Xen's selector is e030
    r"RIP: (?:0010|e030|0000|0008):(?! *\[<|[0-9a-f]{16}$)",
    r"RIP: (?:0010|e030|0000):?(?:\[<[0-9a-f]{8,16}>\])? *\[<[0-9a-f]{8,16}>\] *",
    r"RIP: (?:0010|e030):\[<[0-9a-f]{16}>\] *(?=<[0-9a-f]{16}>\{)",
    r"RIP: (?=[A-Za-z_])",
    r"RIP +\[<[0-9a-f]{8,16}>\] *",
    # i386
    r"EIP: (?:\[<[0-9a-f]{8}>\] ?)?(?=[A-Za-z_])",
    r"EIP is at ",
    r"IP: (?:\[<[0-9a-f]{8,16}>\] ?)?",
    r"pc : (?:\[<[0-9a-f]{8,16}>\] *)?",  # arm64
    r"PC is at ",  # arm, arm64 before 4.17, sh
    r"epc : ",  # riscv
    r"epc +: [0-9a-f]{8,16} ",  # mips
    r"NIP \[[0-9a-f]{8,16}\] ",  # powerpc
    r"Krnl PSW : [0-9a-f]{8,16} [0-9a-f]{8,16} ?\(",  # s390
    r" *ERA: [0-9a-f]{8,16} ",  # loongarch
    r" *IAOQ\[0\]: ",  # parisc
    r"PC: \[<[0-9a-f]{8}>\] ",  # m68k
    r"TPC: <",  # sparc
    r"pc is at ",  # alpha
    r"ip is at ",  # ia64
    r"\[ERET +\]: ",  # arc
    r" +pc: [0-9a-f]{8,16}: ",  # powerpc, xmon
)
POINTER = re.compile("|".join(_POINTERS), re.ASCII)
#: The same for the register that says who called: it tells more where the pointer is bare.
_CALLERS = (
    r"lr : (?:\[<[0-9a-f]{8,16}>\] *)?",  # arm64
    r"LR is at ",  # arm
    r"LR \[[0-9a-f]{8,16}\] ",  # powerpc
    r" *ra +: (?:[0-9a-f]{8,16} )?",  # riscv, mips
    r" *ra: [0-9a-f]{8,16} ",  # loongarch
    r" *RP\(r2\): ",  # parisc
    r"RPC: <",  # sparc
    r"PR is at ",  # sh
    r"ra is at ",  # alpha
    r"\[BLINK +\]: ",  # arc
    r" +lr: [0-9a-f]{8,16}: ",  # powerpc, xmon
)
CALLER = re.compile("|".join(_CALLERS), re.ASCII)
#: The words with which such lines begin, to their end: raw_sendmsg is no register.
REGISTERS = (
    "RIP:", "RIP ", "EIP", "IP:", "pc ", "pc:", "PC is", "PC:", "epc ", "NIP [", "Krnl PSW", "ERA:",
    "IAOQ[0]", "TPC:", "lr ", "lr:", "LR ", "ra ", "ra:", "RP(r2)", "RPC:", "PR is", "ip is",
    "[ERET", "[BLINK",
)  # fmt: skip
BARE = re.compile(r"(?:0x)?(?P<address>[0-9a-f]{1,16})(?![\w+])", re.ASCII)
PLAIN = re.compile(WHERE, re.ASCII)
SYMBOLISED = re.compile(rf"\.?(?P<function>{SYMBOL})(?: {FILE}|$)", re.ASCII)
#: A frame after decode_stacktrace.sh, "f (net/a.c:12 net/b.c:3 (discriminator 2)) module"; and in a
#: trace whose offsets somebody has cut off, "  f" and "  f [module]".
DECODED = re.compile(
    rf"\s{{0,64}}(?:{_ADDRESS} ){{0,2}}(?P<unsure>\? ?)?\.?(?P<function>{SYMBOL})"
    r" \([^\s():]{1,200}:[\d?][^\[\]]{0,800}\)(?: +\[?(?P<module>[\w-]{1,64})\]?)?$",
    re.ASCII,
)
NAMED = re.compile(
    rf"(?:\s{{1,64}}|(?=\[))(?:{_ADDRESS} ){{0,2}}(?P<unsure>\? ?)?(?P<function>{SYMBOL})"
    r"(?: \[(?P<module>[\w-]{1,64})\])?$",
    re.ASCII,
)
