"""A storm: a fleet that boots at once and ships, over a store that is busy and loses answers.

    python3 -m tests.fleet.storm [HOSTS] [--calm] [--store weed|ceph|rclone]

5000 hosts unless told; a real store (SeaweedFS unless told), real SIGKILLs. Each run of a sender is
a process of its own, forked from one that has imported all, but has not touched obstore. It is
killed at a step that chance chooses, and started again, until it has shipped all; time does not
pass while it waits. Prints what was lost, doubled, wrong, and the requests for each dump, as JSON;
on a terminal how far it is. Exit status 1 if one of them is not what it must be. What 100,000 hosts
take: tests/RESULTS.md.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pstorefs.fleet import receipts, ship
from pstorefs.fleet.machine import Identity, app_specific
from pstorefs.fleet.retry import Clock
from pstorefs.fleet.store import Answer, Store
from pstorefs.settings.ship import Ship
from tests.fleet import ceph, rclone, servers, site

SENDERS = 12
_TRIES = 40


class Figures(NamedTuple):
    """What came of a storm."""

    hosts: int
    dumps: int
    kills: int
    processes: int
    requests: int
    lost: int
    doubled: int
    wrong: int
    #: Until all was delivered; and until it was looked through.
    delivered: float
    seconds: float

    @property
    def each(self) -> float:
        """Requests for each dump."""
        return self.requests / self.dumps


def machine_id(number: int) -> str:
    return f"{number:032x}"


def _prepare(place: Path, number: int, dumps: int) -> None:
    """A host that crashed so many times and was archived."""
    (place / "archive").mkdir(parents=True)
    for count in range(dumps):
        name = f"20260602T02150{count}Z-oops-{count + 1}"
        site.write_dump(place / "archive", name, machine_id(number), count)


class _Killer:
    """A store, and what is called at each step: at one of them the process dies."""

    def __init__(self, store: Store, step: int) -> None:
        self.store, self.step = store, step

    def tick(self) -> None:
        self.step -= 1
        if self.step == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def put(self, key: str, data: bytes, kind: str) -> Answer:
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
    sender = ship.Sender(settings, identity, killer, archive, folder, clock)
    waiting = receipts.pending(archive, folder)
    return ship.status(ship.run(sender, waiting)) if waiting else 0


def _fork(work: Callable[[], int]) -> int:
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        status = work()
    finally:
        os._exit(status)


class _Fleet:
    """The hosts, each with its place on the disk while it has something to ship."""

    def __init__(self, base: Path, hosts: int, seed: int, *, kill: bool) -> None:
        chance = random.Random(seed)
        self.base, self.kills, self.processes = base, 0, 0
        self.crashes = [chance.randint(1, 3) for _ in range(hosts)]
        # Each sender is killed once, at one of its first steps; then it may finish.
        self.steps = [chance.randint(1, 14) if kill else 0 for _ in range(hosts)]
        #: What must be in the store, of all hosts that are through.
        self.wanted: dict[tuple[str, str], dict[str, bytes]] = {}

    def run(self, number: int, tries: int, endpoint: str, prefix: str) -> int:
        """One run of one host, in a child."""
        random.seed(f"{number} {tries}")
        place = self.base / str(number)
        if not tries:
            _prepare(place, number, self.crashes[number])
        step = 0 if tries else self.steps[number]
        return _send(place, number, endpoint, prefix, step)

    def ended(self, number: int, tries: int, status: int) -> bool:
        """Whether a host is through; a sender of it has just ended."""
        self.processes += 1
        self.kills += os.WIFSIGNALED(status)
        if status:
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 3, (number, status)
            assert tries < _TRIES, f"host {number} does not come to an end"
            return False
        place = self.base / str(number)
        self.wanted |= site.expected(place / "archive")
        shutil.rmtree(place)
        return True


def _deliver(fleet: _Fleet, endpoint: str, prefix: str) -> None:
    """Until all hosts have shipped all."""
    queue = deque((number, 0) for number in range(len(fleet.crashes)))
    running: dict[int, tuple[int, int]] = {}
    while queue or running:
        while queue and len(running) < SENDERS:
            number, tries = queue.pop()
            work = partial(fleet.run, number, tries, endpoint, prefix)
            running[_fork(work)] = number, tries
        child, status = os.wait()
        number, tries = running.pop(child)
        if not fleet.ended(number, tries, status):
            queue.appendleft((number, tries + 1))
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r{len(queue)} ")


def storm(hosts: int, endpoint: str, *, busy: float, lost: float, kill: bool, seed: int) -> Figures:
    """One storm over a server that listens at `endpoint`."""
    prefix = f"storm{seed}"
    # Children have all of it then; none of it is used before they are.
    for name in ("obstore.store", "obstore.exceptions", "pstorefs.fleet.objects"):
        importlib.import_module(name)

    _trust_little()
    gc.collect()
    gc.freeze()  # so that children share the pages
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=_fast()) as folder:
        fleet = _Fleet(Path(folder), hosts, seed, kill=kill)
        site.dump_files()
        with servers.Proxy(endpoint, busy, lost, seed) as proxy:
            _deliver(fleet, proxy.endpoint, prefix)
    delivered = time.monotonic()
    assert len(fleet.wanted) == sum(fleet.crashes)
    objects_there = servers.elsewhere(f"listed({endpoint!r}, {prefix!r})")
    found = site.wrong(objects_there, fleet.wanted)
    return Figures(
        hosts, len(fleet.wanted), fleet.kills, fleet.processes, proxy.count,
        *(len(found[name]) for name in ("lost", "doubled", "wrong")),
        delivered - begun, time.monotonic() - begun,
    )  # fmt: skip


def _trust_little() -> None:
    """Let senders load one certificate instead of 140: a third of their time, and none is used."""
    one = next(Path("/etc/ssl/certs").glob("*.pem"), None)
    if one is not None:
        os.environ |= {"SSL_CERT_FILE": str(one), "SSL_CERT_DIR": "/nowhere"}


def _fast() -> str | None:
    """Where an fsync costs little: what is tested here is not the disk."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108


STORES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "weed": servers.seaweedfs,
    "ceph": ceph.versioned,
    "rclone": rclone.overwriting,
}


def main() -> int:
    """One storm, with all faults or calm; its figures as JSON."""
    parser = argparse.ArgumentParser(prog="tests.fleet.storm")
    parser.add_argument("hosts", type=int, nargs="?", default=5000)
    parser.add_argument("--calm", action="store_true", help="no faults, nobody is killed")
    parser.add_argument("--store", choices=STORES, default="weed")
    told = parser.parse_args()
    busy, lost, most = (0.0, 0.0, 2.0) if told.calm else (0.2, 0.05, 3.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        STORES[told.store](Path(folder) / "s") as endpoint,
    ):
        found = storm(told.hosts, endpoint, busy=busy, lost=lost, kill=not told.calm,
                      seed=told.hosts)  # fmt: skip
        versions = ceph.versions(endpoint, f"storm{told.hosts}") if told.store == "ceph" else 0
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    more = {"each": round(found.each, 3), "versions": versions, "cpu": round(cpu, 1)}
    sys.stdout.write(json.dumps({**found._asdict(), **more}) + "\n")
    well = not (found.lost or found.doubled or found.wrong)
    return 0 if well and found.each <= most else 1


if __name__ == "__main__":
    sys.exit(main())
