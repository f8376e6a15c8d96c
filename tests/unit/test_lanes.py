"""Threads for what may take long."""

from __future__ import annotations

import pytest
import trio

from pstorefs.mount.lanes import Lanes
from pstorefs.tree.node import COMPOSE


@pytest.mark.parametrize(
    ("words", "error"),
    [("can't start new thread", MemoryError), ("another fault", RuntimeError)],
)
def test_where_no_thread_can_be_had_it_is_memory_that_is_missing(
    words: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a cgroup at its limit: who asked gets ENOMEM, and nothing is logged as a fault."""

    async def run_sync(*_: object, **__: object) -> None:
        raise RuntimeError(words)

    async def ask() -> None:
        await Lanes(may_hang=False).run(COMPOSE, list)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
    with pytest.raises(error):
        trio.run(ask)
