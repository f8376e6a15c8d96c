"""How many requests a second 100,000 machines make that boot within five minutes: virtual time.

The program's own share of the window and its own waits; the store answers at once, or 503.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pstorefs.fleet import dumps, parcel, receipts, ship
from pstorefs.fleet.machine import Identity
from pstorefs.fleet.retry import Clock
from pstorefs.fleet.store import DONE, RETRY, Answer
from pstorefs.settings.ship import Ship
from tests.figures import record

HOSTS, BOOT_SECONDS, REQUEST_SECONDS = 100_000, 300, 0.05
SAVED = dumps.Saved("dump", b"", (), {}, {}, 0, None)
PARCEL = parcel.Parcel((("bundle", b"", "x"), ("index", b"", "x")), {}, {})


class Busy:
    """A store that counts requests by the second of their host's time."""

    def __init__(self, busy: float, chance: random.Random) -> None:
        self.busy, self.chance = busy, chance
        self.now = 0.0
        self.found: Counter[int] = Counter()

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        del key, data, kind
        self.found[int(self.now)] += 1
        self.now += REQUEST_SECONDS
        return Answer(RETRY if self.chance.random() < self.busy else DONE)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def requests(busy: float, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Requests in each second after the power came back; 1 to 3 dumps a machine.

    The run is the program's; dumps and receipts are taken for read and written.
    """
    chance = random.Random(1)
    store = Busy(busy, chance)
    settings = Ship()
    clock = Clock(lambda: store.now, store.sleep, chance.random)
    monkeypatch.setattr(receipts, "note_wait", lambda *_: None)
    for name in ("has_begun", "begin", "write"):
        monkeypatch.setattr(receipts.Receipt, name, lambda _: False)
    monkeypatch.setattr(receipts, "has_waited", lambda *_: False)
    monkeypatch.setattr(dumps, "read", lambda *_: SAVED)
    monkeypatch.setattr(ship, "ordered", lambda _, pending: pending)
    for host in range(HOSTS):
        store.now = chance.random() * BOOT_SECONDS
        identity = Identity(f"{host:032x}", "boot")
        sender = ship.Sender(settings, identity, store, -1, -1, clock, prepare=lambda *_: PARCEL)
        while any(
            one.result != ship.SHIPPED for one in ship.run(sender, ["dump"] * chance.randint(1, 3))
        ):
            store.now += 3600
    return store.found


@pytest.mark.parametrize("busy", [0.0, 0.2])
def test_a_fleet_that_boots_at_once_does_not_come_at_once(
    busy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = requests(busy, monkeypatch)
    peak = max(found.values())
    what = f"peak of requests a second, {HOSTS} hosts in 5 minutes, {busy:.0%} 503"
    record("fleet", what, str(peak), "600", peak <= 600)
    assert peak <= 600
    assert sum(found.values()) >= 3.9 * HOSTS
