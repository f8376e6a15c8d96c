"""The bundles that readers open: one GET for each, and a bounded number of bytes kept.

A thread that needs a bundle which another one is fetching waits for that one. A bundle that was
refused is not fetched again for a while. Small bundles are fetched in parallel, large ones one at a
time, as each may take `unpack.MOST_TAR` and more.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet import keys
from pstorefs.fleet.ahead import Ahead
from pstorefs.fleet.bundle import MOST_BYTES
from pstorefs.fleet.remote import REQUEST_SECONDS, RemoteError
from pstorefs.fleet.unpack import UnfitError, unpack
from pstorefs.system.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pstorefs.fleet.remote import Remote

#: Bytes of files of bundles that are kept; the bundle that was used last is kept in any case.
KEPT_BYTES = 32 << 20
#: GETs at a time.
_AT_ONCE = 12
#: Bytes of a bundle that is fetched beside others.
_SMALL = 1 << 20
_REFUSED_SECONDS = 60.0
_MOST_REFUSED = 1000
# Of a waiter: for a turn, the request with all its tries, and the turns of large ones before it.
_LONGEST_WAIT = 4 * REQUEST_SECONDS

_log = logging.getLogger("pstorefs")


class Files(NamedTuple):
    """The files of a dump, by path below its directory."""

    files: Mapping[str, bytes]
    #: The same for the same files, of one process.
    version: int
    size: int


class Bundles:
    """The bundles of one store, by the name of their index entry. Safe from any thread."""

    def __init__(
        self,
        remote: Remote,
        kept_bytes: int = KEPT_BYTES,
        following: Callable[[str, int], Sequence[str]] = lambda _, __: (),
    ) -> None:
        self._remote = remote
        self._ahead = Ahead(following, self._fetch_ahead)
        self._kept: Recent[Files] = Recent(kept_bytes, lambda files: files.size, last_stays=True)
        self._refused: OrderedDict[str, tuple[float, RemoteError]] = OrderedDict()
        self._coming: dict[str, Future[Files]] = {}
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._unpacking = threading.Lock()

    def at_hand(self, name: str) -> Files | None:
        """The files of a bundle, if nobody has to wait for them."""
        return self._kept.get(name)

    def get(self, name: str, *, wait: bool = True) -> Files:
        """The files of a bundle. `RemoteError` if they cannot be had; the log says why.

        Not `wait`: if they are not at hand, ESTALE, so that the kernel looks the name up again.
        """
        self._ahead.note(name)
        found = self.at_hand(name)
        if found is None and not wait:
            raise RemoteError(errno.ESTALE, "it was just dropped: try again")
        return found or self._get(name)

    def _fetch_ahead(self, name: str) -> None:
        with self._lock:
            known = self._kept.get(name) is not None or name in self._coming
        if not known:
            self._get(name)

    def _get(self, name: str) -> Files:
        with self._lock:
            found = self._kept.get(name)
            if found is not None:
                return found
            self._raise_refused(name)
            coming = self._coming.get(name)
            mine = coming is None
            if coming is None:
                coming = self._coming[name] = Future()
        if mine:
            self._fetch(name, coming)
        try:
            return coming.result(_LONGEST_WAIT)
        except LateError:
            raise RemoteError(errno.ETIMEDOUT, "no answer in time") from None

    def _raise_refused(self, name: str) -> None:
        until, error = self._refused.get(name, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise RemoteError(error.errno or errno.EIO, str(error.strerror))

    def _fetch(self, name: str, coming: Future[Files]) -> None:
        try:
            found = self._fetched(name)
        except BaseException as error:
            with self._lock:
                del self._coming[name]
            coming.set_exception(error)
            if not isinstance(error, RemoteError):
                raise
        else:
            self._kept.put(name, found)
            with self._lock:
                del self._coming[name]
            coming.set_result(found)

    def _fetched(self, name: str) -> Files:
        entry = keys.split_entry(name)
        key = entry.bundle_key
        try:
            with _turn(self._turns):
                data = self._small(key)
            if data is None:
                with _turn(self._unpacking):
                    return _files(self._remote.get(key, MOST_BYTES), entry)
            with _turn(self._unpacking):
                return _files(data, entry)
        except UnfitError as error:
            words = f"{key}: refused: {error}: it was not sent by pstorefs --ship, or is damaged"
            refused = RemoteError(errno.EIO, words)
        except RemoteError as error:
            if error.errno not in (errno.EIO, errno.EFBIG):
                raise
            refused = RemoteError(errno.EIO, f"{key}: {error.strerror}")
        _log.warning("%s", refused.strerror)
        self._refuse(name, refused)
        raise refused

    def _small(self, key: str) -> bytes | None:
        try:
            return self._remote.get(key, _SMALL)
        except RemoteError as error:
            if error.errno == errno.EFBIG:
                return None
            raise

    def _refuse(self, name: str, error: RemoteError) -> None:
        with self._lock:
            self._refused[name] = time.monotonic() + _REFUSED_SECONDS, error
            while len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)


class _turn:  # noqa: N801 (a word of its `with`)
    """A turn at what only so many may use; `RemoteError` if it does not come in time."""

    def __init__(self, of: threading.Semaphore | threading.Lock) -> None:
        self._of = of

    def __enter__(self) -> None:
        if not self._of.acquire(timeout=_LONGEST_WAIT / 2):
            raise RemoteError(errno.ETIMEDOUT, "too many requests wait for the store")

    def __exit__(self, *_: object) -> None:
        self._of.release()


def _files(data: bytes, entry: keys.Entry) -> Files:
    files = unpack(data, entry.dump, entry.id16)
    size = sum(map(len, files.values()))
    return Files(files, hash(tuple(files.items())), size)
