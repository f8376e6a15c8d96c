"""The body of a report: its CPU line, instruction pointer, call trace and modules.

The forms are those of show_regs(), dump_stack() and print_modules() in x86-64 and arm64 kernels,
old and new; the instruction pointers of some further architectures are recognised as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.oops.lines import Line, clean
from pstorefs.oops.report_kinds import SYMBOL

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Frames and modules beyond which a report's are not listed.
FRAMES_MAX = 256
MODULES_MAX = 1024

_WHERE = (
    rf"(?P<function>{SYMBOL})\+0x(?P<offset>[0-9a-f]{{1,16}})/0x(?P<size>[0-9a-f]{{1,16}})"
    r"(?: +\[(?P<module>[\w-]{1,64})[^\]]{0,64}\])?"
)
_FRAME = re.compile(
    r"\s*(?:\(\[<[0-9a-f]{8,16}>\]\) *)?(?:\[<[0-9a-f]{8,16}>\] *)?(?:\[[0-9a-f]{8,16}\] *)?"
    r"(?P<unsure>\? ?)?\(?" + _WHERE + r"(?![\w+])",
    re.ASCII,
)
#: arm: "[<80776938>] (schedule) from [<8014ac8c>] (io_schedule+0x20/0x40)", each frame named
#: once as the callee; "schedule from io_schedule+0x20/0x40" since 5.17.
_ARM_FRAME = re.compile(
    rf"\s*(?:\[<[0-9a-f]{{8}}>\] \()?(?P<function>{SYMBOL})"
    r"(?: \[(?P<module>[\w-]{1,64})\])?\)? from ",
    re.ASCII,
)
#: After these the traces are those of other times and tasks.
_HISTORY = (
    "Allocated by",
    "Freed by",
    "Last potentially",
    "Uninit was",
    "Local variable",
    "Showing all locks",
    "Second to last",
)
_MARK = re.compile(r"\s*</?(?P<stack>[A-Z#][A-Z0-9_ -]{1,15})>")
_POINTER = re.compile(
    r"(?:RIP: (?:0010|e030|0000|0008):(?! *\[<|[0-9a-f]{16}$)|"
    r"RIP: (?:0010|e030|0000):?(?:\[<[0-9a-f]{8,16}>\])? *\[<[0-9a-f]{8,16}>\] *|"
    r"RIP: (?=[A-Za-z_])|RIP +\[<[0-9a-f]{8,16}>\] *|EIP: (?=[A-Za-z_])|EIP is at |"
    r"pc : (?:\[<[0-9a-f]{8,16}>\] *)?|PC is at |epc : |epc +: [0-9a-f]{8,16} |"
    r"NIP \[[0-9a-f]{8,16}\] |Krnl PSW : [0-9a-f]{16} [0-9a-f]{16} \()",
    re.ASCII,
)
_BARE = re.compile(r"(?:0x)?(?P<address>[0-9a-f]{1,16})(?![\w+])", re.ASCII)
_PLAIN = re.compile(_WHERE, re.ASCII)
_SYMBOLISED = re.compile(rf"(?P<function>{SYMBOL}) \S{{1,200}}:\d", re.ASCII)
_CPU_LINE = re.compile(
    r"(?:CPU: (?P<cpu>\d{1,6}) +)?(?:UID: \d{1,10} +)?[Pp](?:ID|id): (?P<pid>\d{1,10}),? +"
    r"[Cc]omm: ?(?P<rest>.*)",
    re.ASCII,
)
_VERSION = re.compile(
    r"(?P<release>[\w.+~-]{1,64}) (?P<build>#.{0,128})|(?P<only>\d[\w.+~-]{1,64})", re.ASCII
)
_TAINT = re.compile(r"[A-Z -]{1,64}(?= )", re.ASCII)
_MODULE = re.compile(r"[\w-]{1,64}", re.ASCII)
_BANNER = re.compile(r"Linux version (?P<release>[\w.+~-]{1,64}) ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the kernel's code. No function: a bare address, such as the 0 of a null call."""

    function: str | None
    offset: int | None  # bytes
    size: int | None  # bytes, of the function
    module: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a call trace."""

    function: str
    offset: int | None
    size: int | None
    module: str | None
    #: False: found on the stack (`?`), but the unwinder does not vouch for it.
    reliable: bool
    #: The stack it is on: "TASK", "IRQ", "NMI" and the like; empty where the kernel says nothing.
    stack: str


@dataclass(frozen=True, slots=True)
class Task:
    """What the line `CPU: 1 PID: 106 Comm: init Tainted: G      D   6.1.192 #1` says."""

    cpu: int | None
    pid: int
    comm: str
    #: The taint letters, "" if the kernel was not tainted, None if the line does not say.
    taint: str | None
    kernel: str | None
    build: str | None


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


def read(lines: Iterable[Line]) -> Body:
    """Return what the lines of one report say."""
    reader = _Reader()
    for line in lines:
        reader.take(line.text)
    return reader.body()


class _Reader:
    def __init__(self) -> None:
        self._task: Task | None = None
        self._hardware: str | None = None
        self._pointer: Location | None = None
        self._frames: list[Frame] = []
        self._places: list[tuple[str, str | None]] = []
        self._modules: tuple[str, ...] = ()
        self._stack = ""
        self._traces = 0

    def body(self) -> Body:
        return Body(
            self._task,
            self._hardware,
            self._pointer,
            tuple(self._frames),
            self._modules,
            tuple(self._places),
        )

    def take(self, text: str) -> None:
        if text.startswith(("Call Trace", "Call trace", "Backtrace")):
            if self._traces == 0:  # what came before is the history of a lock
                self._frames.clear()
                self._places.clear()
            self._traces += 1
            self._stack = ""
        elif text.startswith(_HISTORY):
            self._traces += 1
        elif "+0x" in text or " from " in text or text.startswith(("RIP", "pc :", "EIP")):
            self._take_code(text)
        elif text.startswith((" <", "<")):
            self._take_mark(text)
        elif self._task is None and "omm: " in text:
            self._task = read_task(text)
        elif text.startswith("Hardware name: ") and self._hardware is None:
            self._hardware = clean(text[15:])
        elif text.startswith("Modules linked in:") and not self._modules:
            self._modules = read_modules(text[18:])

    def _take_mark(self, text: str) -> None:
        found = _MARK.match(text)
        if found is None:
            return
        closing = text.lstrip().startswith("</")
        stack = found["stack"]
        # <EOI> and <EOE> end the innermost stack, as </IRQ> does.
        self._stack = "" if closing or stack in ("EOI", "EOE") else stack

    def _take_code(self, text: str) -> None:
        found = _POINTER.match(text)
        if found is not None:
            self._take_pointer(text[found.end() :])
            return
        if " <" in text:  # older kernels have the mark and the frame in one line
            self._take_mark(text)
            mark = _MARK.match(text)
            if mark is not None:
                text = text[mark.end() :]
        found = _FRAME.match(text)
        if found is None and self._traces:
            found = _ARM_FRAME.match(text)
        if found is None or len(self._places) >= FRAMES_MAX:
            return
        frame = _frame(found, self._stack)
        if frame.reliable:
            self._places.append((frame.function, frame.module))
        if self._traces <= 1 and len(self._frames) < FRAMES_MAX:
            self._frames.append(frame)

    def _take_pointer(self, rest: str) -> None:
        if rest.endswith("[inline]"):  # decode_stacktrace.sh: the real function follows
            return
        found = _PLAIN.match(rest) or _SYMBOLISED.match(rest)
        if found is None:
            if self._pointer is None and _BARE.match(rest):
                self._pointer = Location(None, None, None, None)
            return
        where = _location(found)
        if self._pointer is None:
            self._pointer = where
        if where.function is not None and len(self._places) < FRAMES_MAX:
            self._places.append((where.function, where.module))


def _location(found: re.Match[str]) -> Location:
    groups = found.groupdict()
    offset, size = groups.get("offset"), groups.get("size")
    return Location(
        groups["function"],
        int(offset, 16) if offset else None,
        int(size, 16) if size else None,
        groups.get("module"),
    )


def _frame(found: re.Match[str], stack: str) -> Frame:
    where = _location(found)
    reliable = not found.groupdict().get("unsure")
    return Frame(where.function or "", where.offset, where.size, where.module, reliable, stack)


def read_task(text: str) -> Task | None:
    """Return what a CPU line says, or None if the text is none."""
    found = _CPU_LINE.match(text)
    if found is None:
        return None
    comm, taint, version = _split_comm(found["rest"])
    release = _VERSION.match(version)
    cpu = found["cpu"]
    return Task(
        int(cpu) if cpu else None,
        int(found["pid"]),
        clean(comm, 64),
        taint,
        (release["release"] or release["only"]) if release else None,
        clean(release["build"]) if release and release["build"] else None,
    )


def _split_comm(rest: str) -> tuple[str, str | None, str]:
    """Split "init Tainted: G      D            6.1.192 #1" at the taint; a comm may have blanks."""
    at = rest.rfind(" Not tainted ")
    if at >= 0:
        return rest[:at], "", rest[at + 13 :].lstrip()
    at = rest.rfind(" Tainted: ")
    if at < 0:
        return rest, None, ""
    tail = rest[at + 10 :]
    letters = _TAINT.match(tail)
    if letters is None:
        return rest[:at], None, tail
    return rest[:at], re.sub(r"[^A-Z]", "", letters[0]), tail[letters.end() :].lstrip()


def read_modules(text: str) -> tuple[str, ...]:
    """Return the names in a line "Modules linked in: a(OE) b [last unloaded: c]"."""
    text = text.split("[", 1)[0]
    names = (word.split("(", 1)[0] for word in text.split())
    return tuple(name for name in names if _MODULE.fullmatch(name))[:MODULES_MAX]


def read_banner(lines: Iterable[Line]) -> tuple[str, str | None] | None:
    """Return release and build of the line "Linux version ...", if it stands in the text."""
    for line in lines:
        if line.text.startswith("Linux version "):
            found = _BANNER.match(line.text)
            if found is not None:
                at = line.text.rfind(" #")
                return found["release"], clean(line.text[at + 1 :]) if at >= 0 else None
    return None
