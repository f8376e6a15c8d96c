"""Archived dumps of which more is known once another dump of their boot is saved.

The generated files of a dump also say what only other dumps show: which boot it is of; which oops
led to a panic whose own text has lost that; that parts are missing, as the numbers of the next dump
prove. These other dumps may be archived later: `rm` saves one dump after the other. Then the files
are generated anew, and the records stay as they are. They say the same as if all dumps had been
saved together, and the same as a mount says while the others are still in the store.

The list of the other dumps of a boot is not looked at here: it is made when somebody reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.archive import stored
from pstorefs.dump.boots import oops_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.archive.plan import Job
    from pstorefs.archive.stored import Stored
    from pstorefs.source.directory import OpenDirectory


def mark_outdated(jobs: Sequence[Job], archive: OpenDirectory) -> None:
    """Mark dumps of one batch that have to be composed anew. While nothing is new, none has."""
    new = {job.directory for job in jobs if job.new}
    for job in jobs if new else ():
        if job.exists and not job.new:
            known = stored.read(archive, job.directory)
            # Of one without a summary.json that can be believed the records are read each time.
            job.outdated = known is not None and _says_less(known, job, new)


def _says_less(known: Stored, job: Job, new: set[str]) -> bool:
    dump, keys = job.dump, known.keys
    # A boot's first dump is found by the key that it would have, see catalog/view.py.
    alone = keys["boot"] is None and known.key == dump.boot
    if keys["boot"] != dump.boot and not alone:
        return True
    if keys["missing_parts"] != [list(gap) for gap in dump.missing]:
        return True
    cause = oops_before(dump, job.siblings)
    return cause is not None and cause.name in new
