"""SIGKILL and errors at each call of --ship that changes something: nothing lost or doubled.

The store is a directory, so that every change is a system call that strace sees.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive import strace
from tests.fleet import site

CALLS = (
    *("openat", "mkdirat", "mkdir", "write", "fsync", "fdatasync", "rename", "renameat"),
    *("renameat2", "unlink", "unlinkat", "link", "linkat", "flock"),
)
SHORT = 12


class Scene:
    """A machine with three dumps, one of them shipped already, and a spool."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.archive, self.spool, self.state = base / "archive", base / "spool", base / "state"
        for path in (self.archive, self.spool):
            path.mkdir(parents=True)
        for number in range(3):
            name = f"2026060{number + 1}T021501Z-oops-1"
            site.write_dump(self.archive, name, "0" * 31 + "1", number)
            if not number:
                assert self.ship().returncode == 0

    def command(self) -> list[str]:
        options = f"archive={self.archive},state={self.state}"
        url = f"file://{self.spool}"
        return [sys.executable, "-m", "pstorefs", "--ship", url, "--now", "-o", options]

    def ship(self) -> subprocess.CompletedProcess[str]:
        return strace.run(self.command())

    def wrong(self) -> dict[str, list[str]]:
        return site.wrong(self.objects(), site.expected(self.archive))

    def objects(self) -> dict[str, bytes]:
        return {key: data for key, data in site.contents(self.spool).items() if key[:3] == "v1/"}


def points(scene: Scene) -> list[strace.Point]:
    """The calls of an undisturbed run that change something below the scene's directory."""
    return strace.points_of(scene.command(), scene.base / "trace", CALLS)


def kill_at(base: Path, point: strace.Point) -> None:
    scene = Scene(base)
    done = strace.inject_into(scene.command(), point, "signal=SIGKILL")
    where = f"killed at {point}"
    assert strace.killed(done), f"{where}: not reached"
    # An index entry implies its bundle, at every moment; what is there is whole.
    found = scene.wrong()
    assert not [one for one in found["wrong"] if "without an index entry" not in one], where
    assert found["doubled"] == [], where
    again = scene.ship()
    assert (again.returncode, again.stderr) == (0, ""), where
    assert site.all_well(scene.wrong()), where
    assert scene.ship().stdout == "", f"{where}: and then there is nothing left to do"
    left = [path for path in scene.base.rglob(".pstorefs-new-*") if "spool" not in str(path)]
    assert left == [], where
    shutil.rmtree(base)


def test_a_kill_at_some_calls_loses_and_doubles_nothing(tmp_path: Path) -> None:
    found = points(Scene(tmp_path / "scene"))
    step = max(1, len(found) // SHORT)
    for point in found[step // 2 :: step]:
        kill_at(tmp_path / "killed", point)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_kill_at_every_call_loses_and_doubles_nothing(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    found = points(Scene(tmp_path / "scene"))
    for point in found:
        kill_at(tmp_path / "killed", point)
    record_testsuite_property("ship", len(found))


FAULTS = {
    "ENOSPC": ("openat", "mkdir", "mkdirat", "write", "fsync", "rename", "renameat", "linkat"),
    "EIO": ("openat", "write", "fsync", "rename", "renameat", "unlinkat", "linkat", "flock"),
}


def fail_at(base: Path, point: strace.Point, fault: str) -> None:
    scene = Scene(base)
    done = strace.inject_into(scene.command(), point, f"error={fault}")
    where = f"{fault} at {point} {point.arguments}: {done.stdout} {done.stderr}"
    assert "Traceback" not in done.stderr, where
    found = scene.wrong()
    assert not [one for one in found["wrong"] if "without an index entry" not in one], where
    assert found["doubled"] == [], where
    # Done all the same, or an error that is said.
    assert (done.returncode == 0) == (not done.stderr), where
    if done.returncode == 0:
        assert site.all_well(found), where
    again = scene.ship()
    assert (again.returncode, again.stderr) == (0, ""), where
    assert site.all_well(scene.wrong()), where
    shutil.rmtree(base)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_at_some_calls_is_said_and_loses_nothing(tmp_path: Path, fault: str) -> None:
    found = [point for point in points(Scene(tmp_path / "scene")) if point.call in FAULTS[fault]]
    step = max(1, len(found) // SHORT)
    for point in found[step // 2 :: step]:
        fail_at(tmp_path / "failed", point, fault)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_at_every_call_is_said_and_loses_nothing(tmp_path: Path, fault: str) -> None:
    for point in points(Scene(tmp_path / "scene")):
        if point.call in FAULTS[fault]:
            fail_at(tmp_path / "failed", point, fault)
