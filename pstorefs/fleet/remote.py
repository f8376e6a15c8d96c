"""What is asked of a store by whoever looks: which keys there are, and the bytes under one.

objects.py and spool.py keep this contract beside that of store.py. Each call is bounded in time and
in what it returns, may be made by any thread, and raises `RemoteError` or nothing.
"""

from __future__ import annotations

import errno
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.fleet.retry import Clock
from pstorefs.settings.defaults import FLEET_CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pstorefs.settings.ship import Ship

    _Answer = TypeVar("_Answer")

#: Keys of one list, at most.
MOST_KEYS = 1_000_000
#: Seconds until a request counts as failed: somebody waits for it.
REQUEST_SECONDS = 45
#: How often a request is made that the store did not carry out, and the waits between, in seconds.
TRIES = 4
_FIRST_WAIT = 0.5

#: What an answer means to who reads a file. All others: EIO.
_ERRNOS = {
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


_OF_ALL = frozenset((*_ERRNOS.values(), errno.ENOENT))

_log = logging.getLogger("pstorefs")


class RemoteError(OSError):
    """What a store could not do. `strerror` is a line for people; `again`: try again at once."""

    def __init__(self, number: int, why: str, *, again: bool = False) -> None:
        super().__init__(number, why)
        self.again = again

    @classmethod
    def answered(cls, status: int, why: str) -> RemoteError:
        """What a status of HTTP means; 0: there was no answer."""
        number = _ERRNOS.get(status, errno.EIO)
        return cls(number, why, again=number == errno.EBUSY or status == 0)


class BadKeyError(RemoteError):
    """What the store has under a prefix cannot be listed: of one key, no library can say the name.

    Anybody who may write can make such a key: ``..``, ``//``, a newline.
    """

    def __init__(self, key: str) -> None:
        super().__init__(errno.EILSEQ, f"the key {key!r} is none that a program should make")
        self.key = key


class Found(NamedTuple):
    """A list of keys; `odd`: sentences about those that it may lack, and why."""

    names: list[str]
    odd: tuple[str, ...] = ()


class Remote(Protocol):
    """A store that is looked at."""

    def folders(self, prefix: str) -> list[str]:
        """What stands between this prefix, which ends with a slash, and the next slash of keys.

        `BadKeyError` as well.
        """

    def names(self, prefix: str) -> Found:
        """What follows this prefix, which ends with a slash, in all keys. `MOST_KEYS` at most.

        Names are hostile.
        """

    def get(self, key: str, limit: int) -> bytes:
        """The bytes under a key. More than `limit`: `RemoteError`."""


class Tried:
    """A store that is asked again where that may help: full jitter, as retry.py.

    The log says once that it does not answer, and once that it answers again.
    """

    def __init__(self, remote: Remote, name: str, clock: Clock | None = None) -> None:
        self._remote = remote
        self._name = name
        self._clock = clock or Clock()
        self._away = False

    def reach(self, prefix: str) -> None:
        """Whether the store answers; the log is not told. `RemoteError` if it does not."""
        with suppress(BadKeyError):
            self._repeat(lambda: self._remote.folders(prefix), told=False)

    def folders(self, prefix: str) -> list[str]:
        """See `Remote`."""
        return self._repeat(lambda: self._remote.folders(prefix))

    def names(self, prefix: str) -> Found:
        """See `Remote`."""
        return self._repeat(lambda: self._remote.names(prefix))

    def get(self, key: str, limit: int) -> bytes:
        """See `Remote`."""
        return self._repeat(lambda: self._remote.get(key, limit))

    def _repeat(self, call: Callable[[], _Answer], *, told: bool = True) -> _Answer:
        end = self._clock.now() + REQUEST_SECONDS
        # Who walks over a thousand files does not wait for each of them.
        most = 1 if self._away else TRIES
        for tries in range(1, most + 1):
            try:
                answer = call()
            except RemoteError as error:
                wait = self._clock.chance() * _FIRST_WAIT * (1 << tries)
                late = self._clock.now() + wait > end
                if tries == most or late or not error.again:
                    if told:
                        self._tell(error)
                    raise
            else:
                break
            self._clock.sleep(wait)
        if self._away:
            self._away = False
            _log.warning("%s: answers again", self._name)
        return answer

    def _tell(self, error: RemoteError) -> None:
        """What is wrong with the store; of what is wrong with one object, whoever asked for it."""
        if error.errno in _OF_ALL and not self._away:
            self._away = True
            words = "what is not known yet cannot be read; it is tried again when somebody looks"
            _log.warning("%s: %s: %s", self._name, error.strerror, words)


def open_remote(settings: Ship) -> Tried:
    """The engine for an URL. Raises `StoreError` if there is no way to reach such a store."""
    if settings.url.startswith("file://"):
        from pstorefs.fleet.spool import Spool

        return Tried(Spool(settings.url.removeprefix("file://")), settings.url)
    from pstorefs.fleet.credentials import Use
    from pstorefs.fleet.objects import Objects

    return Tried(Objects(settings, Use(REQUEST_SECONDS, FLEET_CREDENTIALS)), settings.url)
