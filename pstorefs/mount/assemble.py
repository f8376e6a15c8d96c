"""The composition root: settings to the tree of a mount and to what carries commands out.

This page is for records of a directory; mount/fleet.py for those in a fleet's store.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Protocol

from pstorefs.mount.preflight import MountError
from pstorefs.record.decoded import Decoded
from pstorefs.settings.defaults import SYSTEMD_ARCHIVE
from pstorefs.settings.options import Settings
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.tree.mirror import Mirror
from pstorefs.tree.mirror_directory import mirrored
from pstorefs.tree.node import Directory
from pstorefs.tree.rights import Access

if TYPE_CHECKING:
    import os

    from pstorefs.control.executor import Executor
    from pstorefs.mount.watch import Watch

#: What only a fleet's mount imports, by the beginning of the name: 2 MiB, with sqlite3 and tarfile.
_OF_A_FLEET = (
    "pstorefs.fleet.",
    "pstorefs.mount.fleet",
    "pstorefs.report.fleet_status",
    "pstorefs.tree.bundle",
    "pstorefs.tree.fleet",
)
#: But for this, and what it imports itself: an archived dump that is not shipped yet is kept.
_UNSHIPPED = "pstorefs.fleet.configured"

_log = logging.getLogger("pstorefs")


class Backing(Protocol):
    """What a mount shows."""

    @property
    def may_hang(self) -> bool:
        """Whether it is served by somebody else, who may not answer."""
        ...

    @property
    def changes(self) -> bool:
        """Whether any command or rm can save or erase something."""
        ...

    def tree(self) -> tuple[Directory, Watch | None]:
        """What the mount looks like, and what knows at once that something changed, if anything.

        Made in the process that serves it. Raises `MountError`.
        """
        ...

    def statvfs(self) -> os.statvfs_result:
        """The numbers for df(1)."""
        ...

    def needs(self, module: str, /) -> bool:
        """Whether it may import this module of ours at some later time."""
        ...

    def close(self) -> None:
        """The mount has ended."""
        ...


class Records:
    """Records of a directory, such as /sys/fs/pstore."""

    def __init__(self, settings: Settings, store: OpenDirectory) -> None:
        self._settings, self._store = settings, store
        self.may_hang = store.may_hang
        self.statvfs = store.statvfs
        self.close = store.close
        self.changes = may_change(settings, store)

    def tree(self) -> tuple[Directory, Watch | None]:
        """See `Backing`."""
        return tree(self._settings, self._store)

    def needs(self, module: str, /) -> bool:
        """See `Backing`."""
        return module == _UNSHIPPED or not module.startswith(_OF_A_FLEET)


def tree(settings: Settings, store: OpenDirectory) -> tuple[Directory, Watch | None]:
    """What the mount looks like, and what watches the places that dumps/ is made of, if any."""
    machine = Machine()
    target = settings.target
    rm = _removal(settings, store, target)
    # What changes something and what knows dumps is 20 modules: a plain mount is there before them.
    decoded = Decoded()
    executor = cache(lambda: _executor(settings, store, machine, target, rm, decoded))
    rights = access(settings)
    if settings.plain or store.pinned:
        mirror = Mirror(store, rights, decoded, remove=lambda path: executor().remove(path).check())
        return mirrored(mirror), None
    from pstorefs.mount.watch import Watch
    from pstorefs.tree.owners import Owners
    from pstorefs.tree.places import Places
    from pstorefs.tree.root import Root
    from pstorefs.tree.watched import Lasting, WatchedDirectories

    catalog = executor().catalog
    owners = Owners(store, rights, catalog)
    watched = WatchedDirectories(catalog, owners, machine)
    watch = Watch(watched.where, watched.opened, watched.follow, watched.is_as_at_first)
    lasting = Lasting(watch.lasts, watch.passed)
    places = Places(executor(), owners, machine, own=settings.default_source, lasting=lasting)
    mirror = Mirror(store, rights, decoded, remove=places.remove)
    return Root(mirrored(mirror, renamed=True), places.root), watch


def _executor(
    settings: Settings,
    store: OpenDirectory,
    machine: Machine,
    target: str | None,
    rm: str,
    decoded: Decoded,
) -> Executor:
    """What carries out commands and rm."""
    from pstorefs.archive.policy import Policy
    from pstorefs.catalog.catalog import Catalog
    from pstorefs.catalog.place import Place
    from pstorefs.control.executor import Executor
    from pstorefs.fleet.configured import unshipped
    from pstorefs.record.record import ARCHIVE, STORE, SYSTEMD
    from pstorefs.report import files
    from pstorefs.report.journal import announce

    own = settings.default_source
    known = [Place(STORE, store)]
    if target is not None:
        known.append(Place(ARCHIVE, target))
    if own:
        known.append(Place(SYSTEMD, SYSTEMD_ARCHIVE))
    policy = Policy(
        volatile=settings.archive_volatile,
        keep=settings.keep,
        compose=files.composer(machine, own=own),
        on_saved=announce,
        unshipped=unshipped,
        decoded=decoded,
        say=lambda sentence: _log.info("%s", sentence),
    )
    return Executor(store, Catalog(known, decoded), target, policy, rm)


def may_change(settings: Settings, store: OpenDirectory) -> bool:
    """Whether any command or rm can save or erase something."""
    return (settings.target is not None or store.pinned) and not settings.read_only


def _removal(settings: Settings, store: OpenDirectory, target: str | None) -> str:
    """What rm of a record does; over the source what it does there, unless asked otherwise."""
    rm = settings.rm or ("clear" if store.pinned else "archive")
    if store.pinned and rm == "archive" and target is None:
        raise MountError(f"{settings.source}: rm=archive needs archive=DIR for these records")
    return rm


def access(settings: Settings) -> Access:
    """Owner and modes, as the options say."""
    return Access(
        settings.uid,
        settings.gid,
        settings.umask if settings.fmask is None else settings.fmask,
        settings.umask if settings.dmask is None else settings.dmask,
    )
