"""Commands carried out: what `control` is told, and the rm of a record.

Threads: `run` and `remove` may be called from any thread, several at a time, but never from the one
that answers requests: they take as long as the disk does. Nothing here is locked. Two archiving
commands wait for each other by the archive's own lock (`archive.directory.locked`), as two
processes do; the catalog has a lock of its own. `tree.control` lets one command of `control` run at
a time, so that the answers are in the order of the commands.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from pstorefs.archive.engine import archive, clear
from pstorefs.archive.outcome import Outcome, first_error, missing
from pstorefs.archive.policy import Policy
from pstorefs.catalog.catalog import Catalog
from pstorefs.control.language import Command
from pstorefs.record.record import STORE
from pstorefs.record.shown import held, shown, stored
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.printable import printable

_log = logging.getLogger("pstorefs")


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did: errno (0: success), and a line for each record."""

    error: int
    lines: tuple[str, ...]

    def check(self) -> None:
        """Raise OSError if the command failed."""
        if self.error:
            raise OSError(self.error, os.strerror(self.error))


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries commands out. ``target`` is the archive; None: this store is not ours to change.

    ``rm``: what rm does, one of values.REMOVALS.
    """

    store: OpenDirectory
    catalog: Catalog
    target: str | None
    policy: Policy
    rm: str

    def run(self, command: Command) -> Result:
        """One command. Never raises OSError: the result tells."""
        if command.verb == "rescan":
            self.store.refresh(now=True)
            dumps = self.catalog.dumps(now=True)
            return Result(0, (f"records: {len(self.catalog.live())}, dumps: {len(dumps)}",))
        names = command.names
        if len(names) > 1 and self._is_record(command.words):
            if all(map(self._is_record, names)):
                words = (
                    f"this may name one record, or {len(names)}: rename one in {self.store.path}"
                )
                return Result(errno.EINVAL, (words,))
            names = (command.words,)
        return self._change(command.verb, names)

    def _is_record(self, name: str) -> bool:
        """Whether a file of the source is shown under this name."""
        path = stored(name)
        return path is not None and held(path, self._is_file) is not None

    def _is_file(self, path: str) -> bool:
        *folder, file = path.split("/")
        with suppress(OSError):
            return self.store.stamp(tuple(folder), file).is_file
        return False

    def remove(self, path: str) -> Result:
        """The rm of a record, by its path in the source."""
        if self.rm == "deny":
            return Result(errno.EPERM, (f"{shown(path)}: mounted with rm=deny",))
        result = self._change(self.rm, (shown(path),))
        _log.info("rm %s: %s", printable(path), "; ".join(map(printable, result.lines)))
        return result

    def _change(self, verb: str, names: tuple[str, ...]) -> Result:
        if self.target is None and not (verb == "clear" and self.store.pinned):
            words = "these records are not this machine's own: to archive them, mount with"
            return Result(errno.EROFS, (f"{words} -o archive=DIR",))
        paths = [path for name in names if (path := self._find(name)) is not None]
        unknown = [name for name in names if self._find(name) is None]
        outcomes = [missing(name) for name in unknown]
        try:
            if verb == "clear":
                found = [name for name in names if name not in unknown]
                outcomes += clear(self.store, list(self._records(found)))
            elif self.target is not None and (paths or not names):
                outcomes += archive(self.store, self.target, paths or None, self.policy)
        except OSError as error:
            return Result(error.errno or errno.EIO, (error.strerror or str(error),))
        finally:
            self.catalog.dumps(now=True)
        lines = tuple(_said(outcome) for outcome in outcomes) or ("nothing to do",)
        return Result(first_error(outcomes, named=bool(names)), lines)

    def _records(self, names: Iterable[str]) -> Iterator[str]:
        """Paths of records; a dump stands for those of its records that the store holds.

        A file that has a dump's name is that file.
        """
        dumps = self.catalog.dumps()
        for name in names:
            path = self._find(name) or name
            records = dumps[path].records if path in dumps and not self._is_record(name) else ()
            yield from [record.path for record in records if record.place == STORE] or [path]

    def _find(self, name: str) -> str | None:
        """What the engine calls a name as the mount shows it; None if it names no dump."""
        path = stored(name)
        if path is not None:
            return path
        dump = name.removeprefix("dumps/")
        latest = self.catalog.latest()
        if dump == "latest" and latest is not None:
            return latest.name
        return dump if dump in self.catalog.dumps() else None


def _said(outcome: Outcome) -> str:
    """A line on a record, in the name under which it is shown."""
    name = shown(outcome.record)
    message = outcome.message.replace(outcome.record, name)
    return str(outcome._replace(record=name, message=message))
