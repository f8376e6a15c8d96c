"""A power cut at every flush of the disk that has the spool and the receipts.

What --ship has said to be shipped is in the spool, whatever the disk's cache did; an index entry
implies its bundle; the next run finishes, and nothing is there twice. The harness is the archive's
(tests/archive/power.py, where a test shows that it sees what a careless program loses).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pstorefs.fleet import ship
from tests.archive import power, strace
from tests.fleet import drive, site

pytestmark = pytest.mark.skipif(
    not Path("/dev/loop-control").exists() or shutil.which("losetup") is None,
    reason="no loop devices here",
)
SHORT = 8
ROOT = Path(__file__).parents[2]


class Scene:
    """An archive of three dumps on a disk that stays, and a file of the name of each."""

    def __init__(self, base: Path, kind: str) -> None:
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"no mkfs.{kind}")
        self.base, self.kind = base, kind
        self.archive, self.marks = base / "archive", base / "marks"
        self.marks.mkdir()
        for number in range(3):
            name = f"2026060{number + 1}T021501Z-oops-1"
            site.write_dump(self.archive, name, "0" * 31 + "1", number)
            (self.marks / name).write_text("not yet shipped")
        self.wanted = site.expected(self.archive)

    def command(self, disk: Path, *marks: Path) -> list[str]:
        words = (sys.executable, "-m", "tests.fleet.drive", self.archive, disk, *marks)
        return [str(word) for word in words]

    def prepare(self, disk: Path) -> None:
        """The spool, which its owner made long ago."""
        (disk / "spool").mkdir()
        subprocess.run(["sync", "--file-system", disk], check=True, timeout=100)

    def shipped(self, marks: Path, disk: Path) -> None:
        self.prepare(disk)
        subprocess.run(self.command(disk, marks), check=True, cwd=ROOT, timeout=500)

    def killed_then_shipped(self, marks: Path, disk: Path) -> None:
        """A run that is killed when it has made the spool's directories; then another."""
        self.prepare(disk)
        result = strace.inject_into(
            self.command(disk), strace.Point("mkdirat", 5), "signal=SIGKILL"
        )
        assert strace.killed(result), result
        subprocess.run(self.command(disk, marks), check=True, cwd=ROOT, timeout=500)

    def recorded(self, program: Callable[[Path, Path], None]) -> tuple[Path, list[power.Event]]:
        before, events = power.record(self.kind, self.base, self.marks, program)
        said = {event.data.decode() for event in events if event.kind == "U"}
        assert said == {dump for _, dump in self.wanted}
        return before, events

    def check(self, cut: power.Cut, before: Path) -> None:
        image, _ = power.after(cut, before, self.marks, self.base)
        point = self.base / "after"
        point.mkdir(exist_ok=True)
        where = f"{self.kind}: the cut {cut.name}"
        with power.mounted(self.kind, image, point):
            (point / "spool").mkdir(exist_ok=True)  # cut before it was made
            found = self.wrong(point)
            lost = [one for one in found["lost"] if any(dump in one for dump in cut.erased)]
            assert lost == [], where
            assert not [one for one in found["wrong"] if "without an index entry" not in one], where
            assert found["doubled"] == [], where
            results = drive.run(str(self.archive), str(point))
            assert ship.status(results) == 0, f"after {where}"
            assert not {result.dump for result in results} & cut.erased, f"{where}: a receipt"
            assert site.all_well(self.wrong(point)), f"after {where}"
            assert drive.run(str(self.archive), str(point)) == [], f"after {where}"

    def wrong(self, disk: Path) -> dict[str, list[str]]:
        there = site.contents(disk / "spool")
        objects = {key: data for key, data in there.items() if key.startswith("v1/")}
        return site.wrong(objects, self.wanted)


def test_a_power_cut_loses_and_doubles_nothing_on_ext4(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "ext4")
    before, events = scene.recorded(scene.shipped)
    found = power.cuts(events)
    step = max(1, len(found) // SHORT)
    for cut in [*found[step // 2 :: step], *found[-3:]]:
        scene.check(cut, before)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("kind", power.MKFS)
def test_a_power_cut_at_every_moment_loses_and_doubles_nothing(
    kind: str,
    killed: bool,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    scene = Scene(tmp_path, kind)
    before, events = scene.recorded(scene.killed_then_shipped if killed else scene.shipped)
    found = power.cuts(events)
    for cut in found:
        scene.check(cut, before)
    record_testsuite_property(f"ship {kind} {'after a kill ' if killed else ''}cuts", len(found))
