"""python3 -m tests.bench: the speed of pstorefs against its peers, as issue 6 demands it.

    python3 -m tests.bench [--short] [--rounds N] [--only WORD[,WORD]] [--plot FILE]

Prints one table: what, against what, what must be, the aim, what was measured, and the noise (half
the distance between the quartiles of the rounds' ratios). Everything lies on a tmpfs; tools and
daemons run on one CPU unless said. As root, for the mounts. `tests/run bench` does it all.

  --short   few rounds, and 5,000 records at most: for development
  --only    requests, speed, start, idle, slow, dumps, archived, picture, shipping, fleet, growth
  --plot    where the growth plot goes (default: tests/bench/growth.svg; not with --short)
"""

from __future__ import annotations

import compileall
import os
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.bench import archived, fleet, picture, plot, rows, shipping
from tests.bench.peers import ROOT
from tests.bench.rows import Bench, Row
from tests.bench.trees import Records

_MANY = 100_000


class Sizes(NamedTuple):
    """How many there are of what is measured. `whole`: not the short form."""

    whole: bool
    records: list[int]
    dumps: list[int]
    pictures: list[int]
    fleet: list[int]
    plot: str


_WHOLE = Sizes(
    whole=True,
    records=[15, 1_000, 10_000, 100_000],
    dumps=[10, 1_000, 10_000, 100_000],
    pictures=[10, 1_000, 100_000],
    fleet=[10, 1_000, 100_000],
    plot="",
)
_SHORT = Sizes(
    whole=False,
    records=[15, 1_000, 5_000],
    dumps=[10, 500, 2_000],
    pictures=[10, 1_000],
    fleet=[10, 1_000],
    plot="",
)


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


@cache
def _made(place: Path, count: int) -> Records:
    return Records(place, count)


def _records(bench: Bench, count: int) -> Records:
    return _made(bench.place / f"records-{count}", count)


def _start(bench: Bench, sizes: Sizes) -> list[Row]:
    many = Records(bench.place / "many", _MANY, folders=True) if sizes.whole else None
    return rows.start_rows(bench, _records(bench, 15), many)


def _growth(bench: Bench, sizes: Sizes) -> list[Row]:
    points = rows.growth(bench, sizes.records)
    if sizes.whole:
        Path(sizes.plot).write_text(plot.svg(points))
    return rows.growth_rows(points)


#: What is measured, in this order.
GROUPS: dict[str, Callable[[Bench, Sizes], list[Row]]] = {
    "requests": lambda bench, _: rows.requests_rows(bench, _records(bench, 1_000)),
    "speed": lambda bench, _: rows.speed_rows(bench, _records(bench, 1_000)),
    "start": _start,
    "idle": lambda bench, _: rows.idle_row(bench, _records(bench, 1_000)),
    "slow": lambda bench, _: rows.slow_rows(bench),
    "dumps": lambda bench, _: rows.dumps_row(bench),
    "archived": lambda bench, sizes: archived.archived_rows(bench, sizes.dumps),
    "picture": lambda bench, sizes: picture.picture_rows(bench, sizes.pictures),
    "shipping": lambda bench, _: shipping.shipping_rows(bench),
    "fleet": lambda bench, sizes: fleet.fleet_rows(bench, sizes.fleet),
    "growth": _growth,
}


def measure(bench: Bench, options: Namespace) -> list[Row]:
    """All rows that are wanted."""
    sizes = (_SHORT if options.short else _WHOLE)._replace(plot=options.plot)
    wanted = options.only.split(",") if options.only else list(GROUPS)
    if options.short and not options.only:
        wanted.remove("idle")  # it waits
    return [row for name in GROUPS if name in wanted for row in GROUPS[name](bench, sizes)]


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

    # As where it is installed: in a clone, each start would compile what it imports.
    compileall.compile_dir(ROOT / "pstorefs", quiet=1)
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
