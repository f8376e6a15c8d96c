"""Threads for what may take long, in lanes: what hangs in one lane keeps nobody in another.

A node says in which lane its calls belong (`tree.node.Lane`). Each lane has threads of its own;
a call that finds all of them taken waits for one, and holds nothing meanwhile. trio's own limit of
40 threads does not apply: it is for calls that name no limiter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import trio

from pstorefs.mount.fastpath import pace
from pstorefs.source.timeout import MOST_HUNG
from pstorefs.tree.node import COMPOSE, DECODE, QUICK, Lane

#: What changes something: commands and rm. A disk may make them wait, and they are never given up.
COMMAND: Final = "command"

# Decoding takes turns anyway, as there is one interpreter.
_THREADS = 4
#: A call that nobody waits for when the mount ends. trio before 0.23 (Debian 12) has another word.
GIVE_UP: dict[str, Any] = {
    "abandon_on_cancel"
    if "abandon_on_cancel" in inspect.signature(trio.to_thread.run_sync).parameters
    else "cancellable": True
}


class Lanes:
    """The lanes of one mount. `may_hang`: its source is served by somebody else."""

    def __init__(self, *, may_hang: bool) -> None:
        decoding = _THREADS
        if may_hang:
            # So many calls may hang at a time: beyond that the source is not asked.
            decoding += MOST_HUNG
        self._limiters = {
            DECODE: trio.CapacityLimiter(decoding),
            COMPOSE: trio.CapacityLimiter(_THREADS),
            COMMAND: trio.CapacityLimiter(_THREADS),
        }

    async def run(self, lane: Lane, call: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """The result of a call, made in its lane. When the mount ends, nobody waits for it."""
        if lane == QUICK:
            return call(*arguments)
        return await self._in_thread(self._limiters[lane], call, arguments, GIVE_UP)

    async def command(self, call: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """The result of a call that changes something. The mount does not end before it."""
        return await self._in_thread(self._limiters[COMMAND], call, arguments, {})

    async def _in_thread(
        self,
        limiter: trio.CapacityLimiter,
        call: Callable[..., Any],
        arguments: tuple[object, ...],
        how: dict[str, Any],
    ) -> Any:  # noqa: ANN401
        pace.waiting += 1
        try:
            return await trio.to_thread.run_sync(call, *arguments, limiter=limiter, **how)
        except RuntimeError as error:
            # Python has no other word for it: memory or the limit of processes is used up.
            if "start new thread" not in str(error):
                raise
            raise MemoryError(str(error)) from error
        finally:
            pace.waiting -= 1
