"""A fleet's store after a bad night: many crashes of few kinds, the same each time.

Keys, entries and bundles are made by the code of --ship, of dumps that a real kernel left; what
makes up a fleet is made up: hosts, times, kernels, signatures.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from pstorefs.fleet import bundle, entry, keys
from tests.fleet import site

TODAY = datetime(2026, 11, 28, 8, 30, tzinfo=timezone.utc)
#: (class, title, share of all crashes, days before `TODAY` on which it began, and ended)
KINDS = [
    ("bug", "BUG: unable to handle kernel NULL pointer dereference in mlx5e_poll_rx_cq", 9, 60, 0),
    ("hung-task", "INFO: task hung in xfs_log_force", 7, 90, 0),
    ("panic", "kernel panic: Fatal machine check", 4, 90, 0),
    ("lockup", "BUG: soft lockup in smp_call_function_many_cond", 4, 45, 0),
    ("warning", "WARNING in dev_watchdog", 3, 80, 0),
    ("bug", "BUG: kernel NULL pointer dereference in nvme_tcp_io_work", 24, 1, 0),
    ("kasan", "KASAN: use-after-free Read in tcp_retransmit_timer", 1, 0, 0),
    ("panic", "kernel panic: Attempted to kill init!", 2, 30, 2),
    ("oops", "general protection fault in __list_del_entry_valid", 2, 70, 3),
    ("rcu", "INFO: rcu detected stall in net_rx_action", 2, 40, 0),
    ("bug", "kernel BUG at mm/slub.c", 1, 90, 10),
    ("oom", "kernel panic: Out of memory: compulsory panic_on_oom is enabled", 2, 20, 0),
]
KERNELS = ["6.1.0-44-amd64", "6.12.57+deb13-amd64", "6.1.0-42-amd64", "6.18.2-fleet.3"]


class Made(NamedTuple):
    """One object of the store."""

    key: str
    data: bytes


class Crashed(NamedTuple):
    """One crash of the made-up fleet."""

    at: datetime
    kind: tuple[str, str, int, int, int]
    host: str
    kernel: str
    number: int


@cache
def real() -> tuple[dict[str, bytes], ...]:
    """The files of real dumps, as a bundle holds them."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(
            {
                str(path.relative_to(dump)): path.read_bytes()
                for path in sorted(dump.rglob("*"))
                if path.is_file() and path.name != "records.json"
            }
            for dump in sorted(site.archived(Path(folder)).glob("2*"))
        )


@lru_cache(maxsize=1000)
def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def crashes(count: int, seed: int = 1, today: datetime = TODAY) -> Iterator[Crashed]:
    """So many crashes."""
    chance = random.Random(seed)
    shares = [kind[2] for kind in KINDS]
    for number in range(count):
        kind = chance.choices(KINDS, shares)[0]
        back = timedelta(days=min(kind[3], kind[4] + chance.expovariate(1 / 14)))
        if kind[3] <= 1:
            back = timedelta(hours=chance.uniform(0, 24 * kind[3] + 7))
        host = f"node-{chance.choice('abcd')}{chance.randrange(1, 400):03}.example.net"
        kernel = chance.choices(KERNELS, [9, 6, 2, 1])[0]
        yield Crashed(today - back - timedelta(minutes=number % 50), kind, host, kernel, number)


def objects(
    crash: Crashed,
    packed: bundle.Packed | None = None,
    changes: Mapping[str, object] | None = None,
) -> tuple[Made, Made]:
    """Its bundle and its index entry. `packed`: a bundle that is there already, which takes time.

    ``changes``: columns of the entry that are otherwise.
    """
    error_class, title = crash.kind[:2]
    files = dict(real()[crash.number % len(real())])
    machine = hashlib.sha256(crash.host.encode()).hexdigest()[:32]
    files["raw/dmesg-erst-1"] = f"{crash.host} {crash.number}\n".encode() * 10
    dump_id = keys.id_of(_sum(data) for name, data in files.items() if name.startswith("raw/"))
    digits = hashlib.sha256(title.encode()).hexdigest()[:16]
    row = entry.columns(json.loads(files["summary.json"])) | {
        "title": title, "class": error_class, "signature": f"2:{digits}", "crash": True,
        "kernel": crash.kernel, "time": f"{crash.at:%Y-%m-%dT%H:%M:%SZ}", **(changes or {}),
    }  # fmt: skip
    label = keys.label_of(row["class"], entry.function_of(row), row["signature"] or "")
    dump = f"{crash.at:%Y%m%dT%H%M%SZ}-panic-{crash.number}"
    named = keys.names(machine, dump, dump_id, 0, label, row["kernel"] or "", crash.host)
    packed = packed or bundle.pack(dump, files, named.moment)
    said = bundle_of(named, packed)
    line = entry.line(named, dump_id, None, named.moment, row, said)
    return Made(named.bundle_key, packed.data), Made(named.index_key, line)


def bundle_of(named: keys.Names, packed: bundle.Packed) -> entry.Bundle:
    """What the entry says of it."""
    return entry.Bundle(named.bundle_key, len(packed.data), packed.sha256, packed.tar_sha256)


def write(directory: Path, made: Iterator[Made] | list[Made]) -> None:
    """Into a directory that is a store."""
    for key, data in made:
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def night(directory: Path, count: int, seed: int = 1, today: datetime = TODAY) -> Path:
    """A store with so many crashes."""
    for crash in crashes(count, seed, today):
        write(directory, list(objects(crash)))
    return directory
