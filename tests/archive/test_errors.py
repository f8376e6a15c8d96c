"""Every call that changes something fails once: the caller is told, nothing unsaved is cleared."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive import drive, judge, strace
from tests.archive.test_kill import SCENES, Scene, scene_points

# A short write is told from a whole one by what is returned; here nothing at all gets written, as
# on a disk that lies.
FAULTS = {
    "ENOSPC": ("openat", "write", "mkdir", "mkdirat", "fsync", "syncfs", "rename", "renameat"),
    "EDQUOT": ("openat", "write", "mkdir", "mkdirat", "fsync"),
    "EIO": (
        *("openat", "write", "fsync", "rename", "renameat", "unlinkat", "unlink"),
        *("syncfs", "fchmod", "mkdir", "mkdirat", "flock"),
    ),
    "EROFS": ("openat", "mkdir", "mkdirat", "rename", "renameat", "unlinkat", "unlink"),
    "short": ("write",),
    "unreadable": ("pread64",),
}
RULES = {"short": "retval=1", "unreadable": "error=EIO"}
# What may fail and leave no trace: times, hints to the cache; leftovers that the next run removes.
SHORT = 5
SHORT_SCENES = (
    *("all", "all-syncfs", "all-batches", "parts-come-later"),
    *("files", "files-parts-come-later-old"),
)


def fail_at(scene: Scene, point: strace.Point, fault: str, base: Path) -> None:
    source, archive, records, names = scene.set(base)
    log = base / "saved"
    log.unlink(missing_ok=True)
    result = strace.inject(point, RULES.get(fault, f"error={fault}"), source, archive, *names)
    what = f"{fault} at {point} {point.arguments}: {result.stdout} {result.stderr}"
    assert "Traceback" not in result.stderr, what
    if fault == "unreadable":  # the archive is all right
        assert "archive=DIR" not in result.stdout, what
    assert judge.lost(records, source, archive) == [], what
    assert judge.announced(log, archive) == [], what
    left = {name for name in judge.contents(source) if not judge.STAYS.fullmatch(name)}
    unserved = left & set(names or left)
    # An error is told, or everything was done all the same. Of a log that stays, too.
    failed = bool(unserved) or ": failed: cannot be read" in result.stdout
    assert (result.returncode != 0) == failed, what
    outcomes = drive.run(str(source), str(archive), names or None)
    assert not [o for o in outcomes if o.result == "failed" and o.errno != 2], what
    assert judge.lost(records, source, archive) == [], what
    wrong = judge.unfinished(archive) + judge.announced(log, archive)
    if fault == "unreadable":
        # A dump that was saved without a record grows when that can be read.
        wrong = [words for words in wrong if not words.startswith("twice: ")]
        # Nothing joins a dump that cannot be read: what belongs to it stands in a second one.
        wrong = [words for words in wrong if not re.search("^second copy|/report.txt tells", words)]
    assert wrong == [], what
    for path in (source, archive):
        shutil.rmtree(path)


def matching(fault: str, found: list[strace.Point]) -> list[strace.Point]:
    points = [point for point in found if point.call in FAULTS[fault]]
    assert points, f"no call that {fault} could meet"
    return points


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SHORT_SCENES)
def test_an_error_at_some_calls_is_told(
    name: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = matching(fault, scene_points(SCENES[name], tmp_path, monkeypatch))
    step = max(1, len(found) // SHORT)
    for point in found[step // 2 :: step]:
        fail_at(SCENES[name], point, fault, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SCENES)
def test_an_error_at_every_call_is_told(
    name: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    found = matching(fault, scene_points(SCENES[name], tmp_path, monkeypatch))
    for point in found:
        fail_at(SCENES[name], point, fault, tmp_path)
    record_testsuite_property(f"{name} {fault}", len(found))
