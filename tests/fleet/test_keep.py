"""keep= and what is still to be shipped."""

from __future__ import annotations

import os
from collections.abc import Container
from contextlib import closing
from pathlib import Path

import pytest

from pstorefs.archive import engine
from pstorefs.archive.policy import Policy
from pstorefs.fleet.configured import unshipped
from pstorefs.settings.keep import parse_keep
from pstorefs.source.timeout import open_directory
from tests.fleet import site


@pytest.mark.parametrize("in_its_place", [False, True])
def test_nothing_unshipped_goes_when_the_archive_is_moved_meanwhile(
    in_its_place: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run holds the directory; its path leads to nothing, or to another archive by then."""
    archive, moved = site.archived(tmp_path), tmp_path / "moved"
    before = {path.name for path in archive.glob("2*")}
    (tmp_path / "ship.conf").write_text(
        f"url = file://{tmp_path}\narchive = {archive}\nstate = {tmp_path}/state\n"
    )
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    (tmp_path / "empty").mkdir()

    def moving(path: str, descriptor: int) -> Container[str]:
        os.rename(archive, moved)
        if in_its_place:
            archive.mkdir()
        return unshipped(path, descriptor)

    said: list[str] = []
    policy = Policy(volatile=True, keep=parse_keep("1"), unshipped=moving, say=said.append)
    with closing(open_directory(str(tmp_path / "empty"))) as store:
        engine.archive(store, str(archive), None, policy)
    assert any("only after pstorefs --ship has shipped it" in words for words in said)
    assert {path.name for path in moved.glob("2*")} == before
