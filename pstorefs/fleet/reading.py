"""What is read of a store: names, and the bytes of one object. For engineers, not for machines.

What comes back is hostile: anybody with a machine's key can make keys and objects. Keys are to be
taken apart by `keys.parse_index`, and nothing longer than asked for is read.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.archive import durable
from pstorefs.fleet.store import StoreError

if TYPE_CHECKING:
    from pstorefs.settings.ship import Ship

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


#: Keys of one list, at most.
MOST_NAMES = 1_000_000
TOO_MANY = f"More than {MOST_NAMES:,} keys begin with {{}}: the rest was not looked at."


class Names(NamedTuple):
    """A list of keys; `odd`: sentences about what is not in it."""

    names: list[str]
    odd: tuple[str, ...] = ()


class Reader(Protocol):
    """A store that is read. Safe from any thread. All methods raise `StoreError`, or OSError."""

    def folders(self, prefix: str) -> list[str]:
        """What is between this prefix, which ends with a slash, and the next slash of keys."""

    def names(self, prefix: str) -> Names:
        """What follows this prefix, which ends with a slash, in the keys that begin so."""

    def get(self, key: str, most: int) -> bytes:
        """The bytes of an object; `StoreError` too if there are more than `most`."""


def open_reader(settings: Ship) -> Reader:
    """The engine for an URL. Raises `StoreError`."""
    if settings.url.startswith("file://"):
        return ReadSpool(settings.url.removeprefix("file://"))
    from pstorefs.fleet.objects import ReadObjects

    return ReadObjects(settings)


class ReadSpool:
    """See `Reader`: a store that is a directory. No symbolic link below it is followed."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        try:
            os.close(os.open(directory, _DIRECTORY))
        except OSError as error:
            raise StoreError(f"{directory}: {error.strerror}") from None

    def folders(self, prefix: str) -> list[str]:
        """See `Reader`."""
        return [name for name, directory in self._listed(prefix) if directory]

    def names(self, prefix: str) -> Names:
        """See `Reader`. Only files right below are listed: a date has no folders."""
        found = [name for name, directory in self._listed(prefix) if not directory]
        if len(found) > MOST_NAMES:
            return Names(found[:MOST_NAMES], (TOO_MANY.format(prefix),))
        return Names(found)

    def _listed(self, prefix: str) -> list[tuple[str, bool]]:
        try:
            folder = self._descend(prefix.rstrip("/").split("/"))
            try:
                with os.scandir(folder) as entries:
                    return [(e.name, e.is_dir(follow_symlinks=False)) for e in entries]
            finally:
                os.close(folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self.directory}/{prefix}: {error.strerror}") from None

    def get(self, key: str, most: int) -> bytes:
        """See `Reader`."""
        *folders, name = key.split("/")
        try:
            folder = self._descend(folders)
            try:
                return durable.read_small(folder, name, most)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreError(f"{self.directory}/{key}: {error.strerror}") from None

    def _descend(self, folders: list[str]) -> int:
        current = os.open(self.directory, _DIRECTORY)
        for name in folders:
            if name in ("", ".", ".."):
                os.close(current)
                raise durable.error(errno.EINVAL, "no key of a store")
            try:
                below = durable.open_directory(current, name)
            finally:
                os.close(current)
            current = below
        return current


def is_store(directory: str) -> bool:
    """Whether a directory is a fleet's store rather than one machine's archive."""
    from pstorefs.fleet import keys

    with suppress(OSError):
        return os.path.isdir(os.path.join(directory, keys.INDEX))
    return False
