"""dumps/: what the machine left behind, one directory for each dump, live or archived.

There may be 100,000: a dump's node is small, and nothing of a dump is looked at to list it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from pstorefs.archive.entry import Entry
from pstorefs.archive.layout import RAW, SUMMARY, TEXT
from pstorefs.archive.stored import Stored
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.view import Listed
from pstorefs.report import files
from pstorefs.report.material import material, raw_files
from pstorefs.source.stamp import has_changed
from pstorefs.system.machine import Machine
from pstorefs.tree.archived_files import Summaries, Texts
from pstorefs.tree.composed import ComposedDirectory, ComposedFile, ComposedLink
from pstorefs.tree.dump_contents import Contents
from pstorefs.tree.foretold import ForetoldFile, IndexedFiles
from pstorefs.tree.node import COMPOSE, QUICK, Directory, Lane, Node, StaleError
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Attributes, Owner
from pstorefs.tree.watched import NOT_FOR_LONG, Lasting

LATEST = "latest"
_Made = TypeVar("_Made")


class _NoDumpError(FileNotFoundError):
    """There is no dump of this name, or no longer."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ENOENT, "no such dump", name)


class DumpDirectory(Directory):
    """The directory of one dump. What is in it is made when somebody looks."""

    __slots__ = ("_dumps", "_inside", "archived", "name")

    def __init__(self, dumps: Dumps, name: str, attributes: Attributes) -> None:
        super().__init__(attributes)
        self._dumps = dumps
        self._inside: ComposedDirectory | None = None
        self.name = name
        #: Whether all of it is in the archive.
        self.archived = False

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return COMPOSE

    def find(self) -> Attributes:
        """See `Node`."""
        self.attributes = self._dumps.describe(self.name)
        return self.attributes

    @property
    def may_last(self) -> bool:
        """See `Node`."""
        return True

    def lasts(self, since: float) -> bool:
        """See `Node`."""
        return self.archived and self._dumps.lasts(since)

    def lane_of(self, name: str) -> Lane:
        """See `Directory`."""
        return QUICK if self._dumps.has_at_hand(self.name, name) else COMPOSE

    @property
    def inside(self) -> ComposedDirectory:
        """What lists it."""
        inside = self._inside
        if inside is None:
            self._inside = inside = self._dumps.inside(self)
        return inside

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return self.inside.names()

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        return self.inside.lookup(name)

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        return self.inside.settle(name, node)

    def remove_folder(self, name: str) -> None:
        """See `Directory`."""
        self.remove(name)


class _Root(ComposedDirectory):
    """dumps/ itself: its directories are the same nodes each time."""

    __slots__ = ("_knows_all", "_passed")

    def __init__(
        self,
        children: Callable[[], Mapping[str, Node]],
        describe: Callable[[], Attributes],
        child: Callable[[str], Node | None],
        knows_all: Callable[[], bool],
        passed: Callable[[], None],
    ) -> None:
        super().__init__(children, describe, child)
        #: Whether all dumps were looked at a moment ago.
        self._knows_all = knows_all
        #: Called when the kernel asks for this directory.
        self._passed = passed

    def lasts(self, since: float) -> bool:
        """See `Node`: never, so that somebody notices when its path leads elsewhere."""
        del since
        self._passed()
        return False

    def lane_of(self, name: str) -> Lane:
        """See `Directory`."""
        del name
        return QUICK if self._knows_all() else COMPOSE

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        return (name, node) if isinstance(node, DumpDirectory) else super().settle(name, node)


class Dumps:
    """The directory dumps/ of one mount. `own`: the records are those of this machine."""

    def __init__(
        self,
        catalog: Catalog,
        owners: Owners,
        machine: Machine,
        *,
        own: bool,
        lasting: Lasting = NOT_FOR_LONG,
    ) -> None:
        self.catalog = catalog
        self._owners = owners
        self.contents = Contents(catalog, machine, owners.may_name, own=own)
        self._directories: dict[str, DumpDirectory] = {}
        self.lasts = lasting.lasts
        self.root = _Root(
            self._entries,
            lambda: self._owners.of_root().directory(0),
            self._entry,
            self.is_known,
            lasting.passed,
        )
        #: Files of archived dumps of which the index tells more than that they are there.
        self._indexed: dict[str, IndexedFiles] = {}
        if catalog.archive is not None:
            reader = machine, own
            self._indexed = {
                TEXT: Texts(catalog.archive, self.is_known, self._made),
                SUMMARY: Summaries(catalog.archive, catalog, self.contents, self._made, reader),
            }

    def is_known(self) -> bool:
        """Whether all dumps were looked at a moment ago."""
        return self.catalog.at_hand() is not None

    def _entries(self) -> Mapping[str, Node]:
        dumps = self.catalog.dumps()
        for gone in self._directories.keys() - dumps.keys():
            self._directories.pop(gone, None)
        archived = self._owners.of_archived()
        entries: dict[str, Node] = {
            name: self._directory(dump, archived if isinstance(dump, Entry) else None)
            for name, dump in dumps.items()
        }
        latest = self._latest()
        if latest is not None:
            entries[LATEST] = latest
        return entries

    def _entry(self, name: str) -> Node | None:
        if name == LATEST:
            return self._latest()
        dump = self.catalog.dumps().get(name)
        return self._directory(dump) if dump is not None else None

    def _latest(self) -> Node | None:
        latest = self.catalog.latest()
        if latest is None:
            return None
        return ComposedLink(latest.name, self._owners.of_root(), latest.time_ns or 0)

    def _directory(self, dump: Listed, owner: Owner | None = None) -> DumpDirectory:
        """The directory of a dump: the same one as long as the dump is there."""
        attributes = (owner or self._owners.of_dump(dump)).directory(dump.mtime_ns)
        known = self._directories.get(dump.name)
        if known is None:
            new = DumpDirectory(self, dump.name, attributes)
            known = self._directories.setdefault(dump.name, new)
        known.archived = isinstance(dump, Entry)
        if known.attributes != attributes:
            known.attributes = attributes
        return known

    def inside(self, directory: DumpDirectory) -> ComposedDirectory:
        """What lists the directory of a dump."""
        name = directory.name
        return ComposedDirectory(
            partial(self._files, name), lambda: directory.attributes, partial(self._file, name)
        )

    def has_at_hand(self, name: str, file: str) -> bool:
        """Whether nobody has to wait to look up a file of a dump: it is archived, and known."""
        view = self.catalog.at_hand()
        archived = view is not None and isinstance(view.dumps.get(name), Entry)
        if file in files.OPTIONAL:  # whether it has one, its summary says
            return archived and self.catalog.resolved_at_hand(name) is not None
        return archived

    def _dump(self, name: str) -> Listed:
        """A dump. Raises FileNotFoundError."""
        dump = self.catalog.dumps().get(name)
        if dump is None:
            raise _NoDumpError(name)
        return dump

    def _owner_now(self, name: str) -> Owner:
        return self._owners.of_dump(self._dump(name))

    def owner(self, entry: Entry) -> Owner:
        """The same, as long as the dump is just this: else a record has joined it, say."""
        dump = self._dump(entry.name)
        if dump is not entry and dump != entry:
            raise StaleError
        return self._owners.of_dump(dump)

    def owner_if_archived(self, entry: Entry) -> Owner:
        """The same, as long as all of the dump is archived, and was at the same time.

        It may be another one by now: who opens a file compares the content. An entry also changes
        as soon as the index has it, or is gone; two such changes would be one too many for open(2).
        """
        dump = self._dump(entry.name)
        if not (isinstance(dump, Entry) and dump.mtime_ns == entry.mtime_ns):
            raise StaleError
        return self._owners.of_dump(dump)

    def describe(self, name: str) -> Attributes:
        """The attributes of the directory of a dump. Raises FileNotFoundError."""
        dump = self._dump(name)
        return self._owners.of_dump(dump).directory(dump.mtime_ns)

    def _files(self, name: str) -> Mapping[str, Node]:
        found = {file: self._file(name, file) for file in (*files.FILES, RAW)}
        return {file: node for file, node in found.items() if node is not None}

    def _file(self, name: str, file: str) -> Node | None:
        """One entry of the directory of a dump; None: it has none of that name."""
        dump = self._dump(name)
        if file == RAW:
            return ComposedDirectory(partial(self._raw, name), partial(self.describe, name))
        if file not in files.FILES:
            return None
        if file in files.OPTIONAL and not self._made_now(partial(self._has, file, name)):
            return None
        indexed = self._indexed.get(file) if isinstance(dump, Entry) else None
        if indexed is not None and isinstance(dump, Entry) and indexed.foretell(dump) is not None:
            return ForetoldFile(indexed, dump, self)
        make = partial(self._made, file, name)
        owner = partial(self._owner_now, name)
        at_hand = partial(self.contents.at_hand, file, name)
        return ComposedFile(make, owner, dump.mtime_ns, at_hand, lasting=isinstance(dump, Entry))

    def _made(self, file: str, name: str) -> bytes:
        """A file of a dump as it is now. OSError as from `_made_now`."""
        return self._made_now(lambda: self.contents.of(file, self._dump(name)))

    def _has(self, file: str, name: str) -> bool:
        """Whether a dump has one of the files that not every dump has."""
        return files.OPTIONAL[file](material(self.catalog, self._dump(name)))

    def _raw(self, name: str) -> Mapping[str, Node]:
        found = self._made_now(lambda: raw_files(self.catalog.resolved(self._dump(name))))
        entries: dict[str, Node] = {}
        for each in found:
            file = each.file if each.file not in entries else f"{each.file}~{each.sha256[:8]}"
            make = partial(self._made_now, partial(self._stored, name, each.sha256))
            owner = partial(self._owner_now, name)
            entries[file] = ComposedFile(make, owner, each.mtime_ns, lasting=True)
        return entries

    def _made_now(self, make: Callable[[], _Made]) -> _Made:
        """What is made of a dump now. `StaleError` if it changes at this very moment.

        FileNotFoundError if it is gone: who lists a directory is not told to look it up again.
        """
        try:
            return make()
        except OSError as error:
            if not has_changed(error):
                raise
            self.catalog.dumps(now=True)  # somebody else changed the store a moment ago
        try:
            return make()
        except _NoDumpError:
            raise
        except OSError as error:
            if not has_changed(error):
                raise
            raise StaleError from error

    def _stored(self, name: str, sha256: str) -> bytes:
        """A record of a dump, wherever it is by now."""
        known = self.catalog.resolved(self._dump(name))
        if isinstance(known, Stored):
            for each in known.records:
                if each["sha256"] == sha256:
                    return self.catalog.archived_bytes(each["path"], sha256)
            raise StaleError
        record = next((each for each in known.records if each.sha256 == sha256), None)
        if record is None:
            raise StaleError
        return self.catalog.stored(record)
