"""What status says about systemd-pstore, and of an archive that would take nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from pstorefs.archive.policy import Policy
from pstorefs.catalog.catalog import Catalog
from pstorefs.report.health import _systemd_pstore, not_archiving
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine

CASES = [
    ([], "", False),
    (["systemd-pstore.service"], "", True),
    (["systemd-pstore.service"], "[PStore]\nStorage=none\n", False),
    (["systemd-pstore.service"], "[PStore]\n#Storage=none\n", True),
    (["systemd-pstore.service", "pstorefs-archive.service"], "", False),
]


@pytest.mark.parametrize(("enabled", "config", "said"), CASES)
def test_systemd_pstore_is_worth_a_word_if_it_comes_first(
    enabled: list[str], config: str, said: bool, tmp_path: Path
) -> None:
    systemd = tmp_path / "etc" / "systemd"
    wants = systemd / "system" / "sysinit.target.wants"
    wants.mkdir(parents=True)
    for name in enabled:
        (wants / name).symlink_to(f"/usr/lib/systemd/system/{name}")
    (systemd / "pstore.conf").write_text(config)
    found = list(_systemd_pstore(Machine(str(tmp_path)), Catalog([])))
    assert bool(found) == said
    assert all("pstorefs-archive" in finding.way_out for finding in found)


def moved_and_linked(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def gone_with_what_is_above(path: Path) -> None:
    path.rmdir()
    path.parent.rmdir()


OBSTACLES: list[tuple[Callable[[Path], object], str, str]] = [
    (lambda _: None, "", ""),
    (Path.rmdir, "", ""),  # the first record makes it
    (lambda path: path.chmod(0o777), "other users may write there", "chmod 700"),
    (moved_and_linked, "not a directory, or a link to one", "give the directory itself"),
    (gone_with_what_is_above, "the directory above it does not exist", "mount its disk"),
]


@pytest.mark.parametrize(("happens", "what", "way_out"), OBSTACLES)
def test_what_keeps_from_archiving_is_said_before_it_is_tried(
    happens: Callable[[Path], object], what: str, way_out: str, tmp_path: Path
) -> None:
    source, archive = tmp_path / "store", tmp_path / "above" / "archive"
    source.mkdir()
    archive.mkdir(parents=True)
    happens(archive)
    with closing(OpenDirectory(str(source))) as store:
        found = not_archiving(Catalog([]), store, str(archive), Policy(volatile=True))
    assert bool(found) == bool(what)
    for finding in found:
        assert finding.what.startswith(f"nothing can be archived: {archive}: {what}")
        assert way_out in finding.way_out


@pytest.mark.parametrize(
    ("flag", "free", "what"),
    [
        (0, 1 << 20, ""),
        (0, 1, "0 MiB free, 256 MiB must stay free"),
        (os.ST_RDONLY, 1 << 20, "read-only file system"),
    ],
)
def test_an_archive_that_is_full_or_read_only_needs_attention(
    flag: int, free: int, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(
        f_frsize=4096, f_blocks=1 << 20, f_bavail=free, f_files=0, f_favail=0, f_flag=flag
    )
    monkeypatch.setattr(os, "fstatvfs", lambda _: room)
    (tmp_path / "store").mkdir()
    (tmp_path / "archive").mkdir(0o700)
    with closing(OpenDirectory(str(tmp_path / "store"))) as store:
        found = not_archiving(Catalog([]), store, str(tmp_path / "archive"), Policy(volatile=True))
    assert [what in finding.what for finding in found] == [True] * bool(flag or free == 1)
    assert all("erased" not in finding.way_out for finding in found)
