"""Mounts that are watched: how much memory they took, and how long somebody else had to wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.figures import record
from tests.mount.conftest import Mount, mount, reference, source
from tests.records import capture

__all__ = ["mount", "reference", "source"]

#: What a mount or a program may take at most, in MiB, whatever the records are.
MOST_MEMORY = 160
#: A file elsewhere in the mount is looked at and read within so many seconds, whatever goes on.
MOST_WAITING = 2.0

CALM = "dmesg-erst-7646229349632311297"


def put_calm_record(source: Path) -> bytes:
    """A real record among the others, and its text."""
    real = capture("erst-mixed-upgrade")
    file = source / f"{CALM}.enc.z"
    file.write_bytes(real.enc[file.name].data)
    return real.ref[CALM].data


def peak(process: int) -> float:
    """The most memory that a process ever had, in MiB."""
    return memory_of(process, "VmHWM") / 1024


def memory_of(process: int, what: str) -> int:
    """A figure of /proc/PID/status, in KiB: see proc(5)."""
    words = Path(f"/proc/{process}/status").read_text().split()
    return int(words[words.index(f"{what}:") + 1])


def waited(*processes: int) -> float:
    """How long their threads waited for a CPU that somebody else had, up to now, in seconds.

    /proc/PID/task/TID/schedstat, see Documentation/scheduler/sched-stats.rst; 0 without it.
    """
    nanoseconds = 0
    for process in processes:
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):  # a thread may end meanwhile
                nanoseconds += int((task / "schedstat").read_text().split()[1])
    return nanoseconds / 1e9


class Watch:
    """What was measured while a scene went on. Times in seconds, less what `waited` says.

    So they do not grow where others work on the same machine.
    """

    def __init__(self, *processes: int) -> None:
        self.processes = processes
        self.began = time.monotonic()
        self.waited = 0.0
        self._before = waited(*processes)
        self.longest = 0.0
        self.seconds = 0.0
        self.looks = 0

    def waits(self) -> float:
        """How long they waited for a CPU since this was asked last."""
        # What threads that have ended waited is no longer in the sum.
        before, self._before = self._before, waited(*self.processes)
        since = max(0.0, self._before - before)
        self.waited += since
        return since


@contextmanager
def elsewhere(one: Mount, file: Path, content: bytes) -> Iterator[Watch]:
    """Meanwhile somebody looks at another file again and again; it shows the same each time."""
    watch, over, wrong = Watch(one.process.pid, os.getpid()), threading.Event(), []

    def look() -> None:
        while not over.is_set():
            watch.waits()
            began = time.monotonic()
            try:
                os.stat(file)
                if file.read_bytes() != content:
                    wrong.append("other content")
            except OSError as error:
                wrong.append(str(error))
            took = time.monotonic() - began
            watch.longest = max(watch.longest, took - watch.waits())
            watch.looks += 1
            over.wait(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        took = time.monotonic() - watch.began
        over.set()
        thread.join()
        watch.waits()
        watch.seconds = max(0.0, took - watch.waited)
    assert not wrong, wrong[:3]
    assert watch.looks


def note(scene: str, one: Mount, watch: Watch, *, seconds: float, most: int = MOST_MEMORY) -> None:
    """Enter the figures of a scene, and hold them to the bounds.

    `seconds`: until all is answered, at most. `most`: MiB, where names themselves need them.
    """
    memory = peak(one.process.pid)
    within = memory <= most
    record("bounds", f"{scene}: peak memory", f"{memory:.0f} MiB", f"<= {most} MiB", within)
    in_time = watch.seconds <= seconds
    record(
        "bounds",
        f"{scene}: all of it answered",
        f"{watch.seconds:.1f} s",
        f"<= {seconds:.0f} s",
        in_time,
    )
    prompt = watch.longest <= MOST_WAITING
    record(
        "bounds",
        f"{scene}: a stat and a read elsewhere meanwhile",
        f"{watch.longest * 1000:.0f} ms at worst of {watch.looks}",
        f"<= {MOST_WAITING:.0f} s",
        prompt,
    )
    assert within, f"{memory:.0f} MiB"
    assert in_time, f"{watch.seconds:.1f} s"
    assert prompt, f"{watch.longest:.2f} s"


_MEASURE = (
    "import resource, subprocess, sys; run = subprocess.run(sys.argv[1:]);"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "words = used.ru_maxrss, used.ru_utime + used.ru_stime, run.returncode;"
    "print(*words, file=sys.stderr)"
)


def run_measured(
    *words: str, program: str = "pstorefs"
) -> tuple[subprocess.CompletedProcess[bytes], float, float]:
    """Run a program of ours: what it wrote, its peak memory in MiB, and its CPU time in seconds."""
    module = "pstorefs.cli.pstorecat" if program == "pstorecat" else "pstorefs"
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", module, *words]
    done = subprocess.run(command, capture_output=True, check=True)
    *errors, last, _ = done.stderr.split(b"\n")
    most, seconds, status = last.split()
    words_said = b"".join(line + b"\n" for line in errors)
    return (
        subprocess.CompletedProcess(command, int(status), done.stdout, words_said),
        int(most) / 1024,
        float(seconds),
    )


def note_program(scene: str, memory: float, seconds: float, most_seconds: float) -> None:
    """Enter the figures of a program that ran once, and hold them to the bounds."""
    within, in_time = memory <= MOST_MEMORY, seconds <= most_seconds
    record("bounds", f"{scene}: peak memory", f"{memory:.0f} MiB", f"<= {MOST_MEMORY} MiB", within)
    record("bounds", f"{scene}: CPU time", f"{seconds:.1f} s", f"<= {most_seconds:.0f} s", in_time)
    assert within, f"{memory:.0f} MiB"
    assert in_time, f"{seconds:.1f} s"


def read_everything(point: Path) -> dict[str, int | OSError]:
    """List, stat and read all of a mount as cp would: path to size read, or the error."""
    found: dict[str, int | OSError] = {}
    top = os.fsencode(point)
    for folder, _, files in os.walk(top, onerror=lambda error: found.update({str(error): error})):
        for name in files:
            path = os.path.join(folder, name)
            shown = os.fsdecode(os.path.relpath(path, top))
            try:
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    found[shown] = sum(map(len, iter(lambda: file.read(1 << 20), b"")))
                assert found[shown] == os.stat(path).st_size or shown == "control"
            except OSError as error:
                found[shown] = error
    return found
