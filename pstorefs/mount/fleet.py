"""A mount of a fleet's store: settings to its tree.

obstore is in a process of its own (fleet/apart.py), begun by the process that serves the mount.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence

from pstorefs.fleet.bundles import Bundles
from pstorefs.fleet.configured import reached
from pstorefs.fleet.daycache import DayCache, path_of
from pstorefs.fleet.days import Days
from pstorefs.fleet.keys import INDEX
from pstorefs.fleet.remote import RemoteError, open_remote
from pstorefs.fleet.store import StoreError
from pstorefs.mount.assemble import access
from pstorefs.mount.preflight import MountError, check_hidden, is_below
from pstorefs.settings import fleet, ship
from pstorefs.settings.defaults import FLEET_CONFIG
from pstorefs.settings.options import Settings
from pstorefs.tree.fleet import Fleet, FleetRoot, owner_of, statvfs
from pstorefs.tree.node import Directory

_FILE = "file://"

_log = logging.getLogger("pstorefs")


class FleetStore:
    """See `assemble.Backing`. Raises `MountError` for settings that cannot be meant."""

    may_hang = True
    changes = False

    def __init__(self, settings: Settings, mountpoint: str) -> None:
        self._settings = settings
        self._ship = _reached(settings)
        self._cache = path_of(self._ship.store_name)
        check_hidden(mountpoint, None)
        directory = self._ship.url.removeprefix(_FILE)
        for path in (self._cache, directory if directory != self._ship.url else ""):
            if path and is_below(os.path.realpath(path), mountpoint):
                raise MountError(f"{mountpoint}: hides {path}: mount elsewhere")

    def tree(self) -> tuple[Directory, None]:
        """See `Backing`."""
        try:
            remote = open_remote(self._ship)
        except StoreError as error:
            raise MountError(str(error)) from None
        days = Days(remote, DayCache(self._cache))
        try:
            remote.reach(f"{INDEX}/")
        except RemoteError as error:
            words = f"{self._ship.url}: {error.strerror}"
            if not self._settings.nofail:
                raise MountError(f"{words} (or use -o nofail to mount and wait for it)") from None
            _log.warning("%s: mounted anyway, because of nofail", words)
        owner = owner_of(access(self._settings))

        def following(name: str, count: int) -> Sequence[str]:
            crashes = days.latest()
            return crashes.following(name, count) if crashes else ()

        bundles = Bundles(remote, following=following)
        return FleetRoot(Fleet(self._ship.url, days, bundles, owner, time.time_ns())), None

    def statvfs(self) -> os.statvfs_result:
        """See `Backing`."""
        return statvfs()

    def needs(self, _module: str, /) -> bool:
        """See `Backing`."""
        return True

    def close(self) -> None:
        """See `Backing`. Whatever waits for the store ends with the process."""


def _reached(settings: Settings) -> ship.Ship:
    """The store, and how it is reached: what the command line says, or fleet.conf."""
    try:
        return reached(settings.source, {n: getattr(settings, n) for n in fleet.OPTIONS})
    except ship.ShipError as error:
        raise MountError(str(error)) from None
    except OSError as error:
        raise MountError(f"{FLEET_CONFIG}: {error.strerror}") from None
