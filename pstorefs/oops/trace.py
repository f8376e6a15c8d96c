"""The body of a report: its registers, caller, call trace, and whose they are (tasks.py).

The forms of the lines are those of show_regs(), dump_stack() and print_modules(): trace_forms.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.oops.frames import Frame, Location, frame_of, is_beyond, location_of
from pstorefs.oops.lines import Line, clean
from pstorefs.oops.starts import BLANKS, by_first
from pstorefs.oops.tasks import ABOUT_TASKS, MODULES_MAX, Task, Tasks, names_task, read_modules
from pstorefs.oops.trace_forms import (
    BARE,
    BRACED,
    CALLER,
    DECODED,
    FRAME,
    FROM,
    HEADERS,
    HISTORY,
    INTERRUPT,
    INTERRUPTS,
    MARK,
    NAMED,
    PLAIN,
    POINTER,
    REGISTERS,
    SYMBOLISED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Frames beyond which a report's are not listed.
FRAMES_MAX = 256


#: The next place is that of another time: on 32-bit arm no header of a trace comes after it.
ASIDE = "Preemption disabled at:"

#: What a line begins with that says anything; `_says_nothing` knows what else it may have.
_TELLING = by_first(
    (
        *(*BLANKS, *HEADERS, *HISTORY, *REGISTERS, *ABOUT_TASKS),
        *("<", "{", "Hardware name: ", "Modules linked in:", ASIDE),
    )
)


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
    #: The pointer comes after the first frames: it is where an exception came, and they go on.
    inside: bool = False
    #: The text breaks off before the trace came to the kernel's entry.
    cut: bool = False


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
        self._inside = False
        self._frames: list[Frame] = []
        self._places: list[tuple[str, str | None]] = []
        self._modules: tuple[str, ...] = ()
        self._listing_modules = False
        self._stack = ""
        self._interrupts = False  # the trace began on the stack of an interrupt
        self._traces = 0
        self._history = False
        self._aside = False

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
            self._inside,
        )

    def take(self, text: str) -> None:
        if self._listing_modules and self._take_more_modules(text):
            return
        if _says_nothing(text):
            return
        if text.startswith(HEADERS) or text.endswith("Call Trace:"):  # after a dump of the stack
            self._begin_trace(text)
        elif text.startswith(HISTORY) or text.endswith("registered at:"):
            # One header said twice, or two of the past; SLUB shows it before the trace.
            self._traces += bool(self._frames) and not self._history
            self._history = True
        elif text.startswith(ASIDE):
            self._aside = True
        elif "+0x" in text or text.lstrip().startswith(REGISTERS) or ">{" in text:
            self._take_code(text)
        elif text.startswith((" <", "<")):
            self._take_mark(text)
        elif text.startswith("Hardware name: ") and self._hardware is None:
            self._hardware = clean(text[15:])
        elif text.startswith("Modules linked in:") and not self._modules:
            self._modules = read_modules(text[18:])
            self._listing_modules = True
        elif not self._history and not self._take_decoded(text):
            self._tasks.take(text)

    def _begin_trace(self, text: str) -> None:
        if self._traces == 1 and not self._frames:  # a header before the header of the same trace
            self._traces = 0
        if self._traces == 0:  # what came before is the history of a lock
            self._frames.clear()
            self._places[:] = self._places[:1] if self._pointer is not None else []
        self._traces += 1
        self._history = self._aside = False
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
        found = MARK.match(text)
        if found is None:
            return
        closing = text.lstrip().startswith("</")
        stack = found["stack"]
        self._interrupts = self._interrupts or stack in INTERRUPTS
        # <EOI> and <EOE> end the innermost stack, as </IRQ> does.
        self._stack = "" if closing or stack in ("EOI", "EOE") else stack

    def _take_code(self, text: str) -> None:
        found = POINTER.match(text)
        if found is not None:
            self._take_pointer(text[found.end() :])
            return
        found = CALLER.match(text)
        if found is not None:
            self._take_caller(text[found.end() :])
            return
        if " <" in text:  # older kernels have the mark and the frame in one line
            self._take_mark(text)
            mark = MARK.match(text)
            if mark is not None:
                text = text[mark.end() :]
        if ">{" in text:
            for each in BRACED.finditer(text):
                where = location_of(each)
                self._add_frame(
                    Frame(each["function"], where.offset, None, where.module, True, self._stack)
                )
            return
        found = FROM.match(text) if " from " in text else None
        if found is not None:
            self._take_from(found)
            return
        found = FRAME.match(text) or INTERRUPT.match(text)
        if found is not None:
            self._add_frame(frame_of(found, self._stack))

    def _take_decoded(self, text: str) -> bool:
        found = FROM.match(text) if " from " in text else None
        if found is not None:
            self._take_from(found)
            return True
        found = DECODED.match(text) if ":" in text else None
        if found is None and self._traces:
            found = NAMED.match(text)
        if found is not None:
            self._add_frame(frame_of(found, self._stack))
        return found is not None

    def _take_from(self, found: re.Match[str]) -> None:
        """One line of arm's traces: the caller is a frame, the callee was the one before."""
        self._aside = False
        callee = found["callee"]
        if not self._frames or self._frames[-1].function != callee:
            self._add_frame(Frame(callee, None, None, found["callee_module"], True, self._stack))
        if found["decoded"] is not None:
            self._add_frame(Frame(found["decoded"], None, None, None, True, self._stack))
        elif found["function"] is not None:
            self._add_frame(frame_of(found, self._stack))

    def _add_frame(self, frame: Frame) -> None:
        if self._history or self._aside or len(self._places) >= FRAMES_MAX:
            self._aside = False
            return
        if frame.reliable:
            self._places.append((frame.function, frame.module))
        if self._traces <= 1 and len(self._frames) < FRAMES_MAX:
            self._frames.append(frame)

    def _take_pointer(self, rest: str) -> None:
        if rest.endswith("[inline]"):  # decode_stacktrace.sh: the real function follows
            return
        found = PLAIN.match(rest) or SYMBOLISED.match(rest) or BRACED.match(rest)
        if found is None or is_beyond(found):
            # After a trace has begun, a bare address is that of a program.
            bare = self._traces == 0 and (found is not None or BARE.match(rest))
            if self._pointer is None and bare:
                self._pointer = Location(None, None, None, None)
            return
        where = location_of(found)
        if self._pointer is None:
            self._pointer = where
            # Within an interrupt's own stack it is that of an exception there.
            over = self._stack not in ("IRQ", "HARDIRQ", "SOFTIRQ")
            self._inside = bool(self._frames)
            self._interrupted = self._interrupts and over and self._inside
        if where.function is not None and not self._history and len(self._places) < FRAMES_MAX:
            self._places.append((where.function, where.module))

    def _take_caller(self, rest: str) -> None:
        if rest.endswith("[inline]"):
            return
        found = PLAIN.match(rest) or SYMBOLISED.match(rest)
        # Only that of the first registers: further ones are those of other contexts.
        if self._caller is None and found is not None and not is_beyond(found) and not self._traces:
            self._caller = location_of(found)


def _says_nothing(text: str) -> bool:
    """Whether a line has nothing that is looked for: most lines between those of a report."""
    telling = text.startswith(_TELLING.get(text[:1], ())) or "+0x" in text or ">{" in text
    decoded = (" (" in text and ":" in text) or text.endswith("Call Trace:") or text[:1] == "["
    return not (telling or decoded or names_task(text))
