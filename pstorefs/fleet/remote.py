"""The requests of a mount to a store: which keys there are, and the bytes of one.

objects.py and spool.py keep this contract beside that of store.py. Each call is bounded in time and
in what it returns, may be made by any thread, and raises `RemoteError` or nothing.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.settings.defaults import FLEET_CREDENTIALS

if TYPE_CHECKING:
    from pstorefs.fleet.tried import Tried
    from pstorefs.settings.ship import Ship

#: Keys of one list, at most.
MOST_KEYS = 1_000_000
#: Seconds until a request counts as failed: somebody waits for it.
REQUEST_SECONDS = 45

#: What an answer means to who reads a file. All others: EIO.
ERRNOS = {
    0: errno.EHOSTDOWN,
    401: errno.EACCES,
    403: errno.EACCES,
    408: errno.ETIMEDOUT,
    429: errno.EBUSY,
    500: errno.EBUSY,
    502: errno.EBUSY,
    503: errno.EBUSY,
    504: errno.ETIMEDOUT,
}


class RemoteError(OSError):
    """A request that failed. `strerror` is a line for people; `again`: try again at once."""

    def __init__(self, number: int, why: str, *, again: bool = False) -> None:
        super().__init__(number, why)
        self.again = again

    @classmethod
    def answered(cls, status: int, why: str) -> RemoteError:
        """The meaning of an HTTP status; 0: there was no answer."""
        number = ERRNOS.get(status, errno.EIO)
        return cls(number, why, again=number == errno.EBUSY or status == 0)


class BadKeyError(RemoteError):
    """What the store has under a prefix cannot be listed: of one key, no library can say the name.

    Anybody who may write can make such a key: ``..``, ``//``, a newline.
    """

    def __init__(self, key: str) -> None:
        super().__init__(errno.EILSEQ, f"the key {key!r} is not one that a program should make")
        self.key = key


class Found(NamedTuple):
    """A list of keys; `odd`: sentences about those that it may lack, and why."""

    names: list[str]
    odd: tuple[str, ...] = ()


class Remote(Protocol):
    """A store that is read."""

    def folders(self, prefix: str) -> list[str]:
        """What is between this prefix, which ends with a slash, and the next slash of keys.

        `BadKeyError` as well.
        """

    def names(self, prefix: str) -> Found:
        """What follows this prefix, which ends with a slash, in all keys. `MOST_KEYS` at most.

        Names are hostile.
        """

    def get(self, key: str, limit: int) -> bytes:
        """The bytes under a key. More than `limit`: `RemoteError`."""


def open_remote(settings: Ship) -> Tried:
    """The engine for an URL. Raises `StoreError` if there is no way to reach such a store."""
    from pstorefs.fleet.tried import Tried

    if settings.url.startswith("file://"):
        from pstorefs.fleet.spool import Spool

        return Tried(Spool(settings.url.removeprefix("file://")), settings.url)
    from pstorefs.fleet.apart import Apart
    from pstorefs.fleet.credentials import Use

    return Tried(Apart(settings, Use(REQUEST_SECONDS, FLEET_CREDENTIALS)), settings.url)
