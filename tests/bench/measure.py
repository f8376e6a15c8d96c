"""How one figure is taken: workloads, rounds in turns, medians, and the noise."""

from __future__ import annotations

import os
import random
import re
import statistics
import subprocess
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.trees import Tree

# The pipes matter: tar skips all data for /dev/null, grep stops at the first match.
SHELL = {
    "find": "find . -type f -printf '%s\\n' >/dev/null",
    "ls": "ls -lR . >/dev/null",
    "cat": "find . -type f -exec cat {} + >/dev/null",
    "grep": "grep -rc -e BUG: . | cat >/dev/null",
    "tar": "tar cf - . | cat >/dev/null",
}
_READ = 1 << 17
# Requests that come once a listing or a mount, not once a file.
_LISTING = ("OPENDIR", "READDIR", "READDIRPLUS", "RELEASEDIR", "INIT", "STATFS", "FORGET",
            "BATCH_FORGET", "DESTROY", "INTERRUPT")  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A median, and its noise: half the distance of the quartiles, in parts of the median."""

    value: float
    noise: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """The figure of repeated measurements."""
        middle = statistics.median(values)
        if len(values) < 3 or not middle:
            return cls(middle)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, (high - low) / 2 / abs(middle))


class Samples:
    """Measurements by (what, whom); each round adds one of each, so that ratios pair up."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, what: str, whom: str, value: float) -> None:
        """One measurement."""
        self._values[what, whom].append(value)

    def figure(self, what: str, whom: str) -> Figure | None:
        """Its median; None if it was never measured."""
        values = self._values.get((what, whom))
        return Figure.of(values) if values else None

    def ratio(self, what: str, whom: str, against: str) -> Figure | None:
        """The median of the rounds' ratios."""
        mine, theirs = self._values.get((what, whom)), self._values.get((what, against))
        if not mine or not theirs:
            return None
        return Figure.of([a / b for a, b in zip(mine, theirs, strict=False)])


@contextmanager
def pinned(*, on: bool = True) -> Iterator[None]:
    """Put this process and all that it starts meanwhile on one CPU: far less noise."""
    before = os.sched_getaffinity(0)
    if on:
        os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seconds(call: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def shell(workload: str, path: Path) -> float:
    """Seconds of a workload of other people's tools."""
    command = SHELL[workload]
    return seconds(lambda: subprocess.run(["sh", "-c", command], cwd=path, check=True))


def stat_files(files: Sequence[str], calls: int = 10_000) -> float:
    """Seconds of a stat(2), known names in random order."""
    chosen = random.Random(1).choices(files, k=calls)
    stat = os.stat
    begin = time.perf_counter()
    for file in chosen:
        stat(file)
    return (time.perf_counter() - begin) / calls


def open_file(file: str, repeats: int) -> float:
    """The median of open, read, close; in seconds."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter_ns()
        descriptor = os.open(file, os.O_RDONLY)
        os.read(descriptor, _READ)
        os.close(descriptor)
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1e9


def decode_all(folder: Path) -> float:
    """Seconds of what a walk must do at least, in plain Python: read and decode every record."""
    begin = time.perf_counter()
    with os.scandir(folder) as entries:
        for entry in entries:
            descriptor = os.open(entry.path, os.O_RDONLY)
            data = os.read(descriptor, os.fstat(descriptor).st_size + 1)
            os.close(descriptor)
            len(zlib.decompressobj(-15).decompress(data))
    return time.perf_counter() - begin


def requests(tree: Tree, count: int) -> tuple[float, float, float]:
    """Requests per file that the kernel sends: in a walk, at the first read, at later reads.

    `tree` prints its requests to its log, as libfuse's debug option makes it.
    """

    def counted(*workloads: str) -> float:
        # Only the last one counts. Lines are flushed one by one.
        for workload in workloads[:-1]:
            shell(workload, tree.point)
        begin = tree.log.stat().st_size
        shell(workloads[-1], tree.point)
        time.sleep(0.1)
        with tree.log.open("rb") as log:
            log.seek(begin)
            found = Counter(re.findall(rb"opcode: (\w+)", log.read()))
        return sum(n for name, n in found.items() if name.decode() not in _LISTING) / count

    tree.start()
    return counted("find"), counted("cat"), counted("find", "cat")
