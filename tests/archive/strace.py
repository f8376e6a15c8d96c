"""System calls of a run of a program, counted, killed and failed by strace(1).

The program is the archive's engine, unless another is given.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: System calls that change something, or that decide when something may be changed, and pread64,
#: which reads records of the store.
CALLS = [
    *("openat", "mkdirat", "mkdir", "write", "pwrite64", "fchmod", "utimensat", "fadvise64"),
    *("fsync", "fdatasync", "renameat", "renameat2", "rename", "unlinkat", "unlink", "rmdir"),
    *("ftruncate", "flock", "linkat", "fallocate", "syncfs", "pread64"),
]
_CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)")
_COMMAND = [sys.executable, "-m", "tests.archive.drive"]
_ROOT = Path(__file__).parents[2]
# The same calls in the same order in each run.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Point:
    """The n-th call of one system call in a run."""

    call: str
    number: int
    arguments: str = ""

    def __str__(self) -> str:
        return f"{self.call}:{self.number}"


def points(source: Path, archive: Path, *names: str) -> list[Point]:
    """All calls of an undisturbed run of the engine that concern the archive or the store."""
    return points_of(_command(source, archive, *names), archive.parent / "trace", CALLS)


def inject(
    point: Point, fault: str, source: Path, archive: Path, *names: str
) -> subprocess.CompletedProcess[str]:
    """A run of the engine in which one call is met by a fault in strace's language."""
    return inject_into(_command(source, archive, *names), point, fault)


def points_of(command: Sequence[str], trace: Path, calls: Sequence[str]) -> list[Point]:
    """Those of an undisturbed run of any program; `trace`: a file for strace."""
    _strace([f"-etrace={','.join(calls)}", f"-o{trace}"], command)
    found = []
    counts: Counter[str] = Counter()
    for line in trace.read_text().splitlines():
        match = _CALL.match(line)
        if match is None or match[1] not in calls:
            continue
        counts[match[1]] += 1
        if match[1] == "openat" and "O_CREAT" not in match[2]:
            continue
        if match[1] == "pread64" and ", 0) = " not in match[2]:  # ld.so reads programs
            continue
        if match[1] == "write" and match[2].startswith(("1,", "2,")):
            continue
        found.append(Point(match[1], counts[match[1]], match[2]))
    return found


def inject_into(
    command: Sequence[str], point: Point, fault: str
) -> subprocess.CompletedProcess[str]:
    """A run of any program in which one call is met by a fault."""
    rule = f"{point.call}:{fault}:when={point.number}"
    return _strace([f"-etrace={point.call}", f"-einject={rule}", "-o/dev/null"], command)


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """An undisturbed run, with the same calls in the same order as all others."""
    return subprocess.run(
        command, cwd=_ROOT, env={**os.environ, **_ENVIRONMENT},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip


def killed(result: subprocess.CompletedProcess[str]) -> bool:
    return result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


def _command(source: Path, archive: Path, *names: str) -> list[str]:
    return [*_COMMAND, str(source), str(archive), *names]


def _strace(options: list[str], command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return run(["strace", "-f", "-qq", *options, *command])
