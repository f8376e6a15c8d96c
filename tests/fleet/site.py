"""Machines with archives, and what must hold of a store that they ship to."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pstorefs.archive import layout
from pstorefs.archive.engine import archive
from pstorefs.archive.policy import Policy
from pstorefs.fleet import keys, receipts, ship
from pstorefs.fleet.machine import Identity, app_specific
from pstorefs.fleet.retry import Clock
from pstorefs.fleet.store import Store
from pstorefs.report.files import composer
from pstorefs.settings.ship import Ship
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from tests.records import capture

#: No time passes.
AT_ONCE = Clock(lambda: 0.0, lambda _: None, lambda: 0.0)


def archived(base: Path, records: str = "erst-mixed-upgrade") -> Path:
    """An archive with the dumps of a capture, made by the archive's own engine."""
    source, target = base / "store", base / "archive"
    capture(records).write("enc", source)
    store = OpenDirectory(str(source))
    try:
        archive(
            store,
            str(target),
            None,
            Policy(volatile=True, compose=composer(Machine(), own=True), reserve_bytes=0,
                   reserve_share=0),
        )  # fmt: skip
    finally:
        store.close()
    return target


@cache
def dump_files() -> Mapping[str, bytes]:
    """The files of one dump, as an archive holds them."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = archived(Path(folder))
        dump = min(target.glob("2*"))
        return {
            str(path.relative_to(dump)): path.read_bytes()
            for path in dump.rglob("*")
            if path.is_file()
        }


def write_dump(archive_dir: Path, name: str, machine_id: str, number: int) -> None:
    """A dump of a made-up machine: a real one's files, with one record that is its own."""
    record = f"machine {machine_id} dump {number}\n".encode() * 10
    digest = hashlib.sha256(record).hexdigest()
    summary = json.loads(dump_files()["summary.json"])
    summary["machine"] |= {"machine_id": machine_id, "hostname": f"host-{machine_id[:6]}"}
    summary["signature"] = f"1:{number:016x}"
    fact = layout.Fact("dmesg-erst-1", digest, len(record), 0, 1_780_000_000, "boot")
    files = {
        "raw/dmesg-erst-1": record,
        "dmesg.txt": dump_files()["dmesg.txt"][:2000],
        "summary.json": json.dumps(summary).encode(),
        layout.FACTS: layout.facts_text([fact]),
        layout.SUMS: layout.sums_text({"dmesg-erst-1": digest}),
    }
    (archive_dir / name / "raw").mkdir(parents=True)
    for path, data in files.items():
        (archive_dir / name / path).write_bytes(data)


def sender(
    archive_dir: Path, state: Path, store: Store, clock: Clock = AT_ONCE, **options: object
) -> ship.Sender:
    """A run, with descriptors that nobody closes: for short tests."""
    settings = Ship()
    settings.url, settings.archive, settings.window = "s3://test", str(archive_dir), 0
    for name, value in options.items():
        setattr(settings, name, value)
    state.mkdir(exist_ok=True)
    folder = receipts.make_receipts(str(state), settings.store_name)
    identity = Identity(app_specific("0" * 31 + "1"), "boot", settings.machine, settings.host)
    descriptor = os.open(archive_dir, os.O_RDONLY | os.O_DIRECTORY)
    return ship.Sender(settings, identity, store, descriptor, folder, clock)


def run(one: ship.Sender) -> list[ship.Result]:
    """Ship what is pending."""
    waiting = receipts.pending(one.archive, one.receipts)
    return ship.run(one, waiting) if waiting else []


def expected(archive_dir: Path) -> dict[tuple[str, str], dict[str, bytes]]:
    """By machine and dump: the files that must be in the store, records and log."""
    found = {}
    for dump in archive_dir.glob("[!.]*"):
        about = json.loads((dump / "summary.json").read_text())["machine"]
        found[app_specific(about["machine_id"]), dump.name] = {
            str(path.relative_to(dump)): path.read_bytes()
            for path in [*dump.glob("raw/*"), dump / "dmesg.txt"]
        }
    return found


def parse_index(key: str) -> tuple[str, keys.Entry] | None:
    """An index key taken apart: date, and what its name says; None if it is none."""
    before, _, name = key.removesuffix(keys.SUFFIX).rpartition("/")
    date = before.removeprefix(f"{keys.INDEX}/date=")
    whole = f"{keys.day_prefix(date)}{name}{keys.SUFFIX}" == key
    return (date, keys.split_entry(name)) if whole and keys.is_entry(name) else None


def wrong(
    objects: Mapping[str, bytes], wanted: Mapping[tuple[str, str], Mapping[str, bytes]]
) -> dict[str, list[str]]:
    """What a store holds that it must not, and the reverse: lost, doubled, wrong. All empty."""
    bundles, lines = _split(objects)
    counts = Counter((line["machine"], line["dump"]) for line in lines.values())
    bad = []
    for key, line in lines.items():
        said = line["bundle"]
        data = bundles.get(said["key"])
        names = parse_index(key)
        if data is None:
            bad.append(f"{key} without its bundle")
        elif (len(data), hashlib.sha256(data).hexdigest()) != (said["size"], said["sha256"]):
            bad.append(f"{key} and its bundle differ")
        elif names is None or names[1].id16 != line["id"][:16]:
            bad.append(f"{key} says another id")
        elif not _holds(data, wanted.get((line["machine"], line["dump"]), {"": b""})):
            bad.append(f"{said['key']} does not hold what was archived")
    named = {line["bundle"]["key"] for line in lines.values()}
    return {
        "lost": [str(one) for one in wanted if one not in counts],
        "doubled": [str(one) for one, count in counts.items() if count > 1],
        "wrong": bad + [f"{key} without an index entry" for key in set(bundles) - named],
    }


def _split(objects: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, Any]]:
    bundles = {key: data for key, data in objects.items() if key.startswith(keys.DUMPS)}
    lines = {key: json.loads(data) for key, data in objects.items() if key.startswith(keys.INDEX)}
    return bundles, lines


def _holds(data: bytes, files: Mapping[str, bytes]) -> bool:
    tar = tarfile.open(fileobj=io.BytesIO(gzip.decompress(data)))  # noqa: SIM115 (in memory)
    there = {member.name.partition("/")[2]: member for member in tar.getmembers()}
    return all(
        name in there and tar.extractfile(there[name]).read() == content  # type: ignore[union-attr]
        for name, content in files.items()
    )


def contents(directory: Path) -> dict[str, bytes]:
    """All objects of a spool, by key."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def all_well(found: Mapping[str, Iterable[str]]) -> bool:
    return not any(found.values())
