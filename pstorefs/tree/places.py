"""The virtual places of a mount, put together: dumps/, meta/, control, status."""

from __future__ import annotations

from functools import partial

from pstorefs.control.executor import Executor
from pstorefs.record.shown import shown
from pstorefs.report.health import Finding, not_archiving
from pstorefs.report.status import Reporter
from pstorefs.system.machine import Machine
from pstorefs.tree.composed import ComposedDirectory, ComposedFile
from pstorefs.tree.control import Control
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.meta import Meta
from pstorefs.tree.node import Node
from pstorefs.tree.owners import Owners
from pstorefs.tree.watched import NOT_FOR_LONG, Lasting


def archiving(executor: Executor) -> list[Finding]:
    """What keeps `archive` from working."""
    target = executor.target
    if target is None:
        return []
    return not_archiving(executor.catalog, executor.store, target, executor.policy)


class Places:
    """The places of one mount. `own`: the records are those of this machine.

    `root` is the directory that holds them, under the names of `record.shown.RESERVED`.
    """

    def __init__(
        self,
        executor: Executor,
        owners: Owners,
        machine: Machine,
        *,
        own: bool,
        lasting: Lasting = NOT_FOR_LONG,
    ) -> None:
        catalog, store = executor.catalog, executor.store
        self._executor = executor
        self._owners = owners
        self._reporter = Reporter(
            catalog,
            store.path,
            machine,
            own=own,
            archive=executor.target,
            archiving=partial(archiving, executor),
        )
        self._started = store.stamp(()).mtime_ns
        self._control = Control(executor.run, owners.of_root(), self._started)
        self._dumps = Dumps(catalog, owners, machine, own=own, lasting=lasting)
        self._meta = Meta(
            catalog,
            owners,
            {"status.json": lambda: ComposedFile(self._reporter.json, owners.of_everything, 0)},
        )
        self.root = ComposedDirectory(self._entries, lambda: owners.of_root().directory(0))

    def remove(self, path: str) -> None:
        """Rm of a record, by its path in the source. OSError if it fails; control says why."""
        result = self._executor.remove(path)
        self._control.answer(f"rm {shown(path)}", result)
        result.check()

    def _entries(self) -> dict[str, Node]:
        # They are the same nodes each time, and whoever looks one up is told its rights as of now.
        self._control.hand_over(self._owners.of_root())
        for place in (self._dumps.root, self._meta.root):
            place.find()
        return {
            "control": self._control,
            "dumps": self._dumps.root,
            "meta": self._meta.root,
            "status": ComposedFile(self._reporter.text, self._owners.of_everything, self._started),
        }
