"""Metrics for Prometheus, of crashes and of the archive: `pstorefs --archive -o metrics=FILE`.

Alerts use timestamps: increase() misses a counter that begins at 1. Only for the newest crash does
a series say what it was: one series for each machine. For shipping: fleet/metrics.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pstorefs.catalog.catalog import Catalog
from pstorefs.record import reading
from pstorefs.report.next_crash import NO, UNSURE, YES

if TYPE_CHECKING:
    from pstorefs.system.textfile import Metric

PROGRAM = "pstorefs --archive"
LAST_SUCCESS = "pstorefs_archive_last_success_timestamp_seconds"
_RECORDABLE = {YES: 1.0, UNSURE: 0.5, NO: 0.0}


def of_catalog(catalog: Catalog) -> Iterator[Metric]:
    """The dumps, the newest crash, and the records of the store."""
    classes = Counter(catalog.brief(dump).error_class for dump in catalog.dumps().values())
    yield (
        "pstorefs_dumps",
        "gauge",
        "Dumps in the archives and the store, by the class of the report in them; none: no report.",
        [({"class": name or "none"}, count) for name, count in sorted(classes.items())],
    )
    yield from _newest(catalog)
    states = Counter(record.state for record in catalog.live())
    states.update(dict.fromkeys(reading.STATES, 0))
    yield (
        "pstorefs_store_records",
        "gauge",
        "Records that are still in the store, by their state.",
        [({"state": state}, count) for state, count in sorted(states.items())],
    )


def _newest(catalog: Catalog) -> Iterator[Metric]:
    newest = catalog.latest()
    seconds = 0.0 if newest is None else (newest.time_ns or 0) / 1e9
    yield (
        "pstorefs_newest_crash_timestamp_seconds",
        "gauge",
        "When the newest crash was; 0: there is none.",
        [({}, round(seconds, 3))],
    )
    if newest is None:
        return
    brief = catalog.brief(newest)
    labels = {
        "signature": brief.signature,
        "class": brief.error_class or "none",
        "kernel": brief.kernel or "",
        "dump": newest.name,
    }
    words = "What the newest crash was; always 1."
    yield "pstorefs_newest_crash_info", "gauge", words, [(labels, 1)]


def of_run(status: int, success: float) -> Iterator[Metric]:
    """The archive's last run. `success`: Unix time of the last run that did not fail; 0: none."""
    words = "When the archive last ran without a failure; 0: not known."
    yield LAST_SUCCESS, "gauge", words, [({}, round(success, 3))]
    words = "Exit status of the archive's last run: 0 or 3 is well, 2 a failure."
    yield "pstorefs_archive_last_exit_status", "gauge", words, [({}, status)]


def of_next_crash(answer: str) -> Iterator[Metric]:
    """Whether the next crash will be recorded, as `pstorefs --check` finds."""
    words = "Whether the next crash will be recorded: 1 yes, 0.5 not surely, 0 no."
    yield "pstorefs_next_crash_recordable", "gauge", words, [({}, _RECORDABLE[answer])]
