"""The plugin for node-problem-detector: its status, and at most 80 characters."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[2] / "contrib" / "node-problem-detector"
DAY = 86400

CASES = [
    # dumps: name, age in days, title; the status; the words
    ([], 0, "no kernel crash was saved"),
    ([("20260608T081503Z-panic-1", 0, "BUG: x")], 1, "20260608T081503Z BUG: x"),
    ([("20260608T081503Z-panic-1", 3, "BUG: x")], 0, "no kernel crash was saved"),
    ([("20260608T081503Z-shutdown-1", 0, "none")], 0, "no kernel crash was saved"),
    ([("20260608T081503Z-oops-1", 0, "\x1b[31m" + "y" * 200)], 1, "20260608T081503Z [31myyy"),
    (
        [("20260608T081503Z-oops-1", 0, "old"), ("20260609T081503Z-panic-2", 0, "new")],
        1,
        "20260609T081503Z new",
    ),
]


@pytest.mark.parametrize(("dumps", "status", "words"), CASES)
def test_what_was_saved_within_a_day_is_a_problem(
    dumps: list[tuple[str, int, str]], status: int, words: str, tmp_path: Path
) -> None:
    for name, days, title in dumps:
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.txt").write_text(f"{title}\nmore\n")
        os.utime(tmp_path / name, (time.time() - days * DAY - 60,) * 2)
    done = subprocess.run(
        [CONTRIB / "pstorefs-crash"],
        env={"PSTOREFS_ARCHIVE": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.startswith(words)
    assert len(done.stdout) <= 81
    assert done.stdout.count("\n") == 1


def test_an_archive_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    environment = {"PSTOREFS_ARCHIVE": str(tmp_path / "none"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([CONTRIB / "pstorefs-crash"], env=environment, check=False)
    assert done.returncode == 2


def test_its_configuration_keeps_what_the_plugin_writes() -> None:
    known = json.loads((CONTRIB / "pstorefs.json").read_text())
    assert known["pluginConfig"]["max_output_length"] == 80
    (condition,), (rule,) = known["conditions"], known["rules"]
    assert rule["condition"] == condition["type"]
    assert rule["path"].endswith("/pstorefs-crash")
