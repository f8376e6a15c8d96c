"""The table of issue 15: archives of many dumps, against what has to be done in any case."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from tests.bench import peers
from tests.bench.archive import COPY
from tests.bench.archives import PARTS, Archive, store_of
from tests.bench.measure import Figure, pinned, seconds
from tests.bench.rows import BINDFS, OWN, Bench, Row
from tests.bench.trees import Tree

_MANY = 10_000
# Bytes of a record: of the archive that is measured, and where only the number of dumps counts.
_USUAL, _SMALL = 8 << 10, 512
# Of the disk that is archived to: it is a file with holes.
_DISK = 4 << 30
# So long a listing is not believed any more.
_OLD = 2.0
_LISTS = {"ls": "ls dumps", "status": "cat status"}
# A command line holds the names of some 40,000 files.
_EACH = "printf '%s\\0' {}*/{} | xargs -0 {}"
_FILES = {"summary": ("summary.json", "cat"), "grep": ("dmesg.txt", "grep -c BUG: || true")}
_READS = {name: _EACH.format("dumps/", *words) for name, words in _FILES.items()}
# What another file system shows of the machine: its caches are as large for ten dumps as for many.
_BINDFS_READS = {f"{name} ({BINDFS})": _EACH.format("", *words) for name, words in _FILES.items()}
_WORDS = {
    "ls": "first ls dumps",
    "status": "first cat status",
    "summary": "cat dumps/*/summary.json",
    "grep": "grep dumps/*/dmesg.txt",
    f"summary ({BINDFS})": f"cat */summary.json through {BINDFS}",
    f"grep ({BINDFS})": f"grep */dmesg.txt through {BINDFS}",
}
# Of more dumps than that, each file is read once only: it takes minutes.
_OFTEN = 10_000


def sh(words: str, where: Path) -> float:
    """Seconds of a command of the shell."""
    command = ["sh", "-c", f"({words}) >/dev/null"]
    return seconds(lambda: subprocess.run(command, cwd=where, check=True))


def tree_of(bench: Bench, archive: Archive) -> Tree:
    """A mount of an empty store, with the archive."""
    options = f"archive={archive.path},archive_volatile"
    command = [*peers.pstorefs(), "-f", "-o", options, "{source}", "{point}"]
    return Tree(f"archive-{archive.count}", archive.empty, command, bench.place)


def mirror_of(bench: Bench, archive: Archive) -> Tree:
    """The archive through bindfs."""
    command = bench.peer(BINDFS, peers.bindfs, "-f", "{source}", "{point}")
    return Tree(f"archive-bindfs-{archive.count}", archive.path, command, bench.place)


def archived_rows(bench: Bench, counts: list[int]) -> list[Row]:
    """All of them; `counts` are the sizes whose growth is measured."""
    many = min(_MANY, counts[-1])
    bench.say(f"an archive of {many:,} dumps")
    archive = Archive(bench.place / "archived", many)
    tree, mirror = tree_of(bench, archive), mirror_of(bench, archive)
    for number in range(max(3, bench.rounds // 2)):
        bench.say(f"archived, round {number + 1}")
        with pinned():
            _native(bench, archive)
            _own(bench, tree)
            _bindfs(bench, mirror)
    ratio = bench.samples.ratio
    words = f"{many:,} archived dumps"
    rows = [
        Row(f"first ls dumps/, {words}", "find", 12, 4, ratio("a ls", OWN, "native")),
        Row("first status, the same", "cat summary.json", 3, 1, ratio("a status", OWN, "native")),
        Row("cat dumps/*/summary.json", "in the archive", 4, 2, ratio("a cat", OWN, "native")),
        Row("the same, through a mount", BINDFS, None, None, ratio("a cat", OWN, BINDFS)),
        Row("second ls -l dumps/ after 2 s", BINDFS, 2, 1, ratio("a again", OWN, BINDFS)),
        Row("grep dumps/*/dmesg.txt", BINDFS, 1.6, 1.1, ratio("a grep", OWN, BINDFS)),
    ]
    shutil.rmtree(archive.path.parent)
    return rows + growth_rows(bench, counts) + saving_rows(bench)


def _native(bench: Bench, archive: Archive) -> None:
    add = bench.samples.add
    add("a ls", "native", sh(r"find . -maxdepth 1 -printf '%s\n'", archive.path))
    add("a status", "native", sh("cat */summary.json", archive.path))
    add("a cat", "native", sh("cat */summary.json", archive.path))


def _own(bench: Bench, tree: Tree) -> None:
    add = bench.samples.add
    try:
        tree.start()
        add("a ls", OWN, sh("ls dumps", tree.point))
        sh("ls -l dumps", tree.point)
        time.sleep(_OLD)
        add("a again", OWN, sh("ls -l dumps", tree.point))
        add("a grep", OWN, sh("grep -c BUG: dumps/*/dmesg.txt || true", tree.point))
        tree.start()
        add("a status", OWN, sh("cat status", tree.point))
        tree.start()
        add("a cat", OWN, sh("cat dumps/*/summary.json", tree.point))
    finally:
        tree.stop()


def _bindfs(bench: Bench, tree: Tree) -> None:
    add = bench.samples.add
    try:
        tree.start()
        add("a cat", BINDFS, sh("cat */summary.json", tree.point))
        tree.start()
        sh("ls -l", tree.point)
        time.sleep(_OLD)
        add("a again", BINDFS, sh("ls -l", tree.point))
        add("a grep", BINDFS, sh("grep -c BUG: */dmesg.txt || true", tree.point))
    finally:
        tree.stop()


def growth_rows(bench: Bench, counts: list[int]) -> list[Row]:
    """Time and memory for each dump as they get more, and what it does to the start."""
    what = (*_LISTS, *_READS, *_BINDFS_READS, "memory", "ready", "none")
    found: dict[str, dict[int, float]] = {name: {} for name in what}
    for count in counts:
        bench.say(f"growth: {count:,} dumps")
        archive = Archive(bench.place / f"archived-{count}", count, _SMALL)
        tree, mirror = tree_of(bench, archive), mirror_of(bench, archive)
        taken: dict[str, list[float]] = {name: [] for name in found}
        for number in range(3):
            often = number == 0 or count <= _OFTEN
            with pinned():
                _grow(taken, tree, archive, _READS if often else {})
                if often:
                    _grow_bindfs(taken, mirror)
        for name, values in taken.items():
            found[name][count] = statistics.median(values)
        shutil.rmtree(archive.path.parent)
    return _growth(found, counts)


def _grow(
    taken: dict[str, list[float]], tree: Tree, archive: Archive, reads: Mapping[str, str]
) -> None:
    try:
        for name, words in {**reads, **_LISTS}.items():
            taken["ready"].append(tree.start() * 1e3)
            taken[name].append(sh(words, tree.point))
        sh("ls -l dumps", tree.point)
        taken["memory"].append(tree.memory())
        hidden = archive.path.with_name("hidden")
        archive.path.rename(hidden)
        try:
            taken["none"].append(tree.start() * 1e3)
        finally:
            hidden.rename(archive.path)
    finally:
        tree.stop()


def _grow_bindfs(taken: dict[str, list[float]], mirror: Tree) -> None:
    try:
        for name, words in _BINDFS_READS.items():
            mirror.start()
            taken[name].append(sh(words, mirror.point))
    finally:
        mirror.stop()


def _growth(found: dict[str, dict[int, float]], counts: list[int]) -> list[Row]:
    rows = []
    few, most = counts[0], counts[-1]
    for before, after in pairwise(counts[1:]):
        for name, words in _WORDS.items():
            # What a mount of a few dumps takes is no growth.
            base, values = found[name][few], found[name]
            each = (values[after] - base) / (after - few)
            figure = Figure(each / ((values[before] - base) / (before - few)))
            what = f"{words} of {after:,}, growth per dump"
            must, aim = (None, None) if name in _BINDFS_READS else (1.3, 1.1)
            rows.append(Row(what, f"{before:,}", must, aim, figure))
    each = (found["memory"][most] - found["memory"][few]) / (most - few)
    rows.append(Row(f"memory per dump at {most:,}", "", 2, 1, Figure(each), "{:.2f} KiB"))
    later = found["ready"][most] - found["none"][most]
    what = f"mount ready, {most:,} archived dumps"
    rows.append(Row(what, "no archive", 20, 5, Figure(later), "{:+.1f} ms"))
    return rows


def saving_rows(bench: Bench) -> list[Row]:
    """`pstorefs --archive` of many records, to a file system made for it: fsync counts.

    ext4 looks at each inode that was freed in the last minutes before it gives one away, so a disk
    on which a test has just removed its files takes several times as long for each new one. And
    records are in memory, as those of pstore are.
    """
    count = 3_000 if bench.rounds > 3 else 300
    bench.say(f"archiving {count * PARTS:,} records")
    environment = {**os.environ, "PYTHONPATH": str(peers.ROOT)}
    for number in range(3):
        with _fresh_disk() as disk:
            source = store_of(bench.place / f"store-{number}", range(count), _USUAL)
            words = [sys.executable, "-c", COPY, str(source), str(disk / "copy")]
            copying = seconds(lambda words=words: subprocess.run(words, check=True))
            bench.samples.add("a save", "cp", copying)
            options = f"archive={disk / 'archive'}"
            words = [*peers.pstorefs(), "--archive", "-o", options, str(source)]
            run = lambda words=words: subprocess.run(  # noqa: E731
                words, check=True, env=environment, stdout=subprocess.DEVNULL
            )
            bench.samples.add("a save", OWN, seconds(run))
            shutil.rmtree(source)
    figure = bench.samples.ratio("a save", OWN, "cp")
    return [Row(f"--archive of {count * PARTS:,} records", "cp with fsync", 3, 1.5, figure)]


@contextmanager
def _fresh_disk() -> Iterator[Path]:
    """An ext4 on a file of /var/tmp: what is synced there waits for that disk."""
    base = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="bench-"))
    image, point = base / "image", base / "disk"
    try:
        point.mkdir()
        with image.open("wb") as file:
            file.truncate(_DISK)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
        try:
            yield point
        finally:
            subprocess.run(["umount", str(point)], check=True)
    finally:
        shutil.rmtree(base)
