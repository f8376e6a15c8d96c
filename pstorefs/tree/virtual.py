"""The virtual places of a mount, put together: dumps/, meta/, control, status."""

from __future__ import annotations

from pstorefs.commands import Executor, returned
from pstorefs.health import Finding
from pstorefs.machine import Machine
from pstorefs.reserved import shown
from pstorefs.status import Reporter
from pstorefs.tree.composed import ComposedDirectory, ComposedFile, Owner
from pstorefs.tree.control import Control
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.meta import Meta
from pstorefs.tree.mirror import Mirror


def places(mirror: Mirror, executor: Executor, machine: Machine, *, own: bool) -> ComposedDirectory:
    """The places as a directory. `own`: the records are those of this machine."""
    survey, target = executor.survey, executor.target

    def owner() -> Owner:
        return Owner.of(mirror.store.stamp(()), mirror.access)

    def further() -> list[Finding]:
        return returned(survey, target) if target else []

    dumps = Dumps(survey, owner, machine, own=own)
    reporter = Reporter(
        survey, mirror.store.path, machine, own=own, archive=target, further=further
    )
    meta = Meta(survey, owner, {"status.json": reporter.json})
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
            "status": ComposedFile(reporter.text, owner(), started),
        },
        lambda: owner().directory(0),
    )
