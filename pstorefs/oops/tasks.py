"""Whose report it is: CPU, PID, name, taint and kernel; the modules; the kernel's banner.

The forms are those of dump_stack_print_info() since 3.11, and those before it, in which on some
architectures the task has a line of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.oops.lines import Line, clean

if TYPE_CHECKING:
    from collections.abc import Iterable

#: CPU lines of one report that are kept: machines with more processors hang at one of the first.
TASKS_MAX = 64
#: Modules beyond which a report's are not listed.
MODULES_MAX = 1024

_CPU_LINE = re.compile(
    r"(?:CPU: (?P<cpu>\d{1,6}) +)?(?:UID: \d{1,10} +)?[Pp](?:ID|id): (?P<pid>\d{1,10}),? +"
    r"[Cc]omm: ?(?P<rest>.*)",
    re.ASCII,
)
#: Kernels before 3.11 on arm, mips, s390 and sparc: the task has a line of its own.
_PROCESSES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"Process (?P<comm>.{1,64}?) \(pid: (?P<pid>\d{1,10})[,)]",
        r"TASK = \w{8,16}\[(?P<pid>\d{1,10})\] '(?P<comm>.{0,64}?)' THREAD: \w+",
        r"(?P<comm>\S{1,64})\((?P<pid>\d{1,10})\): Oops ",
    )
)
_CPU_ONLY = re.compile(
    r"(?:CPU|Cpu):? ?(?P<cpu>\d{1,6})(?P<rest> +(?:Not tainted|Tainted: ).*)?", re.ASCII
)
_CPUS, _TASKS = ("CPU", "Cpu "), ("Process ", "TASK = ")
#: What lines on a task begin with; `names_task` knows the others.
ABOUT_TASKS = (*_CPUS, *_TASKS)
_VERSION = re.compile(
    r"(?P<release>[\w.+~-]{1,64}) (?P<build>#.{0,128})|(?P<only>\d[\w.+~-]{1,64})", re.ASCII
)
_TAINT = re.compile(r"[A-Z -]{1,64}(?= )", re.ASCII)
_MODULE = re.compile(r"[\w-]{1,64}", re.ASCII)
_BANNER = re.compile(r"Linux version (?P<release>[\w.+~-]{1,64}) ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Task:
    """What the line `CPU: 1 PID: 106 Comm: init Tainted: G      D   6.1.192 #1` says."""

    cpu: int | None
    pid: int | None
    comm: str
    #: The taint letters, "" if the kernel was not tainted, None if the line does not say.
    taint: str | None
    kernel: str | None
    build: str | None


class Tasks:
    """The tasks that a report's lines name, in their order."""

    def __init__(self) -> None:
        self.found: list[Task] = []
        self._cpu_only: Task | None = None

    def take(self, text: str) -> None:
        """Look at one line."""
        if len(self.found) >= TASKS_MAX:
            return
        task = None
        if "omm: " in text:
            task = read_task(text)
        elif text.startswith(_CPUS):
            found = _CPU_ONLY.fullmatch(text)
            if found is not None:
                self._cpu_only = _task(found, None, found["rest"] or "")
        elif text.startswith(_TASKS) or "): Oops " in text:
            task = read_process(text, self._cpu_only)
        if task is not None and (not self.found or task.cpu is not None):
            self.found.append(task)


def names_task(text: str) -> bool:
    """Whether a line has what else may be on a task than one of `ABOUT_TASKS`."""
    return "omm: " in text or "): Oops " in text


def read_task(text: str) -> Task | None:
    """Return what a CPU line says, or None if the text is none."""
    found = _CPU_LINE.match(text)
    if found is None:
        return None
    return _task(found, int(found["pid"]), found["rest"])


def read_process(text: str, cpu: Task | None) -> Task | None:
    """Return what a line on the task alone says; `cpu` is the line on the CPU before it."""
    found = next(filter(None, (pattern.match(text) for pattern in _PROCESSES)), None)
    if found is None:
        return None
    return Task(
        cpu.cpu if cpu else None,
        int(found["pid"]),
        clean(found["comm"], 64),
        cpu.taint if cpu else None,
        cpu.kernel if cpu else None,
        cpu.build if cpu else None,
    )


def _task(found: re.Match[str], pid: int | None, rest: str) -> Task:
    comm, taint, version = _split_comm(rest)
    release = _VERSION.match(version.lstrip("("))
    cpu = found["cpu"]
    return Task(
        int(cpu) if cpu else None,
        pid,
        clean(comm.removesuffix(" Kdump: loaded"), 64),
        taint,
        (release["release"] or release["only"]) if release else None,
        clean(release["build"].rstrip(")")) if release and release["build"] else None,
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
