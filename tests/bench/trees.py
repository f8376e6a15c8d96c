"""What is measured: records on a tmpfs, and mounts of them that can be started afresh."""

from __future__ import annotations

import os
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.bench.peers import ROOT
from tests.mount.programs import wake_ups
from tests.records import capture, plain_name

TEXT_SIZE = 17 << 10
_PER_FOLDER = 100
_POOL = 500
_WAIT = 60


def texts(count: int) -> list[bytes]:
    """Different texts of a real kernel's lines, each with a header line, 17 KiB long."""
    lines = [
        line
        for _, stored in sorted(capture("erst-deflate-6.1.192").ref.items())
        for line in stored.data.splitlines(keepends=True)[1:]
    ]
    made = []
    for number in range(count):
        size, position = 0, number * 7
        pieces = [b"Panic#1 Part%d\n" % (number % 10 + 1)]
        while size < TEXT_SIZE:
            pieces.append(lines[position % len(lines)])
            size += len(pieces[-1])
            position += 1
        text = b"".join(pieces)[: TEXT_SIZE - 1]
        made.append(text + b"\n")
    return made


def deflated(text: bytes) -> bytes:
    """As a kernel compresses it: raw deflate, a window of 4 KiB, level 6."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -12)
    return compressor.compress(text) + compressor.flush()


class Records:
    """So many records below a folder, and the same as texts: what the mirror shows, natively."""

    def __init__(self, place: Path, count: int, *, folders: bool = False) -> None:
        self.stored, self.plain, self.count = place / "stored", place / "plain", count
        pool = texts(min(count, _POOL))
        packed = [deflated(text) for text in pool]
        for number in range(count):
            # Ten parts of a dump each, as ERST numbers them.
            name = f"dmesg-erst-{((1_600_000_000 + number // 10 * 1000) << 32) + number % 10 + 1}"
            folder = f"d{number // _PER_FOLDER:04}" if folders else "."
            if number % _PER_FOLDER == 0 or number == 0:
                (self.stored / folder).mkdir(parents=True, exist_ok=True)
                (self.plain / folder).mkdir(parents=True, exist_ok=True)
            (self.stored / folder / f"{name}.enc.z").write_bytes(packed[number % len(pool)])
            (self.plain / folder / name).write_bytes(pool[number % len(pool)])

    def files(self, root: Path) -> list[str]:
        """The paths of all texts, below another root."""
        found = []
        for folder, _, names in os.walk(self.plain):
            inside = os.path.relpath(folder, self.plain)
            found += [os.path.normpath(os.path.join(root, inside, name)) for name in names]
        return sorted(found)


def slow_records(place: Path, count: int) -> Path:
    """Records in 842, whose decoder is Python; and a folder with one plain file beside them."""
    (place / "many").mkdir(parents=True)
    (place / "other").mkdir()
    (place / "other" / "file").write_bytes(b"text\n")
    found = [f for n, f in sorted(capture("erst-842-6.1.192").enc.items()) if n.endswith(".enc.z")]
    for number in range(count):
        name = plain_name(f"dmesg-erst-{(1_700_000_000 << 32) + number + 1}")
        (place / "many" / f"{name}.enc.z").write_bytes(found[number % len(found)].data)
    return place


class Tree:
    """A directory to measure: a plain one, or one that a command mounts."""

    def __init__(self, name: str, source: Path, command: list[str] | None, place: Path) -> None:
        self.name, self.source, self._command = name, source, command
        self.point = place / f"mnt-{name}" if command else source
        self.point.mkdir(exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = place / f"{name}.log"

    def start(self) -> float:
        """Mount afresh. The seconds from the start of the program until the mount answers."""
        self.stop()
        if self._command is None:
            return 0.0
        words = {"{source}": str(self.source), "{point}": str(self.point)}
        command = [words.get(word, word) for word in self._command]
        outside = os.stat(self.point).st_dev
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.log.open("wb") as log:
            begin = time.perf_counter()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        while os.stat(self.point).st_dev == outside:
            if self.process.poll() is not None or time.perf_counter() > begin + _WAIT:
                raise RuntimeError(f"{self.name}: {self.log.read_text()}")
            time.sleep(0.0005)
        return time.perf_counter() - begin

    def _unmounted(self) -> bool:
        words = ["umount", str(self.point)]
        return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 0

    def stop(self) -> None:
        """Unmount; the program ends by itself."""
        if self.process is None:
            return
        for _ in range(100):
            if self._unmounted():
                break
            time.sleep(0.05)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def memory(self) -> float:
        """The program's PSS in KiB."""
        assert self.process is not None
        return memory_of(self.process.pid, "Pss")

    def wake_ups(self) -> dict[str, int]:
        """How often each of the program's threads was given a CPU, so far."""
        assert self.process is not None
        return wake_ups(self.process.pid)


def memory_of(process: int, what: str) -> float:
    """A figure of /proc/PID/smaps_rollup, in KiB."""
    words = Path(f"/proc/{process}/smaps_rollup").read_text().split()
    return float(words[words.index(f"{what}:") + 1])


def command(program: Callable[[], list[str]], *arguments: str) -> list[str]:
    """A program with its arguments; {source} and {point} are filled in by `Tree`."""
    return [*program(), *arguments]
