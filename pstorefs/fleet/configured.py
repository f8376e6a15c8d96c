"""Reads ship.conf; also for --archive, as dumps that are still to be shipped must not be removed.

Nothing is imported at the top: see settings/ship.py.
"""

from __future__ import annotations

import os

from pstorefs.fleet import receipts
from pstorefs.settings import defaults
from pstorefs.settings.ship import Ship, ShipError, apply, apply_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_CONFIG_BYTES = 64 << 10


def config_path(default: str = defaults.SHIP_CONFIG) -> str:
    """ship.conf, or another one beside it.

    systemd says where, if the unit has a ConfigurationDirectory=.
    """
    given = os.environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0]
    return os.path.join(given, os.path.basename(default)) if given else default


def configured(default: str = defaults.SHIP_CONFIG) -> Ship:
    """What ship.conf says, or another one; without it, no URL.

    `ShipError` or OSError if it cannot be read.
    """
    settings = Ship()
    try:
        with open(config_path(default), encoding="utf-8", errors="replace") as file:
            text = file.read(_CONFIG_BYTES)
    except FileNotFoundError:
        return settings
    try:
        apply_config(settings, text.splitlines())
    except ShipError as error:
        raise ShipError(f"{config_path(default)}: {error}") from None
    return settings


def reached(source: str, options: Mapping[str, str]) -> Ship:
    """A store that is read, and how it is reached: an URL, or the word for fleet.conf.

    ``options``: those of the command line, empty where it gives none. `ShipError`, OSError.
    """
    if source == "fleet":  # settings/fleet.py
        found = configured(defaults.FLEET_CONFIG)
        if not found.url:
            words = "is missing, or has no url: give the store's URL as SOURCE"
            raise ShipError(f"{defaults.FLEET_CONFIG}: {words}")
    else:
        found = Ship()
        apply(found, "url", source)
    for name, value in options.items():
        if value:
            apply(found, name, value)
    return found


def overlap(settings: Ship, state: str) -> str:
    """Which directory is in the archive and must not be, in a sentence; empty: none.

    A run holds the lock of its state for as long as the network takes, and the archive has a lock
    of the same name; it removes files with the names of those that a spool is writing.
    """
    archive = os.path.realpath(settings.archive)
    scheme, _, directory = settings.url.partition("://")
    for what, path in (("state", state), ("url", directory if scheme == "file" else "")):
        if path and f"{os.path.realpath(path)}/".startswith(f"{archive.rstrip('/')}/"):
            return f"option {what}: {path} is in the archive {archive}: give a directory elsewhere"
    return ""


def pending(settings: Ship, state: str) -> list[str]:
    """The dumps that are still to be shipped. OSError if the archive cannot be read."""
    try:
        archive = os.open(settings.archive, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []  # nothing was ever archived
    try:
        return _pending(settings, state, archive)
    finally:
        os.close(archive)


def _pending(settings: Ship, state: str, archive: int) -> list[str]:
    there = receipts.open_receipts(state, settings.store_name)
    try:
        return receipts.pending(archive, there)
    finally:
        if there is not None:
            os.close(there)


class _All:
    """A container of every name."""

    def __contains__(self, name: object) -> bool:
        return True


def unshipped(path: str, archive: int) -> Container[str]:
    """The dumps of an archive that a configured receiver does not have yet.

    ``archive``: its descriptor, as somebody may have moved it away from its path meanwhile. All of
    them where that cannot be found out; none where none is configured for this archive.
    """
    try:
        settings = configured()
        if os.path.realpath(settings.archive) != os.path.realpath(path):
            return ()
        state = settings.state or defaults.DEFAULT_RECEIPTS
        return frozenset(
            name for each in settings.receivers() for name in _pending(each, state, archive)
        )
    except (OSError, ShipError):
        return _All()
