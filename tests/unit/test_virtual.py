"""The virtual places while several threads look at them and the store changes, as in a mount."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.record.record import STORE
from pstorefs.source import looked
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.tree.composed import ComposedDirectory
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.meta import Meta
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Access
from tests.records import capture

THREADS, SECONDS = 4, 1.5


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store, half of whose records come and go all the time; each look is a new one."""
    monkeypatch.setattr(looked, "CURRENT_SECONDS", 0.0)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    store, aside = tmp_path / "store", tmp_path / "aside"
    capture("erst-deflate-6.1.192").write("enc", store)
    aside.mkdir()
    moving = sorted(path.name for path in store.iterdir())[::2]
    end = threading.Event()

    def change() -> None:
        while not end.is_set():
            for name in moving:
                shutil.move(store / name, aside / name)
            for name in moving:
                shutil.move(aside / name, store / name)

    changer = threading.Thread(target=change)
    changer.start()
    yield store
    end.set()
    changer.join()
    sys.setswitchinterval(before)


def everything(directory: ComposedDirectory) -> None:
    """List it and what is below. What went meanwhile is no failure: that is what is told."""
    for name, _ in directory.names():
        try:
            node = directory.lookup(name)
            if isinstance(node, ComposedDirectory):
                everything(node)
        except FileNotFoundError:
            pass


def failures(look: Callable[[], None]) -> list[BaseException]:
    """What goes wrong while some threads look."""
    found: list[BaseException] = []
    end = time.monotonic() + SECONDS

    def run() -> None:
        while time.monotonic() < end and not found:
            try:
                look()
            except BaseException as error:  # noqa: BLE001 (whatever it is, it is what we look for)
                found.append(error)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("place", ["dumps", "meta"])
def test_a_listing_fails_for_no_other_thread_and_no_record_that_goes(
    place: str, source: Path
) -> None:
    store = OpenDirectory(str(source))
    catalog = Catalog([Place(STORE, store)])
    if place == "dumps":
        root = Dumps(catalog, Owners(store, Access(), catalog), Machine(), own=False).root
    else:
        root = Meta(catalog, Owners(store, Access(), catalog), {}).root
    assert failures(lambda: everything(root)) == []
    store.close()
