"""contrib/container/build: what it refuses, before it installs or removes anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "contrib" / "container" / "build"


@pytest.mark.parametrize("name", ["file", ".hidden"])
def test_a_directory_with_files_of_somebody_is_not_replaced(name: str, tmp_path: Path) -> None:
    """`contrib/container/build dist`, as with build-deb, must not cost what is in dist."""
    (tmp_path / name).write_text("mine\n")
    done = subprocess.run(
        ["sh", BUILD, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "a directory of its own" in done.stderr
    assert (tmp_path / name).read_text() == "mine\n"
