"""What the kernel keeps of archived dumps, where no thread can be had: the mount goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyfuse3
import pytest
import trio

from pstorefs.mount.fuse import Adapter
from pstorefs.mount.lanes import Lanes
from pstorefs.mount.watch import Watch
from pstorefs.system import mountinfo
from pstorefs.system.inotify import Inotify
from pstorefs.tree.node import Directory
from pstorefs.tree.rights import Attributes


async def _no_thread(*_: object, **__: object) -> None:
    raise RuntimeError("can't start new thread")


class _Lasting(Directory):
    may_last = True

    def lasts(self, since: float) -> bool:
        return since > 0


def test_what_other_machines_change_is_not_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, inotify = os.open(tmp_path, os.O_RDONLY), Inotify()
    try:
        inotify.watch(directory)
        monkeypatch.setattr(mountinfo, "kind_of", lambda _: "virtiofs")
        with pytest.raises(OSError, match="unseen"):
            inotify.watch(directory)
    finally:
        inotify.close()
        os.close(directory)


def test_the_kernel_is_told_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    node = _Lasting(Attributes(0o40700, 0, 0, 0, 0))
    adapter = Adapter(node, Lanes(may_hang=False), lambda: os.statvfs("/"), lambda: None)
    adapter.inodes.entry(node)
    monkeypatch.setattr(trio.to_thread, "run_sync", _no_thread)
    monkeypatch.setattr(pyfuse3, "invalidate_inode", lambda number, **_: told.append(number))
    trio.run(adapter.ask_again)
    assert told == [pyfuse3.ROOT_INODE]


def watch_of(place: Path, *, as_at_first: bool) -> Watch:
    @contextmanager
    def opened() -> Iterator[tuple[list[int], object]]:
        directory = os.open(place, os.O_RDONLY)
        try:
            yield [directory], "here"
        finally:
            os.close(directory)

    return Watch(lambda: "here", opened, lambda: "here", lambda: as_at_first)


@pytest.mark.parametrize("as_at_first", [True, False])
def test_what_was_shown_before_lasts_at_once_only_if_nothing_has_changed_since(
    as_at_first: bool, tmp_path: Path
) -> None:
    watch = watch_of(tmp_path, as_at_first=as_at_first)
    shown = time.monotonic()

    async def forget() -> None:
        pass

    async def life() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.keep, forget)
            await trio.lowlevel.checkpoint()
            while not watch._passed:
                assert not watch.lasts(shown)
                await trio.sleep(0.01)
            assert watch.lasts(shown) == as_at_first
            (tmp_path / "new").mkdir()
            await trio.sleep(0.2)
            assert not watch.lasts(time.monotonic()), "it changed a moment ago"
            nursery.cancel_scope.cancel()

    trio.run(life)


@pytest.mark.parametrize("watched", [True, False])
def test_what_cannot_be_looked_at_is_not_watched(
    watched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watch_of(tmp_path, as_at_first=False)

    async def life() -> None:
        forgotten = trio.Event()

        async def forget() -> None:
            forgotten.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.keep, forget)
            await trio.lowlevel.checkpoint()
            if watched:
                while not watch._passed:
                    watch.lasts(0)
                    await trio.sleep(0.01)
            monkeypatch.setattr(trio.to_thread, "run_sync", _no_thread)
            watch.lasts(0)
            watch.passed()
            if watched:
                await forgotten.wait()
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()

    trio.run(life)
