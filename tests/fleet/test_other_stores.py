"""Stores that answer a second create with success: keys alone keep each dump there once.

Two machines with one archive, as after a restore of a backup, ship at the same time, each without
the receipts of the other; the store is busy, and loses answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pstorefs.fleet import ship
from pstorefs.fleet.store import DONE
from tests.fleet import ceph, rclone, servers, site
from tests.fleet.test_requests import KEYS, command

_RUNS = 40
STORES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "rclone": rclone.overwriting,
    "ceph": ceph.versioned,
}
SLOW = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        ceph.MISSING, reason="no radosgw here: Debian's radosgw, ceph-mon, ceph-osd"
    ),
]


@pytest.fixture(params=["rclone", pytest.param("ceph", marks=SLOW)], scope="module")
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    base = tmp_path_factory.mktemp(request.param) / "server"
    with STORES[request.param](base) as endpoint:
        yield endpoint


def test_a_second_put_is_answered_as_the_first(store: str) -> None:
    there = servers.store(store, prefix="twice")
    assert [there.put("v1/x", data, "x/y").result for data in (b"one", b"two")] == [DONE, DONE]


def test_check_says_that_the_store_overwrites(store: str) -> None:
    done = command(store, "--check", **KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: the store overwrites" in done.stdout


def ship_all(archive: Path, state: Path, endpoint: str, prefix: str) -> int:
    """Until all is shipped; how many runs that took."""
    for number in range(_RUNS):
        one = site.sender(archive, state, servers.store(endpoint, prefix=prefix))
        if ship.status(site.run(one)) == 0:
            return number + 1
    raise AssertionError("it does not come to an end")


def test_dumps_shipped_twice_at_once_with_faults_are_there_once(store: str, tmp_path: Path) -> None:
    archive = site.archived(tmp_path)
    ended: list[int] = []
    with servers.Proxy(store, busy=0.2, lost=0.1, seed=7) as proxy:

        def machine(name: str) -> None:
            ended.append(ship_all(archive, tmp_path / name, proxy.endpoint, "doubly"))

        both = [threading.Thread(target=machine, args=(name,)) for name in ("one", "other")]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    wanted = site.expected(archive)
    assert len(ended) == 2
    assert len(proxy.seen) >= 2 * 2 * len(wanted), "each sent all, whatever the other had sent"
    objects = servers.listed(store, "doubly")
    assert site.wrong(objects, wanted) == {"lost": [], "doubled": [], "wrong": []}
    assert len(objects) == 2 * len(wanted)
