"""Source and archive are reached through descriptors of directories, one name at a time.

So whoever exchanges a directory for a link meanwhile leads nobody elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.mount.conftest import COMMAND
from tests.mount.programs import live

CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += ", re.MULTILINE)
OPENS = re.compile(r'^(\d+|AT_FDCWD), "([^"]*)", (\S+)')


def test_nothing_below_source_and_archive_is_reached_by_a_path(
    source: Path, point: Path, tmp_path: Path
) -> None:
    archive, trace = tmp_path / "archive", tmp_path / "trace"
    source.joinpath("folder").mkdir()
    (source / min(path.name for path in source.iterdir() if path.is_file())).rename(
        source / "folder" / "dmesg-erst-1"
    )
    strace = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file", "-o", trace]
    options = ["-o", f"archive={archive},archive_volatile", source, point]
    live([*strace, *COMMAND, "-f", *options], point)
    text = trace.read_text()
    for place in (source, archive):
        assert f'"{place}"' in text
        assert [line for line in text.splitlines() if f'"{place}/' in line] == []
    # Those that go through descriptors: records, the folder, the archive's files; no link followed.
    opened = [found.groups() for _, words in CALL.findall(text) if (found := OPENS.match(words))]
    below = [(name, flags) for where, name, flags in opened if where != "AT_FDCWD"]
    assert {"folder", "dmesg-erst-1", "raw"} <= {name for name, _ in below}
    follows = [name for name, flags in below if "O_" in flags and "O_NOFOLLOW" not in flags]
    assert set(follows) <= {".", ".."}  # upwards, to sync and to compare, from a held directory
