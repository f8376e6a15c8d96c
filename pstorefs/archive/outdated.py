"""Archived dumps of which more is known once another dump of their boot is saved.

What is composed of a dump also says what others tell of it: its boot; the oops that a panic came
of, if its own text has lost that; that parts are missing, where the numbers of the next dump show
it. All of these may come later than the dump itself: `rm` saves one dump after the other. Then the
dump is composed anew, its records stay as they are. It says the same as if all had been saved
together, and the same as a mount says while the others are still in the store.

Which other dumps a boot has is not looked at: that is found when it is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pstorefs.archive import layout, stored
from pstorefs.archive.shape import shaped
from pstorefs.dump.boots import oops_before
from pstorefs.record.record import ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.archive.plan import Job
    from pstorefs.source.directory import Store


def mark_outdated(jobs: Sequence[Job], archive: Store) -> None:
    """Mark dumps of one batch that have to be composed anew. While nothing is new, none has."""
    new = {job.directory for job in jobs if job.new}
    for job in jobs if new else ():
        if job.exists and not job.new:
            known = stored.read(archive, job.directory)
            if known is not None:
                job.outdated = _says_less(known.keys, known.key, job, new)
            else:
                keys = _with_records_elsewhere(archive, job)
                job.outdated = keys is not None and _says_less(keys, None, job, new)


def _with_records_elsewhere(archive: Store, job: Job) -> dict[str, Any] | None:
    """summary.json of a dump some of whose records are in directories of other dumps.

    Lists do not believe it: they read the records. Whoever opens the archive without this program
    does. None if it tells of a record that is not found now: composed anew, that would be lost.
    """
    try:
        text = stored.small(archive, job.directory, layout.SUMMARY, stored.SUMMARY_BYTES)
        keys = shaped(json.loads(text))
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return None
    told = {record["path"] for record in keys["records"] if record["place"] == ARCHIVE}
    return keys if told <= {record.path for record in job.as_archived().records} else None


def _says_less(keys: dict[str, Any], key: str | None, job: Job, new: set[str]) -> bool:
    """`key`: that of a boot that the dump would begin, if that is known."""
    dump = job.dump
    # A boot's first dump is found by the key that it would have, see catalog/view.py.
    alone = keys["boot"] is None and key == dump.boot
    if keys["boot"] != dump.boot and not alone:
        return True
    if keys["missing_parts"] != [list(gap) for gap in dump.missing]:
        return True
    cause = oops_before(dump, job.siblings)
    return cause is not None and cause.name in new
