"""How the lines of a report begin, by architecture: what belongs to it, and where its body starts.

The words are those of show_regs(), dump_stack(), die() and their like in 2.6 to 7.x. A line counts
only within a report that has begun; of a text that begins inside one, `REGISTERS` are the proof.
"""

from __future__ import annotations

import re

from pstorefs.oops.starts import BLANKS, by_first
from pstorefs.oops.trace_forms import FROM

#: The lines by which the body of a report shows itself.
_BODY = (
    # all
    "CPU: ", "Pid: ", "PID: ", "Call Trace", "Call trace", "Backtrace", "Modules linked in",
    "Hardware name", "task:", "NMI backtrace", "Stack:", "Stack : ", "Code: ", "Code:",
    "stack backtrace", "Process ", "Kdump:",
    # x86
    "RIP", "EIP", "RSP: ", "ESP: ",
    # arm, arm64
    "PC is at", "LR is at", "pc : ", "lr : ", "x29: ", "pstate: ", "Exception stack(",
    # riscv, mips, loongarch
    "epc ", "epc:", "Cause :", "Status: ", "status: ",
    # powerpc
    "NIP", "REGS: ", "GPR00: ", "LR [",
    # s390
    "Krnl PSW", "Krnl GPRS",
)  # fmt: skip
#: The same for lines that are indented: loongarch, parisc, m68k, sparc, riscv.
_BODY_INDENTED = ("ERA: ", "IAOQ[", "IASQ[", "PC: [<", "TPC: <", "TSTATE: ", "ra : ", "ra: ")

#: Further lines that belong to a report wherever they are in it.
_PART = (
    # all: what is indented, in parentheses or unsure is part of a trace or of a dump of memory
    " ", "\t", "(", "?", "[<", "Tainted", "Workqueue", "Oops", "Internal error", "note: ",
    "Kernel Offset", "Dumping ftrace", "---[", "Disabling lock debugging", "Fixing recursive",
    "Last sysfs", "last sysfs file", "Rebooting in", "SMP: stopping", "SMP: failed to stop",
    # sanitizers, lockdep, slab, hung tasks
    "KASAN: ", "Read of", "Write of", "Free of", "Allocated by", "Freed by", "Memory state",
    "The buggy", "which belongs", "The faulty", "flags: ", "raw: ", "Last potentially",
    "Uninit was", "Local variable", "Bytes ", "swapper", "page ", "page:", "owner", "other info",
    "1 lock", "the existing", "-> #", "but task", "and this task", "this task", "hardirqs",
    "softirqs", "irq event", "unreferenced", "comm ", "INFO: lockdep", "preempt_count",
    "in_atomic",
    # x86
    "#PF", "PGD ", "*pd", "*pg", "*pm", "*pu", "IP: ", "PKRU", "ORIG_RAX", "FS: ", "GS: ",
    "stack segment", "DR", "Unable to access opcode",
    # arm, arm64
    "8<--- cut here", "Mem abort", "Data abort", "sp : ", "user pgtable", "swapper pgtable",
    "PHYS_OFFSET", "CPU features", "Memory Limit", "Flags: ", "Control: ", "Register ",
    "Function entered at", "Task stack: ", "IRQ stack: ", "Overflow stack: ", "Exception stack: ",
    "ESR: ", "FAR: ", "pmr_save", "xPSR: ", "Current ",
    # powerpc
    "Faulting instruction address", "LE PAGE_SIZE", "BE PAGE_SIZE", "SMP NR_CPUS", "PREEMPT SMP",
    "MSR: ", "CFAR: ", "DAR: ", "GPR", "IRQMASK: ", "--- interrupt", "--- Exception",
    "Instruction dump", "XXXXXXXX ", "TASK = ", "Last syscall", "SRR", "CTR: ", "LR: ", "LR = ",
    "CR: ", "XER: ",
    # s390
    "Failing address: ", "Fault in ", "AS:", "Krnl Code", "Last Breaking-Event-Address",
    "User PSW", "User process fault",
    # mips, loongarch, riscv
    "$ ", "Hi    :", "Lo    :", "Hi  ", "Lo  ", "BadVA", "PrId", "Acx", "CRMD: ", "PRMD: ",
    "EUEN: ", "ECFG: ", "ESTAT: ", "BADV: ", "PRID: ", "badaddr", "tp ", "gp : ",
    # parisc
    "PSW: ", "r00", "r04", "r08", "r12", "r16", "r20", "r24", "r28", "sr0", "sr4", "ORIG_R28",
    "IIR: ", "RP(r2)", "IR: ", "GR",
    # m68k, sparc
    "SR: ", "d0: ", "d4: ", "Frame format", "wb ", "push data", "Stack from", "g0: ", "g4: ",
    "o0: ", "o4: ", "l0: ", "l4: ", "i0: ", "i4: ", "RPC: <", "I7: <", "Caller[", "tsk->",
)  # fmt: skip
_PART_PATTERN = re.compile(
    r"(?:[RE]?(?:[ABCDS][XPI]|FLAGS)?: ?|[RE][A-Z0-9]{1,2}: |R\d\d?: |[CDEFGS]S: |CR[0-9]|"
    r"[2-9]\d? locks|x\d\d?: |[ar]\d\d? ?: |[0-9a-f]{4,16}: |[0-9a-f]{8} [0-9a-f]{8}|"
    r"[A-Za-z_][\w.]{0,80} \([^\s():]{1,200}:[\d?]|"  # a frame, after decode_stacktrace.sh
    r"\[[0-9a-f]{8,16}\])",
    re.ASCII,
)
_PGTABLE = re.compile(r".{1,64} pgtable: ")

#: Where the processor was: the proof that a text whose beginning is lost begins inside a report.
REGISTERS = (
    "RIP: 0010:", "RIP: e030:", "RIP: 0000:", "RIP  [<", "EIP is at", "EIP: ", "PC is at", "pc : ",
    "epc", "NIP [", "Krnl PSW", "ERA: ", "IAOQ[0]", "PC: [<", "TPC: <",
)  # fmt: skip
_FRAME = re.compile(
    r"(?:\s+|\s*\[<[0-9a-f]{8,16}>\] )(?:\? )?[A-Za-z_][\w.$]*\+0x[0-9a-f]{1,16}/", re.ASCII
)
_TRACES = ("Call Trace", "Call trace", "Backtrace", "Trace:")

#: What other processors print as they are stopped, arm and arm64: theirs is not the crash.
_STOPPING = re.compile(r"CPU ?\d{1,5}: stopping$", re.ASCII)
#: The processor that panicked goes on with one of these.
_TAIL = (
    "Kernel Offset", "PHYS_OFFSET", "CPU features", "Memory Limit", "Rebooting in", "SMP: ",
    "---[ end Kernel panic",
)  # fmt: skip

#: What lines begin with about which a function below may say yes.
STARTS = (
    *BLANKS, *_BODY, *_BODY_INDENTED, *_PART, *REGISTERS, *_TRACES, *_TAIL, "CPU",
)  # fmt: skip
_BODY_BY_FIRST, _PART_BY_FIRST = by_first(_BODY), by_first(_PART)


def is_body(text: str) -> bool:
    """Whether the body of a report shows itself in this line."""
    if text.startswith(_BODY_BY_FIRST.get(text[:1], ())):
        return True
    return text.lstrip().startswith(_BODY_INDENTED)


def is_part(text: str) -> bool:
    """Whether a line looks like part of a report that has begun."""
    return text.startswith(_PART_BY_FIRST.get(text[:1], ())) or has_part_form(text)


def has_part_form(text: str) -> bool:
    """The same for what has a form instead of words to begin with."""
    if _PART_PATTERN.match(text) is not None:
        return True
    return " pgtable: " in text and _PGTABLE.match(text) is not None


def is_trace(text: str) -> bool:
    """Whether a call trace begins with this line, or this is a line of one without a header."""
    return text.startswith(_TRACES) or (" from " in text and FROM.match(text) is not None)


def is_frame(text: str) -> bool:
    """Whether this is a line of a call trace."""
    return "+0x" in text and _FRAME.match(text) is not None


def is_stopping(text: str) -> bool:
    """Whether another processor is stopped here, and prints what it did."""
    return text.startswith("CPU") and _STOPPING.match(text) is not None


def is_tail(text: str) -> bool:
    """Whether the processor that panicked goes on with this line."""
    return text.startswith(_TAIL)
