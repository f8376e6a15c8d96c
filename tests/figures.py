"""Figures that tests measure, kept under build/figures; python -m tests.figures prints them all.

The report of a hostile world: `tests/run clients hostile soak fuzz report`. Exit status: 1 if one
of them is not what it must be, 2 if there are none.
"""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parents[1] / "build" / "figures"


def record(part: str, what: str, measured: str, must: str = "", ok: bool | None = None) -> None:
    """Note a figure; it takes the place of an earlier one of the same name. `ok`: must is met."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / f"{part}.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two tests run at a time
        file.seek(0)
        rows = [row for row in json.loads(file.read() or "[]") if row["what"] != what]
        rows.append({"what": what, "measured": measured, "must": must, "ok": ok})
        file.truncate(0)
        file.write(json.dumps(rows, indent=1) + "\n")


_WORDS = {True: "ok", False: "**misses**", None: ""}


def report() -> str:
    """All figures as one table of Markdown, part by part; empty if nothing was measured yet."""
    lines = []
    for file in sorted(PLACE.glob("*.json")):
        for row in json.loads(file.read_text()):
            cells = (file.stem, row["what"], row["must"], row["measured"], _WORDS[row["ok"]])
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = ["| part | what | must | measured | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(head + lines) if lines else ""


if __name__ == "__main__":
    found = report()
    sys.stdout.write((found or "no figures yet: see the top of tests/figures.py") + "\n")
    sys.exit(1 if _WORDS[False] in found else 0 if found else 2)
