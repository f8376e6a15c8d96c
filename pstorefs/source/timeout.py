"""A source that may stop answering: directories on the network or of another FUSE program.

A system call on such a file system can hang for as long as its server likes, and cannot be given
up. So each look at the source is made in a thread of its own, and given up after some seconds:
ETIMEDOUT. What hung is not tried again for a while; and when too many threads hang, nothing is
tried, as each of them stays until the server answers.

/sys/fs/pstore and local disks need none of that: this is for `mountinfo.may_hang` alone.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp
from pstorefs.system import mountinfo

#: Seconds without an answer, or of a listing without a further name, until it is given up.
TIMEOUT_SECONDS = 10
#: So long, in seconds, what hung is not tried again.
RETRY_SECONDS = 30
#: So many calls may hang at a time.
MOST_HUNG = 32

_Result = TypeVar("_Result")


class _Attempt(Generic[_Result]):
    """One call, in a thread of its own. `late` gets a result that nobody waits for any more."""

    def __init__(self, call: Callable[[], _Result], late: Callable[[_Result], object]) -> None:
        self._call = call
        self._late = late
        self._result: list[_Result] = []
        self._error: BaseException | None = None
        self._ended = threading.Event()
        # Held while it is decided whether somebody still waits.
        self._lock = threading.Lock()
        self.given_up = False

    def run(self) -> None:
        """Make the call: what the thread does."""
        try:
            self._result.append(self._call())
        except BaseException as error:  # noqa: BLE001 (it is raised where the call was made)
            self._error = error
        with self._lock:
            self._ended.set()
            if self.given_up and self._result:
                self._late(self._result[0])

    def wait(self, progress: Callable[[], int], give_up: Callable[[], None]) -> None:
        """Until it ended; without progress for `TIMEOUT_SECONDS` it is given up."""
        seen = 0
        while not self._ended.wait(TIMEOUT_SECONDS):
            now = progress()
            if now == seen:
                break
            seen = now
        with self._lock:
            self.given_up = not self._ended.is_set()
            if self.given_up:
                give_up()

    def result(self) -> _Result:
        """What the call gave, or its error."""
        if self._error is not None:
            raise self._error
        return self._result[0]


class Attempts:
    """Makes calls that may hang, and gives them up."""

    def __init__(self) -> None:
        self._room = threading.BoundedSemaphore(MOST_HUNG)
        #: Until when, by time.monotonic(), what hung is not tried again.
        self._hung: dict[object, float] = {}

    def attempt(
        self,
        what: object,
        call: Callable[[], _Result],
        progress: Callable[[], int] = lambda: 0,
        late: Callable[[_Result], object] = lambda _: None,
    ) -> _Result:
        """Its result or OSError, within `TIMEOUT_SECONDS` after the last progress.

        `late` is given a result that nobody waits for any more.
        """
        until = self._hung.get(what, 0.0)
        if time.monotonic() < until or not self._room.acquire(blocking=False):
            raise _no_answer()
        attempt = _Attempt(call, late)

        def run() -> None:
            attempt.run()
            self._room.release()
            self._hung.pop(what, None)

        def give_up() -> None:
            self._hung[what] = time.monotonic() + RETRY_SECONDS

        threading.Thread(target=run, daemon=True).start()
        attempt.wait(progress, give_up)
        if attempt.given_up:
            raise _no_answer()
        return attempt.result()


class TimeoutDirectory(Attempts, OpenDirectory):
    """An `OpenDirectory` of which every look ends in bounded time: with ETIMEDOUT if it must."""

    may_hang = True

    def __init__(self, path: str, *, pinned: bool = False, optional: bool = False) -> None:
        Attempts.__init__(self)
        self.attempt(
            "open",
            lambda: OpenDirectory.__init__(self, path, pinned=pinned, optional=optional),
            late=lambda _: self.close(),
        )

    def refresh(self, *, now: bool = False) -> None:
        """See `OpenDirectory`. If nothing answers, what is held shows what is left of it."""
        try:
            self.attempt("refresh", lambda: super(TimeoutDirectory, self).refresh(now=now))
        except OSError:
            return

    def scan(self, folder: tuple[str, ...]) -> dict[str, Stamp]:
        """See `OpenDirectory`."""
        found: dict[str, Stamp] = {}
        self.attempt(("scan", folder), lambda: self._scan(folder, found), lambda: len(found))
        return found

    def within(self, folder: tuple[str, ...], look: Callable[[int], _Result]) -> _Result:
        """See `OpenDirectory`."""
        call = super().within
        return self.attempt(("within", folder), lambda: call(folder, look))

    def stamp(self, folder: tuple[str, ...], name: str | None = None) -> Stamp:
        """See `OpenDirectory`."""
        call = super().stamp
        return self.attempt((folder, name), lambda: call(folder, name))

    def open(self, folder: tuple[str, ...], name: str, expected: Stamp) -> int:
        """See `OpenDirectory`."""
        call = super().open
        what = ("open", folder, name)
        return self.attempt(what, lambda: call(folder, name, expected), late=os.close)

    def read(self, folder: tuple[str, ...], name: str, expected: Stamp) -> bytes:
        """See `OpenDirectory`."""
        call = super().read
        return self.attempt(("read", folder, name), lambda: call(folder, name, expected))

    def pread(self, file: int, size: int, offset: int) -> tuple[bytes, Stamp]:
        """See `OpenDirectory`."""
        # Another may have the number by the time that the call begins.
        mine, call = os.dup(file), super().pread

        def read() -> tuple[bytes, Stamp]:
            try:
                return call(mine, size, offset)
            finally:
                os.close(mine)

        return self.attempt(("pread", file), read)

    def readlink(self, folder: tuple[str, ...], name: str) -> str:
        """See `OpenDirectory`."""
        call = super().readlink
        return self.attempt(("link", folder, name), lambda: call(folder, name))

    def statvfs(self) -> os.statvfs_result:
        """See `OpenDirectory`."""
        return self.attempt("statvfs", super().statvfs)


def real_path(path: str) -> str:
    """A path without symbolic links; OSError (ETIMEDOUT) if something on the way hangs."""
    return Attempts().attempt("links", lambda: os.path.realpath(path))


def open_directory(path: str, *, pinned: bool = False, optional: bool = False) -> OpenDirectory:
    """Open a directory, with a time limit where it may hang. OSError as of `OpenDirectory`."""
    real = real_path(path)
    kind = TimeoutDirectory if mountinfo.may_hang(real) else OpenDirectory
    return kind(real, pinned=pinned, optional=optional)


def open_named(path: str, *, pinned: bool = False, optional: bool = False) -> OpenDirectory:
    """The same of what a user names as source: of efivarfs, or a copy of it, the dumps in it."""
    from pstorefs.source.efivars import VariableDirectory, holds_variables

    class TimeoutVariableDirectory(TimeoutDirectory, VariableDirectory):
        """Both."""

    real = real_path(path)
    try:
        variables = Attempts().attempt("names", lambda: holds_variables(real))
    except OSError:
        variables = False  # whoever opens it will say why
    if not variables:
        return open_directory(real, pinned=pinned, optional=optional)
    kind = TimeoutVariableDirectory if mountinfo.may_hang(real) else VariableDirectory
    return kind(real, pinned=pinned, optional=optional)


def _no_answer() -> OSError:
    return OSError(errno.ETIMEDOUT, "it does not answer")
