"""A place is open while it is used, and closed a moment later."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pstorefs.catalog.place import Place
from pstorefs.record.record import ARCHIVE
from pstorefs.source import looked


def opened_below(folder: Path) -> int:
    """How many descriptors of this process lead there."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return sum(link == str(folder) for link in links)


def test_it_is_opened_once_for_several_questions_and_closed_when_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked, "CURRENT_SECONDS", 0.2)
    place = Place(ARCHIVE, str(tmp_path))
    with place.opened() as first, place.opened() as second:
        assert first is second
    end = time.monotonic() + 20
    while opened_below(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_comes_is_seen_at_the_next_look(tmp_path: Path) -> None:
    place = Place(ARCHIVE, str(tmp_path / "later"))
    with place.opened() as store:
        assert store.scan(()) == {}
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "file").touch()
    place.renew()
    with place.opened() as store:
        assert list(store.scan(())) == ["file"]


def test_whoever_uses_it_goes_on_when_it_is_renewed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = Place(ARCHIVE, str(tmp_path))
    with place.opened() as store:
        place.renew()
        assert list(store.scan(())) == ["file"]
    assert opened_below(tmp_path) == 0


def test_without_a_thread_to_close_it_nothing_is_kept_open(
    tmp_path: Path, without_threads: AbstractContextManager[None]
) -> None:
    place = Place(ARCHIVE, str(tmp_path))
    with place.opened():
        pass
    place.renew()
    assert opened_below(tmp_path) == 0
    with without_threads:
        with place.opened() as store:
            assert store.scan(()) == {}
        assert opened_below(tmp_path) == 0
