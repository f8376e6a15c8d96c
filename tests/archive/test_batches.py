"""Stores of many records: batches, what they have in memory, and how far the command is."""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pstorefs.archive import (
    batches,
    candidates,
    directory,
    durable,
    entry,
    index,
    layout,
    relatives,
)
from pstorefs.archive.engine import archive
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.outcome import Outcome
from pstorefs.archive.policy import Policy
from pstorefs.archive.request import ask
from pstorefs.cli.meter import Meter
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp
from tests.archive import drive, judge
from tests.archive.test_engine import Scene, erst
from tests.records import capture

POLICY = drive.POLICY


def run(scene: Scene, policy: Policy = POLICY) -> list[Outcome]:
    store = OpenDirectory(str(scene.source))
    try:
        return archive(store, str(scene.target), None, policy)
    finally:
        store.close()


def tree(archive: Path) -> dict[str, bytes]:
    """The files of an archive but for what says when they were saved, and how."""
    return {
        str(path.relative_to(archive)): path.read_bytes()
        for path in archive.glob("[!.]*/**/*")
        if path.is_file() and path.name != "records.json"
    }


@pytest.mark.parametrize(
    "name",
    ["erst-lz4-6.1.192-many", "efi-zstd-6.1.192", "erst-mixed-upgrade", "ramoops-lz4-6.1.192-ecc"],
)
def test_batches_make_the_archive_that_one_command_makes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "once").mkdir()
    (tmp_path / "many").mkdir()
    once, many = Scene(tmp_path / "once", name), Scene(tmp_path / "many", name)
    expected = {outcome.record: outcome.result for outcome in run(once)}
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1)
    monkeypatch.setattr(relatives, "_CUT", 1 << 40)
    assert {outcome.record: outcome.result for outcome in run(many)} == expected
    assert tree(many.target) == tree(once.target)
    assert judge.unfinished(many.target) == []


def test_a_dump_that_is_cut_by_the_end_of_a_batch_is_one_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1)
    assert {outcome.result for outcome in scene.archive().values()} == {"cleared"}
    assert len(list(scene.target.glob("[!.]*"))) == 4


def test_what_a_batch_takes_of_memory_is_bounded(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "erst-lz4-6.1.192-many")
    stamps = {path.name: Stamp.of(path.stat()) for path in scene.source.iterdir()}
    names = ask(stamps, None).names
    most = 100_000
    found = list(relatives.batches(names, stamps, names, most))
    assert sorted(path for batch in found for path in batch) == sorted(names)
    assert len(found) > 2
    largest = max(relatives._weight(names[path], stamps[path]) for path in names)
    for batch in found:
        weight = sum(relatives._weight(names[path], stamps[path]) for path in batch)
        assert weight <= 2 * most + largest


def test_where_there_is_no_room_for_all_batches_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1)
    room = os.statvfs(tmp_path)
    needed = sum(map(len, scene.records.values()))
    free = SimpleNamespace(f_frsize=1, f_blocks=needed, f_bavail=needed, f_files=0, f_favail=0)
    assert room.f_bavail * room.f_frsize > 10 * needed, "the disk of the tests is nearly full"
    # Without the file systems' own book-keeping there is room for one batch, and not for all twice.
    monkeypatch.setattr(directory, "_OVERHEAD_BYTES", 0)
    monkeypatch.setattr(os, "fstatvfs", lambda _: free)
    with pytest.raises(ArchiveError) as raised:
        run(scene)
    assert raised.value.errno == errno.ENOSPC
    assert scene.left() == set(scene.records)
    assert list(scene.target.glob("[!.]*")) == []


def test_what_an_error_keeps_from_later_batches_is_reported_record_by_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1)
    monkeypatch.setattr(relatives, "_CUT", 1 << 40)
    calls = []

    def full(*_: object) -> None:
        calls.append(1)
        if len(calls) == 3:  # the look at all, the first batch, the second
            raise ArchiveError(errno.ENOSPC, "no room any more")

    monkeypatch.setattr(directory, "check_room", full)
    outcomes = run(scene)
    assert sorted(outcome.record for outcome in outcomes) == sorted(scene.records)
    failed = {o.record for o in outcomes if (o.result, o.errno) == ("failed", errno.ENOSPC)}
    assert failed == scene.left()
    assert 0 < len(failed) < len(scene.records)
    assert judge.lost(scene.records, scene.source, scene.target) == []


def test_progress_counts_each_record_in_each_step(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    told: list[tuple[str, int, int]] = []
    run(scene, POLICY._replace(progress=lambda *step: told.append(step)))
    count = len(scene.records)
    for step in ("reading", "saving", "erasing"):
        counts = [done for what, done, total in told if what == step and total == count]
        assert counts == sorted(counts)
        assert counts[-1] == count


# Which dumps of the archive are looked at


def looked_at(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The dumps of the archive that are listed for what is in the store."""
    found: list[str] = []
    honest = layout.read_raw

    def read_raw(store: OpenDirectory, dump: str, odd: list[str]) -> dict[str, Stamp]:
        found.append(dump)
        return honest(store, dump, odd)

    stamps = {path.name: Stamp.of(path.stat()) for path in scene.source.iterdir()}
    names = ask(stamps, None).names
    view = OpenDirectory(str(scene.target))
    with monkeypatch.context() as patch:
        patch.setattr(layout, "read_raw", read_raw)
        candidates.Candidates(view, [(names[path], stamps[path]) for path in names], print)
    view.close()
    return set(found)


def test_of_timed_records_only_dumps_of_their_time_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    late = max(scene.records)
    (scene.source / late).rename(tmp_path / late)
    run(scene)
    for name in ("20200101T000000Z-panic-1", "undated-dmesg-x-1-12345678", "by-hand"):
        (scene.target / name / "raw").mkdir(parents=True)
    (tmp_path / late).rename(scene.source / late)
    assert looked_at(scene, monkeypatch) == {
        "20260309T031141Z-oops-1",
        "20260309T031142Z-panic-2",
        "undated-dmesg-x-1-12345678",
        "by-hand",
    }
    assert scene.source.joinpath(late).exists()


@pytest.mark.parametrize("usable", ["good", "gone", "damaged", "of another archive"])
def test_of_others_the_index_says_which_are_listed_and_without_it_all_are(
    usable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, "ramoops-deflate-6.1.192")
    scene.archive()
    for name, stored in capture("erst-deflate-6.1.192").enc.items():
        (scene.source / name).write_bytes(stored.data)
    run(scene)
    for name in list(scene.left()):
        (scene.source / name).unlink()
    capture("ramoops-deflate-6.1.192").write("enc", scene.source)
    file = scene.target / index.NAME
    if usable == "gone":
        file.unlink()
    elif usable == "damaged":
        file.write_bytes(file.read_bytes()[:30] + bytes(100))
    elif usable == "of another archive":
        os.rename(scene.target, tmp_path / "other")
        shutil.copytree(tmp_path / "other", scene.target)
    monkeypatch.setattr(candidates, "_MANY", 0)
    dumps = {path.name for path in scene.target.glob("[!.]*")}
    wanted = {path.parent.parent.name for path in scene.target.glob("*/raw/*-ramoops-*")}
    assert wanted < dumps
    assert looked_at(scene, monkeypatch) == (wanted if usable == "good" else dumps)
    before = tree(scene.target)
    run(scene)
    assert tree(scene.target).keys() == before.keys(), "nothing is saved a second time"


# The line on a terminal


class _Terminal(io.StringIO):
    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


def test_the_meter_shows_after_two_seconds_and_goes() -> None:
    terminal, now = _Terminal(tty=True), [0.0]
    meter = Meter(terminal, lambda: now[0])
    for now[0] in (0.5, 1.9):
        meter.tell("reading", 1, 9)
    assert terminal.getvalue() == ""
    meter.erase()
    assert terminal.getvalue() == ""
    for now[0] in (2.0, 2.01, 2.02):
        meter.tell("saving", 5, 9)
    assert terminal.getvalue() == "\r\x1b[Kpstorefs: saving: 5 of 9 records"
    meter.erase()
    meter.erase()
    assert terminal.getvalue().endswith("records\r\x1b[K")


def test_the_meter_says_nothing_where_there_is_no_terminal() -> None:
    pipe, now = _Terminal(tty=False), [0.0]
    meter = Meter(pipe, lambda: now[0])
    now[0] = 100.0
    meter.tell("reading", 1, 9)
    meter.erase()
    assert pipe.getvalue() == ""


def test_the_index_says_nothing_of_what_could_not_join_a_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    late = max(scene.records)
    (scene.source / late).rename(tmp_path / late)
    run(scene)
    view = OpenDirectory(str(scene.target))

    def entries() -> dict[str, entry.Entry]:
        stamp = index.stamp_of(view)
        assert stamp
        return index.read(view, stamp).entries

    before = entries()
    (tmp_path / late).rename(scene.source / late)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "move_new", full)
        assert {outcome.result for outcome in run(scene)} == {"failed"}
    assert entries() == before
    run(scene)
    assert entries().keys() == before.keys()
    assert entries() != before
    view.close()
