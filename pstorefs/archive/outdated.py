"""Archived dumps of which more is known once another dump of their boot is saved.

The generated files of a dump also say what only other dumps show: which boot it is of; which oops
led to a panic whose own text has lost that; that parts are missing, as the numbers of the next dump
prove. These other dumps may be archived later: `rm` saves one dump after the other. Then the files
are generated anew, and the records stay as they are. They say the same as if all dumps had been
saved together, and the same as a mount says while the others are still in the store.

The list of the other dumps of a boot is not looked at here: it is made when somebody reads it.
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
    from pstorefs.source.directory import OpenDirectory


def mark_outdated(jobs: Sequence[Job], archive: OpenDirectory) -> None:
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


def _with_records_elsewhere(archive: OpenDirectory, job: Job) -> dict[str, Any] | None:
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
