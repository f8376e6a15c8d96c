"""Metrics for Prometheus, of shipping: `pstorefs --ship -o metrics=FILE`.

They are counted from the receipts and the archive, so that they are right after any reboot. Those
of crashes and of the archive are written by `pstorefs --archive`: report/metrics.py.
Nothing is imported at the top: see settings/ship.py.
"""

from __future__ import annotations

import os

from pstorefs.system import textfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM = "pstorefs --ship"
_ROWS = (
    ("pstorefs_ship_pending", "gauge", "Dumps of the archive that a receiver does not have yet."),
    (
        "pstorefs_ship_shipped_total",
        "counter",
        "Dumps that were shipped, for each receiver.",
    ),
    (
        "pstorefs_ship_oldest_pending_timestamp_seconds",
        "gauge",
        "When the oldest of the dumps that are not shipped was archived; 0: there is none.",
    ),
)


def text(pending: int, shipped: int, oldest: float) -> str:
    """The metrics in Prometheus' text format. `oldest`: Unix time."""
    values = (pending, shipped, round(oldest, 3))
    return textfile.text(
        (name, kind, words, [({}, value)])
        for (name, kind, words), value in zip(_ROWS, values, strict=True)
    )


def archived_at(archive: str, dumps: Iterable[str]) -> float:
    """When the oldest of these dumps was archived, or grew; 0 if there is none."""
    moments = []
    for name in dumps:
        try:
            moments.append(os.stat(os.path.join(archive, name, "SHA256SUMS")).st_mtime)
        except OSError:
            continue  # just removed
    return min(moments, default=0.0)
