"""dumps/: what the machine left behind, one directory for each dump, live or archived."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.textcache import TextCache
from pstorefs.dump import Dump
from pstorefs.report import files
from pstorefs.report.context import Context, Sibling
from pstorefs.report.material import Known, console_of
from pstorefs.source.directory import has_changed
from pstorefs.system.machine import Machine
from pstorefs.tree.composed import ComposedDirectory, ComposedFile, ComposedLink
from pstorefs.tree.node import Node, StaleError
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Attributes, Owner

LATEST = "latest"
# Bytes of reports and summaries that are kept.
_MADE_BYTES = 2 << 20
# In place of the title of a dump that is closed to some who may read this one.
_CLOSED = "see its own report"


class Dumps:
    """The directory dumps/ of one mount. `own`: the records are those of this machine."""

    def __init__(
        self,
        catalog: Catalog,
        owners: Owners,
        machine: Machine,
        *,
        own: bool,
    ) -> None:
        self.catalog = catalog
        self._owners = owners
        self._machine = machine
        self._own = own
        self._made_lately = TextCache(_MADE_BYTES)
        #: Of each dump its directory, and raw/ in it.
        self._directories: dict[str, tuple[ComposedDirectory, ComposedDirectory]] = {}
        self.root = ComposedDirectory(
            self._entries, lambda: self._owners.of_root().directory(0), self._entry
        )

    def _entries(self) -> Mapping[str, Node]:
        dumps = self.catalog.dumps()
        for gone in self._directories.keys() - dumps.keys():
            self._directories.pop(gone, None)
        entries: dict[str, Node] = {}
        for name in dumps:
            with suppress(FileNotFoundError):  # it went meanwhile
                entries[name] = self._directory(name)[0]
        latest = self._latest()
        if latest is not None:
            entries[LATEST] = latest
        return entries

    def _entry(self, name: str) -> Node | None:
        if name == LATEST:
            return self._latest()
        return self._directory(name)[0] if name in self.catalog.dumps() else None

    def _latest(self) -> Node | None:
        latest = self.catalog.latest()
        if latest is None:
            return None
        return ComposedLink(latest.name, self._owners.of_root(), latest.time_ns or 0)

    def _directory(self, name: str) -> tuple[ComposedDirectory, ComposedDirectory]:
        """The directory of a dump, and raw/ in it: the same ones as long as the dump is there.

        Raises FileNotFoundError.
        """
        known = self._directories.get(name)
        if known is None:
            describe = partial(self._describe, name)
            files = ComposedDirectory(partial(self._files, name), describe)
            raw = ComposedDirectory(partial(self._raw, name), describe)
            known = self._directories.setdefault(name, (files, raw))
        return known

    def _dump(self, name: str) -> Dump:
        """The dump of a name. Raises FileNotFoundError."""
        dump = self.catalog.dumps().get(name)
        if dump is None:
            raise FileNotFoundError(errno.ENOENT, "no such dump", name)
        return dump

    def _owner_of(self, name: str) -> Owner:
        return self._owners.of_dump(self._dump(name))

    def _describe(self, name: str) -> Attributes:
        dump = self._dump(name)
        return self._owners.of_dump(dump).directory(_mtime(dump))

    def _files(self, name: str) -> Mapping[str, Node]:
        dump = self._dump(name)
        entries: dict[str, Node] = {}
        for file in files.FILES:
            if file == "console.txt" and console_of(dump) is None:
                continue
            make = partial(self._compose, partial(self._made, file), name)
            entries[file] = ComposedFile(make, partial(self._owner_of, name), _mtime(dump))
        entries["raw"] = self._directory(name)[1]
        return entries

    def _raw(self, name: str) -> Mapping[str, Node]:
        dump = self._dump(name)
        entries: dict[str, Node] = {}
        for part in (*dump.parts, *dump.others):
            record = part.record
            file = (
                record.file if record.file not in entries else f"{record.file}~{record.sha256[:8]}"
            )
            compose = partial(self._stored, name, record.sha256)
            entries[file] = ComposedFile(compose, partial(self._owner_of, name), record.mtime_ns)
        return entries

    def _compose(self, compose: Callable[[Dump], bytes], name: str) -> bytes:
        """A file of a dump as it is now; what changes at this moment is to be looked up again."""
        try:
            return compose(self._dump(name))
        except OSError as error:
            if not has_changed(error):
                raise
            self.catalog.dumps(now=True)  # somebody else changed the store a moment ago
        try:
            return compose(self._dump(name))
        except OSError as error:
            if not has_changed(error):
                raise
            raise StaleError from error

    def _stored(self, name: str, sha256: str) -> bytes:
        """A record of a dump, wherever it is by now."""

        def stored(dump: Dump) -> bytes:
            records = (record for record in dump.records if record.sha256 == sha256)
            record = next(records, None)
            if record is None:
                raise StaleError
            return self.catalog.stored(record)

        return self._compose(stored, name)

    def _made(self, file: str, dump: Dump) -> bytes:
        """A file of a dump."""
        if file in files.PLAIN:
            content = files.FILES[file](Known(self.catalog, dump), Context())
        else:
            # Looked up, opened and asked for its size: the same for as long as nothing changes.
            key = (dump.name, file, self.catalog.generation, self._machine.hostname)
            content = self._made_lately.get(key)
            if content is None:
                content = files.FILES[file](Known(self.catalog, dump), self.context(dump))
                self._made_lately.put(key, content or b"")
        if content is None:
            raise StaleError
        return content

    def context(self, dump: Dump) -> Context:
        """The other dumps of that boot, and who reads."""
        siblings = tuple(
            Sibling(
                other.name,
                self.catalog.brief(other).title if self._owners.may_name(other, dump) else _CLOSED,
                other.order or 0,
                other.reason or "",
            )
            for other in self.catalog.dumps().values()
            if dump.boot is not None and other.boot == dump.boot and other.name != dump.name
        )
        return Context(self._machine, self._own, siblings, dump.order)


def _mtime(dump: Dump) -> int:
    return dump.time_ns or max(record.mtime_ns for record in dump.records)
