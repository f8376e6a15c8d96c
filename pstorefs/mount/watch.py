"""For how long the kernel may keep what it knows of archived dumps: until something changes there.

Names and attributes are a second old at most (inodes.py). A program that reads 10,000 dumps makes
the kernel look each up again when its second is over, and that is half of all requests. But an
archive seldom changes, and inotify(7) reports when it does. So the kernel may keep what is there
for `LASTING_SECONDS`, and

* from the moment of a change on, nothing is kept for more than a second, for `_SETTLE_SECONDS`:
  what was looked at before may still be shown, and answers may be on their way. The same holds when
  watching begins, unless nothing has changed since the mount began: then all of that is right;
* half a second later the kernel is told to ask again for the attributes of whatever it keeps. The
  answer also says whether a name is still there: the kernel asks on its way past each directory.

Two directories are watched: the archive's, and the source's, from which dumps/ has its owner and
mode. inotify does not report that a path leads elsewhere: that a directory above was renamed, a
symbolic link replaced, a disk mounted there. So a look at dumps/ has both paths followed again, at
most once a second: that reader may still see what was there before, the next one does not. Other
changes (somebody writes into a dump's own directory; a record in a folder of the source joins a
dump) are found by whoever opens the file, and by the next one who looks at all dumps.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import trio

from pstorefs.mount.lanes import GIVE_UP
from pstorefs.source.looked import CURRENT_SECONDS, NEVER

if TYPE_CHECKING:
    from pstorefs.system.inotify import Inotify

#: Time enough to list and to read 100,000 dumps.
LASTING_SECONDS = 60.0
_SETTLE_SECONDS = 1.0
# So long `where` is not asked again: whoever looks up 10,000 dumps has it asked for each.
_MOMENT_SECONDS = 0.01
# Between two tries to watch what could not be watched.
_RETRY_SECONDS = 1.0
# Nothing is opened, or no thread is to be had, for want of descriptors, memory or processes;
# AttributeError: this C library has no inotify.
_FAILURES = (OSError, RuntimeError, MemoryError, AttributeError)


class Watch:
    """The directories of one mount. Used by the thread of the event loop only.

    ``where``: which directories were looked at last, and what was found in all, as anything that
    can be compared; None: that is not known at the moment. ``opened``: descriptors of them, to be
    used within a block, and what `where` says of these directories. OSError if there are none.
    ``follow``: look at everything now, and return what `where` would. From any thread.
    ``is_as_at_first``: whether all that was ever shown is still so, looked at now.
    """

    def __init__(
        self,
        where: Callable[[], object],
        opened: Callable[[], AbstractContextManager[tuple[list[int], object]]],
        follow: Callable[[], object],
        is_as_at_first: Callable[[], bool],
    ) -> None:
        self._where, self._opened, self._follow = where, opened, follow
        self._is_as_at_first = is_as_at_first
        #: What is watched; None: nothing.
        self._watched: object = None
        self._quiet = False
        self._changed = self._asked = 0.0
        self._wanted: Any = None
        self._watching: Any = None
        self._passed: Any = None

    def passed(self) -> None:
        """Somebody looks at dumps/, or goes through it."""
        if self._passed is not None:
            self._passed.set()

    def lasts(self, since: float) -> bool:
        """Whether what was found at a moment, by time.monotonic(), may be kept for long."""
        now = time.monotonic()
        if self._watched is None or now > self._asked + _MOMENT_SECONDS:
            if not self._is_still_there():
                return False
            self._asked = now
        settled = now > self._changed + _SETTLE_SECONDS
        return self._quiet and settled and since > self._changed

    def _is_still_there(self) -> bool:
        """Whether what is watched is what was looked at last; if not, watching begins anew."""
        where = self._where()
        if where is None or self._wanted is None:
            return False
        if where != self._watched:
            self._watched = None
            self._wanted.set()
            if self._watching is not None:
                self._watching.cancel()
            return False
        return True

    async def keep(self, forget: Callable[[], Awaitable[None]]) -> None:
        """Watch, once `lasts` is first called. `forget` makes the kernel ask again."""
        while True:
            self._wanted = trio.Event()
            await self._wanted.wait()
            try:
                started = await trio.to_thread.run_sync(self._start, **GIVE_UP)
            except _FAILURES:
                await trio.sleep(_RETRY_SECONDS)
                continue
            inotify, watched, is_as_at_first = started
            try:
                with trio.CancelScope() as self._watching:
                    self._watched = watched
                    self._changed = NEVER if is_as_at_first else time.monotonic()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._until_elsewhere, watched, nursery.cancel_scope)
                        await self._until_lost(inotify, forget)
                        nursery.cancel_scope.cancel()
            finally:
                self._watched = self._watching = self._passed = None
                inotify.close()
            await forget()

    async def _until_lost(self, inotify: Inotify, forget: Callable[[], Awaitable[None]]) -> None:
        whole = True
        while whole:
            self._quiet = True
            await trio.lowlevel.wait_readable(inotify.descriptor)
            self._quiet = False
            await trio.sleep(CURRENT_SECONDS)
            whole = inotify.drain()
            await forget()
            self._changed = time.monotonic()

    async def _until_elsewhere(self, watched: object, ends: trio.CancelScope) -> None:
        where = watched
        while where == watched:
            self._passed = trio.Event()
            await self._passed.wait()
            try:
                where = await trio.to_thread.run_sync(self._follow, **GIVE_UP)
            except _FAILURES:
                where = None
            await trio.sleep(CURRENT_SECONDS if where == watched else 0)
        ends.cancel()

    def _start(self) -> tuple[Inotify, object, bool]:
        """In a thread of its own: a disk may be slow."""
        from pstorefs.system.inotify import Inotify

        inotify = Inotify()
        try:
            with self._opened() as (directories, watched):
                for directory in directories:
                    inotify.watch(directory)
            # Only now: what changes from here on, inotify tells.
            return inotify, watched, self._is_as_at_first()
        except BaseException:
            inotify.close()
            raise
