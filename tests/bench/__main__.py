"""python3 -m tests.bench: the speed of pstorefs against its peers, as issue 6 demands it.

    python3 -m tests.bench [--short] [--rounds N] [--only WORD[,WORD]] [--plot FILE]

Prints one table: what, against what, what must be, the aim, what was measured, and the noise (half
the distance between the quartiles of the rounds' ratios). Everything lies on a tmpfs; tools and
daemons run on one CPU unless said. As root, for the mounts. `tests/run bench` does it all.

  --short   few rounds, and 5,000 records at most: for development
  --only    requests, speed, start, idle, slow, dumps, archived, picture, shipping, growth
  --plot    where the growth plot goes (default: tests/bench/growth.svg; not with --short)
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from tests.bench import archived, picture, plot, rows, shipping
from tests.bench.rows import Bench, Row
from tests.bench.trees import Records

GROUPS = (
    *("requests", "speed", "start", "idle", "slow", "dumps"),
    *("archived", "picture", "shipping", "growth"),
)
_COUNTS = [15, 1_000, 10_000, 100_000]
_SHORT_COUNTS = [15, 1_000, 5_000]
_MANY = 100_000
_DUMPS = [10, 1_000, 10_000, 100_000]
_PICTURES, _SHORT_PICTURES = [10, 1_000, 100_000], [10, 1_000]
_SHORT_DUMPS = [10, 500, 2_000]


def table(found: list[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        "| what | against | must | aim | measured | noise | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        if row.figure is None:
            lines.append(f"| {row.what} | {row.against} | | | not measured | | |")
            continue
        must, aim = (_bound(bound) for bound in (row.must, row.aim))
        value = row.form.format(row.figure.value)
        noise = f"±{row.figure.noise:.0%}" if row.figure.noise else ""
        lines.append(
            f"| {row.what} | {row.against} | {must} | {aim} | {value} | {noise} | {_verdict(row)} |"
        )
    return "\n".join(lines)


def _bound(bound: float | None) -> str:
    return "" if bound is None else f"{bound:g}"


def _verdict(row: Row) -> str:
    if row.figure is None or row.must is None:
        return ""
    if row.aim is not None and row.figure.value <= row.aim:
        return "aim"
    return "ok" if row.figure.value <= row.must else "**misses**"


def measure(bench: Bench, options: Namespace) -> list[Row]:
    """All rows that are wanted."""
    wanted = options.only.split(",") if options.only else GROUPS
    found: list[Row] = []
    records = Records(bench.place / "records", 1_000)
    few = Records(bench.place / "few", 15)
    if "requests" in wanted:
        found += rows.requests_rows(bench, records)
    if "speed" in wanted:
        found += rows.speed_rows(bench, records)
    if "start" in wanted:
        many = None if options.short else Records(bench.place / "many", _MANY, folders=True)
        found += rows.start_rows(bench, few, many)
    if "idle" in wanted and not (options.short and not options.only):
        found += rows.idle_row(bench, records)
    if "slow" in wanted:
        found += rows.slow_rows(bench)
    if "dumps" in wanted:
        found += rows.dumps_row(bench)
    if "archived" in wanted:
        found += archived.archived_rows(bench, _SHORT_DUMPS if options.short else _DUMPS)
    if "picture" in wanted:
        found += picture.picture_rows(bench, _SHORT_PICTURES if options.short else _PICTURES)
    if "shipping" in wanted:
        found += shipping.shipping_rows(bench)
    if "growth" in wanted:
        points = rows.growth(bench, _SHORT_COUNTS if options.short else _COUNTS)
        found += rows.growth_rows(points)
        if not options.short:
            Path(options.plot).write_text(plot.svg(points))
    return found


def main() -> int:
    """Entry point."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--plot", default=str(Path(__file__).with_name("growth.svg")))
    options = parser.parse_args()
    begin = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {words}", file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as place:
        bench = Bench(Path(place), options.rounds or (3 if options.short else 9), say)
        print(table(measure(bench, options)))
    load = os.getloadavg()
    print(f"\n{os.cpu_count()} CPUs, load {load[0]:.1f} at the end, {bench.rounds} rounds.")
    if shipped := shipping.words_of(bench):
        print(f"Shipping, medians: {shipped}.")
    for name, why in bench.missing.items():
        print(f"Left out: {name}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
