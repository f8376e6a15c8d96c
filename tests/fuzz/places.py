"""Directories made to hurt: a catalog of them, and the archive at work between them.

An input describes files, one piece each: a letter for the tree, a letter for the kind, a path, a
newline, a content. Paths are taken as they are but for what no file system can hold; so names with
newlines, escapes, bytes that are no UTF-8, links that lead out, FIFOs in the place of records.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pstorefs.archive.engine import archive, clear
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.layout import read_archive
from pstorefs.archive.outcome import Outcome
from pstorefs.archive.policy import Policy
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.dump import Dump
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE, STORE, SYSTEMD
from pstorefs.report.files import composer
from pstorefs.report.material import material
from pstorefs.report.status import Reporter
from pstorefs.settings.keep import Keep
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable
from tests.fuzz.target import Target
from tests.fuzz.texts import (
    check_directory_name,
    check_dump_name,
    check_facts,
    json_safe,
    printable_lines,
)
from tests.records import capture

_CUT = b"\xff\xfe\xff"
_TREES = ("source", "archive", "systemd")
_MOST = 40
_CANARY = b"Panic#1 Part1\n<4>[    1.000000] not to be touched\n"
_TARGETS = (
    "../outside/dmesg-erst-1",
    "../outside",
    ".",
    "..",
    "dmesg-erst-1",
    "/dev/zero",
    "/proc/self/mem",
    "../../../../outside/raw",
)
_FOLDER = "20171204T222309Z-panic-1"


class World:
    """The trees of one input, and what stands beside them and must stay as it is."""

    def __init__(self, base: str) -> None:
        self.base = Path(base)
        self.outside = self.base / "outside"
        (self.outside / "raw").mkdir(parents=True)
        for file in ("dmesg-erst-1", "raw/dmesg-erst-1", "records.json"):
            (self.outside / file).write_bytes(_CANARY)
        self.paths = {tree: str(self.base / tree) for tree in _TREES}
        for path in self.paths.values():
            os.mkdir(path, 0o700)
        self.before = snapshot(self.outside)

    def build(self, raw: bytes) -> None:
        """What the input says."""
        for piece in raw.split(_CUT)[:_MOST]:
            head, _, content = piece.partition(b"\n")
            if len(head) > 2:
                tree = os.fsencode(self.paths[_TREES[head[0] % len(_TREES)]])
                self._make(tree, head[1:2], head[2:].replace(b"\1", b"\n"), content)

    def _make(self, tree: bytes, kind: bytes, path: bytes, content: bytes) -> None:
        names = [
            n[:255] for n in path.split(b"/") if n not in (b"", b".", b"..") and b"\0" not in n
        ]
        if not names or len(names) > 12 or b"\0" in path:
            return
        full = os.path.join(tree, *names)
        # It is in our own tree, as no name in it goes up and no link in it is followed.
        with suppress(OSError):
            folder = tree
            for name in names[:-1]:
                folder = os.path.join(folder, name)
                if not os.path.lexists(folder):
                    os.mkdir(folder)
                elif not stat.S_ISDIR(os.lstat(folder).st_mode):
                    return
            if os.path.lexists(full):
                return
            if kind == b"l":
                target = _TARGETS[content[0] % len(_TARGETS)] if content else "self"
                os.symlink(target, full)
            elif kind == b"p":
                os.mkfifo(full)
            elif kind == b"d":
                os.mkdir(full)
            elif kind == b"h":
                os.link(self.outside / "dmesg-erst-1", full)
            elif kind == b"s":
                with socket.socket(socket.AF_UNIX) as one:
                    one.bind(full)
            elif kind == b"z":
                with open(full, "wb") as file:
                    file.truncate(int.from_bytes(content[:4], "little"))
            else:
                with open(full, "wb") as file:
                    file.write(content)
                seconds = int.from_bytes(hashlib.sha256(full).digest()[:4], "little")
                os.utime(full, (seconds, seconds))

    def check(self) -> None:
        """Nothing beside the trees was touched."""
        assert snapshot(self.outside) == self.before, "something outside was changed"
        assert {path.name for path in self.base.iterdir()} == {*_TREES, "outside"}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and directory below, with its mode and content."""
    return {
        str(path): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def records(tree: str) -> dict[str, bytes]:
    """The regular files of a tree that bear a record's name, by path; links not followed."""
    found = {}
    for folder, _, files in os.walk(os.fsencode(tree)):
        for file in files:
            path = os.path.join(folder, file)
            if stat.S_ISREG(os.lstat(path).st_mode) and os.lstat(path).st_nlink == 1:
                name = os.fsdecode(file)
                if parse_name(name) is not None and os.path.getsize(path) < 1 << 20:
                    with open(path, "rb") as content:
                        found[os.fsdecode(path)] = content.read()
    return found


def check_survey(raw: bytes) -> None:
    """A catalog of three hostile places ends, and everything in it can be asked for."""
    with tempfile.TemporaryDirectory(dir=_memory()) as base:
        world = World(base)
        world.build(raw)
        survey_all(world)
        world.check()


def survey_all(world: World) -> Catalog:
    """Look at everything, as a mount does that somebody lists and reads."""
    store = OpenDirectory(world.paths["source"])
    try:
        catalog = Catalog(
            [
                Place(STORE, store),
                Place(ARCHIVE, world.paths["archive"]),
                Place(SYSTEMD, world.paths["systemd"]),
            ]
        )
        dumps = catalog.dumps(now=True)
        for name, dump in dumps.items():
            assert name == dump.name
            check_directory_name(dump.name)
            assert catalog.brief(dump).title.isprintable()
            known = catalog.resolved(dump)
            made = material(catalog, dump)
            text = made.text()
            assert _CANARY.split(b"\n")[1] not in text or b"not to be touched" in raw_of(world)
            json_safe(dict(made.keys()))
            made.words()
            if isinstance(known, Dump):
                check_dump_name(known)
                check_facts(text, catalog.facts(known))
            for record in dump.records:
                assert catalog.dump_of(record) is dump
                assert hashlib.sha256(catalog.stored(record)).hexdigest() == record.sha256
        catalog.latest()
        reporter = Reporter(
            catalog,
            world.paths["source"],
            Machine("/nonexistent"),
            own=False,
            archive=world.paths["archive"],
        )
        printable_lines(reporter.text())
        printable_lines(reporter.json())
        return catalog
    finally:
        store.close()


def raw_of(world: World) -> bytes:
    """All that stands in regular files of the trees."""
    return b"\0".join(
        path.read_bytes()
        for tree in _TREES
        for path in Path(world.paths[tree]).rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 20
    )


def check_archive(raw: bytes) -> None:
    """archive, clear and keep= on hostile trees: no record is lost, and nothing outside is touched.

    The first byte says what is done.
    """
    how = (raw[:1] or b"\0")[0]
    with tempfile.TemporaryDirectory(dir=_memory()) as base:
        world = World(base)
        world.build(raw[1:])
        before = records(world.paths["source"])
        said: list[str] = []
        keep = Keep(count=1, size=1 << 12) if how & 1 else Keep()
        policy = Policy(
            volatile=True,
            keep=keep,
            compose=composer(Machine("/nonexistent"), own=False) if how & 2 else None,
            reserve_share=0,
            reserve_bytes=0,
            wait_seconds=0,
            say=said.append,
        )
        names = None
        if how & 4:
            names = [path[len(world.paths["source"]) + 1 :] for path in sorted(before)[:3]]
            names += ["../outside/dmesg-erst-1", "/etc/passwd", _FOLDER, "..", ""]
        outcomes = command(world, names, policy)
        world.check()
        left = records(world.paths["source"])
        saved = {
            (path.rpartition("/")[2].partition("~")[0], hashlib.sha256(data).digest())
            for path, data in records_saved(world).items()
        }
        for path, data in before.items():
            key = path.rpartition("/")[2], hashlib.sha256(data).digest()
            assert left.get(path) == data or key in saved or how & 1, f"{path!r} is nowhere"
        # Doing it again finishes, and makes no second copy.
        command(world, names, policy)
        world.check()
        if how & 8:
            clear_all(world, names or ["dmesg-erst-1"])
        for outcome in outcomes:
            assert printable(str(outcome)).isprintable()
        survey_all(world)
        world.check()


def command(world: World, names: list[str] | None, policy: Policy) -> list[Outcome]:
    store = OpenDirectory(world.paths["source"])
    try:
        return archive(store, world.paths["archive"], names, policy)
    except ArchiveError as error:
        assert error.errno
        assert error.strerror
        return []
    finally:
        store.close()


def clear_all(world: World, names: list[str]) -> None:
    store = OpenDirectory(world.paths["source"])
    try:
        for outcome in clear(store, names):
            assert outcome.record in names
    finally:
        store.close()
    world.check()


def records_saved(world: World) -> dict[str, bytes]:
    """What stands in the archive under names of dumps."""
    found = {}
    store = OpenDirectory(world.paths["archive"])
    try:
        listing = read_archive(store)
    finally:
        store.close()
    for dump, files in listing.dumps.items():
        for file, stamp in files.items():
            if stamp.size < 1 << 20:
                path = Path(world.paths["archive"], dump, "raw", file)
                found[str(path)] = path.read_bytes()
    return found


def _memory() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


def _seeds() -> Iterator[bytes]:
    def file(tree: str, path: str, content: bytes, kind: str = "f") -> bytes:
        return bytes([_TREES.index(tree)]) + kind.encode() + path.encode() + b"\n" + content

    panic = b"Panic#1 Part1\n<4>[    1.000001] Kernel panic - not syncing: a\n"
    stored = sorted(capture("erst-mixed-upgrade").enc.items(), key=lambda each: len(each[1].data))
    plain = file("source", "dmesg-erst-6495821019368914945", panic)
    yield plain
    yield _CUT.join(file("source", name, one.data) for name, one in stored[:2])
    yield _CUT.join(
        (plain, file("archive", f"{_FOLDER}/raw/dmesg-erst-6495821019368914945", panic))
    )
    facts = b'{"schema": 1, "records": [\n{"file": "dmesg-erst-1", "sha256": "' + b"a" * 64
    yield _CUT.join(
        (
            plain,
            file("archive", f"{_FOLDER}/raw/dmesg-erst-1", panic),
            file("archive", f"{_FOLDER}/records.json", facts),
            file("archive", f"{_FOLDER}/SHA256SUMS", b"a" * 64 + b"  raw/dmesg-erst-1\n"),
        )
    )
    for kind in "lpdhsz":
        for tree, path in (
            ("source", "dmesg-erst-1"),
            ("source", "1512403389/001/dmesg-efi-151240338901001"),
            ("archive", f"{_FOLDER}/raw"),
            ("archive", f"{_FOLDER}/raw/dmesg-erst-1"),
            ("archive", f"{_FOLDER}/records.json"),
            ("archive", ".lock"),
            ("archive", ".pstorefs-new-1"),
            ("systemd", "7648162084915/dmesg-erst-7648162084915511297"),
        ):
            yield plain + _CUT + file(tree, path, b"\0\1\2\0", kind)
    yield plain + _CUT + file("source", "a\x1b[2J\u202e/dmesg-erst-2", panic)


def _archive_seeds() -> Iterator[bytes]:
    for how, seed in enumerate(_seeds()):
        yield bytes([how % 16]) + seed


_WORDS = (
    _CUT, b"\0f", b"\1f", b"\2f", b"\1l", b"\0p", b"/raw/", _FOLDER.encode(), b"records.json\n",
    b"~1a2b3c4d\n", b".lock\n", b".pstorefs-new-", b".pstorefs-old-", b"SHA256SUMS\n",
    b"dmesg-erst-1\n", b".enc.z\n", b"console-ramoops-0\n", b"dmesg-ramoops-0\n", b"Oops#1 Part1\n",
    b"Panic#1 Part1\n", b'"file": "', b'"sha256": "',
)  # fmt: skip

TARGETS = (
    Target("catalog", check_survey, _seeds, _WORDS, seconds=3),
    Target("archive", check_archive, _archive_seeds, _WORDS, share=2, seconds=5),
)
