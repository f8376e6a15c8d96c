"""The table of issue 6: what is measured, against what, what must be reached, what is aimed at."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import peers
from tests.bench.measure import (
    Figure,
    Samples,
    decode_all,
    open_file,
    pinned,
    requests,
    seconds,
    shell,
    stat_files,
)
from tests.bench.trees import Records, Tree, slow_records

OWN, NATIVE, BINDFS, HP, EXAMPLE = "pstorefs", "native", "bindfs", "passthrough_hp", "example"
FAST = "pstorefs[fast]"
# After so many seconds all modules are loaded, also those that nothing needed yet.
_LOADED = 4


@dataclass(frozen=True)
class Row:
    """One line of the table. ``limit`` and ``aim`` are upper bounds; None: there is none."""

    what: str
    against: str
    must: float | None
    aim: float | None
    figure: Figure | None
    #: How it is written: {} stands for the value.
    form: str = "{:.2f}"


@dataclass
class Bench:
    """Everything a run needs. ``rounds`` of each measurement, ``scale`` records at most."""

    place: Path
    rounds: int
    say: Callable[[str], None]
    missing: dict[str, str] = field(default_factory=dict)
    samples: Samples = field(default_factory=Samples)

    def peer(self, name: str, command: Callable[[], list[str]], *arguments: str) -> list[str]:
        """The command of a peer; empty if it cannot be had."""
        try:
            return [*command(), *arguments]
        except peers.MissingError as error:
            self.missing[name] = str(error)
            return []

    def trees(self, records: Records, *names: str) -> list[Tree]:
        """Trees over the same records, those that can be had."""
        arguments = ("-f", "-o", "plain", "{source}", "{point}")
        made = []
        for name in names:
            source = records.stored if name in (OWN, FAST) else records.plain
            command: list[str] | None = None
            if name == OWN:
                command = [*peers.pstorefs(), *arguments]
            elif name == FAST:
                command = self.peer(name, peers.with_zlib_ng, *arguments)
            elif name == BINDFS:
                command = self.peer(name, peers.bindfs, "-f", "{source}", "{point}")
            elif name == HP:
                command = self.peer(name, peers.passthrough_hp, "{source}", "{point}")
            elif name == EXAMPLE:
                command = self.peer(name, peers.example, "{source}", "{point}")
            if command or name == NATIVE:
                made.append(Tree(name, source, command, self.place))
        return made


def requests_rows(bench: Bench, records: Records) -> list[Row]:
    """Requests per file."""
    bench.say("requests per file")
    commands = {
        OWN: [*peers.pstorefs(), "-d", "-o", "plain", "{source}", "{point}"],
        BINDFS: bench.peer(BINDFS, peers.bindfs, "-d", "{source}", "{point}"),
    }
    rows = []
    for name, command in commands.items():
        if not command:
            continue
        source = records.stored if name == OWN else records.plain
        tree = Tree(f"{name}-d", source, command, bench.place)
        try:
            found = requests(tree, records.count)
        finally:
            tree.stop()
        limits = (0.1, 3.1, 2.1) if name == OWN else (None, None, None)
        for what, must, value in zip(
            ("walk", "first read", "later read"), limits, found, strict=True
        ):
            label = f"requests per file: {what}" + ("" if name == OWN else f" ({name})")
            rows.append(Row(label, "", must, None, Figure(value), "{:.1f}"))
    return rows


def speed_rows(bench: Bench, records: Records) -> list[Row]:
    """Everything that is a ratio of times at 1,000 records."""
    trees = bench.trees(records, OWN, FAST, NATIVE, BINDFS, HP)
    for number in range(bench.rounds):
        bench.say(f"speed, round {number + 1} of {bench.rounds}")
        turn = number % len(trees)
        with pinned():
            for tree in trees[turn:] + trees[:turn]:
                _speed_round(bench.samples, tree, records)
        for tree in trees[turn:] + trees[:turn]:
            _both_cpus(bench.samples, tree)
    ratio = bench.samples.ratio
    rows = [Row("warm stat", NATIVE, 1.15, 1.05, ratio("stat", OWN, NATIVE))]
    rows += [Row(f"warm {name}", HP, 1.7, 1.3, ratio(name, OWN, HP)) for name in ("find", "ls")]
    rows += [
        Row(f"warm {name}", BINDFS, 1.4, 1.0, ratio(name, OWN, BINDFS))
        for name in ("cat", "grep", "tar")
    ]
    rows += [
        Row(f"warm {name}, both CPUs", HP, 1.0, 0.5, ratio(f"{name} both", OWN, HP))
        for name in ("cat", "grep", "tar")
    ]
    rows.append(Row("open+read+close p50", HP, 2.4, 0.75, ratio("open", OWN, HP)))
    rows.append(
        Row("cold find -printf %s", "decoding", 1.5, 1.25, ratio("cold find", OWN, "decoding"))
    )
    rows.append(Row("cold cat", BINDFS, 3.2, 1.6, ratio("cold cat", OWN, BINDFS)))
    fast = ratio("cold find", FAST, "decoding")
    rows.append(Row("cold find, with zlib-ng", "decoding by zlib", 1.3, 1.25, fast))
    fast = ratio("cold cat", FAST, BINDFS)
    rows.append(Row("cold cat, with zlib-ng", BINDFS, 2.0, 1.6, fast))
    return rows


def _speed_round(samples: Samples, tree: Tree, records: Records) -> None:
    files = records.files(tree.point)
    if tree.name == FAST:
        _cold_round(samples, tree)
        return
    try:
        tree.start()
        samples.add("cold find", tree.name, shell("find", tree.point))
        if tree.name == OWN:
            samples.add("cold find", "decoding", decode_all(records.stored))
        for name in ("find", "ls"):
            shell(name, tree.point)
            samples.add(name, tree.name, _best_of(lambda name=name: shell(name, tree.point)))
        shell("find", tree.point)
        samples.add("stat", tree.name, stat_files(files))
        tree.start()
        samples.add("cold cat", tree.name, shell("cat", tree.point))
        for name in ("cat", "grep", "tar"):
            samples.add(name, tree.name, _best_of(lambda name=name: shell(name, tree.point)))
        file = files[len(files) // 2]
        open_file(file, 50)
        samples.add("open", tree.name, open_file(file, 2000))
    finally:
        tree.stop()


def _cold_round(samples: Samples, tree: Tree) -> None:
    """What a quicker decoder changes: the first look at records, and their first reading."""
    try:
        for name in ("find", "cat"):
            tree.start()
            samples.add(f"cold {name}", tree.name, shell(name, tree.point))
    finally:
        tree.stop()


def _both_cpus(samples: Samples, tree: Tree) -> None:
    if tree.name in (NATIVE, FAST):
        return
    try:
        tree.start()
        shell("cat", tree.point)
        for name in ("cat", "grep", "tar"):
            samples.add(f"{name} both", tree.name, shell(name, tree.point))
    finally:
        tree.stop()


def _best_of(call: Callable[[], float], times: int = 3) -> float:
    return statistics.median(call() for _ in range(times))


def start_rows(bench: Bench, few: Records, many: Records | None) -> list[Row]:
    """Start-up and memory."""
    samples = bench.samples
    trees = bench.trees(few, OWN, EXAMPLE)
    if many is not None:
        (large,) = bench.trees(many, OWN)
        large.name = "large"
        trees.append(large)
    for number in range(bench.rounds + 2):
        bench.say(f"start, round {number + 1} of {bench.rounds + 2}")
        with pinned():
            for tree in trees:
                try:
                    samples.add("ready", tree.name, tree.start() * 1e3)
                    if tree.name != "large" and number < 3:
                        shell("cat", tree.point)
                        time.sleep(_LOADED)
                        samples.add("memory", tree.name, tree.memory() / 1024)
                finally:
                    tree.stop()
            _programs(bench, few)
    rows = [
        Row("mount ready, 15 records", EXAMPLE, 1.15, 1.0, samples.ratio("ready", OWN, EXAMPLE)),
        Row("PSS at 15 records", EXAMPLE, 1.3, 1.1, samples.ratio("memory", OWN, EXAMPLE)),
    ]
    large_ready, ready = samples.figure("ready", "large"), samples.figure("ready", OWN)
    if large_ready and ready:
        difference = Figure(large_ready.value - ready.value, 0)
        what = f"mount ready, {many.count:,} records" if many else ""
        rows.append(Row(what, "15 records", 20, 5, difference, "{:+.1f} ms"))
    for name in ("pstorefs --archive, empty", "pstorecat"):
        rows.append(Row(name, "python -c pass", 4, 2.5, samples.ratio("start", name, "python")))
    return rows


def _programs(bench: Bench, few: Records) -> None:
    empty, archive = bench.place / "empty", bench.place / "archive"
    empty.mkdir(exist_ok=True)
    record = min(few.stored.rglob("*.enc.z"))
    options = ["--archive", "-o", f"archive={archive},archive_volatile", str(empty)]
    commands = {
        "python": [peers.PYTHON, "-c", "pass"],
        "pstorefs --archive, empty": [*peers.pstorefs(), *options],
        "pstorecat": [*peers.program("pstorecat", "pstorefs.cli.pstorecat"), str(record)],
    }
    environment = {**os.environ, "PYTHONPATH": str(peers.ROOT)}
    for name, words in commands.items():
        times = []
        for _ in range(3):
            times.append(
                seconds(
                    lambda words=words: subprocess.run(
                        words, check=True, env=environment, stdout=subprocess.DEVNULL
                    )
                )
            )
        bench.samples.add("start", name, statistics.median(times))


def idle_row(bench: Bench, records: Records) -> list[Row]:
    """An idle mount sleeps."""
    bench.say("idle")
    (tree,) = bench.trees(records, OWN)
    try:
        tree.start()
        shell("cat", tree.point)
        # trio's worker threads wait 10 s for more work, and then end.
        time.sleep(12)
        before = tree.wake_ups()
        time.sleep(5)
        # One that has ended meanwhile is not among them.
        woken = sum(count - before.get(thread, 0) for thread, count in tree.wake_ups().items())
    finally:
        tree.stop()
    return [Row("wake-ups of an idle mount in 5 s", "", 0, None, Figure(woken), "{:.0f}")]


def slow_rows(bench: Bench) -> list[Row]:
    """A cold listing of records whose decoder is Python; a stat elsewhere meanwhile."""
    bench.say("500 records of 842")
    source = slow_records(bench.place / "slow", 500)
    command = [*peers.pstorefs(), "-f", "-o", "plain", "{source}", "{point}"]
    tree = Tree("slow", source, command, bench.place)
    waits: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        file = tree.point / "other" / "file"
        while not ended.is_set():
            waits.append(seconds(lambda: os.stat(file)))
            time.sleep(0.02)

    with pinned():
        try:
            tree.start()
            watcher = threading.Thread(target=watch)
            watcher.start()
            took = seconds(
                lambda: subprocess.run(
                    ["ls", "-l", tree.point / "many"], check=True, stdout=subprocess.DEVNULL
                )
            )
            ended.set()
            watcher.join()
        finally:
            ended.set()
            tree.stop()
    return [
        Row("cold ls of 500 records of 842", "", 10, 3, Figure(took), "{:.1f} s"),
        Row("stat elsewhere meanwhile, worst", "", 50, None, Figure(max(waits) * 1e3), "{:.0f} ms"),
    ]


def dumps_row(bench: Bench) -> list[Row]:
    """Grep over the dumps' texts against grep over the same records."""
    bench.say("grep over dumps")
    records = Records(bench.place / "dumps", 500)
    command = [*peers.pstorefs(), "-f", "{source}", "{point}"]
    tree = Tree("dumps", records.stored, command, bench.place)
    commands = {"dumps": "grep -c BUG: dumps/*/dmesg.txt", "records": "grep -c BUG: dmesg-*"}
    with pinned():
        for _ in range(max(3, bench.rounds // 2)):
            for name, line in commands.items():
                try:
                    tree.start()
                    subprocess.run(
                        ["ls", tree.point / "dumps"], check=True, stdout=subprocess.DEVNULL
                    )
                    words = ["sh", "-c", f"{line} >/dev/null"]
                    took = seconds(
                        lambda words=words: subprocess.run(words, cwd=tree.point, check=True)
                    )
                    bench.samples.add("grep dumps", name, took)
                finally:
                    tree.stop()
    figure = bench.samples.ratio("grep dumps", "dumps", "records")
    return [Row("grep dumps/*/dmesg.txt, 500 records", "the records", 1.5, 1.2, figure)]


@dataclass(frozen=True)
class Point:
    """One size of the growth plot: seconds and KiB."""

    count: int
    walk: float
    cat: float
    memory: float


def growth(bench: Bench, counts: list[int]) -> dict[str, list[Point]]:
    """Cold walk, cold cat and memory as the records get more: ours, and bindfs beside it."""
    found: dict[str, list[Point]] = {}
    for count in counts:
        bench.say(f"growth: {count:,} records")
        records = Records(bench.place / f"growth-{count}", count, folders=True)
        for tree in bench.trees(records, OWN, BINDFS):
            walks, cats, memories = [], [], []
            # The first round pays for memory that the host of a virtual machine has to find.
            for _ in range(3 if count <= 10_000 else 2):
                with pinned():
                    try:
                        tree.start()
                        walks.append(shell("find", tree.point))
                        memories.append(tree.memory())
                        tree.start()
                        cats.append(shell("cat", tree.point))
                    finally:
                        tree.stop()
            middle = [statistics.median_low(values) for values in (walks, cats, memories)]
            found.setdefault(tree.name, []).append(Point(count, *middle))
        shutil.rmtree(records.stored.parent)
    return found


def growth_rows(found: dict[str, list[Point]]) -> list[Row]:
    """What must hold between the points; and what another file system shows of the machine."""
    rows, points = [], found[OWN]
    if len(points) > 2:
        # From 1,000 on: below, the cache of texts fills up, which has its bound.
        few, most = points[1], points[-1]
        each = (most.memory - few.memory) / (most.count - few.count)
        what = f"memory per record, {few.count:,} to {most.count:,}"
        rows.append(Row(what, "", 1.8, 1.3, Figure(each), "{:.2f} KiB"))
        for name, peer in found.items():
            before, most = peer[-2:]
            times, must = most.count / before.count, 1.2 if name == OWN else None
            for work, a, b in (("walk", most.walk, before.walk), ("cat", most.cat, before.cat)):
                of = "" if name == OWN else f" ({name})"
                what = f"{work} of {most.count:,}, growth per record{of}"
                rows.append(Row(what, f"{before.count:,}", must, None, Figure(a / b / times)))
    return rows
