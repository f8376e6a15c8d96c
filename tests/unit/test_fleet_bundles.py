"""Bundles that somebody looks into: one GET for each, bounded, and refused where they lie."""

from __future__ import annotations

import errno
import logging
import threading
import time
from datetime import datetime, timezone

import pytest

from pstorefs.fleet import bundles as module
from pstorefs.fleet import keys
from pstorefs.fleet.ahead import DEPTH
from pstorefs.fleet.bundles import Bundles
from pstorefs.fleet.remote import Found, RemoteError
from tests.fleet.crashes import Crash, crash

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


def name_of(one: Crash) -> str:
    return one.names.index_key.rpartition("/")[2].removesuffix(keys.SUFFIX)


class Store:
    """A store in memory; what was fetched, and whether it answers."""

    def __init__(self, *found: Crash) -> None:
        self.objects = {one.names.bundle_key: one.bundle for one in found}
        self.got: list[str] = []
        self.answers = threading.Event()
        self.answers.set()
        self.most = self.now = 0
        self._lock = threading.Lock()

    def folders(self, prefix: str) -> list[str]:
        raise AssertionError(prefix)

    def names(self, prefix: str) -> Found:
        raise AssertionError(prefix)

    def get(self, key: str, limit: int) -> bytes:
        with self._lock:
            self.got.append(key)
            self.now += 1
            self.most = max(self.most, self.now)
        self.answers.wait(30)
        with self._lock:
            self.now -= 1
        data = self.objects.get(key)
        if data is None:
            raise RemoteError.answered(404, "404 NoSuchKey")
        if len(data) > limit:
            raise RemoteError(errno.EFBIG, "too long")
        return data


def test_a_bundle_is_fetched_once_however_many_want_it() -> None:
    one = crash(1, NOW)
    store = Store(one)
    found = Bundles(store)
    store.answers.clear()
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(found.get(name_of(one)).files["dmesg.txt"]))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    assert found.at_hand(name_of(one)) is None
    store.answers.set()
    for thread in threads:
        thread.join()
    assert got == [one.files["dmesg.txt"]] * 6
    assert store.got == [one.names.bundle_key]
    assert found.at_hand(name_of(one)) is not None


def test_only_so_many_bytes_are_kept_and_the_last_one_always() -> None:
    several = [crash(number, NOW, raw=b"%05d" % number * 2000) for number in range(20)]
    store = Store(*several)
    each = sum(map(len, several[0].files.values()))
    found = Bundles(store, kept_bytes=3 * each + each // 2)
    for one in several:
        found.get(name_of(one))
    assert [found.at_hand(name_of(one)) is not None for one in several] == [False] * 17 + [True] * 3
    small = Bundles(store, kept_bytes=10)
    small.get(name_of(several[0]))
    assert small.at_hand(name_of(several[0])) is not None
    small.get(name_of(several[1]))
    assert small.at_hand(name_of(several[0])) is None


def test_a_bundle_that_lies_is_refused_told_and_not_fetched_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, other = crash(1, NOW), crash(2, NOW)
    store = Store(one)
    store.objects[one.names.bundle_key] = other.bundle
    found = Bundles(store)
    for _ in range(3):
        with pytest.raises(RemoteError) as raised:
            found.get(name_of(one))
        assert raised.value.errno == errno.EIO
        with pytest.raises(RemoteError) as raised:
            found.get(name_of(other))  # it is not there at all
        assert raised.value.errno == errno.EIO
    assert len(store.got) == 2
    words = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(words) == 2
    assert one.names.bundle_key in words[0]


def test_what_a_busy_store_does_not_give_is_asked_for_again() -> None:
    one = crash(1, NOW)
    store = Store(one)
    found = Bundles(store)
    get = store.get

    def busy(key: str, limit: int) -> bytes:
        del key, limit
        raise RemoteError.answered(503, "503")

    store.get = busy  # type: ignore[method-assign]
    with pytest.raises(RemoteError) as raised:
        found.get(name_of(one))
    assert raised.value.errno == errno.EBUSY
    store.get = get  # type: ignore[method-assign]
    assert found.get(name_of(one)).files == one.files


def test_so_many_are_fetched_at_a_time_and_no_more() -> None:
    several = [crash(number, NOW) for number in range(40)]
    store = Store(*several)
    found = Bundles(store)
    store.answers.clear()
    threads = [threading.Thread(target=found.get, args=(name_of(one),)) for one in several]
    for thread in threads:
        thread.start()
    while store.now < module._AT_ONCE:
        pass
    store.answers.set()
    for thread in threads:
        thread.join()
    assert store.most == module._AT_ONCE


def test_who_waits_in_vain_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT", 0.05)
    one = crash(1, NOW)
    store = Store(one)
    store.answers.clear()
    found = Bundles(store)
    first = threading.Thread(target=found.get, args=(name_of(one),))
    first.start()
    while not store.now:
        pass
    with pytest.raises(RemoteError) as raised:
        found.get(name_of(one))
    assert raised.value.errno == errno.ETIMEDOUT
    store.answers.set()
    first.join()


def test_a_large_bundle_is_fetched_as_well() -> None:
    import random

    one = crash(1, NOW, raw=random.Random(1).randbytes(2 << 20))
    store = Store(one)
    assert Bundles(store).get(name_of(one)).files == one.files


def walked(count: int, *steps: int) -> set[int]:
    """The dumps of a directory that are fetched while somebody looks into these, in this order."""
    several = [crash(number, NOW) for number in range(count)]
    names = [name_of(one) for one in several]
    store = Store(*several)

    def following(name: str, most: int) -> list[str]:
        begin = names.index(name) + 1
        return names[begin : begin + most]

    found = Bundles(store, following=following)
    for step in steps:
        assert found.get(names[step]).files == several[step].files
    end = time.monotonic() + 20
    while time.monotonic() < end and not found._ahead._waiting.empty():
        time.sleep(0.001)
    while found._coming:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(store.got) == len(set(store.got)), "each once"
    return {number for number in range(count) if several[number].names.bundle_key in store.got}


WALKS = [
    ((3,), {3}),
    ((3, 3, 3), {3}),
    ((3, 5, 7, 9), {3, 5, 7, 9}),
    ((9, 8, 7), {7, 8, 9}),
    ((0, 1), set(range(DEPTH + 2))),
    ((0, 1, 2), set(range(DEPTH + 3))),
    ((0, 20, 1, 21), set(range(DEPTH + 2)) | set(range(20, DEPTH + 22))),
    ((28, 29), {28, 29}),
]


@pytest.mark.parametrize(("steps", "fetched"), WALKS)
def test_only_a_walk_is_fetched_ahead_of(steps: tuple[int, ...], fetched: set[int]) -> None:
    assert walked(30, *steps) == fetched


def test_a_walk_without_a_thread_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    several = [crash(number, NOW) for number in range(4)]
    names = [name_of(one) for one in several]

    def following(name: str, most: int) -> list[str]:
        return names[names.index(name) + 1 :][:most]

    found = Bundles(Store(*several), following=following)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        for one in several[:3]:
            assert found.get(name_of(one)).files == one.files
        assert found._ahead._threads == 0
    assert found.get(names[3]).files == several[3].files
    assert found._ahead._threads > 0
