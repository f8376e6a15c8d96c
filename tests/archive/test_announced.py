"""Policy.on_saved: once for each dump that is saved or grew, never for one that is not."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from pstorefs.archive import durable
from pstorefs.archive.engine import archive
from pstorefs.archive.errors import ArchiveError
from pstorefs.dump import Dump
from pstorefs.source.directory import OpenDirectory
from tests.archive import drive
from tests.archive.test_engine import Scene, _Refusing, erst

DUMPS = [
    "20260307T142206Z-oops-1",
    "20260307T142207Z-panic-2",
    "20260309T031141Z-oops-1",
    "20260309T031142Z-panic-2",
]


class Heard:
    """What was announced, each time with a look at the archive at that moment."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.names: list[str] = []

    def __call__(self, dump: Dump, summary: bytes) -> None:
        assert summary == (self.target / dump.name / "summary.json").read_bytes()
        check = ["sha256sum", "--status", "-c", "SHA256SUMS"]
        subprocess.run(check, cwd=self.target / dump.name, check=True)
        assert all((self.target / record.path).exists() for record in dump.records), (
            "it says where its records are"
        )
        self.names.append(dump.name)

    def run(self, scene: Scene, store: OpenDirectory | None = None) -> list[str]:
        """One command; what it announced."""
        self.names = []
        store = store or OpenDirectory(str(scene.source))
        try:
            archive(store, str(scene.target), None, drive.POLICY._replace(on_saved=self))
        finally:
            store.close()
        return sorted(self.names)


def test_each_dump_is_announced_once_when_it_is_there_and_whole(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    heard = Heard(scene.target)
    assert heard.run(scene) == DUMPS
    for name, data in scene.records.items():
        (scene.source / name).write_bytes(data)
    assert heard.run(scene) == [], "they came back, and nothing new is saved"


def test_a_dump_that_grows_is_announced_again(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    late = max(scene.records)
    (scene.source / late).rename(tmp_path / late)
    heard = Heard(scene.target)
    assert heard.run(scene) == DUMPS
    (tmp_path / late).rename(scene.source / late)
    assert heard.run(scene) == DUMPS[-1:]


def test_where_the_disk_is_full_at_the_rename_nothing_is_announced_however_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    heard = Heard(scene.target)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "move_new", full)
        for _ in range(3):
            assert heard.run(scene) == []
            assert list(scene.target.glob("[!.]*")) == []
    assert heard.run(scene) == DUMPS


def test_what_does_not_read_back_is_not_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = erst(tmp_path)
    heard = Heard(scene.target)
    honest = durable.read_back
    victim = max(scene.records)

    def rotten(
        parent: int, name: str, limit: int, *, synced: bool
    ) -> tuple[bytes, durable.Identity]:
        data, identity = honest(parent, name, limit, synced=synced)
        return (bytes(len(data)) if name == victim else data), identity

    monkeypatch.setattr(durable, "read_back", rotten)
    assert heard.run(scene) == DUMPS[:-1]


def test_a_store_that_does_not_erase_changes_nothing_about_it(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    heard = Heard(scene.target)
    assert heard.run(scene, _Refusing(str(scene.source))) == DUMPS
    assert heard.run(scene, _Refusing(str(scene.source))) == []
    assert heard.run(scene) == []


def test_an_archive_without_room_is_announced_nothing(tmp_path: Path) -> None:
    scene = erst(tmp_path)
    store = OpenDirectory(str(scene.source))
    heard = Heard(scene.target)
    policy = drive.POLICY._replace(on_saved=heard, reserve_share=1.0)
    with pytest.raises(ArchiveError):
        archive(store, str(scene.target), None, policy)
    store.close()
    assert heard.names == []


def test_who_is_told_keeps_nothing_from_being_cleared(tmp_path: Path) -> None:
    scene = erst(tmp_path)

    def fail(*_: object) -> None:
        raise ValueError("nobody listens")

    said: list[str] = []
    store = OpenDirectory(str(scene.source))
    policy = drive.POLICY._replace(on_saved=fail, say=said.append)
    outcomes = archive(store, str(scene.target), None, policy)
    store.close()
    assert {outcome.result for outcome in outcomes} == {"cleared"}
    assert len([line for line in said if "nobody listens" in line]) == len(DUMPS)
