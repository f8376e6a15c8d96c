"""Figures that tests measure, kept under build/figures for the report of `tests/run hostile`."""

from __future__ import annotations

import json
from pathlib import Path

PLACE = Path(__file__).resolve().parents[1] / "build" / "figures"


def record(part: str, what: str, measured: str, must: str = "", ok: bool | None = None) -> None:
    """Note a figure; it takes the place of an earlier one of the same name. `ok`: must is met."""
    PLACE.mkdir(parents=True, exist_ok=True)
    file = PLACE / f"{part}.json"
    rows = json.loads(file.read_text()) if file.exists() else []
    rows = [row for row in rows if row["what"] != what]
    rows.append({"what": what, "measured": measured, "must": must, "ok": ok})
    file.write_text(json.dumps(rows, indent=1) + "\n")
