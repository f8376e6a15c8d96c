"""Many dumps, several at a time: order, bounds, a store that goes away, SIGKILL, SIGINT."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from pstorefs.fleet import dumps, receipts, ship
from pstorefs.fleet.parcel import Parcel, prepared
from pstorefs.fleet.retry import TRIES, Clock
from pstorefs.fleet.store import DONE, REFUSED, RETRY, Answer
from tests.fleet import servers, site

ROOT = Path(__file__).parents[2]
DUMPS = 16
BUSY = Answer(RETRY, "503", store_wide=True)
DENIED = Answer(REFUSED, "403", store_wide=True)


class Counting:
    """A store that counts calls at a time, and answers otherwise after so many of them."""

    def __init__(self, then: Answer | None = None, after: int = 0, together: int = 1) -> None:
        self.then, self.after = then, after
        self.lock = threading.Lock()
        self.keys: list[str] = []
        self.objects: dict[str, bytes] = {}
        self.now = 0
        #: Calls that were under way when each began.
        self.beside: list[int] = []
        #: From the ninth call on, each first one waits until so many are under way.
        self.barrier = threading.Barrier(together)

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        del kind
        with self.lock:
            number = len(self.keys)
            self.keys.append(key)
            self.beside.append(self.now)
            self.now += 1
        if self.barrier.parties > 1 and key.startswith("v1/dumps") and number >= 8:
            self.barrier.wait(30)
        with self.lock:
            self.now -= 1
            if self.then and number >= self.after:
                return self.then
            self.objects[key] = data
        return Answer(DONE)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number in range(DUMPS):
        name = f"20260601T0000{number:02}Z-oops-1"
        site.write_dump(tmp_path / "archive", name, "0" * 31 + "1", number)
    return tmp_path / "archive"


def sender(archive: Path, state: Path, store: Counting, **options: object) -> ship.Sender:
    return site.sender(archive, state, store, **options)._replace(at_once=ship.AT_ONCE)


def test_after_the_first_ones_so_many_are_on_their_way_at_a_time(
    archive: Path, tmp_path: Path
) -> None:
    # Twelve dumps are left: three times four.
    store = Counting(together=ship.AT_ONCE)
    made = sender(archive, tmp_path / "state", store)
    results = site.run(made)
    assert (ship.status(results), len(results)) == (0, DUMPS)
    assert max(store.beside) == ship.AT_ONCE - 1
    assert store.beside[:8] == [0] * 8, "one at a time: four dumps"
    assert len(store.keys) == 2 * DUMPS
    assert site.all_well(site.wrong(store.objects, site.expected(archive)))
    for result in results:
        (index,) = (key for key in store.keys if result.id[:16] in key and "/index/" in key)
        assert store.keys.index(result.key) < store.keys.index(index), "the bundle first"
    assert site.run(made) == [], "each has its receipt"


def test_large_bundles_go_one_at_a_time(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "_SMALL", 0)
    store = Counting()
    assert ship.status(site.run(sender(archive, tmp_path / "state", store))) == 0
    assert max(store.beside) == 0


def test_a_dump_is_told_of_when_it_is_there_and_not_after_a_large_one(
    archive: Path, tmp_path: Path
) -> None:
    """Who is killed meanwhile would not have told of it, and the next run has nothing to tell."""
    told: list[ship.Result] = []
    in_time: list[bool] = []

    def prepare(sender: ship.Sender, saved: dumps.Saved) -> Parcel:
        if saved.name == max(os.listdir(archive)):  # it takes as long as the others are not told of
            end = time.monotonic() + 30
            while len(told) < DUMPS - 1 and time.monotonic() < end:
                time.sleep(0.005)
            in_time.append(len(told) == DUMPS - 1)
        return prepared(sender, saved)

    made = sender(archive, tmp_path / "state", Counting())
    results = site.run(made._replace(told=told.append, prepare=prepare))
    assert in_time == [True]
    assert told == results


def test_what_is_to_be_spread_over_time_goes_one_at_a_time(archive: Path, tmp_path: Path) -> None:
    store = Counting()
    made = sender(archive, tmp_path / "state", store, window=900)
    waited: list[float] = []
    clock = Clock(lambda: 0.0, waited.append, lambda: 0.5)
    assert ship.status(site.run(made._replace(clock=clock))) == 0
    assert (max(store.beside), len(waited)) == (0, DUMPS)


AWAY: list[tuple[Answer, int, int, str]] = [
    # what is answered, after how many requests; requests then at most, the results
    (DENIED, 0, 1, ship.FAILED),
    (DENIED, 16, ship.AT_ONCE, ship.FAILED),
    (BUSY, 0, 3 * TRIES, ship.REMAINS),
    # Three in a row: one that has just got through meanwhile begins the count anew.
    (BUSY, 16, (2 + 2 * ship.AT_ONCE) * TRIES, ship.REMAINS),
]


@pytest.mark.parametrize(("answer", "after", "most", "result"), AWAY)
def test_a_run_ends_when_the_store_goes_away(
    answer: Answer, after: int, most: int, result: str, archive: Path, tmp_path: Path
) -> None:
    store = Counting(answer, after)
    results = site.run(sender(archive, tmp_path / "state", store))
    assert len({one.dump for one in results}) == len(results) == DUMPS
    assert {one.result for one in results if one.why} == {result}
    assert len(store.keys) <= after + most
    there = {one.dump for one in results if not one.why}
    assert there == {name for name in os.listdir(receipts_of(tmp_path)) if name[0] != "."}
    again = Counting()
    rest = site.run(sender(archive, tmp_path / "state", again))
    assert (ship.status(rest), len(rest)) == (0, DUMPS - len(there))
    whole = store.objects | again.objects
    assert site.all_well(site.wrong(whole, site.expected(archive)))


def receipts_of(base: Path) -> Path:
    return base / "state" / receipts.folder_of("s3://test")


def test_a_run_is_bounded_in_bytes(archive: Path, tmp_path: Path) -> None:
    results = site.run(sender(archive, tmp_path / "state", Counting(), size=12_000))
    sizes = [one.size for one in results if not one.why]
    assert sum(sizes) - ship.AT_ONCE * max(sizes) < 12_000 <= sum(sizes)
    assert {one.result for one in results if one.why} == {ship.REMAINS}


def begun(archive: Path, state: Path, endpoint: str, prefix: str) -> subprocess.Popen[str]:
    options = f"archive={archive},state={state},endpoint={endpoint}"
    words = ["--ship", f"s3://{servers.BUCKET}/{prefix}", "--now", "-o", options]
    key = {"AWS_ACCESS_KEY_ID": servers.DROP[0], "AWS_SECRET_ACCESS_KEY": servers.DROP[1]}
    return subprocess.Popen(
        [sys.executable, "-m", "pstorefs", *words], cwd=ROOT, env={**os.environ, **key},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until(proxy: servers.Proxy, count: int) -> None:
    end = time.monotonic() + 60
    while proxy.count < count and time.monotonic() < end:
        time.sleep(0.005)
    assert proxy.count >= count


def kills(chance: random.Random) -> Iterable[int]:
    """After how many requests more each run is killed."""
    return [chance.randrange(1, 12) for _ in range(4)]


def test_killed_again_and_again_before_a_poor_network_nothing_is_lost_or_doubled(
    endpoint: str, archive: Path, tmp_path: Path
) -> None:
    with servers.Proxy(endpoint, busy=0.1, lost=0.05) as proxy:
        for more in kills(random.Random(1)):
            program = begun(archive, tmp_path / "state", proxy.endpoint, "killed")
            until(proxy, proxy.count + more)
            program.kill()
            program.communicate(timeout=60)
        program = begun(archive, tmp_path / "state", proxy.endpoint, "killed")
        _, said = program.communicate(timeout=300)
        assert (program.returncode, said) == (0, "")
        found = servers.elsewhere(f"listed({endpoint!r}, 'killed')")
        assert site.all_well(site.wrong(found, site.expected(archive)))
        before = proxy.count
        begun(archive, tmp_path / "state", proxy.endpoint, "killed").communicate(timeout=60)
        assert proxy.count == before, "nothing is left to do"


def test_ctrl_c_ends_it_at_once_while_the_store_keeps_silent(
    endpoint: str, archive: Path, tmp_path: Path
) -> None:
    with servers.Proxy(endpoint) as proxy:
        program = begun(archive, tmp_path / "state", proxy.endpoint, "interrupted")
        until(proxy, 9)
        proxy.delay = 40
        until(proxy, proxy.count + 2)
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=20)
    assert (program.returncode, said) == (-signal.SIGINT, "")
