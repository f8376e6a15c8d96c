"""The metrics that `pstorefs --archive` writes after each run, failed ones included."""

from __future__ import annotations

import time

from pstorefs.cli.questions import QuestionError, opened_catalog
from pstorefs.report import metrics, next_crash
from pstorefs.settings.options import Settings
from pstorefs.system import textfile
from pstorefs.system.crash_setup import read_setup
from pstorefs.system.machine import Machine


def measure(settings: Settings, status: int, *, failed: bool) -> None:
    """Write the file that `metrics=` names. OSError if it cannot be written."""
    path = settings.metrics
    success = textfile.value_in(path, metrics.LAST_SUCCESS) if failed else time.time()
    rows = [*metrics.of_run(status, success)]
    if settings.default_source:
        checks = next_crash.checks(read_setup(Machine()))
        rows += metrics.of_next_crash(next_crash.overall(checks))
    try:
        with opened_catalog(settings) as catalog:
            rows += metrics.of_catalog(catalog)
    except (QuestionError, OSError):
        pass  # the run has failed of it, and said so
    textfile.write(path, metrics.PROGRAM, textfile.text(rows))
