"""The body of a report: its registers, caller, call trace, and whose they are (tasks.py).

The forms are those of show_regs(), dump_stack() and print_modules() of x86 since 2.6, arm, arm64,
loongarch, m68k, mips, parisc, powerpc, riscv, s390 and sparc: one row for each form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.oops.frames import WHERE, Frame, Location, frame_of, is_beyond, location_of
from pstorefs.oops.lines import Line, clean
from pstorefs.oops.report_kinds import SYMBOL
from pstorefs.oops.starts import BLANKS, by_first
from pstorefs.oops.tasks import ABOUT_TASKS, MODULES_MAX, Task, Tasks, names_task, read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Frames beyond which a report's are not listed.
FRAMES_MAX = 256

_ADDRESS = r"\[<?(?:0x)?[0-9a-f]{8,16}>?\]"
#: " f+0x1/0x2 [mod]", after at most two addresses: "[<ip>] f", "([<ip>] f)" (s390, of a frame
#: whose return address was changed), "[sp] [ip] f (unreliable)" (powerpc); "? f" (x86).
_FRAME = re.compile(
    rf"\s*\(?(?:{_ADDRESS}\)? *){{0,2}}(?P<unsure>\? ?)?\(?{WHERE}(?![\w+])"
    r"\)?(?P<unreliable> \(unreliable\))?",
    re.ASCII,
)
#: arm: "[<80776938>] (schedule) from [<8014ac8c>] (io_schedule+0x20/0x40)", each function named
#: once as the callee and once as the caller; " schedule from io_schedule+0x20/0x40" since 5.17.
_FROM = re.compile(
    rf"\s*(?:{_ADDRESS} )?\(?(?P<callee>{SYMBOL})(?:\+0x[0-9a-f]{{1,16}}/0x[0-9a-f]{{1,16}})?"
    rf"(?: \[(?P<callee_module>[\w-]{{1,64}})\])?\)? from (?:{_ADDRESS} )?\(?"
    rf"(?:{WHERE}|0x[0-9a-f])",
    re.ASCII,
)
#: powerpc: where an interrupt or a fault came; before 5.13 without registers after it.
_INTERRUPT = re.compile(
    rf"--- (?:interrupt|Exception): [0-9a-f]{{1,5}} at {WHERE}(?![\w+])", re.ASCII
)
#: x86-64 before 2.6.19: "<ffffffff80134455>{do_softirq+49}", maybe several in one line; decimal.
_BRACED = re.compile(
    rf"<[0-9a-f]{{16}}>\{{(?::(?P<module>[\w-]{{1,64}}):)?(?P<function>{SYMBOL})\+(?P<offset>\d{{1,9}})\}}",
    re.ASCII,
)
#: What a trace begins with; frames may follow in the same line (m68k, old x86).
_HEADERS = ("Call Trace", "Call trace", "Backtrace", "Trace:", "Stack Trace:")
#: After these the traces are those of other times and tasks.
_HISTORY = (
    "Allocated by",
    "Freed by",
    "Last potentially",
    "Last Breaking-Event-Address",
    "Uninit was",
    "Local variable",
    "Showing all locks",
    "Second to last",
    "Instruction dump",
)
_MARK = re.compile(r"\s*</?(?P<stack>[A-Z#][A-Z0-9_ -]{1,15})>")
#: Stacks of what interrupts: what a processor did before is then not what the report is about.
_INTERRUPTS = ("IRQ", "NMI", "HARDIRQ", "SOFTIRQ", "#MC", "#DB")
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
    r"\[ERET +\]: ",  # arc
)
_POINTER = re.compile("|".join(_POINTERS), re.ASCII)
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
)
_CALLER = re.compile("|".join(_CALLERS), re.ASCII)
#: The words with which such lines begin.
_REGISTERS = (
    "RIP", "EIP", "IP:", "pc ", "PC", "epc", "NIP [", "Krnl PSW", "ERA:", "IAOQ[0]", "TPC:", "lr ",
    "LR ", "ra", "RP(r2)", "RPC:", "PR is", "[ERET", "[BLINK",
)  # fmt: skip
#: What a line begins with that says anything; `_says_nothing` knows what else it may have.
_TELLING = by_first(
    (
        *(*BLANKS, *_HEADERS, *_HISTORY, *_REGISTERS, *ABOUT_TASKS),
        *("<", "Hardware name: ", "Modules linked in:"),
    )
)
_BARE = re.compile(r"(?:0x)?(?P<address>[0-9a-f]{1,16})(?![\w+])", re.ASCII)
_PLAIN = re.compile(WHERE, re.ASCII)
_SYMBOLISED = re.compile(rf"(?P<function>{SYMBOL}) \S{{1,200}}:\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Body:
    """All of that for one report."""

    task: Task | None
    hardware: str | None
    pointer: Location | None
    frames: tuple[Frame, ...]
    modules: tuple[str, ...]
    #: Pointers and reliable frames in the order of the text, for reports about waiting.
    places: tuple[tuple[str, str | None], ...]
    #: All tasks that CPU lines name: the first one, and those of other CPUs.
    tasks: tuple[Task, ...] = ()
    #: Who called what the pointer points at, by the register that holds the return address.
    caller: Location | None = None
    #: The pointer is that of what an interrupt interrupted: not what the report is about.
    interrupted: bool = False


def read(lines: Iterable[Line]) -> Body:
    """Return what the lines of one report say."""
    reader = _Reader()
    for line in lines:
        reader.take(line.text)
    return reader.body()


class _Reader:
    def __init__(self) -> None:
        self._tasks = Tasks()
        self._hardware: str | None = None
        self._pointer: Location | None = None
        self._caller: Location | None = None
        self._interrupted = False
        self._frames: list[Frame] = []
        self._places: list[tuple[str, str | None]] = []
        self._modules: tuple[str, ...] = ()
        self._listing_modules = False
        self._stack = ""
        self._interrupts = False  # the trace began on the stack of an interrupt
        self._traces = 0
        self._history = False

    def body(self) -> Body:
        return Body(
            self._tasks.found[0] if self._tasks.found else None,
            self._hardware,
            self._pointer,
            tuple(self._frames),
            self._modules,
            tuple(self._places),
            tuple(self._tasks.found),
            self._caller,
            self._interrupted,
        )

    def take(self, text: str) -> None:
        if self._listing_modules and self._take_more_modules(text):
            return
        if _says_nothing(text):
            return
        if text.startswith(_HEADERS):
            self._begin_trace(text)
        elif text.startswith(_HISTORY):
            self._traces += 1
            self._history = True
        elif "+0x" in text or text.lstrip().startswith(_REGISTERS) or ">{" in text:
            self._take_code(text)
        elif text.startswith((" <", "<")):
            self._take_mark(text)
        elif text.startswith("Hardware name: ") and self._hardware is None:
            self._hardware = clean(text[15:])
        elif text.startswith("Modules linked in:") and not self._modules:
            self._modules = read_modules(text[18:])
            self._listing_modules = True
        elif not self._history:
            self._tasks.take(text)

    def _begin_trace(self, text: str) -> None:
        if self._traces == 0:  # what came before is the history of a lock
            self._frames.clear()
            self._places[:] = self._places[:1] if self._pointer is not None else []
        self._traces += 1
        self._history = False
        self._stack = ""
        if "+0x" in text or ">{" in text:
            self._take_code(text.partition(":")[2])

    def _take_more_modules(self, text: str) -> bool:
        """The kernel breaks a long list of modules into lines, the further ones indented."""
        if not text.startswith(" ") or "+0x" in text or " : " in text:
            # A line of another CPU may stand in between: two lists are told apart by their head.
            self._listing_modules = not text.startswith(("CPU: ", "Pid: ", "Call "))
            return False
        more = read_modules(text)
        if len(more) != len(text.split("[", 1)[0].split()):
            return False
        self._modules = (*self._modules, *more)[:MODULES_MAX]
        return True

    def _take_mark(self, text: str) -> None:
        found = _MARK.match(text)
        if found is None:
            return
        closing = text.lstrip().startswith("</")
        stack = found["stack"]
        self._interrupts = self._interrupts or stack in _INTERRUPTS
        # <EOI> and <EOE> end the innermost stack, as </IRQ> does.
        self._stack = "" if closing or stack in ("EOI", "EOE") else stack

    def _take_code(self, text: str) -> None:
        found = _POINTER.match(text)
        if found is not None:
            self._take_pointer(text[found.end() :])
            return
        found = _CALLER.match(text)
        if found is not None:
            self._take_caller(text[found.end() :])
            return
        if " <" in text:  # older kernels have the mark and the frame in one line
            self._take_mark(text)
            mark = _MARK.match(text)
            if mark is not None:
                text = text[mark.end() :]
        if ">{" in text:
            for each in _BRACED.finditer(text):
                where = location_of(each)
                self._add_frame(
                    Frame(each["function"], where.offset, None, where.module, True, self._stack)
                )
            return
        found = _FROM.match(text) if " from " in text else None
        if found is not None:
            self._take_from(found)
            return
        found = _FRAME.match(text) or _INTERRUPT.match(text)
        if found is not None:
            self._add_frame(frame_of(found, self._stack))

    def _take_from(self, found: re.Match[str]) -> None:
        """One line of arm's traces: the caller is a frame, the callee was the one before."""
        callee = found["callee"]
        if not self._frames or self._frames[-1].function != callee:
            self._add_frame(Frame(callee, None, None, found["callee_module"], True, self._stack))
        if found["function"] is not None:
            self._add_frame(frame_of(found, self._stack))

    def _add_frame(self, frame: Frame) -> None:
        if self._history or len(self._places) >= FRAMES_MAX:
            return
        if frame.reliable:
            self._places.append((frame.function, frame.module))
        if self._traces <= 1 and len(self._frames) < FRAMES_MAX:
            self._frames.append(frame)

    def _take_pointer(self, rest: str) -> None:
        if rest.endswith("[inline]"):  # decode_stacktrace.sh: the real function follows
            return
        found = _PLAIN.match(rest) or _SYMBOLISED.match(rest) or _BRACED.match(rest)
        if found is None or is_beyond(found):
            # After a trace has begun, a bare address is that of a program.
            bare = self._traces == 0 and (found is not None or _BARE.match(rest))
            if self._pointer is None and bare:
                self._pointer = Location(None, None, None, None)
            return
        where = location_of(found)
        if self._pointer is None:
            self._pointer = where
            self._interrupted = self._interrupts and bool(self._frames)
        if where.function is not None and not self._history and len(self._places) < FRAMES_MAX:
            self._places.append((where.function, where.module))

    def _take_caller(self, rest: str) -> None:
        found = _PLAIN.match(rest)
        # Only that of the first registers: further ones are those of other contexts.
        if self._caller is None and found is not None and not is_beyond(found) and not self._traces:
            self._caller = location_of(found)


def _says_nothing(text: str) -> bool:
    """Whether a line has nothing that is looked for: most lines between those of a report."""
    telling = text.startswith(_TELLING.get(text[:1], ())) or "+0x" in text or ">{" in text
    return not (telling or names_task(text))
