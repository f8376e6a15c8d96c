"""Archives of many dumps, made fast: one is saved by the engine, all others are made after it.

Each is what the engine would have saved: other names and times, other bytes in each record, sums
and summaries that fit. What a dump says is the same in all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pstorefs.archive import index, layout, saved_summary
from pstorefs.archive.engine import archive
from pstorefs.archive.entry import Entry
from pstorefs.archive.in_full import entry_of
from pstorefs.archive.policy import Policy
from pstorefs.report.files import composer
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.system.utc import rfc3339
from tests.records import capture

_FIRST = 1_600_000_000
_APART = 1_000
#: Of the same length in each dump, in each of its records.
_SERIAL = b"[pstorefs bench, dump %08d]"
PARTS = 3


def _lines() -> list[bytes]:
    return [
        line
        for _, each in sorted(capture("erst-deflate-6.1.192").ref.items())
        for line in each.data.splitlines(keepends=True)[1:]
    ]


def _record_name(number: int, part: int) -> str:
    return f"dmesg-erst-{((_FIRST + number * _APART) << 32) + part}"


def store_of(place: Path, numbers: range, size: int) -> Path:
    """A store with the records of some dumps: ERST, plain, so many bytes each."""
    place.mkdir(parents=True, exist_ok=True)
    lines = _lines()
    for number in numbers:
        for part in range(1, PARTS + 1):
            path = place / _record_name(number, part)
            path.write_bytes(_text(lines, number, part, size))
            moment = (_FIRST + number * _APART) * 10**9
            os.utime(path, ns=(moment, moment))
    return place


def _text(lines: list[bytes], number: int, part: int, size: int) -> bytes:
    """The newest part holds the crash."""
    last = len(lines) - (part - 1) * (len(lines) // PARTS)
    text, at = b"", last
    while len(text) < size and at:
        at -= 1
        text = lines[at] + text
    head = b"Panic#1 Part%d\n<6>[    0.000001] %s\n" % (part, _SERIAL % number)
    return head + text[-size:]


class Archive:
    """An archive of so many dumps, `size` bytes a record."""

    def __init__(self, place: Path, count: int, size: int = 8 << 10) -> None:
        self.path, self.count = place / "archive", count
        self.empty = place / "empty"
        self.empty.mkdir(parents=True)
        self._save_first(place, size)
        (first,) = (path for path in self.path.iterdir() if path.is_dir())
        template = _Template(first)
        for number in range(1, count):
            template.make(self.path, number)
        store, root = OpenDirectory(str(self.path)), os.open(self.path, os.O_RDONLY)
        try:
            index.update(store, root, lambda name: _entry_of(store, name))
        finally:
            store.close()
            os.close(root)

    def _save_first(self, place: Path, size: int) -> None:
        source = store_of(place / "first", range(1), size)
        compose = composer(Machine("/nonexistent"), own=False)
        policy = Policy(volatile=True, reserve_share=0, reserve_bytes=0, compose=compose)
        store = OpenDirectory(str(source))
        archive(store, str(self.path), None, policy)
        store.close()
        shutil.rmtree(source)


def _entry_of(store: OpenDirectory, name: str) -> Entry | None:
    """The entry of a dump that was just saved to ext4, xfs or btrfs, though this is a tmpfs."""
    found = entry_of(store, name)
    written = store.stamp((name,), layout.TEXT).ctime_ns
    return found and found._replace(written=written)


class _Template:
    """The first dump, to make others after."""

    def __init__(self, first: Path) -> None:
        self.name = first.name
        self.files = {
            str(path.relative_to(first)): path.read_bytes()
            for path in sorted(first.rglob("*"))
            if path.is_file() and path.name not in ("summary.json", "SHA256SUMS", "records.json")
        }
        self.summary: dict[str, Any] = json.loads((first / "summary.json").read_bytes())
        self.facts = (first / "records.json").read_text()
        self.sums = (first / "SHA256SUMS").read_text()

    def make(self, target: Path, number: int) -> None:
        """One more dump."""
        moment = (_FIRST + number * _APART) * 10**9
        name = (rfc3339(moment) or "").replace("-", "").replace(":", "") + self.name[16:]
        names = {_record_name(0, part): _record_name(number, part) for part in range(1, PARTS + 1)}
        dump = target / name
        (dump / "raw").mkdir(parents=True, mode=0o700)
        words = {**names, self.name: name}
        digests: dict[str, str] = {}
        for file, content in self.files.items():
            data = content.replace(_SERIAL % 0, _SERIAL % number)
            if not file.startswith("raw/"):
                data = _replaced(data.decode(), words).encode()
            path = dump / _replaced(file, names)
            path.write_bytes(data)
            digests[path.name] = hashlib.sha256(data).hexdigest()
            if file.startswith("raw/"):
                os.utime(path, ns=(moment, moment))
        keys = self._summary(name, moment, words, digests)
        (dump / "summary.json").write_bytes(saved_summary.sealed(keys))
        old = {record["sha256"]: digests[names[record["name"]]] for record in self._records}
        for file, text in (("records.json", self.facts), ("SHA256SUMS", self.sums)):
            (dump / file).write_text(_replaced(_replaced(text, names), old))

    @property
    def _records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.summary["records"]
        return found

    def _summary(
        self, name: str, moment: int, words: dict[str, str], digests: dict[str, str]
    ) -> dict[str, Any]:
        records = []
        for record in self._records:
            file = words[record["name"]]
            path, digest = f"{name}/raw/{file}", digests[file]
            records.append(record | {"name": file, "path": path, "sha256": digest})
        parts = sorted(record["sha256"] for record in records)
        saved = self.summary["saved"]
        keys = self.summary | {
            "name": name,
            "id": hashlib.sha256("".join(parts).encode()).hexdigest(),
            "time": rfc3339(moment),
            "boot": f"erst-{moment // 10**9}",
            "records": records,
            "saved": saved
            | {
                "mtime_ns": moment,
                "mtimes": {words[file]: moment for file in saved["mtimes"]},
                "texts": {file: digests[file] for file in saved["texts"]},
                "tail": None,
            },
        }
        keys.pop("digest", None)
        return keys


def _replaced(text: str, words: dict[str, str]) -> str:
    for before, after in words.items():
        text = text.replace(before, after)
    return text
