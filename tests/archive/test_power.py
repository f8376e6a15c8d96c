"""A power cut at every flush of the disk and every erased record: zero lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import aged
from tests.archive import drive, judge, power, strace
from tests.records import capture

pytestmark = pytest.mark.skipif(
    not Path("/dev/loop-control").exists() or shutil.which("losetup") is None,
    reason="no loop devices here",
)
SHORT = 12
ROOT = Path(__file__).parents[2]


def ours(store: Path, disk: Path) -> None:
    command = [sys.executable, "-m", "tests.archive.drive", str(store), str(disk / "archive")]
    subprocess.run(command, check=True, cwd=ROOT, timeout=500, capture_output=True)


def killed_while_joining(store: Path, disk: Path) -> None:
    """A run that finds one part of a dump archived, killed before it synced the others; then ours.

    The second run finds these others in the archive, and must not take them for durable.
    """
    part = disk.parent / "part"
    part.mkdir()
    (part / max(path.name for path in store.iterdir())).write_bytes(
        max(store.iterdir()).read_bytes()
    )
    ours(part, disk)
    # Three new dumps, two of the three parts that join the fourth.
    result = strace.inject(strace.Point("renameat", 6), "signal=SIGKILL", store, disk / "archive")
    assert strace.killed(result), result
    assert len(judge.saved(disk / "archive")) == len(list(store.iterdir())) - 1
    ours(store, disk)


def joining_an_old_archive(store: Path, disk: Path) -> None:
    """A part of a dump is in an archive of an earlier version, which the others join."""
    archive, part = disk / "archive", disk.parent / "part"
    part.mkdir()
    newest = max(store.iterdir())
    (part / newest.name).write_bytes(newest.read_bytes())
    ours(part, disk)
    for dump in archive.glob("[!.]*"):
        aged.age_summary(dump)
    aged.age_index(archive)
    os.sync()
    ours(store, disk)


def check(
    kind: str, cut: power.Cut, before: Path, records: Path, base: Path, *, finish: bool
) -> None:
    """Nothing is lost by a cut, and the next run finishes the work."""
    wanted = judge.contents(records)
    image, store = power.after(cut, before, records, base)
    point = base / "after"
    point.mkdir(exist_ok=True)
    with power.mounted(kind, image, point):
        archive = point / "archive"
        assert judge.lost(wanted, store, archive) == [], f"{kind}: lost by the cut {cut.name}"
        if finish:
            outcomes = drive.run(str(store), str(archive))
            assert all(o.result == "cleared" for o in outcomes), f"{kind}: after {cut.name}"
            assert judge.lost(wanted, store, archive) == [], f"{kind}: lost after {cut.name}"
            assert judge.unfinished(archive) == [], f"{kind}: after {cut.name}"
            assert judge.contents(store) == {}


def recorded(
    kind: str, base: Path, program: Callable[[Path, Path], None] = ours
) -> tuple[Path, Path, list[power.Event]]:
    if shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"no mkfs.{kind}")
    records = capture("erst-deflate-6.1.192").write("enc", base / "records")
    before, events = power.record(kind, base, records, program)
    assert {e.data.decode() for e in events if e.kind == "U"} == set(judge.contents(records))
    return records, before, events


@pytest.mark.parametrize("program", [ours, joining_an_old_archive])
def test_a_power_cut_loses_nothing_on_ext4(
    program: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILES", "1")
    records, before, events = recorded("ext4", tmp_path, program)
    found = power.cuts(events)
    step = max(1, len(found) // SHORT)
    for cut in [*found[step // 2 :: step], *found[-3:]]:
        check("ext4", cut, before, records, tmp_path, finish=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", power.MKFS)
@pytest.mark.parametrize("syncfs", ["", "1"])
def test_a_power_cut_at_every_moment_loses_nothing(
    kind: str,
    syncfs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("SYNCFS", syncfs)
    records, before, events = recorded(kind, tmp_path)
    found = power.cuts(events)
    for cut in found:
        check(kind, cut, before, records, tmp_path, finish=True)
    record_testsuite_property(f"{kind} {syncfs or 0} cuts", len(found))


@pytest.mark.slow
@pytest.mark.timeout(1800)
# Not on btrfs: in one run of two, one of 498 images there does not mount at all ("corrupted leaf,
# owner mismatch", a block of the log tree where the device tree was). Not understood: it may be the
# recorder's order of writes or btrfs itself. All images that mounted had lost nothing.
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_power_cut_after_a_run_that_was_killed_loses_nothing(
    kind: str, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    records, before, events = recorded(kind, tmp_path, killed_while_joining)
    found = power.cuts(events)
    for cut in found:
        check(kind, cut, before, records, tmp_path, finish=True)
    record_testsuite_property(f"{kind} after a kill", len(found))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", power.MKFS)
def test_a_power_cut_while_an_old_archive_grows_loses_nothing(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("FILES", "1")
    records, before, events = recorded(kind, tmp_path, joining_an_old_archive)
    found = power.cuts(events)
    for cut in found:
        check(kind, cut, before, records, tmp_path, finish=True)
    record_testsuite_property(f"{kind} old archive", len(found))


# The same harness on programs that do not sync: it must see what they lose.


def careless(store: Path, disk: Path) -> None:
    """What `mv` does across file systems."""
    (disk / "archive/dump/raw").mkdir(parents=True)
    subprocess.run(["mv", *store.iterdir(), disk / "archive/dump/raw"], check=True, timeout=500)


def test_the_harness_sees_what_mv_loses(tmp_path: Path) -> None:
    records = capture("erst-deflate-6.1.192").write("enc", tmp_path / "records")
    before, events = power.record("ext4", tmp_path, records, careless)
    lost = 0
    for cut in power.cuts(events)[-3:]:
        image, store = power.after(cut, before, records, tmp_path)
        (tmp_path / "after").mkdir(exist_ok=True)
        with power.mounted("ext4", image, tmp_path / "after"):
            lost += len(judge.lost(judge.contents(records), store, tmp_path / "after/archive"))
    assert lost > 0
