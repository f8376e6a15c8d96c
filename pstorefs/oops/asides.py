"""Traces that a kernel prints although nothing is broken, in the middle of another one's report.

An allocation that fails, on purpose or not, says so with dump_stack(): whose it is, the machine, a
trace. One processor at a time may print such a trace, so that nothing of another one's trace
stands in it. With callers in the log these are another caller's lines; without, they are this.
"""

from __future__ import annotations

from pstorefs.oops.body_lines import is_frame
from pstorefs.oops.skip_functions import is_entry

#: What announces one: lib/fault-inject.c, mm/{page_alloc,vmalloc,oom_kill}.c.
_WORDS = (
    "FAULT_INJECTION: forcing a failure",
    ": page allocation failure: order:",
    ": vmalloc error: size ",
    ": vmalloc: allocation failure",
    " invoked oom-killer: ",
)
_WHOSE = ("CPU: ", "Pid: ")
#: Between whose it is and the trace; up to 4.9 a dump of the stack, too.
_MACHINE = ("Hardware name: ", " ffff", "Workqueue: ")
_HEADER = ("Call Trace:", "Call trace:")
_REGISTERS = (
    "RIP: 00", "RSP: ", "RAX: ", "RDX: ", "RBP: ", "R10: ", "R13: ", "Code: ", "FS: ", "CS: ",
    "ORIG_RAX: ", "CR2: ",
)  # fmt: skip
#: The same after a trace without marks: those of the program. The kernel's are another's.
_OF_PROGRAM = ("RIP: 0033:", "RIP: 0023:", "RSP: 002b:", *_REGISTERS[2:])
#: Lines of others in between, after which it does not go on.
_OTHERS_MAX = 8
#: What it has shown so far.
_OVER, _WORD, _TASK, _TRACE, _ENTRY, _PROGRAM = range(6)


class Aside:
    """The one that is being printed, if any."""

    def __init__(self) -> None:
        self._shown = _OVER
        self._marked = False  # since 5.13: the trace ends with "</TASK>"
        self._others = 0

    def takes(self, text: str) -> bool:
        """Whether the next line of the log belongs to it."""
        if any(word in text for word in _WORDS):
            self._shown, self._marked, self._others = _WORD, False, 0
            return True
        if self._shown == _OVER:
            return False
        if self._shown == _WORD or (self._shown == _TASK and not text.startswith(_WHOSE)):
            taken = self._takes_before_trace(text)
        else:
            taken = self._takes_of_trace(text)
        self._others += not taken
        if self._others > _OTHERS_MAX:
            self._shown = _OVER
        return taken

    def _takes_before_trace(self, text: str) -> bool:
        if self._shown == _WORD:
            taken = text.startswith(_WHOSE)
            self._shown = _TASK if taken else _WORD
            return taken
        if text.startswith(_HEADER):
            self._shown = _TRACE
            return True
        return text.startswith(_MACHINE)

    def _takes_of_trace(self, text: str) -> bool:
        if text.startswith((*_WHOSE, *_HEADER)):  # another's trace: the end of this one is lost
            self._shown = _OVER
            return False
        mark = text.strip()
        if mark.startswith("<") and mark.endswith(">") and (self._marked or self._shown == _TRACE):
            self._marked = True
            if mark == "</TASK>":
                self._shown = _OVER
            return True
        frame = is_frame(text)
        if self._marked and (frame or text.startswith(_REGISTERS)):
            return True
        if self._marked:
            return False
        if frame and self._shown != _PROGRAM:
            enters = is_entry(text.partition("+0x")[0].split()[-1])
            if enters or self._shown == _TRACE:
                self._shown = _ENTRY if enters else _TRACE
                return True
        elif self._shown != _TRACE and text.startswith(_OF_PROGRAM):
            self._shown = _PROGRAM
            return True
        self._shown = _OVER
        return False
