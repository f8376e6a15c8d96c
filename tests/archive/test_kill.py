"""SIGKILL at every call that changes something: nothing lost, the next run finishes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import aged
from tests.archive import drive, judge, strace
from tests.records import capture

# Of each list of points, so many in the short form.
SHORT = 12


@dataclass(frozen=True)
class Scene:
    """Records of a capture; some archived earlier, then the rest or single ones by name."""

    capture: str
    #: How many records an earlier command archived by name, the last (sorted) that were there.
    earlier: int = 0
    #: How many records, the last, come only after that command.
    later: int = 0
    #: How many, the last, are named by the command that is killed; 0: all.
    named: int = 0
    #: Whether syncfs(2) takes the place of fsync(2), as it does for many files.
    syncfs: bool = False
    #: Whether each boot's records are a batch of their own, as in a store of many.
    batches: bool = False
    #: Whether the files beside the records are the program's own: their summary.json is believed.
    files: bool = False
    #: What an earlier version left: "index": no index; "all": an older one, and older summaries.
    old: str = ""

    def set(self, base: Path) -> tuple[Path, Path, dict[str, bytes], list[str]]:
        source, archive = base / "store", base / "archive"
        capture(self.capture).write("enc", source)
        records = judge.contents(source)
        names = sorted(records)
        held_back = names[len(names) - self.later :] if self.later else []
        for name in held_back:
            (source / name).rename(base / name)
        if self.earlier:
            end = len(names) - self.later
            drive.run(str(source), str(archive), names[end - self.earlier : end])
            if self.old == "index":
                (archive / ".index").unlink()
            elif self.old:
                for dump in archive.glob("[!.]*"):
                    aged.age_summary(dump)
                aged.age_index(archive)
        for name in held_back:
            (base / name).rename(source / name)
        rest = [name for name in names if (source / name).exists()]
        return source, archive, records, rest[len(rest) - self.named :] if self.named else []


SCENES = {
    "all": Scene("erst-deflate-6.1.192"),
    "all-syncfs": Scene("erst-deflate-6.1.192", syncfs=True),
    "all-batches": Scene("erst-deflate-6.1.192", batches=True),
    "logs": Scene("ramoops-lz4-6.1.192-ecc"),
    "one-by-name": Scene("erst-none-6.1.192-deb12", named=1),
    "second-by-name": Scene("erst-deflate-6.12.107-deb13", earlier=1, named=1),
    "parts-come-later": Scene("erst-deflate-6.1.192", earlier=3, later=5),
    "parts-come-later-old-batches": Scene(
        "erst-deflate-6.1.192", earlier=3, later=5, old="index", batches=True
    ),
    "files": Scene("erst-deflate-6.1.192", files=True),
    "files-logs": Scene("ramoops-lz4-6.1.192-ecc", files=True),
    "files-parts-come-later": Scene("erst-deflate-6.1.192", earlier=3, later=5, files=True),
    "files-parts-come-later-old": Scene(
        "erst-deflate-6.1.192", earlier=3, later=5, files=True, old="all"
    ),
    "files-dump-comes-later-old": Scene(
        "erst-deflate-6.1.192", earlier=3, named=3, files=True, old="all"
    ),
    "parts-come-later-one-by-name": Scene("efi-deflate-6.1.192", earlier=1, later=20, named=2),
}


def kill_at(scene: Scene, point: strace.Point, base: Path) -> None:
    source, archive, records, names = scene.set(base)
    log = base / "saved"
    log.unlink(missing_ok=True)
    result = strace.inject(point, "signal=SIGKILL", source, archive, *names)
    assert strace.killed(result), f"{point} was not reached: {result}"
    assert judge.lost(records, source, archive) == [], f"lost at {point} {point.arguments}"
    assert judge.announced(log, archive) == [], f"at {point} {point.arguments}"
    outcomes = drive.run(str(source), str(archive), names or None)
    assert not [o for o in outcomes if o.result == "failed" and o.errno != 2], point
    assert judge.lost(records, source, archive) == [], f"lost after {point}"
    assert judge.unfinished(archive) == [], f"after {point} {point.arguments}"
    assert judge.announced(log, archive) == [], f"after {point} {point.arguments}"
    left = {name for name in judge.contents(source) if not judge.STAYS.fullmatch(name)}
    assert not left & set(names or left), f"not finished after {point}"
    for path in (source, archive):
        shutil.rmtree(path)


def scene_points(scene: Scene, base: Path, patch: pytest.MonkeyPatch) -> list[strace.Point]:
    patch.setenv("SAVED", str(base / "saved"))
    for name, wanted in (
        ("SYNCFS", scene.syncfs),
        ("BATCHES", scene.batches),
        ("FILES", scene.files),
    ):
        if wanted:
            patch.setenv(name, "1")
    source, archive, _, names = scene.set(base)
    found = strace.points(source, archive, *names)
    for path in (source, archive):
        shutil.rmtree(path)
    return found


@pytest.mark.parametrize("name", SCENES)
def test_a_kill_at_some_calls_loses_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scene_points(SCENES[name], tmp_path, monkeypatch)
    step = max(1, len(found) // SHORT)
    for point in found[step // 2 :: step]:
        kill_at(SCENES[name], point, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SCENES)
def test_a_kill_at_every_call_loses_nothing(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    found = scene_points(SCENES[name], tmp_path, monkeypatch)
    for point in found:
        kill_at(SCENES[name], point, tmp_path)
    record_testsuite_property(f"{name}", len(found))
