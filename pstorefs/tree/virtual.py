"""The virtual places of a mount, put together: dumps/, meta/, status."""

from __future__ import annotations

from pstorefs.machine import Machine
from pstorefs.status import Reporter
from pstorefs.survey import Survey
from pstorefs.tree.composed import ComposedDirectory, ComposedFile, Owner
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.meta import Meta
from pstorefs.tree.mirror import Mirror


def places(
    mirror: Mirror,
    survey: Survey,
    *,
    own: bool,
    archive: str | None = None,
    machine: Machine | None = None,
) -> ComposedDirectory:
    """The places as a directory. `own`: the records are this machine's; `archive`: its path."""
    machine = machine or Machine()

    def owner() -> Owner:
        return Owner.of(mirror.store.stamp(()), mirror.access)

    dumps = Dumps(survey, owner, machine, own=own)
    reporter = Reporter(survey, mirror.store.path, machine, own=own, archive=archive)
    meta = Meta(survey, owner, {"status.json": reporter.json})
    return ComposedDirectory(
        lambda: {
            "dumps": dumps.root,
            "meta": meta.root,
            "status": ComposedFile(reporter.text, owner(), mirror.store.stamp(()).mtime_ns),
        },
        lambda: owner().directory(0),
    )
