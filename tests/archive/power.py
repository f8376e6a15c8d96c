"""A power cut at any moment of a program's run, on a real file system.

The program works on a file system on a loop device on `recorder`'s disk. From its log the disk is
built anew as a cut would have left it, in three ways of what its volatile cache did with what was
written after the last flush: all of it lost, all of it kept, some of it kept. Each is mounted (the
journal is replayed) and judged together with the store as it was at that moment.

What this cannot show: a disk that lies about its flushes, torn sectors, writes that were still in
the queue when a flush came and are logged before it.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.archive.recorder import HEAD

#: File systems with the smallest size that their mkfs takes.
MKFS: dict[str, tuple[int, list[str]]] = {
    "ext4": (64 << 20, ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"]),
    "xfs": (320 << 20, ["mkfs.xfs", "-q", "-f"]),
    "btrfs": (160 << 20, ["mkfs.btrfs", "-q", "-f"]),
}
_READY_SECONDS = 100
_SECTOR = 4096


@dataclass(frozen=True)
class Event:
    """W: bytes written at an offset; F: a flush; U: a record of the store, erased."""

    kind: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Cut:
    """The disk's events that survive, and the records that were erased by then."""

    name: str
    survivors: tuple[Event, ...]
    erased: frozenset[str]


def run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    result = subprocess.run(words, check=False, capture_output=True, timeout=500, text=True)
    assert result.returncode == 0, f"{' '.join(words)}: {result.stderr}"


def record(
    kind: str, base: Path, records: Path, program: Callable[[Path, Path], None]
) -> tuple[Path, list[Event]]:
    """Run `program(store, disk)`; the image as it was before, and all events until it ended."""
    size, mkfs = MKFS[kind]
    image, log, point, disk = (base / name for name in ("image", "log", "fuse", "disk"))
    for path in (point, disk):
        path.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    run(*mkfs, image)
    before = base / "before"
    run("cp", "--sparse=always", image, before)
    command = [sys.executable, "-m", "tests.archive.recorder", point, image, records, log]
    recorder = subprocess.Popen([str(word) for word in command])
    try:
        end = time.monotonic() + _READY_SECONDS
        while not (point / "disk.img").exists():
            assert recorder.poll() is None, "the recorder died"
            assert time.monotonic() < end, "the recorder does not answer"
            time.sleep(0.02)
        with mounted(kind, point / "disk.img", disk):
            program(point / "store", disk)
            length = log.stat().st_size  # the power goes; what umount writes comes too late
    finally:
        subprocess.run(["umount", point], check=False, capture_output=True)
        recorder.terminate()
        recorder.wait(100)
    return before, list(_events(log.read_bytes()[:length]))


@contextmanager
def mounted(kind: str, image: Path, point: Path) -> Iterator[None]:
    """A file system in an image file, on a loop device that goes away with it."""
    loop = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        if kind == "btrfs":
            # It remembers the disks it saw, and takes none of the same name that looks older.
            run("btrfs", "device", "scan", "--forget")
        run("mount", "-t", kind, loop, point)
        try:
            yield
        finally:
            run("umount", point)
    finally:
        run("losetup", "--detach", loop)


def _events(log: bytes) -> Iterator[Event]:
    position = 0
    while position < len(log):
        kind, offset, length = HEAD.unpack_from(log, position)
        position += HEAD.size
        yield Event(kind.decode(), offset, log[position : position + length])
        position += length


def cuts(events: list[Event], seed: int = 4) -> list[Cut]:
    """A cut before and after every flush and every erased record, and one at the end.

    For each flush the worst moment is right before the next one, when all records are gone that
    will be gone by then: the other moments leave no less.
    """
    dice = random.Random(seed)
    found: list[Cut] = []
    durable: list[Event] = []
    cached: list[Event] = []
    erased: set[str] = set()
    for event in [*events, Event("F", 0, b"")]:
        if event.kind == "U":
            erased.add(event.data.decode())
        if event.kind == "W":
            cached.append(event)
        if event.kind == "W" or (event.kind == "F" and not (cached or found)):
            continue
        number = len(found)
        now = frozenset(erased)
        found.append(Cut(f"{number}-lost", tuple(durable), now))
        found.append(Cut(f"{number}-kept", (*durable, *cached), now))
        some = [part for each in cached for part in _sectors(each) if dice.random() < 0.5]
        found.append(Cut(f"{number}-some", (*durable, *some), now))
        if event.kind == "F":
            durable += cached
            cached = []
    return found


def _sectors(event: Event) -> Iterator[Event]:
    for start in range(0, len(event.data), _SECTOR):
        yield Event("W", event.offset + start, event.data[start : start + _SECTOR])


def after(cut: Cut, before: Path, records: Path, base: Path) -> tuple[Path, Path]:
    """The disk's image and the store as a cut leaves them."""
    image, store = base / "cut", base / "store"
    run("cp", "--sparse=always", before, image)
    with image.open("r+b") as file:
        for event in cut.survivors:
            os.pwrite(file.fileno(), event.data, event.offset)
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(records, store)
    for name in cut.erased:
        (store / name).unlink()
    return image, store
