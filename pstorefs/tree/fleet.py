"""The mount of a fleet: signatures/, machines/, days/ and status, over all crashes in a store.

A dump is a directory once, in signatures/; elsewhere are links to it. So whatever walks the whole
mount (grep -r, tar) fetches each bundle once. Lists come out of keys alone; the first look into a
dump's directory fetches its bundle, so that all sizes in it are true.

There may be a million dumps. Nodes are made when somebody looks, and dropped when the kernel has
forgotten them and their directory is listed again.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet import grouped, keys
from pstorefs.report import fleet_status
from pstorefs.tree.bundle import NOT_KEPT, BundleDirectory, Light, mtime_of
from pstorefs.tree.composed import ComposedFile, settled
from pstorefs.tree.node import COMPOSE, QUICK, Directory, Lane, Link, Node
from pstorefs.tree.rights import Access, Attributes, Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pstorefs.fleet.bundles import Bundles
    from pstorefs.fleet.days import Days
    from pstorefs.fleet.grouped import Grouped

STATUS, SUMMARY = "status", "summary.json"
_DIRECTORY_MODE, _FILE_MODE = 0o500, 0o400


def owner_of(access: Access) -> Owner:
    """The owner of everything: whoever mounted it, and nobody else unless options say so."""
    directory, file = access.directory_mask, access.file_mask
    return Owner(
        os.geteuid() if access.uid is None else access.uid,
        os.getegid() if access.gid is None else access.gid,
        _DIRECTORY_MODE if directory is None else 0o555 & ~directory,
        _FILE_MODE if file is None else 0o444 & ~file,
        os.geteuid(),
    )


class Fleet(NamedTuple):
    """What the nodes of one mount share."""

    #: The store, as users write it.
    store: str
    days: Days
    bundles: Bundles
    owner: Owner
    #: When it was mounted, in nanoseconds since 1970.
    mounted_ns: int


class _Keyed(Light, Directory):
    """A directory whose entries come out of the keys."""

    __slots__ = ("_fleet", "_nodes")

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(NOT_KEPT)
        self._fleet = fleet
        #: By whatever a subclass finds its entries under.
        self._nodes: dict[str, Node] = {}

    def describe(self) -> Attributes:
        """See `Light`."""
        return self._fleet.owner.directory(self._fleet.mounted_ns)

    @property
    def lane(self) -> Lane:
        """See `Node`. There may be a million names."""
        return COMPOSE

    @property
    def lane_of_find(self) -> Lane:
        """See `Node`."""
        return QUICK

    def lane_of(self, name: str) -> Lane:
        """See `Directory`."""
        del name
        return COMPOSE if self._fleet.days.at_hand() is None else QUICK

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        found = list(self._list(self._fleet.days.view()))
        now = {key for _, key in found}
        # A snapshot, as look-ups add to it meanwhile.
        for key, node in list(self._nodes.items()):
            if key not in now or not (node.lookups or node.opens):
                self._nodes.pop(key, None)
        return [(name, self._node(key)) for name, key in found]

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        key = self._find(self._fleet.days.view(), name)
        return None if key is None else self._node(key)

    def _node(self, key: str) -> Node:
        node = self._nodes.get(key)
        # Of two threads that make one, both get the same.
        return self._nodes.setdefault(key, self._make(key)) if node is None else node

    def _list(self, crashes: Grouped) -> Iterable[tuple[str, str]]:
        """Names, and what each is found under."""
        raise NotImplementedError

    def _find(self, crashes: Grouped, name: str) -> str | None:
        """What a name is found under; None if it is not there."""
        raise NotImplementedError

    def _make(self, key: str) -> Node:
        raise NotImplementedError


class _Groups(_Keyed):
    """signatures/, machines/ or days/: a directory for each group."""

    __slots__ = ("_kind",)

    def __init__(self, fleet: Fleet, kind: str) -> None:
        super().__init__(fleet)
        self._kind = kind

    def _groups(self, crashes: Grouped) -> Mapping[str, Sequence[str]]:
        found: Mapping[str, Sequence[str]] = getattr(crashes, self._kind)
        return found

    def _list(self, crashes: Grouped) -> Iterable[tuple[str, str]]:
        return [(key, key) for key in self._groups(crashes)]

    def _find(self, crashes: Grouped, name: str) -> str | None:
        return name if name in self._groups(crashes) else None

    def _make(self, key: str) -> Node:
        if self._kind == "labels":
            return _Signature(self._fleet, key)
        return _Links(self._fleet, self._kind, key)


class _Signature(_Keyed):
    """signatures/<label>/: the dumps themselves, and what they have in common."""

    __slots__ = ("_label",)

    def __init__(self, fleet: Fleet, label: str) -> None:
        super().__init__(fleet)
        self._label = label

    def _list(self, crashes: Grouped) -> Iterable[tuple[str, str]]:
        names = crashes.labels.get(self._label, ())
        return [(SUMMARY, SUMMARY), *grouped.listed(names)] if names else []

    def _find(self, crashes: Grouped, name: str) -> str | None:
        names = crashes.labels.get(self._label, ())
        return name if name == SUMMARY and names else grouped.find(names, name)

    def settle(self, name: str, node: Node) -> tuple[str, Node]:
        """See `Directory`."""
        return name, settled(self._nodes, name, node) if name == SUMMARY else node

    def _node(self, key: str) -> Node:
        # Another one each time, as it may have changed: `settle` says which one is shown.
        return _file(self._fleet, self._summary) if key == SUMMARY else super()._node(key)

    def _make(self, key: str) -> Node:
        return BundleDirectory(self._fleet.bundles, key, self._fleet.owner)

    def _summary(self) -> bytes:
        names = self._fleet.days.view().labels.get(self._label, ())
        return fleet_status.summary_json(self._label, names)


class _Links(_Keyed):
    """machines/<host>/ or days/<date>/: links to dumps."""

    __slots__ = ("_key", "_kind")

    def __init__(self, fleet: Fleet, kind: str, key: str) -> None:
        super().__init__(fleet)
        self._kind, self._key = kind, key

    def _names(self, crashes: Grouped) -> Sequence[str]:
        found: Sequence[str] = getattr(crashes, self._kind).get(self._key, ())
        return found

    def _list(self, crashes: Grouped) -> Iterable[tuple[str, str]]:
        found: dict[str, str] = {}
        for name in self._names(crashes):
            # Of two with one id and several labels, which only a liar sends, the first, as `_find`.
            found.setdefault(_called(crashes, name), name)
        return found.items()

    def _find(self, crashes: Grouped, name: str) -> str | None:
        found = grouped.find(self._names(crashes), name)
        return found if found is not None and _called(crashes, found) == name else None

    def _make(self, key: str) -> Node:
        return _DumpLink(self._fleet, key)


class _DumpLink(Light, Link):
    """A link to a dump's directory. `name` is that of its index entry."""

    __slots__ = ("_fleet", "_name")

    def __init__(self, fleet: Fleet, name: str) -> None:
        super().__init__(NOT_KEPT)
        self._fleet = fleet
        self._name = name

    def describe(self) -> Attributes:
        """See `Light`."""
        return self._fleet.owner.link(self.target(), mtime_of(self._name))

    def target(self) -> str:
        """See `Link`."""
        label = keys.split_entry(self._name).label
        return f"../../signatures/{label}/{_called(self._fleet.days.latest(), self._name)}"


class FleetRoot(Directory):
    """The root: always the same four entries."""

    __slots__ = ("_entries", "_fleet")

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet.owner.directory(fleet.mounted_ns))
        self._fleet = fleet
        self._entries: dict[str, Node] = {
            "days": _Groups(fleet, "days"),
            "machines": _Groups(fleet, "hosts"),
            "signatures": _Groups(fleet, "labels"),
            STATUS: _file(fleet, self._status),
        }

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        return list(self._entries.items())

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        return _file(self._fleet, self._status) if name == STATUS else self._entries.get(name)

    def settle(self, name: str, node: Node) -> tuple[str, Node]:
        """See `Directory`."""
        return name, settled(self._entries, name, node)

    def _status(self) -> bytes:
        crashes = self._fleet.days.view()
        listed, trouble = self._fleet.days.state
        return fleet_status.status_text(self._fleet.store, crashes, listed, trouble, time.time())


def _file(fleet: Fleet, compose: Callable[[], bytes]) -> ComposedFile:
    return ComposedFile(compose, lambda: fleet.owner, fleet.mounted_ns)


def _called(crashes: Grouped | None, name: str) -> str:
    """What a dump is called."""
    label = keys.split_entry(name).label
    return grouped.shown(crashes.labels.get(label, ()) if crashes else (), name)


def statvfs() -> os.statvfs_result:
    """The numbers of a file system that has no size: a store does not say how full it is."""
    return os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, os.ST_RDONLY, 255))
