"""The way from the kernel's queue to a handler, past trio's scheduler while requests come fast.

For each request pyfuse3 takes a `trio.Lock` and waits for its descriptor, and each of the two is a
pass of the scheduler with a system call or three: two thirds of what a small request costs. Here
the task whose turn it is keeps it, and waits a moment for the next request in poll(2); only then
does it go to sleep in trio, so that an idle mount wakes for nothing. The scheduler runs

* every `_UNINTERRUPTED` requests at the latest: signals are handled there;
* always, while a thread works for some request (`pace.waiting`), so that its answer is not late;
* always, while no other task is ready to take over should a handler have to wait.

This is also where it is noticed first that the file system is gone (`umount -f`): pyfuse3 goes on
until the last handler has its answer, and a store may keep one waiting for a minute.

It is put in place as `pyfuse3.asyncio.enable()` puts its own: under the name `trio` in pyfuse3. A
version of pyfuse3 whose source was not read is left alone, and everything goes trio's way.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import pyfuse3
import trio

# Versions whose session loop was read: it uses Lock and lowlevel.wait_readable, as described above.
_KNOWN = ("3.2.", "3.3.", "3.4.", "3.5.")
_MOMENT = 1  # of poll(2), in milliseconds
_UNINTERRUPTED = 64


class _Pace:
    """What the handlers report: how many of them wait for a thread at the moment."""

    def __init__(self) -> None:
        self.waiting = 0
        #: Called when the file system is gone while some wait.
        self.gone: Callable[[], None] = lambda: None


pace = _Pace()


class _Turn:
    """Whose turn it is to read a request: in place of `trio.Lock`, which changes hands each time.

    The next one is woken when the turn is free, but runs only when the scheduler does: when the
    owner had to wait. If the owner came back sooner, the next one finds it taken, and goes on
    waiting.
    """

    #: Tasks that wait for a turn, woken or not.
    heirs = 0

    def __init__(self) -> None:
        self._taken = False
        self._count = 0
        self._parked = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> None:
        self._count += 1
        if pace.waiting or not _Turn.heirs or self._count % _UNINTERRUPTED == 0:
            await trio.lowlevel.checkpoint()
        while self._taken:
            _Turn.heirs += 1
            try:
                await self._parked.park()
            finally:
                _Turn.heirs -= 1
        self._taken = True

    async def __aexit__(self, *_: object) -> None:
        self._taken = False
        if self._parked:
            self._parked.unpark()


class _Lowlevel:
    """`trio.lowlevel`, with a wait that is short where it can be."""

    def __init__(self) -> None:
        self._poll: select.poll | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever trio has there)
        return getattr(trio.lowlevel, name)

    async def wait_readable(self, descriptor: int) -> None:
        """Return when there is a request."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLIN)
        if pace.waiting or not _Turn.heirs or not self._poll.poll(_MOMENT):
            await trio.lowlevel.wait_readable(descriptor)
            if pace.waiting and any(events & select.POLLERR for _, events in self._poll.poll(0)):
                pace.gone()


class _Trio:
    """`trio` as pyfuse3 gets to see it."""

    Lock = _Turn

    def __init__(self) -> None:
        self.lowlevel = _Lowlevel()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever trio has)
        return getattr(trio, name)


def shorten() -> bool:
    """Put it in place, before `pyfuse3.init`, if this pyfuse3 is a known one; whether it is."""
    version = str(getattr(pyfuse3, "__version__", ""))
    if not version.startswith(_KNOWN) or getattr(pyfuse3, "trio", None) is not trio:
        return False
    pyfuse3.trio = _Trio()
    return True
