"""A store that is read; requests are repeated if that may help. Senders use retry.py."""

from __future__ import annotations

import errno
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from pstorefs.fleet.remote import ERRNOS, REQUEST_SECONDS, BadKeyError, RemoteError
from pstorefs.fleet.retry import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pstorefs.fleet.remote import Found, Remote

    _Answer = TypeVar("_Answer")

#: How often a request is made that the store did not carry out, and the waits between, in seconds.
TRIES = 4
_FIRST_WAIT = 0.5
# Errors of the store, not of one object.
_OF_ALL = frozenset((*ERRNOS.values(), errno.ENOENT))

_log = logging.getLogger("pstorefs")


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
        """Check whether the store answers, without the log. `RemoteError` if it does not."""
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
        # A walk over a thousand files must not wait for each of them.
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
        """Log an error of the store; an error of one object goes to its reader only."""
        if error.errno in _OF_ALL and not self._away:
            self._away = True
            words = "what is not known yet cannot be read; the next access tries again"
            _log.warning("%s: %s: %s", self._name, error.strerror, words)
