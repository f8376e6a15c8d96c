"""A directory is a source like any other; a stamp tells two states of a file apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp


@pytest.mark.parametrize("change", ["replaced", "written", "touched"])
def test_a_file_that_changed_has_another_stamp(change: str, tmp_path: Path) -> None:
    file = tmp_path / "record"
    file.write_bytes(b"before")
    os.utime(file, ns=(0, 0))
    store = OpenDirectory(str(tmp_path))
    before = store.stamp((), "record")
    assert before == store.scan(())["record"]
    if change == "replaced":
        (tmp_path / "new").write_bytes(b"behind")
        os.utime(tmp_path / "new", ns=(0, 0))
        (tmp_path / "new").rename(file)
    elif change == "written":
        file.write_bytes(b"behind")
        os.utime(file, ns=(0, 0))
    else:
        os.utime(file, ns=(0, 1))
    assert store.stamp((), "record") != before
    store.close()


def test_rights_are_the_same_for_all_files_of_one_owner_and_mode(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    store = OpenDirectory(str(tmp_path))
    assert store.stamp((), "a").rights == store.stamp((), "b").rights
    assert isinstance(store.stamp((), "a").rights, Stamp)
    store.close()
