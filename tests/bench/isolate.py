"""python3 -m tests.bench.isolate: the price of decoding in a process of its own, over pipes.

For each format a real record of the corpus, decoded here and by a worker that does nothing else:
the CPU time of both sides, as others may use this CPU. And what the worker costs: its start to the
first answer, its share of memory (PSS). SECURITY.md says what was decided by that.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pstorefs.codecs import detect
from tests.bench.measure import pinned
from tests.bench.trees import memory_of
from tests.figures import record
from tests.records import capture

CAPTURES = ("erst-deflate-6.1.192", "erst-zstd-6.1.192", "erst-lz4-6.1.192")
ROUNDS = 200
_LENGTH = struct.Struct("<I")


def work() -> None:
    """The worker: a length and a record, answered by a length and a text, again and again."""
    while head := sys.stdin.buffer.read(_LENGTH.size):
        data = sys.stdin.buffer.read(_LENGTH.unpack(head)[0])
        text = detect.decode(data, header=True).text
        sys.stdout.buffer.write(_LENGTH.pack(len(text)) + text)
        sys.stdout.buffer.flush()


class Worker:
    """A process that decodes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tests.bench.isolate import work; work()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def decode(self, data: bytes) -> bytes:
        put, get = self.process.stdin, self.process.stdout
        assert put is not None
        assert get is not None
        put.write(_LENGTH.pack(len(data)) + data)
        put.flush()
        return get.read(_LENGTH.unpack(get.read(_LENGTH.size))[0])

    def seconds(self) -> float:
        """CPU time that it has used."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def end(self) -> None:
        self.process.communicate(timeout=10)


def spent(call: Callable[[], bytes], worker: Worker) -> float:
    """Seconds of CPU for one call, ours and the worker's."""
    began = time.process_time() + worker.seconds()
    for _ in range(ROUNDS):
        call()
    return (time.process_time() + worker.seconds() - began) / ROUNDS


def here(data: bytes) -> bytes:
    return detect.decode(data, header=True).text


def note(what: str, measured: str) -> None:
    record("privileges", f"decoding in a process of its own: {what}", measured)
    print(f"{what:45} {measured}")


def main() -> None:
    worker = Worker()
    record_of = {
        name: max((s.data for n, s in capture(name).enc.items() if n.endswith(".enc.z")), key=len)
        for name in CAPTURES
    }
    assert worker.decode(record_of[CAPTURES[0]])
    starts = []
    for _ in range(5):
        began = time.perf_counter()
        one = Worker()
        one.decode(record_of[CAPTURES[0]])
        starts.append(time.perf_counter() - began)
        one.end()
    for name, data in record_of.items():
        text = here(data)
        assert worker.decode(data) == text
        mine = spent(lambda record=data: here(record), worker)
        its = spent(lambda record=data: worker.decode(record), worker)
        note(
            f"{name}, {len(data)} to {len(text)} bytes",
            f"{mine * 1e6:.0f} us here, {its * 1e6:.0f} us there: {its / mine:.2f} times",
        )
    note("start of the worker to its first answer", f"{min(starts) * 1000:.0f} ms")
    note("its memory (PSS)", f"{memory_of(worker.process.pid, 'Pss') / 1024:.1f} MiB")
    worker.end()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    private = memory_of(child, "Private_Dirty")
    note("memory of its own of one that is forked, at once", f"{private / 1024:.1f} MiB")
    os.close(writer)
    os.close(reader)
    os.waitpid(child, 0)


if __name__ == "__main__":
    with pinned():  # on another CPU the worker would have to be woken for each record
        main()
