"""Archives that were damaged, restored in part, or that others keep their own things in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pstorefs.archive.engine import archive
from pstorefs.archive.outcome import Outcome
from pstorefs.archive.policy import Policy
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.report.status import Reporter
from pstorefs.settings.keep import Keep
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from tests.archive import drive, judge
from tests.archive.test_engine import Scene, erst

POLICY = drive.POLICY
LATE, DUMP = "dmesg-erst-7615088259755933703.enc.z", "20260309T031142Z-panic-2"
OLD = "dmesg-erst-7615088259755933701.enc.z"


def run(scene: Scene, policy: Policy = POLICY) -> list[Outcome]:
    """One command, without a look at what it leaves."""
    store = OpenDirectory(str(scene.source))
    try:
        return archive(store, str(scene.target), None, policy)
    finally:
        store.close()


def late_part(base: Path) -> tuple[Scene, Path, bytes]:
    """An archive of which one dump's part came late."""
    scene = erst(base)
    data = scene.records.pop(LATE)
    (scene.source / LATE).unlink()
    scene.archive()
    return scene, scene.target / DUMP, data


def put(scene: Scene, data: bytes) -> None:
    path = scene.source / LATE
    path.write_bytes(data)
    os.utime(path, ns=(1773025902 * 10**9,) * 2)


def unlisted(dump: Path) -> None:
    """The checksums are gone, and a record is not what it was."""
    (dump / "SHA256SUMS").write_bytes(b"")
    zeroed(dump)


def zeroed(dump: Path) -> None:
    copy = dump / "raw" / OLD
    times = copy.stat()
    copy.write_bytes(bytes(times.st_size))
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))


def not_ascii(dump: Path) -> None:
    path = dump / "SHA256SUMS"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    zeroed(dump)


def missing(dump: Path) -> None:
    (dump / "raw" / OLD).unlink()


def linked(dump: Path) -> None:
    copy = dump / "raw" / OLD
    copy.rename(dump.parent.parent / OLD)
    copy.symlink_to(dump.parent.parent / OLD)


@pytest.mark.parametrize("damage", [missing, linked, unlisted, not_ascii])
def test_text_of_a_damaged_dump_is_never_composed_away(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    scene, dump, data = late_part(tmp_path)
    before = (dump / "dmesg.txt").read_bytes()
    damage(dump)
    put(scene, data)
    (outcome,) = run(scene)
    assert outcome.result == "cleared"
    assert (dump / "dmesg.txt").read_bytes() == before
    assert outcome.dump != DUMP


@pytest.mark.parametrize("put_there", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/")])
def test_a_record_comes_back_though_something_else_is_in_its_place(
    put_there: Callable[[Path], None], tmp_path: Path
) -> None:
    scene = erst(tmp_path)
    data = scene.records[OLD]
    scene.archive()
    copy = scene.target / DUMP / "raw" / OLD
    copy.unlink()
    put_there(copy)
    (scene.source / OLD).write_bytes(data)
    (outcome,) = run(scene)
    assert outcome.result == "cleared"
    assert outcome.dump != DUMP
    assert (scene.target / outcome.dump / "raw" / OLD).read_bytes() == data


def test_a_record_that_stays_composes_nothing_away(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    data = scene.records[LATE]
    scene.archive()
    dump = scene.target / DUMP
    before = (dump / "dmesg.txt").read_bytes()
    missing(dump)
    put(scene, data)
    run(scene)
    assert (dump / "dmesg.txt").read_bytes() == before


def moved(dump: Path) -> None:
    dump.rename(dump.parent.parent / "moved")


def moved_and_linked(dump: Path) -> None:
    moved(dump)
    dump.symlink_to(dump.parent.parent / "moved")


def moved_and_a_file_there(dump: Path) -> None:
    moved(dump)
    dump.write_text("moved")


def directory_for(name: str) -> Callable[[Path], None]:
    def replace(dump: Path) -> None:
        (dump / name).unlink()
        (dump / name).mkdir()

    return replace


@pytest.mark.parametrize(
    "obstacle",
    [
        moved_and_linked,
        moved_and_a_file_there,
        *map(directory_for, ("SHA256SUMS", "records.json", "dmesg.txt")),
    ],
)
def test_what_stands_in_the_way_of_a_dump_stops_no_archiving(
    obstacle: Callable[[Path], None], tmp_path: Path
) -> None:
    scene, dump, data = late_part(tmp_path)
    obstacle(dump)
    put(scene, data)
    (outcome,) = run(scene)
    assert outcome.result == "cleared", outcome


@pytest.mark.parametrize("name", [".", "raw", "SHA256SUMS"])
def test_a_dump_that_is_kept_from_changes_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    scene, dump, data = late_part(tmp_path)
    before = {path: path.read_bytes() for path in dump.glob("**/*.*")}
    put(scene, data)
    subprocess.run(["chattr", "+i", dump / name], check=True)
    try:
        (outcome,) = run(scene)
    finally:
        subprocess.run(["chattr", "-i", dump / name], check=True)
    assert outcome.result == "cleared", outcome
    assert {path: path.read_bytes() for path in dump.glob("**/*.*")} == before


def test_where_a_leftover_cannot_be_removed_another_name_is_taken(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    (scene.target / f".pstorefs-new-{DUMP}/1/2/3/4/5").mkdir(parents=True)
    scene.target.chmod(0o700)
    said: list[str] = []
    outcomes = run(scene, POLICY._replace(say=said.append))
    assert {outcome.result for outcome in outcomes} == {"cleared"}
    assert [line for line in said if f".pstorefs-new-{DUMP}" in line and "too deep" in line], said


def test_a_dump_split_by_damage_is_found_under_the_name_that_the_mount_shows(
    tmp_path: Path,
) -> None:
    scene, dump, data = late_part(tmp_path)
    zeroed(dump)
    put(scene, data)
    run(scene)
    put(scene, data)
    store = OpenDirectory(str(scene.source))
    catalog = Catalog([Place(STORE, store), Place(ARCHIVE, str(scene.target))])
    (shown,) = {d.name for d in catalog.dumps().values() for i in d.records if i.place == STORE}
    (outcome,) = archive(store, str(scene.target), [shown], POLICY)
    store.close()
    assert outcome.errno == 0, (shown, outcome)


def test_status_tells_of_records_that_are_not_as_they_were_saved(tmp_path: Path) -> None:
    _, dump, _ = late_part(tmp_path)

    catalog = Catalog([Place(ARCHIVE, str(dump.parent))])

    def findings() -> dict[str, str]:
        catalog.dumps(now=True)
        status = Reporter(catalog, "", Machine("/nonexistent"), own=False).collect()
        return {each.key: each.what for each in status.findings}

    assert findings() == {}
    zeroed(dump)
    assert findings() == {
        "archive-damaged": f"1 record in the archive not as saved: {DUMP}/raw/{OLD}"
    }
    sums = dump / "SHA256SUMS"
    good = sums.read_bytes()
    now = hashlib.sha256((dump / "raw" / OLD).read_bytes()).hexdigest()
    lines = [f"{now}  raw/{OLD}" if OLD in line else line for line in good.decode().splitlines()]
    sums.write_text("\n".join(lines) + "\n")
    assert findings() == {}, "it was the checksum that was wrong"


def test_a_backup_by_hard_links_is_no_damage(tmp_path: Path) -> None:
    scene, dump, data = late_part(tmp_path)
    (scene.target / "lost+found").mkdir()
    put(scene, data)

    def say(sentence: str) -> None:  # between the listing and the reading
        if "lost+found" in sentence:
            os.link(dump / "raw" / OLD, tmp_path / "backup")

    (outcome,) = run(scene, POLICY._replace(say=say))
    assert outcome.dump == DUMP


def test_a_leftover_that_cannot_be_removed_stops_no_archiving(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    (scene.target / ".pstorefs-old-x/raw/1/2/3/4/5").mkdir(parents=True)
    scene.target.chmod(0o700)
    assert {outcome.result for outcome in run(scene)} == {"cleared"}


def test_what_keep_cannot_remove_hides_no_outcome_and_stops_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "erst-lz4-6.1.192-many")
    scene.archive()
    victim = sorted(scene.target.glob("[!.]*"))[5]
    (victim / "notes/1/2/3/4/5").mkdir(parents=True)
    put(scene, erst(tmp_path / "other").records[LATE])
    said: list[str] = []
    outcomes = run(scene, POLICY._replace(keep=Keep(count=1), say=said.append))
    assert [outcome.result for outcome in outcomes] == ["cleared"]
    put(scene, b"Oops#1 Part1\n<4>[    1.000000] another\n")
    assert [outcome.result for outcome in run(scene)] == ["cleared"]


def test_what_somebody_copied_into_the_archive_is_neither_removed_nor_counted(
    tmp_path: Path,
) -> None:
    policy = POLICY._replace(compose=lambda *_: {"summary.json": b'{"signature": "a"}'})
    scene = Scene(tmp_path, "erst-lz4-6.1.192-many")
    run(scene, policy)
    dumps = sorted(path for path in scene.target.glob("[!.]*"))
    middle, newest = dumps[1], dumps[-1]
    for name in ("0-mine", "see-bug-7", "zz"):
        shutil.copytree(middle, scene.target / name)
    run(scene, policy._replace(keep=Keep(count=1)))
    left = {path.name for path in scene.target.glob("[!.]*")}
    assert not middle.exists(), left
    assert left >= {"0-mine", "see-bug-7", "zz", dumps[0].name, newest.name}


@pytest.mark.parametrize("where", ["dump", "leftover"])
def test_nothing_is_removed_through_a_mount(where: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, "erst-lz4-6.1.192-many")
    scene.archive()
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious").write_text("x")
    folder = sorted(scene.target.glob("[!.]*"))[5] if where == "dump" else None
    folder = folder or scene.target / ".pstorefs-new-x"
    point = folder / "mnt"
    point.mkdir(parents=True)
    subprocess.run(["mount", "--bind", home, point], check=True)
    try:
        said: list[str] = []
        run(scene, POLICY._replace(keep=Keep(count=1), say=said.append))
        assert (home / "precious").exists()
        assert folder.exists(), "taken out of sight although it cannot be removed"
        assert [line for line in said if folder.name in line and "mounted on mnt" in line], said
    finally:
        for path in (point, *scene.target.glob(".pstorefs-*/mnt")):
            subprocess.run(["umount", path], check=False, capture_output=True)


def test_keep_prefers_the_whole_copy_of_the_first_of_a_signature(tmp_path: Path) -> None:
    def compose(*_: object) -> dict[str, bytes]:
        return {"summary.json": json.dumps({"signature": "a"}).encode()}

    policy = POLICY._replace(compose=compose)
    scene = erst(tmp_path)
    for path in scene.source.iterdir():
        path.unlink()

    def crash(seconds: int, number: int) -> None:
        text = b"Panic#1 Part1\n<4>[    1.000000] line of dump %d\n" % number
        (scene.source / f"dmesg-erst-{seconds << 32 | 1}").write_bytes(text)
        run(scene, policy)

    crash(1700000000, 0)
    (copy,) = judge.saved(scene.target)
    times = copy.stat()
    copy.write_bytes(copy.read_bytes().replace(b"dump 0", b"dump X"))
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    crash(1700000000, 0)  # it came back
    crash(1700001000, 1)
    crash(1700002000, 2)
    run(scene, policy._replace(keep=Keep(count=1)))
    assert any(b"dump 0" in path.read_bytes() for path in judge.saved(scene.target))


def test_nothing_joins_a_dump_that_was_damaged_in_the_archive(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    late, first = "dmesg-erst-7614518854466666500.enc.z", "20260307T142207Z-panic-2"
    data = scene.records.pop(late)
    (scene.source / late).unlink()
    scene.archive()
    (copy,) = (scene.target / first / "raw").iterdir()
    times = copy.stat()
    copy.write_bytes(copy.read_bytes()[:-1] + b"\0")
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = {path: path.read_bytes() for path in scene.target.glob(f"{first}/**/*.*")}
    assert before

    said: list[str] = []
    (scene.source / late).write_bytes(data)
    store = OpenDirectory(str(scene.source))
    (outcome,) = archive(store, str(scene.target), None, POLICY._replace(say=said.append))
    store.close()
    assert outcome.result == "cleared"
    assert outcome.dump != first
    assert judge.lost({late: data}, scene.source, scene.target) == []
    assert judge.unfinished(scene.target) == [f"{first}: sha256sum"]
    assert before == {path: path.read_bytes() for path in scene.target.glob(f"{first}/**/*.*")}
    assert [line for line in said if f"raw/{copy.name} is not what SHA256SUMS says" in line]
