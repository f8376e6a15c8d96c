"""ship.conf, and what it means to others: what is still to be shipped is not to be removed.

Nothing is imported at the top: see settings/ship.py.
"""

from __future__ import annotations

import os

from pstorefs.fleet import receipts
from pstorefs.settings import defaults
from pstorefs.settings.ship import Ship, ShipError, apply_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

_CONFIG_BYTES = 64 << 10


def config_path() -> str:
    """ship.conf; systemd says where, if the unit has a ConfigurationDirectory=."""
    given = os.environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0]
    name = os.path.basename(defaults.SHIP_CONFIG)
    return os.path.join(given, name) if given else defaults.SHIP_CONFIG


def configured() -> Ship:
    """What ship.conf says; without it, no URL. `ShipError` or OSError if it cannot be read."""
    settings = Ship()
    try:
        with open(config_path(), encoding="utf-8", errors="replace") as file:
            text = file.read(_CONFIG_BYTES)
    except FileNotFoundError:
        return settings
    try:
        apply_config(settings, text.splitlines())
    except ShipError as error:
        raise ShipError(f"{config_path()}: {error}") from None
    return settings


def pending(settings: Ship, state: str) -> list[str]:
    """The dumps that are still to be shipped. OSError if the archive cannot be read."""
    try:
        archive = os.open(settings.archive, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []  # nothing was ever archived
    try:
        there = receipts.open_receipts(state, settings.store_name)
        try:
            return receipts.pending(archive, there)
        finally:
            if there is not None:
                os.close(there)
    finally:
        os.close(archive)


class _All:
    """What holds every name."""

    def __contains__(self, name: object) -> bool:
        return True


def unshipped(archive: str) -> Container[str]:
    """The dumps of an archive that a configured receiver does not have yet.

    All of them where that cannot be found out; none where none is configured for this archive.
    """
    try:
        settings = configured()
        if os.path.realpath(settings.archive) != os.path.realpath(archive):
            return ()
        state = settings.state or defaults.DEFAULT_RECEIPTS
        return frozenset(name for each in settings.receivers() for name in pending(each, state))
    except (OSError, ShipError):
        return _All()
