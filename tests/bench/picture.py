"""`pstorefs --report-html` of a fleet's store against `cat` of all entries of its index."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.bench import peers
from tests.bench.measure import pinned, seconds
from tests.bench.rows import Bench, Row
from tests.fleet import nights

_CAT = "find . -type f -exec cat {} + >/dev/null"


def picture_rows(bench: Bench, counts: list[int]) -> list[Row]:
    """One row for each size. With few dumps it is the start of Python that is measured."""
    rows = []
    for count in counts:
        bench.say(f"a page of {count:,} dumps")
        store = _store(bench.place / f"fleet-{count}", count)
        page = bench.place / "page.html"
        words = [*peers.pstorefs(), "--report-html", f"file://{store}", str(page)]
        environment = {**os.environ, "PYTHONPATH": str(peers.ROOT)}

        def made(words: list[str] = words, environment: dict[str, str] = environment) -> None:
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)

        def read(store: Path = store) -> None:
            subprocess.run(["sh", "-c", _CAT], cwd=store / "v1" / "index", check=True)

        what = f"picture {count}"
        with pinned():
            for _ in range(max(3, bench.rounds // 2) if count > 10_000 else bench.rounds):
                bench.samples.add(what, "page", seconds(made))
                bench.samples.add(what, "cat", seconds(read))
        must, aim = (1.0, 0.5) if count > 10_000 else (None, None)
        figure = bench.samples.ratio(what, "page", "cat")
        rows.append(Row(f"--report-html of {count:,} dumps", "cat of the index", must, aim, figure))
        shutil.rmtree(store)
    return rows


def _store(directory: Path, count: int) -> Path:
    """A store whose dumps have entries of their own, and a few bundles."""
    packed = None
    for crash in nights.crashes(count):
        made = nights.objects(crash, packed)
        if packed is None:
            packed = nights.bundle.Packed(made[0].data, "0" * 64, "0" * 64)
        nights.write(directory, list(made) if crash.number < 100 else [made[1]])
    return directory
