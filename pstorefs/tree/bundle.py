"""The directory of a dump that is in a bundle of the fleet's store."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pstorefs.fleet import keys
from pstorefs.tree.node import DECODE, QUICK, Directory, File, Lane, Node, Snapshot, StaleError
from pstorefs.tree.rights import Attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.fleet.bundles import Bundles, Files
    from pstorefs.tree.node import Opened
    from pstorefs.tree.rights import Owner


#: In place of attributes that are made when they are asked for.
NOT_KEPT = Attributes(0, 0, 0, 0, 0)


def mtime_of(name: str) -> int:
    """When a dump crashed, by a name that begins with that of the dump; nanoseconds since 1970."""
    moment = keys.time_of(name)
    return int(moment.timestamp()) * 10**9 if moment else 0


class Light(Node):
    """A node of which there may be a million: what follows from its name is made anew each time."""

    __slots__ = ()

    def describe(self) -> Attributes:
        """Its attributes, always the same."""
        raise NotImplementedError

    @property
    def attributes(self) -> Attributes:
        """See `Node`."""
        return self.describe()

    @attributes.setter
    def attributes(self, _: Attributes) -> None:
        """They are never kept."""

    @property
    def entry(self) -> None:
        """The adapter's: it makes another one when it wants one."""

    @entry.setter
    def entry(self, _: object) -> None:
        """It is never kept."""


class BundleDirectory(Light, Directory):
    """A dump. `name` is that of its index entry. Its bundle is fetched when somebody looks."""

    __slots__ = ("_bundles", "_inside", "_name", "_owner")

    def __init__(self, bundles: Bundles, name: str, owner: Owner) -> None:
        super().__init__(NOT_KEPT)
        self._bundles = bundles
        self._name = name
        self._owner = owner
        #: Which files it was made of, and its entries. Replaced whole.
        self._inside: tuple[int, dict[str, Node]] | None = None

    def describe(self) -> Attributes:
        """See `Light`."""
        return self._owner.directory(mtime_of(self._name))

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return DECODE if self._bundles.at_hand(self._name) is None else QUICK

    @property
    def lane_of_find(self) -> Lane:
        """See `Node`."""
        return QUICK

    def lane_of(self, name: str) -> Lane:
        """See `Directory`."""
        del name
        return QUICK if self._inside is not None else self.lane

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return list(self._entries(self._files()).items())

    def lookup(self, name: str) -> Node | None:
        """See `Directory`. What was looked into is not fetched again: a bundle never changes."""
        inside = self._inside
        entries = self._entries(self._files()) if inside is None else inside[1]
        return entries.get(name)

    def _files(self) -> Files:
        # The thread that answers requests has seen that they are at hand; it must not wait for a
        # store should they have been dropped since.
        wait = threading.current_thread() is not threading.main_thread()
        return self._bundles.get(self._name, wait=wait)

    def _entries(self, found: Files) -> dict[str, Node]:
        inside = self._inside
        if inside is None or inside[0] != found.version:
            self._inside = inside = found.version, self._made(found.files)
        return inside[1]

    def _made(self, files: Mapping[str, bytes]) -> dict[str, Node]:
        top: dict[str, Node] = {}
        folders: dict[str, dict[str, Node]] = {}
        for path, content in files.items():
            folder, slash, name = path.rpartition("/")
            place = folders.setdefault(folder, {}) if slash else top
            attributes = self._owner.file(len(content), self.attributes.mtime_ns)
            place[name] = _BundleFile(self, path, attributes)
        for folder, entries in folders.items():
            top[folder] = _Folder(self.attributes, entries)
        return top

    def content(self, path: str, size: int) -> bytes:
        """One of its files, which had this size. `StaleError` if it is another one by now."""
        found = self._files()
        content = found.files.get(path)
        inside = self._inside
        if content is None or len(content) != size or inside is None or inside[0] != found.version:
            self._inside = None  # somebody overwrote the bundle
            raise StaleError
        return content


class _BundleFile(File):
    """A file of a bundle."""

    __slots__ = ("_dump", "_path")

    def __init__(self, dump: BundleDirectory, path: str, attributes: Attributes) -> None:
        super().__init__(attributes)
        self._dump = dump
        self._path = path

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return self._dump.lane

    def open(self) -> Opened:
        """See `File`."""
        return Snapshot(self._dump.content(self._path, self.attributes.size))


class _Folder(Directory):
    """A folder of a bundle: raw/."""

    __slots__ = ("_entries",)

    def __init__(self, attributes: Attributes, entries: dict[str, Node]) -> None:
        super().__init__(attributes)
        self._entries = entries

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return list(self._entries.items())

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        return self._entries.get(name)
