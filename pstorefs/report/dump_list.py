"""The list of all dumps: one line for each, for people and for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pstorefs.catalog.brief import Brief
from pstorefs.catalog.view import Listed
from pstorefs.record.record import ARCHIVE, PLACES
from pstorefs.system.printable import printable
from pstorefs.system.utc import rfc3339

_NONE = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One dump and the facts from its text."""

    dump: Listed
    brief: Brief

    @property
    def places(self) -> list[str]:
        """Where its records are, in the order of `record.PLACES`."""
        found = {record.place for record in self.dump.records} or {ARCHIVE}
        return [place for place in PLACES if place in found]


def list_text(rows: Sequence[Row]) -> bytes:
    """A line for each dump: time, name, signature, places and title. Nothing for no dumps."""
    cells = [
        (
            rfc3339(row.dump.time_ns) or _NONE,
            printable(row.dump.name),
            row.brief.signature or _NONE,
            "+".join(row.places),
            row.brief.title,
        )
        for row in rows
    ]
    widths = [max((len(line[column]) for line in cells), default=0) for column in range(4)]
    lines = [
        "  ".join(
            [*(f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)), line[4]]
        )
        for line in cells
    ]
    return "".join(line + "\n" for line in lines).encode(errors="replace")


def list_json(rows: Sequence[Row], latest: Listed | None) -> bytes:
    """The same for programs: a JSON object on each line. Keys are stable; null: not known."""
    return b"".join(json.dumps(_keys(row, latest)).encode() + b"\n" for row in rows)


def _keys(row: Row, latest: Listed | None) -> dict[str, Any]:
    dump = row.dump
    return {
        "name": dump.name,
        "id": row.brief.id or None,
        "time": rfc3339(dump.time_ns),
        "reason": dump.reason,
        "count": dump.count,
        "crash": dump.is_crash,
        "title": row.brief.title,
        "signature": row.brief.signature or None,
        "kernel": row.brief.kernel,
        "complete": row.brief.complete,
        "places": row.places,
        "latest": latest is not None and latest.name == dump.name,
    }
