"""The virtual places of a mount, put together: dumps/, meta/, control, status."""

from __future__ import annotations

from collections.abc import Iterable

from pstorefs.control.executor import Executor, returned
from pstorefs.record.shown import shown
from pstorefs.report.health import Finding
from pstorefs.report.status import Reporter
from pstorefs.source.directory import Stamp
from pstorefs.system.machine import Machine
from pstorefs.tree.composed import ComposedDirectory, ComposedFile
from pstorefs.tree.control import Control
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.meta import Meta
from pstorefs.tree.mirror import Mirror
from pstorefs.tree.rights import Owner


def places(mirror: Mirror, executor: Executor, machine: Machine, *, own: bool) -> ComposedDirectory:
    """The places as a directory. `own`: the records are those of this machine."""
    catalog, target = executor.catalog, executor.target

    def owner(rights: Iterable[Stamp] = ()) -> Owner:
        """As the source's root; of what is composed of records, for those who may read these."""
        return Owner.of(mirror.store.stamp(()), mirror.access).within(rights, mirror.access)

    def overview() -> Owner:
        """For those who may read all that it tells of. Of archived dumps a mask may say who."""
        found = owner(right for record in catalog.live() for right in catalog.rights(record))
        told = mirror.access.file_mask is not None
        return found if told or catalog.is_live() else found.alone

    def further() -> list[Finding]:
        return returned(catalog, target) if target else []

    dumps = Dumps(catalog, owner, machine, own=own)
    reporter = Reporter(
        catalog, mirror.store.path, machine, own=own, archive=target, further=further
    )
    meta = Meta(catalog, owner, {"status.json": lambda: ComposedFile(reporter.json, overview, 0)})
    started = mirror.store.stamp(()).mtime_ns
    control = Control(executor.run, owner(), started)

    def remove(path: str) -> None:
        result = executor.remove(path)
        control.answer(f"rm {shown(path)}", result)
        result.check()

    mirror.remove = remove
    return ComposedDirectory(
        lambda: {
            "control": control,
            "dumps": dumps.root,
            "meta": meta.root,
            "status": ComposedFile(reporter.text, overview, started),
        },
        lambda: owner().directory(0),
    )
