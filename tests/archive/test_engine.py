"""What `archive` and `clear` do with records, and what they leave alone."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from pstorefs.archive import never_erased, shelf
from pstorefs.archive.engine import archive, clear
from pstorefs.archive.outcome import Outcome, first_error
from pstorefs.archive.policy import Policy
from pstorefs.archive.shelf import Shelf
from pstorefs.dump import Dump, Record
from pstorefs.record import reading
from pstorefs.record.name import Name
from pstorefs.record.record import STORE
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp
from pstorefs.system import mountinfo
from tests.archive import drive, judge
from tests.records import capture

POLICY = drive.POLICY


class Scene:
    """A store with the records of a capture, and an archive beside it."""

    def __init__(self, base: Path, name: str, folder: str = "enc") -> None:
        self.source = capture(name).write(folder, base / "store")
        self.target = base / "archive"
        self.records = judge.contents(self.source)

    def archive(self, *names: str, policy: Policy = POLICY) -> dict[str, Outcome]:
        store = OpenDirectory(str(self.source))
        try:
            outcomes = archive(store, str(self.target), names or None, policy)
        finally:
            store.close()
        assert judge.lost(self.records, self.source, self.target) == []
        if self.target.exists():
            assert judge.unfinished(self.target) == []
        return {outcome.record: outcome for outcome in outcomes}

    def left(self) -> set[str]:
        return set(judge.contents(self.source))

    def facts(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for path in sorted(self.target.glob("*/records.json")):
            rows += json.loads(path.read_text())["records"]
        return rows


def erst(base: Path) -> Scene:
    return Scene(base, "erst-deflate-6.1.192")


def test_all_records_are_saved_and_cleared(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    outcomes = scene.archive()
    assert {outcome.result for outcome in outcomes.values()} == {"cleared"}
    assert set(outcomes) == set(scene.records)
    assert scene.left() == set()
    assert sorted(path.name for path in scene.target.glob("[!.]*")) == [
        "20260307T142206Z-oops-1",
        "20260307T142207Z-panic-2",
        "20260309T031141Z-oops-1",
        "20260309T031142Z-panic-2",
    ]


def test_directories_are_0700_files_0600_and_times_those_of_the_records(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in scene.source.iterdir()}
    before = os.umask(0)
    try:
        scene.archive()
    finally:
        os.umask(before)
    for path in [scene.target, *scene.target.rglob("*")]:
        assert path.stat().st_mode & 0o7777 == (0o700 if path.is_dir() else 0o600), path
    assert {p.name: p.stat().st_mtime_ns for p in judge.saved(scene.target)} == times


def test_one_name_saves_the_whole_dump_and_clears_that_record(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    name = max(scene.records)
    outcomes = scene.archive(name)
    assert set(outcomes) == {name}
    assert scene.left() == set(scene.records) - {name}
    assert [p.name for p in scene.target.glob("[!.]*")] == ["20260309T031142Z-panic-2"]
    assert len(judge.saved(scene.target)) == 4


def test_a_record_is_named_as_the_mirror_shows_it_too(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    name = max(scene.records)
    assert set(scene.archive(name.removesuffix(".enc.z"))) == {name}
    assert name not in scene.left()


def test_a_dumps_name_stands_for_its_records(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    outcomes = scene.archive("20260309T031142Z-panic-2")
    assert len(outcomes) == 4
    assert len(scene.left()) == len(scene.records) - 4


def test_a_name_that_is_not_there_is_enoent_and_the_others_are_done(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    name = max(scene.records)
    outcomes = scene.archive("dmesg-erst-1", name)
    assert outcomes["dmesg-erst-1"].errno == errno.ENOENT
    assert first_error(outcomes.values(), named=True) == errno.ENOENT
    assert name not in scene.left()


@pytest.mark.parametrize("name", ["../x", "..", "/etc/passwd", "", "a/../b", "dmesg-erst-1/.."])
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    scene = erst(tmp_path)
    assert [o.errno for o in scene.archive(name).values()] == [errno.ENOENT]
    store = OpenDirectory(str(scene.source))
    assert [o.errno for o in clear(store, [name])] == [errno.ENOENT]
    store.close()
    assert scene.left() == set(scene.records)


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "ramoops-lz4-6.1.192-ecc")
    scene.archive()
    before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in scene.target.rglob("*")}
    outcomes = scene.archive()
    assert outcomes["console-ramoops-0"].why == "log"
    after = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in scene.target.rglob("*")}
    assert before == after


def test_an_empty_store_is_success_and_makes_no_archive(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert drive.run(str(tmp_path / "store"), str(tmp_path / "archive")) == []
    assert not (tmp_path / "archive").exists()


def test_parts_that_come_later_join_their_dump(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    names = sorted(scene.records)
    for name in names[-2:]:
        (scene.source / name).rename(tmp_path / name)
    drive.run(str(scene.source), str(scene.target))
    first = (scene.target / "20260309T031142Z-panic-2/dmesg.txt").read_bytes()
    for name in names[-2:]:
        (tmp_path / name).rename(scene.source / name)
    scene.archive()
    assert len(list(scene.target.glob("[!.]*"))) == 4
    assert len((scene.target / "20260309T031142Z-panic-2/dmesg.txt").read_bytes()) > len(first)


def test_records_below_folders_of_the_source_are_archived(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    (scene.source / "2026/001").mkdir(parents=True)
    for name in scene.records:
        (scene.source / name).rename(scene.source / "2026/001" / name)
    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY)
    store.close()
    assert {o.result for o in outcomes} == {"cleared"}
    assert judge.lost(scene.records, scene.source, scene.target) == []


# What is never cleared


def test_a_suspect_record_is_saved_and_stays(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "ramoops-lz4hc-6.1.192-ecc", "other-6.12.107-deb13")
    outcomes = scene.archive()
    assert outcomes["dmesg-ramoops-2"].why == "suspect"
    assert outcomes["dmesg-ramoops-2"].dump
    assert "pstore.compress=none" in outcomes["dmesg-ramoops-2"].message
    assert "dmesg-ramoops-2" in scene.left()
    named = scene.archive("dmesg-ramoops-2")
    assert first_error(named.values(), named=True) == errno.EPERM
    assert "dmesg-ramoops-2" in scene.left()
    assert first_error(outcomes.values(), named=False) == 0


def test_logs_of_ramoops_stay_and_those_of_no_crash_are_left_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "ramoops-lz4-6.1.192")
    outcomes = scene.archive()
    assert (outcomes["console-ramoops-0"].result, outcomes["console-ramoops-0"].why) == (
        "kept",
        "log",
    )
    assert outcomes["pmsg-ramoops-0"].result == "skipped"
    assert outcomes["ftrace-ramoops-0"].result == "skipped"
    assert scene.left() == {"console-ramoops-0", "pmsg-ramoops-0", "ftrace-ramoops-0"}
    assert "console-ramoops-0" in {path.name for path in judge.saved(scene.target)}
    assert scene.archive("pmsg-ramoops-0")["pmsg-ramoops-0"].why == "log"
    assert "pmsg-ramoops-0" in {path.name for path in judge.saved(scene.target)}


@pytest.mark.parametrize(("count", "taint"), [("1", "0"), (None, "128"), ("0", "4225")])
def test_slots_are_not_erased_when_this_kernel_has_oopsed(
    count: str | None, taint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, "ramoops-lz4-6.1.192")
    numbers = {"_OOPS_COUNT": count, "_TAINTED": taint}
    for name, number in numbers.items():
        path = tmp_path / name
        if number is not None:
            path.write_text(number + "\n")
        monkeypatch.setattr(never_erased, name, str(path))
    monkeypatch.setattr(mountinfo, "kind_of", lambda _: "pstore")
    outcomes = scene.archive()
    assert outcomes["dmesg-ramoops-0.enc.z"].why == "slot"
    assert "dmesg-ramoops-0.enc.z" in scene.left()
    # Copies in a directory have no slots.
    monkeypatch.setattr(mountinfo, "kind_of", lambda _: "ext4")
    assert scene.archive()["dmesg-ramoops-0.enc.z"].result == "cleared"


def test_stores_that_erase_by_id_are_erased_although_this_kernel_has_oopsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    monkeypatch.setattr(never_erased, "oopsed_since_boot", lambda _: True)
    assert {o.result for o in scene.archive().values()} == {"cleared"}


@pytest.fixture(params=["kept", "not kept"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the bytes that a record was planned with are still at hand when it is saved."""
    if request.param == "not kept":
        monkeypatch.setattr(shelf, "_KEPT_BYTES", 0)
    return bool(request.param == "kept")


def test_a_record_that_changes_while_it_is_archived_is_not_cleared(
    kept: bool, tmp_path: Path
) -> None:
    scene = erst(tmp_path)
    victim = scene.source / max(scene.records)

    def compose(
        dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
    ) -> dict[str, bytes]:
        # Same size, same mtime, other content: only reading it again tells.
        status = victim.stat()
        victim.write_bytes(bytes(len(scene.records[victim.name])))
        os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
        return drive.compose(dump, read, siblings)

    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY._replace(compose=compose))
    store.close()
    (outcome,) = [o for o in outcomes if o.record == victim.name]
    assert (outcome.result, outcome.why, outcome.errno) == ("kept", "changed", errno.EPERM)
    assert victim.exists()
    others = {"20260307T142206Z-oops-1", "20260307T142207Z-panic-2", "20260309T031141Z-oops-1"}
    # What it was is saved, if it was still at hand.
    whole = {"20260309T031142Z-panic-2"} if kept else set()
    assert {o.dump for o in outcomes if o.result == "cleared"} == others | whole
    if kept:
        assert judge.lost(scene.records, tmp_path / "nowhere", scene.target) == []
    scene.records[victim.name] = victim.read_bytes()
    assert scene.archive()[victim.name].result == "cleared"
    assert scene.left() == set()


def test_a_record_that_changes_after_it_was_saved_is_not_cleared(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    victim = scene.source / min(scene.records)
    other = bytes(len(scene.records[victim.name]))

    def compose(
        dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
    ) -> dict[str, bytes]:
        # The newest dump comes last: the victim, of the oldest, has been written by then.
        if dump.name == "20260309T031142Z-panic-2":
            status = victim.stat()
            victim.write_bytes(other)
            os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
        return drive.compose(dump, read, siblings)

    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY._replace(compose=compose))
    store.close()
    (outcome,) = [o for o in outcomes if o.record == victim.name]
    assert (outcome.result, outcome.why, bool(outcome.dump)) == ("kept", "changed", True)
    assert victim.read_bytes() == other
    assert scene.left() == {victim.name}
    assert scene.records[victim.name] in {p.read_bytes() for p in judge.saved(scene.target)}


def test_a_report_that_cannot_be_composed_keeps_no_record_from_being_saved(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    said: list[str] = []

    def compose(*_: object) -> dict[str, bytes]:
        raise ValueError("a text that trips it up")

    store = OpenDirectory(str(scene.source))
    policy = POLICY._replace(compose=compose, say=said.append)
    outcomes = archive(store, str(scene.target), None, policy)
    store.close()
    assert {o.result for o in outcomes} == {"cleared"}
    assert "a text that trips it up" in said[0]


def test_a_record_that_trips_a_decoder_up_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, "erst-none-6.1.192-deb12")
    victim = min(scene.records)
    honest = reading.read_plain

    def read(name: Name, data: bytes) -> reading.Reading:
        if name.plain == victim:
            raise IndexError("a bug")
        return honest(name, data)

    monkeypatch.setattr(reading, "read_plain", read)
    assert {o.result for o in scene.archive().values()} == {"cleared"}
    assert victim in {path.name for path in judge.saved(scene.target)}


class _Refusing(OpenDirectory):
    """A store whose backend does not erase."""

    error = errno.EPERM

    def erase(self, folder: tuple[str, ...], name: str) -> None:  # noqa: ARG002
        raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EROFS, errno.EIO])
def test_a_store_that_refuses_is_told(number: int, tmp_path: Path) -> None:
    scene = erst(tmp_path)
    store = _Refusing(str(scene.source))
    _Refusing.error = number
    outcomes = archive(store, str(scene.target), None, POLICY)
    store.close()
    assert {(o.result, o.errno) for o in outcomes} == {("failed", number)}
    assert all(o.dump and o.message for o in outcomes)


def test_the_archive_says_that_a_record_is_about_to_be_erased_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    with closing(_Refusing(str(scene.source))) as refusing:
        archive(refusing, str(scene.target), None, POLICY)  # saved, so that it exists
    said = set()
    erase = OpenDirectory.erase

    def watched(self: OpenDirectory, folder: tuple[str, ...], name: str) -> None:
        said.update(fact["clearing_boot"] for fact in scene.facts())
        erase(self, folder, name)

    monkeypatch.setattr(OpenDirectory, "erase", watched)
    monkeypatch.setattr(never_erased, "boot_id", lambda: "another boot")
    assert {outcome.result for outcome in scene.archive().values()} == {"cleared"}
    assert said == {"another boot"}


class _Busy(OpenDirectory):
    """Its owner writes the next record as soon as one is erased, under the same name."""

    def erase(self, folder: tuple[str, ...], name: str) -> None:
        unlink = os.unlink
        with pytest.MonkeyPatch.context() as patch:

            def unlink_and_write(name: str, *, dir_fd: int) -> None:
                unlink(name, dir_fd=dir_fd)
                (Path(self.path) / name).write_bytes(b"the next record")

            patch.setattr(os, "unlink", unlink_and_write)
            super().erase(folder, name)


def test_a_new_record_under_an_erased_ones_name_is_no_failure_and_stays(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "ramoops-deflate-6.1.192")
    name = next(each for each in scene.records if each.startswith("dmesg"))
    store = _Busy(str(scene.source))
    outcomes = archive(store, str(scene.target), [name], POLICY)
    store.close()
    assert [(o.record, o.result) for o in outcomes] == [(name, "cleared")]
    assert (scene.source / name).read_bytes() == b"the next record"


class _Lying(OpenDirectory):
    """It says that a record was erased, and keeps it."""

    def erase(self, folder: tuple[str, ...], name: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "unlink", lambda name, *, dir_fd: None)  # noqa: ARG005
            super().erase(folder, name)


def test_a_store_that_keeps_what_it_says_it_erased_is_told(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    store = _Lying(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY)
    store.close()
    assert {(o.result, o.errno) for o in outcomes} == {("failed", errno.EIO)}
    assert all("still there" in o.message for o in outcomes)


def test_clear_erases_whatever_is_named(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "ramoops-lz4-6.1.192")
    store = OpenDirectory(str(scene.source))
    outcomes = clear(store, ["console-ramoops-0", "dmesg-ramoops-0", "none", "none"])
    store.close()
    assert [(o.result, o.errno) for o in outcomes] == [
        ("cleared", 0),
        ("cleared", 0),
        ("failed", errno.ENOENT),
    ]
    assert not scene.left() & {"console-ramoops-0", "dmesg-ramoops-0.enc.z"}


# Records that come back


def test_a_record_that_comes_back_is_cleared_again_once_a_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, "erst-none-6.1.192-deb12")
    scene.archive()

    def come_back() -> None:
        capture("erst-none-6.1.192-deb12").write("enc", scene.source)

    for boot in range(1, 4):
        come_back()
        assert {o.result for o in scene.archive().values()} == {"cleared"}
        come_back()
        outcomes = scene.archive()
        assert {(o.result, o.why) for o in outcomes.values()} == {("kept", "returned")}
        assert scene.left() == set(scene.records)
        assert {fact["returns"] for fact in scene.facts()} == {boot}
        monkeypatch.setattr(never_erased, "boot_id", lambda boot=boot: f"boot {boot}")
    assert len(judge.saved(scene.target)) == len(scene.records)


def test_a_record_that_comes_back_under_the_backends_new_name_is_no_second_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, "efi-deflate-6.1.192")
    scene.archive()
    for name, data in scene.records.items():
        (scene.source / name.replace("-efi-", "-efi_pstore-")).write_bytes(data)
    monkeypatch.setattr(never_erased, "boot_id", lambda: "another boot")
    assert {o.result for o in scene.archive().values()} == {"cleared"}
    assert len(judge.saved(scene.target)) == len(scene.records)


# Names


def test_other_dumps_of_the_same_name_get_a_longer_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "erst-none-6.1.192-deb12")
    (scene.target / "20260512T100006Z-panic-1").mkdir(mode=0o700, parents=True)
    scene.target.chmod(0o700)
    store = OpenDirectory(str(scene.source))
    (dump,) = {o.dump for o in archive(store, str(scene.target), None, POLICY)}
    store.close()
    assert dump.startswith("20260512T100006Z-panic-1-")
    assert judge.lost(scene.records, scene.source, scene.target) == []


def test_two_contents_of_one_name_stand_side_by_side(tmp_path: Path) -> None:
    """Linux 6.12 showed 8 bytes of garbage where 6.1 shows the record."""
    scene = Scene(tmp_path, "ramoops-lz4hc-6.1.192-ecc", "other-6.12.107-deb13")
    scene.archive("dmesg-ramoops-2")
    good = capture("ramoops-lz4hc-6.1.192-ecc").ref["dmesg-ramoops-2"]
    path = scene.source / "dmesg-ramoops-2"
    path.chmod(0o600)
    path.write_bytes(good.data)
    os.utime(path, ns=(good.mtime_ns, good.mtime_ns))
    scene.records["dmesg-ramoops-2"] = good.data
    (outcome,) = scene.archive("dmesg-ramoops-2").values()
    assert outcome.result == "cleared"
    names = {path.name for path in judge.saved(scene.target)}
    digest = hashlib.sha256(good.data).hexdigest()[:8]
    assert {"dmesg-ramoops-2", f"dmesg-ramoops-2~{digest}"} <= names or len(names) == 2


@pytest.mark.parametrize("name", ["dmesg", "x y", "dmesg-erst-1~1a2b3c4d", ".hidden", "-rf"])
def test_what_no_kernel_calls_so_is_left_alone(name: str, tmp_path: Path) -> None:
    scene = erst(tmp_path)
    (scene.source / name).write_bytes(b"foreign")
    outcomes = scene.archive()
    assert (outcomes[name].result, outcomes[name].errno) == ("kept", errno.EPERM)
    assert scene.left() == {name}


def test_links_and_fifos_in_the_source_are_not_followed(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    (scene.source / "dmesg-erst-1").symlink_to(tmp_path / "secret")
    os.mkfifo(scene.source / "dmesg-erst-2")
    (scene.source / "loop").symlink_to(".")
    scene.archive()
    assert (scene.source / "dmesg-erst-1").is_symlink()
    assert (tmp_path / "secret").exists()
    assert b"secret" not in {path.read_bytes() for path in judge.saved(scene.target)}


@pytest.mark.parametrize(("error", "expected"), [(errno.ENOENT, []), (errno.EACCES, ["folder"])])
def test_a_folder_that_vanishes_meanwhile_is_no_news_and_one_that_is_closed_is(
    error: int, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    (scene.source / "folder").mkdir()
    scan = OpenDirectory.scan

    def scanned(store: OpenDirectory, folder: tuple[str, ...]) -> dict[str, Stamp]:
        if folder == ("folder",):
            raise OSError(error, os.strerror(error))
        return scan(store, folder)

    monkeypatch.setattr(OpenDirectory, "scan", scanned)
    said: list[str] = []
    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY._replace(say=said.append))
    store.close()
    assert {outcome.result for outcome in outcomes} == {"cleared"}
    assert [sentence.partition(":")[0] for sentence in said] == expected


# An archive that others had their hands in


def test_what_does_not_belong_into_an_archive_is_passed_over_and_said(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    names = sorted(scene.records)
    scene.archive(*names[:2])
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    dump = next(scene.target.glob("[!.]*"))
    os.mkfifo(dump / "raw/dmesg-erst-7")
    (dump / "raw/dmesg-erst-8").symlink_to("/etc/passwd")
    (scene.target / "20200101T000000Z-panic-1").symlink_to(outside)
    (scene.target / "bad name").mkdir()
    (scene.target / ".pstorefs-new-x").symlink_to(outside)
    (scene.target / ".pstorefs-new-y").mkdir()
    (scene.target / ".pstorefs-new-y/link").symlink_to(outside)
    huge = dump / "raw/dmesg-erst-9"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    (dump / "records.json").write_text("[" * 100_000)
    said: list[str] = []
    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY._replace(say=said.append))
    store.close()
    assert {o.result for o in outcomes} == {"cleared"}
    for words in ("dmesg-erst-7", "dmesg-erst-8", "dmesg-erst-9", "20200101", "bad name"):
        assert any(words in sentence for sentence in said), words
    huge.unlink()
    assert judge.lost(scene.records, scene.source, scene.target) == []
    assert (outside / "precious").read_bytes() == b"precious"
    assert not list(scene.target.glob(".pstorefs-new-*"))


def test_a_record_that_rotted_in_the_archive_is_saved_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "erst-none-6.1.192-deb12")
    name = min(scene.records)
    scene.archive(max(scene.records))
    (rotten,) = [path for path in judge.saved(scene.target) if path.name == name]
    rotten.write_bytes(b"x" + scene.records[name][1:])
    (outcome,) = drive.run(str(scene.source), str(scene.target), [name])
    assert outcome.result == "cleared"
    assert judge.lost(scene.records, scene.source, scene.target) == []
    assert not list(scene.target.glob(".pstorefs-new-*"))


# Other people's eyes


def test_other_programs_read_the_archive(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    scene.archive()
    copy = tmp_path / "copy"
    copy.mkdir()
    pack = subprocess.run(
        ["tar", "-C", str(scene.target), "-cf", "-", "."], check=True, capture_output=True
    )
    subprocess.run(["tar", "-C", str(copy), "-xf", "-"], input=pack.stdout, check=True)
    for dump in copy.glob("[!.]*"):
        subprocess.run(
            ["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=dump, check=True
        )
        if shutil.which("jq"):
            words = subprocess.run(
                ["jq", "-r", '.records[] | .sha256 + "  raw/" + .file', "records.json"],
                cwd=dump,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            assert sorted(words.split("\n")[:-1]) == sorted(
                (dump / "SHA256SUMS").read_text().split("\n")[:-1]
            )


def test_a_record_that_somebody_else_removes_is_no_failure(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    victim = max(scene.records)

    def compose(*_: object) -> dict[str, bytes]:
        (scene.source / victim).unlink(missing_ok=True)
        return {}

    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY._replace(compose=compose))
    store.close()
    assert first_error(outcomes, named=False) == 0
    del scene.records[victim]
    assert judge.lost(scene.records, scene.source, scene.target) == []


def test_a_record_that_vanishes_while_its_report_is_composed_is_no_failure(
    kept: bool, tmp_path: Path
) -> None:
    scene = erst(tmp_path)
    victim = max(scene.records)

    def compose(
        dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
    ) -> dict[str, bytes]:
        if victim in {record.file for record in dump.records}:
            (scene.source / victim).unlink(missing_ok=True)
        return drive.compose(dump, read, siblings)

    store = OpenDirectory(str(scene.source))
    # Known from an earlier command: then its text is not at hand, but decoded again.
    Shelf(store, STORE, store.scan(())).record(victim)
    outcomes = archive(store, str(scene.target), None, POLICY._replace(compose=compose))
    store.close()
    (outcome,) = [o for o in outcomes if o.record == victim]
    result = "cleared" if kept else "skipped"
    assert (outcome.result, first_error(outcomes, named=False)) == (result, 0)
    if not kept:
        del scene.records[victim]
    assert judge.lost(scene.records, scene.source, scene.target) == []


@pytest.mark.parametrize("read_for", ["raw", "report"])
@pytest.mark.parametrize("what", ["nothing", "a link", "a FIFO", "a directory", "another"])
def test_a_record_that_is_no_longer_what_it_was_is_told_as_such(
    what: str, read_for: str, kept: bool, tmp_path: Path
) -> None:
    scene = erst(tmp_path)
    victim = scene.source / max(scene.records)
    changed: list[str] = []

    def become() -> None:
        victim.unlink()
        if what == "a link":
            victim.symlink_to("elsewhere")
        elif what == "a FIFO":
            os.mkfifo(victim)
        elif what == "a directory":
            victim.mkdir()
        elif what == "another":
            victim.write_bytes(scene.records[victim.name][::-1])

    def compose(
        dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
    ) -> dict[str, bytes]:
        now = victim.name in {record.file for record in dump.records}
        # The dumps before it are composed before it is read for raw/.
        if now == (read_for == "report") and not changed:
            become()
            changed.append(what)
        return drive.compose(dump, read, siblings)

    store = OpenDirectory(str(scene.source))
    # Known from an earlier command: then its text is not at hand, but decoded again.
    Shelf(store, STORE, store.scan(())).record(victim.name)
    outcomes = archive(store, str(scene.target), None, POLICY._replace(compose=compose))
    store.close()
    (outcome,) = [o for o in outcomes if o.record == victim.name]
    result = ("kept", "changed")
    if what == "nothing":
        result = ("cleared" if kept else "skipped", "")
    assert (outcome.result, outcome.why, bool(outcome.dump)) == (*result, kept)
    assert first_error(outcomes, named=False) == 0
    others = {o.record for o in outcomes if o.dump}
    assert others
    for record in scene.records.keys() - others - {victim.name}:
        assert (scene.source / record).exists(), record
    if not kept:
        del scene.records[victim.name]
    assert judge.lost(scene.records, scene.source, scene.target) == []


def test_a_dump_that_somebody_deletes_while_a_part_joins_it_is_told(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    first = "20260307T142206Z-oops-1"
    (part, *others) = (o.record for o in scene.archive().values() if o.dump == first)
    for name in others:  # as if they came later
        (scene.source / name).write_bytes(scene.records[name])
        (scene.target / first / "raw" / name).unlink()

    def compose(*_: object) -> dict[str, bytes]:
        shutil.rmtree(scene.target / first, ignore_errors=True)
        return {}

    store = OpenDirectory(str(scene.source))
    outcomes = archive(store, str(scene.target), None, POLICY._replace(compose=compose))
    store.close()
    assert {(o.result, o.errno) for o in outcomes} == {("failed", errno.ENOENT)}
    assert all("removed it meanwhile: repeat the command" in o.message for o in outcomes)
    del scene.records[part]  # that copy was deleted
    assert {o.result for o in scene.archive().values()} == {"cleared"}


def test_long_names_find_a_directory(tmp_path: Path) -> None:
    source = tmp_path / "store"
    source.mkdir()
    (source / f"{'a' * 90}-{'b' * 80}-18446744073709551615").write_bytes(b"1")
    (outcome,) = drive.run(str(source), str(tmp_path / "archive"))
    assert outcome.result == "cleared"
    assert judge.unfinished(tmp_path / "archive") == []
