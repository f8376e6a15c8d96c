"""Where an archive may lie, who may write there, how much room stays; two processes at once."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from pstorefs.archive import durable, layout, never_erased
from pstorefs.archive.engine import archive
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.outcome import Outcome
from pstorefs.archive.policy import Policy
from pstorefs.settings.keep import Keep, parse_keep
from pstorefs.source.directory import OpenDirectory
from tests.archive import drive, judge, strace
from tests.records import capture

POLICY = drive.POLICY._replace(volatile=False)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return capture("erst-deflate-6.1.192").write("enc", tmp_path / "store")


def run(source: Path, target: Path, policy: Policy = POLICY) -> list[Outcome]:
    store = OpenDirectory(str(source))
    try:
        return archive(store, str(target), None, policy)
    finally:
        store.close()


def refused(source: Path, target: Path, policy: Policy = POLICY) -> ArchiveError:
    """The refusal of a command; the store is then untouched."""
    before = judge.contents(source)
    with pytest.raises(ArchiveError) as caught:
        run(source, target, policy)
    assert judge.contents(source) == before
    words = caught.value.strerror or ""
    assert "\n" not in words
    assert str(target) in words
    return caught.value


@contextmanager
def mount(*arguments: str | Path) -> Iterator[None]:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(arguments[-1])], check=True, capture_output=True)


def test_a_tmpfs_is_refused_unless_told_otherwise(source: Path, tmp_path: Path) -> None:
    (tmp_path / "ram").mkdir()
    with mount("-t", "tmpfs", "none", tmp_path / "ram"):
        error = refused(source, tmp_path / "ram/archive")
        assert "tmpfs" in str(error)
        assert "archive_volatile" in str(error)
        assert {o.result for o in run(source, tmp_path / "ram/archive", drive.POLICY)} == {
            "cleared"
        }


def test_an_overlay_above_a_tmpfs_is_refused(source: Path, tmp_path: Path) -> None:
    ram, over = tmp_path / "ram", tmp_path / "over"
    ram.mkdir()
    over.mkdir()
    with mount("-t", "tmpfs", "none", ram):
        for name in ("lower", "upper", "work"):
            (ram / name).mkdir()
        where = f"lowerdir={ram}/lower,upperdir={ram}/upper,workdir={ram}/work"
        with mount("-t", "overlay", "overlay", "-o", where, over):
            assert "tmpfs" in str(refused(source, over / "archive"))


def test_an_overlay_above_a_disk_is_taken(source: Path, tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "over"):
        (tmp_path / name).mkdir()
    where = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    with mount("-t", "overlay", "overlay", "-o", where, tmp_path / "over"):
        assert {o.result for o in run(source, tmp_path / "over/archive")} == {"cleared"}


def test_a_place_inside_the_source_or_around_it_is_refused(source: Path, tmp_path: Path) -> None:
    assert refused(source, source).errno == errno.EINVAL
    (source / "below").mkdir()
    assert refused(source, source / "below").errno == errno.EINVAL
    (source / "below").rmdir()
    tmp_path.chmod(0o700)
    assert refused(source, tmp_path).errno == errno.EINVAL


def test_a_read_only_disk_is_erofs(source: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir(mode=0o700)
    (tmp_path / "ro").mkdir()
    with mount("--bind", tmp_path / "archive", tmp_path / "ro"):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(tmp_path / "ro")], check=True)
        assert refused(source, tmp_path / "ro").errno == errno.EROFS
        assert refused(source, tmp_path / "ro/new").errno == errno.EROFS


def test_what_is_gone_a_file_or_a_link_is_refused(source: Path, tmp_path: Path) -> None:
    assert refused(source, tmp_path / "no/archive").errno == errno.ENOENT
    (tmp_path / "file").write_bytes(b"")
    assert refused(source, tmp_path / "file").errno == errno.ENOTDIR
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    assert refused(source, tmp_path / "link").errno in (errno.ELOOP, errno.ENOTDIR)


def test_a_directory_that_others_can_write_to_is_refused(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "archive"
    target.mkdir()
    target.chmod(0o777)
    assert refused(source, target).errno == errno.EACCES
    target.chmod(0o700)
    os.chown(target, 12345, 0)
    assert refused(source, target).errno == errno.EACCES


@pytest.mark.parametrize(("shown", "result"), [(0o700, "cleared"), (0o755, "failed")])
def test_a_file_system_without_modes_is_taken_if_nobody_else_may_read(
    shown: int, result: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAT: modes are those of the mount's umask, and chmod(2) to any other fails."""
    change = os.fchmod

    def no_modes(descriptor: int, _: int) -> None:
        change(descriptor, shown)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    archive = tmp_path / "archive"
    archive.mkdir(0o700)
    before = judge.contents(source)
    monkeypatch.setattr(os, "fchmod", no_modes)
    outcomes = run(source, archive)
    assert {outcome.result for outcome in outcomes} == {result}
    assert all("umask=077" in outcome.message for outcome in outcomes if outcome.errno)
    assert judge.lost(before, source, archive) == []
    assert (judge.contents(source) == before) == (result == "failed")


@pytest.mark.parametrize(
    ("number", "name", "words"),
    [
        (errno.EACCES, "dmesg-erst-1", "run as root"),
        (errno.EPERM, "dmesg-erst-1", "run as root, or undo chattr +i"),
        (errno.EPERM, "dmesg-nvram-1", "new crashes overwrite"),
        (errno.EROFS, "dmesg-erst-1", "mount -o remount,rw"),
    ],
)
def test_a_store_that_erases_nothing_is_said_what_to_do(number: int, name: str, words: str) -> None:
    said = never_erased.refusal(name, OSError(number, os.strerror(number)))
    assert said[0] == number
    assert said[1].endswith((words, f"({words})"))


def test_a_limit_of_the_size_of_files_is_named(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.archive.drive", str(source), str(tmp_path / "archive")]
    limited = f"ulimit -f 1; exec {shlex.join(command)}"
    done = subprocess.run(
        ["sh", "-c", limited], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == errno.EFBIG
    assert "ulimit -f" in done.stdout


def test_too_little_room_is_enospc_before_anything_is_done(source: Path, tmp_path: Path) -> None:
    policy = POLICY._replace(reserve_bytes=1 << 60)
    error = refused(source, tmp_path / "archive", policy)
    assert error.errno == errno.ENOSPC
    assert "must stay free" in str(error)
    assert {path.name for path in (tmp_path / "archive").iterdir()} == {".lock"}


@pytest.mark.parametrize("size", ["32k", "64k", "100k"])
def test_a_disk_that_runs_full_meanwhile_leaves_nothing(
    size: str, source: Path, tmp_path: Path
) -> None:
    """A tmpfs so small that the estimate is too low for it, or right."""
    (tmp_path / "small").mkdir()
    target = tmp_path / "small/archive"
    records = judge.contents(source)
    with mount("-t", "tmpfs", "-o", f"size={size}", "none", tmp_path / "small"):
        target.mkdir(mode=0o700)
        (target / "filler").write_bytes(b"")
        try:
            outcomes = run(source, target, drive.POLICY._replace(reserve_bytes=-(1 << 40)))
            errors = {o.errno for o in outcomes if o.result != "cleared"}
        except ArchiveError as error:
            errors = {error.errno or 0}
        assert errors == {errno.ENOSPC}
        assert judge.lost(records, source, target) == []
        (target / "filler").unlink()
        assert judge.unfinished(target) == []


def test_a_slow_disk_only_takes_longer(source: Path, tmp_path: Path) -> None:
    point = strace.Point("fsync", 1)
    result = strace.inject(point, "delay_enter=300000", source, tmp_path / "archive")
    assert result.returncode == 0, result
    assert judge.contents(source) == {}


def test_another_process_that_works_there_is_waited_for(source: Path, tmp_path: Path) -> None:
    import fcntl

    target = tmp_path / "archive"
    target.mkdir(mode=0o700)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = OpenDirectory(str(source))
        with pytest.raises(ArchiveError) as caught:
            archive(store, str(target), None, POLICY._replace(wait_seconds=0.2))
        store.close()
        assert caught.value.errno == errno.EAGAIN
        threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        assert {o.result for o in run(source, target)} == {"cleared"}


def test_twenty_writers_at_once_make_one_archive(tmp_path: Path) -> None:
    """While records come and go, and somebody reads all the time."""
    source, target, late = (tmp_path / name for name in ("store", "archive", "late"))
    files = capture("erst-mixed-upgrade").write("enc", late)
    records = judge.contents(files)
    names = sorted(records)
    source.mkdir()
    for name in names[::2]:
        (late / name).rename(source / name)
    gone = names[0]
    command = [sys.executable, "-m", "tests.archive.drive", str(source), str(target)]
    writers = [
        subprocess.Popen(
            command + ([] if number % 2 else names[number : number + 4]),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    for number, name in enumerate(names[1::2]):
        shutil.copy2(late / name, source / f"{name}.coming")
        (source / f"{name}.coming").rename(source / name)
        if number == 3:
            (source / gone).unlink(missing_ok=True)
        for path in judge.saved(target) if target.exists() else []:
            assert path.name.partition("~")[0] in records
        time.sleep(0.02)
    for writer in writers:
        output, errors = writer.communicate(timeout=500)
        assert "Traceback" not in errors, errors
        assert writer.returncode in (0, errno.ENOENT, errno.EPERM, errno.EINVAL), output
    drive.run(str(source), str(target))
    del records[gone]
    assert judge.lost(records, source, target) == []
    assert judge.unfinished(target) == []
    assert judge.contents(source) == {}


# keep=


def dump_of(base: Path, number: int, signature: str) -> Path:
    """A store with one crash of its own second, and an archive policy that gives it a signature."""
    source = base / f"store{number}"
    source.mkdir()
    text = b"Panic#1 Part1\n<4>[    1.000000] line of dump %d\n" % number
    (source / f"dmesg-erst-{(1700000000 + number * 1000) << 32 | 1}").write_bytes(text)

    def compose(*_: object) -> dict[str, bytes]:
        return {"summary.json": b'{"signature": "%s"}' % signature.encode()}

    assert {o.result for o in run(source, base / "archive", POLICY._replace(compose=compose))} == {
        "cleared"
    }
    return source


def kept(base: Path, keep: Keep) -> tuple[int, list[str]]:
    said: list[str] = []
    (base / "empty").mkdir(exist_ok=True)
    run(base / "empty", base / "archive", POLICY._replace(keep=keep, say=said.append))
    assert not list((base / "archive").glob(".pstorefs-old-*"))
    return len(list((base / "archive").glob("[!.]*"))), said


def test_keep_removes_nothing_unless_asked(tmp_path: Path) -> None:
    for number in range(4):
        dump_of(tmp_path, number, "a")
    assert kept(tmp_path, Keep()) == (4, [])


def test_keep_never_removes_the_first_and_the_newest_of_a_signature(tmp_path: Path) -> None:
    for number in range(4):
        dump_of(tmp_path, number, "a")
    for number in range(4, 6):
        dump_of(tmp_path, number, "b")
    count, said = kept(tmp_path, Keep(count=1))
    assert count == 4
    assert len(said) == 2
    assert all("keep=" in sentence for sentence in said)
    names = sorted(path.name for path in (tmp_path / "archive").glob("[!.]*"))
    assert [name[:15] for name in names] == [
        *("20231114T221320", "20231114T230320", "20231114T232000", "20231114T233640")
    ]


def test_keep_makes_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the disk full gives limits: it must not need room first to apply them."""
    for number in range(4):
        dump_of(tmp_path, number, "a")
    archive = tmp_path / "archive"

    def room(_: int) -> SimpleNamespace:
        free = 0 if len(list(archive.glob("[!.]*"))) > 2 else 1 << 30
        return SimpleNamespace(f_frsize=1, f_blocks=free, f_bavail=free, f_files=0, f_favail=0)

    monkeypatch.setattr(os, "fstatvfs", room)
    policy = POLICY._replace(reserve_bytes=1 << 20)
    source = tmp_path / "store"
    source.mkdir()
    (source / "dmesg-erst-7301444403250298881").write_bytes(b"Panic#1 Part1\n<4>[    1.0] x\n")
    with pytest.raises(ArchiveError, match="must stay free"):
        run(source, archive, policy)
    assert {o.result for o in run(source, archive, policy._replace(keep=Keep(count=2)))} == {
        "cleared"
    }
    assert len(list(archive.glob("[!.]*"))) == 3  # the first and the newest of a signature stay


def test_keep_by_size_and_by_age(tmp_path: Path) -> None:
    for number in range(4):
        dump_of(tmp_path, number, "a")
    assert kept(tmp_path, Keep(seconds=86400))[0] == 4
    assert kept(tmp_path, Keep(size=1 << 20))[0] == 4
    assert kept(tmp_path, Keep(size=150))[0] == 3
    assert kept(tmp_path, Keep(size=0))[0] == 2


def test_keep_reads_no_dump_that_the_index_knows_where_nothing_is_beyond_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        dump_of(tmp_path, number, "a")
    limits = Keep(seconds=86400, size=1 << 20, count=4)
    read: list[str] = []
    read_small, read_facts = durable.read_small, layout.read_facts

    def small(parent: int, name: str, limit: int) -> bytes:
        read.append(name)
        return read_small(parent, name, limit)

    def facts(directory: int) -> object:
        read.append(layout.FACTS)
        return read_facts(directory)

    monkeypatch.setattr(durable, "read_small", small)
    monkeypatch.setattr(layout, "read_facts", facts)
    assert kept(tmp_path, limits) == (4, [])
    assert read == []
    assert kept(tmp_path, limits._replace(count=3))[0] == 3
    assert read != []


@pytest.mark.parametrize("index", ["gone", "of others", "another time"])
def test_keep_by_age_goes_by_the_dumps_where_the_index_is_not_theirs(
    index: str, tmp_path: Path
) -> None:
    for number in range(4):
        dump_of(tmp_path, number, "a")
    archived = tmp_path / "archive"
    if index == "of others":
        shutil.copytree(archived, tmp_path / "copy")
        shutil.rmtree(archived)
        (tmp_path / "copy").rename(archived)
        archived.chmod(0o700)
    for facts in archived.glob("*/records.json"):
        text = re.sub(r'"saved": \d+', '"saved": 1600000000', facts.read_text())
        text = re.sub(r'"mtime_ns": \d+', '"mtime_ns": 1500000000000000000', text)
        if index == "another time":  # a rename in the dump's directory, as the engine does it
            (facts.parent / "new").write_text(text)
            (facts.parent / "new").rename(facts)
        else:
            facts.write_text(text)
    if index == "gone":
        (archived / ".index").unlink()
    assert kept(tmp_path, Keep(seconds=86400))[0] == 2


@pytest.mark.parametrize(("written", "left"), [(-3600, 4), (-30 * 86400, 2), (30 * 86400, 2)])
def test_keep_knows_a_clock_that_was_not_set_yet(written: int, left: int, tmp_path: Path) -> None:
    """A board without a clock archives in 1970: nothing is saved before it was written."""
    for number in range(4):
        dump_of(tmp_path, number, "a")
    at = (int(time.time()) + written) * 10**9
    for facts in (tmp_path / "archive").glob("*/records.json"):
        text = re.sub(r'"saved": \d+', '"saved": 30', facts.read_text())
        facts.write_text(re.sub(r'"mtime_ns": \d+', f'"mtime_ns": {at}', text))
        os.utime(facts.parent / "SHA256SUMS", (30, 30))
    (tmp_path / "archive/.index").unlink()
    assert kept(tmp_path, Keep(seconds=86400))[0] == left


def test_keep_never_removes_what_still_stands_in_the_store(tmp_path: Path) -> None:
    for number in range(4):
        dump_of(tmp_path, number, "a")
    # It came back, twice, and so it stays in this boot: a record of the second dump.
    text = b"Panic#1 Part1\n<4>[    1.000000] line of dump 1\n"
    (tmp_path / "empty").mkdir()
    record = tmp_path / "empty" / f"dmesg-erst-{1700001000 << 32 | 1}"
    for _ in range(2):
        record.write_bytes(text)
        kept(tmp_path, Keep())
    assert record.exists()
    assert kept(tmp_path, Keep(count=0))[0] == 3


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("90d", Keep(seconds=90 * 86400)),
        ("500M", Keep(size=500 << 20)),
        ("20", Keep(count=20)),
        ("2w+1G+7", Keep(14 * 86400, 1 << 30, 7)),
    ],
)
def test_the_language_of_keep(text: str, keep: Keep) -> None:
    assert parse_keep(text) == keep


@pytest.mark.parametrize("text", ["", "d", "-1", "1x", "5 d", "1d+", "٣d", "9" * 20, "0", "90d+0"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="limit"):
        parse_keep(text)
