"""What Prometheus is told of shipping: a file for node_exporter's textfile collector.

Counters and states are of the receipts and of the archive, so that they are right after any reboot.
Nothing is imported at the top: see settings/ship.py.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE_MODE = 0o644
_ROWS = (
    ("pstorefs_ship_pending", "gauge", "Dumps of the archive that the store does not have yet."),
    ("pstorefs_ship_shipped_total", "counter", "Dumps of the archive that the store has."),
    (
        "pstorefs_ship_oldest_pending_timestamp_seconds",
        "gauge",
        "When the oldest of the dumps that are not shipped was archived; 0: there is none.",
    ),
)


def text(pending: int, shipped: int, oldest: float) -> str:
    """The metrics in Prometheus' text format. `oldest`: Unix time."""
    values = (pending, shipped, round(oldest, 3))
    return "".join(
        f"# HELP {name} {words}\n# TYPE {name} {kind}\n{name} {value}\n"
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


def write(path: str, data: str) -> None:
    """Write a file for all to read; whoever reads it finds the old one or the new one. OSError."""
    # Not .prom: the collector would read it half-written.
    temporary = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, _FILE_MODE)
    try:
        os.fchmod(descriptor, _FILE_MODE)
        os.write(descriptor, data.encode())
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
