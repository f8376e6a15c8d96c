"""A storm: a fleet that boots at once and ships, over a store that is busy and loses answers.

    python3 -m tests.fleet.storm [HOSTS [calm]]     default 5000; a real SeaweedFS, real SIGKILLs

Each sender is a process of its own. It is killed at a step that chance chooses, and started again,
until it has shipped all; time does not pass while it waits. Prints what was lost, doubled, wrong,
and the requests for each dump. Exit status 1 if one of them is not what it must be.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pstorefs.fleet import receipts, ship
from pstorefs.fleet.machine import Identity, app_specific
from pstorefs.fleet.retry import Clock
from pstorefs.fleet.store import Outcome, Store
from pstorefs.settings.ship import Ship
from tests.fleet import servers, site

SENDERS = 12
_TRIES = 40


class Figures(NamedTuple):
    """What came of a storm."""

    hosts: int
    dumps: int
    kills: int
    requests: int
    lost: int
    doubled: int
    wrong: int
    seconds: float

    @property
    def each(self) -> float:
        """Requests for each dump."""
        return self.requests / self.dumps


def machine_id(number: int) -> str:
    return f"{number:032x}"


def _prepare(base: Path, hosts: int, chance: random.Random) -> dict[tuple[str, str], Any]:
    wanted: dict[tuple[str, str], Any] = {}
    for number in range(hosts):
        place = base / str(number)
        (place / "archive").mkdir(parents=True)
        for count in range(chance.randint(1, 3)):
            name = f"20260602T02150{count}Z-oops-{count + 1}"
            site.write_dump(place / "archive", name, machine_id(number), count)
        wanted |= site.expected(place / "archive")
    return wanted


class _Killer:
    """A store, and what is called at each step: at one of them the process dies."""

    def __init__(self, store: Store, step: int) -> None:
        self.store, self.step = store, step

    def tick(self) -> None:
        self.step -= 1
        if self.step == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def put(self, key: str, data: bytes, kind: str) -> Outcome:
        self.tick()
        outcome = self.store.put(key, data, kind)
        self.tick()
        return outcome


def _send(place: Path, number: int, endpoint: str, prefix: str, step: int) -> int:
    """One run of one host, in a child: the exit status."""
    killer = _Killer(servers.store(endpoint, prefix=prefix), step)
    settings = Ship()
    settings.url = "s3://storm"
    state = place / "state"
    state.mkdir(exist_ok=True)
    folder = receipts.make_receipts(str(state), settings.store_name)
    archive = os.open(place / "archive", os.O_RDONLY | os.O_DIRECTORY)
    fsync = os.fsync

    def ticking(descriptor: int) -> None:
        killer.tick()
        fsync(descriptor)
        killer.tick()

    os.fsync = ticking
    clock = Clock(lambda: 0.0, lambda _: None, random.random)
    identity = Identity(app_specific(machine_id(number)), "boot")
    job = ship.Job(settings, identity, killer, archive, folder, clock)
    waiting = receipts.pending(archive, folder)
    return ship.status(ship.run(job, waiting)) if waiting else 0


def _fork(work: Callable[[], int]) -> int:
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        status = work()
    finally:
        os._exit(status)


def _deliver(
    base: Path, hosts: int, endpoint: str, prefix: str, chance: random.Random, *, kill: bool
) -> int:
    """Until all hosts have shipped all; the number of senders that were killed."""
    queue = [(number, 0) for number in range(hosts)]
    running: dict[int, tuple[int, int]] = {}
    kills = 0
    while queue or running:
        while queue and len(running) < SENDERS:
            number, tries = queue.pop()
            # Each sender is killed once, at one of its first steps; then it may finish.
            step = chance.randint(1, 14) if kill and tries == 0 else 0
            place = base / str(number)

            def work(place: Path = place, number: int = number, step: int = step) -> int:
                random.seed(number)
                return _send(place, number, endpoint, prefix, step)

            running[_fork(work)] = number, tries
        child, status = os.wait()
        number, tries = running.pop(child)
        kills += os.WIFSIGNALED(status)
        if status:
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 3, (number, status)
            assert tries < _TRIES, f"host {number} does not come to an end"
            queue.insert(0, (number, tries + 1))
    return kills


def storm(hosts: int, endpoint: str, *, busy: float, lost: float, kill: bool, seed: int) -> Figures:
    """One storm over a server that listens at `endpoint`."""
    chance = random.Random(seed)
    prefix = f"storm{seed}"
    import obstore  # noqa: F401 - children have it then; it is not used before they are

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=_fast()) as folder:
        base = Path(folder)
        wanted = _prepare(base, hosts, chance)
        with servers.Proxy(endpoint, busy, lost, seed) as proxy:
            kills = _deliver(base, hosts, proxy.endpoint, prefix, chance, kill=kill)
            requests = len(proxy.seen)
    found = site.wrong(servers.elsewhere(f"listed({endpoint!r}, {prefix!r})"), wanted)
    counts = [len(found[name]) for name in ("lost", "doubled", "wrong")]
    return Figures(hosts, len(wanted), kills, requests, *counts, time.monotonic() - begun)


def _fast() -> str | None:
    """Where an fsync costs little: what is tested here is not the disk."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108


def main() -> int:
    """One storm, with all faults or `calm`; its figures as JSON."""
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    rough = "calm" not in sys.argv
    with tempfile.TemporaryDirectory() as folder, servers.seaweedfs(Path(folder) / "s") as endpoint:
        busy, lost = (0.2, 0.05) if rough else (0.0, 0.0)
        found = storm(hosts, endpoint, busy=busy, lost=lost, kill=rough, seed=hosts)
    sys.stdout.write(json.dumps({**found._asdict(), "each": round(found.each, 3)}) + "\n")
    well = not (found.lost or found.doubled or found.wrong)
    return 0 if well and found.each <= (3.0 if rough else 2.0) else 1


if __name__ == "__main__":
    sys.exit(main())
