"""Crashes of a made-up fleet: as many as wanted, quickly, each with its bundle and index entry.

python3 -m tests.fleet.crashes ENDPOINT PREFIX COUNT [index]     into a SeaweedFS of servers.py
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from pstorefs.archive import layout
from pstorefs.fleet import bundle, keys
from tests.fleet import servers

SIGNATURES = 200
_KERNELS = ("6.1.0-48-amd64", "6.12.57+deb13-amd64", "5.14.0-570.el9_6.x86_64")
_FUNCTIONS = ("do_it", "ext4_writepages", "nvme_timeout", "tcp_v4_rcv")
_AT_ONCE = 32


class Crash(NamedTuple):
    """One dump, as `pstorefs --ship` names it and packs it."""

    names: keys.Names
    raw: bytes
    replaces: str | None = None

    @property
    def id(self) -> str:
        return keys.id_of([hashlib.sha256(self.raw).hexdigest()])

    @property
    def files(self) -> dict[str, bytes]:
        digest = hashlib.sha256(self.raw).hexdigest()
        summary = {"title": f"BUG: {self.names.label}", "kernel": {"release": self.names.kernel}}
        return {
            "dmesg.txt": self.raw * 4,
            "report.txt": f"BUG: {self.names.label}\nHost: {self.names.host}\n".encode(),
            "summary.json": json.dumps(summary).encode() + b"\n",
            "raw/dmesg-erst-1": self.raw,
            layout.SUMS: layout.sums_text({"dmesg-erst-1": digest}),
        }

    @property
    def bundle(self) -> bytes:
        return bundle.pack(self.names.dump, self.files, self.names.moment).data

    @property
    def line(self) -> bytes:
        return json.dumps({"id": self.id, "replaces": self.replaces}).encode() + b"\n"


def crash(
    number: int,
    when: datetime,
    *,
    raw: bytes | None = None,
    host: str | None = None,
    machine: str | None = None,
    label: str | None = None,
    replaces: str | None = None,
) -> Crash:
    """The crash of a number: the same each time."""
    chance = random.Random(number)
    # Few signatures crash often, many seldom.
    kind = min(int(chance.expovariate(1 / 20)), SIGNATURES - 1)
    name = f"oops-{_FUNCTIONS[kind % 4]}-{kind * 2654435761 % (1 << 32):08x}"
    owner = chance.randrange(max(1, number))
    data = raw or f"<4>[{number:5}.000000] BUG: crash {number} of {name}\n".encode() * 40
    names = keys.names(
        machine or hashlib.sha256(str(owner).encode()).hexdigest()[:32],
        f"{when:%Y%m%dT%H%M%SZ}-oops-1",
        keys.id_of([hashlib.sha256(data).hexdigest()]),
        0,
        name if label is None else label,
        _KERNELS[kind % 3],
        f"web-{owner}" if host is None else host,
    )
    return Crash(names, data, replaces)


def crashes(count: int, until: datetime, days: int = 90) -> Iterator[Crash]:
    """So many crashes within the days before a moment, evenly."""
    step = timedelta(days=days) / max(1, count)
    for number in range(count):
        yield crash(number, until - step * (count - number))


def write(directory: Path, found: Iterator[Crash] | list[Crash], *, whole: bool = True) -> None:
    """Into a store that is a directory. Not `whole`: index entries only."""
    for one in found:
        objects = {one.names.index_key: one.line}
        if whole:
            objects[one.names.bundle_key] = one.bundle
        for key, data in objects.items():
            path = directory / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def put(endpoint: str, prefix: str, found: list[Crash], *, whole: bool = True) -> int:
    """Into a SeaweedFS. Only in a process of its own: see `servers.elsewhere`."""
    from obstore import put as put_one
    from obstore.store import from_url

    there = from_url(
        f"s3://{servers.BUCKET}/{prefix}",
        config={
            "endpoint": endpoint,
            "access_key_id": servers.ALL[0],
            "secret_access_key": servers.ALL[1],
        },
        client_options={"allow_http": True},
    )

    def send(one: Crash) -> None:
        if whole:
            put_one(there, one.names.bundle_key, one.bundle, use_multipart=False)
        put_one(there, one.names.index_key, one.line, use_multipart=False)

    # Not put_async: its threads now and then abort a Python that ends.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(send, found):
            pass
    return len(found)


def put_many(endpoint: str, prefix: str, count: int, *, whole: bool = True, days: int = 90) -> int:
    """So many crashes of the days before now into a SeaweedFS, from a process of their own."""
    until = datetime.now(timezone.utc)
    return put(endpoint, prefix, list(crashes(count, until, days)), whole=whole)


if __name__ == "__main__":
    put_many(sys.argv[1], sys.argv[2], int(sys.argv[3]), whole="index" not in sys.argv)
