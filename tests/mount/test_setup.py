"""contrib/setup: its arguments are checked, it ends, and it takes away no mount but its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pstorefs.system import mountinfo
from tests.mount.conftest import MountMaker, mounted
from tests.mount.programs import ROOT, daemon_of, gone

SETUP = ROOT / "contrib/setup"


def setup(*arguments: str | Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SETUP, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=scratch,
        env={**os.environ, "TMPDIR": str(scratch)},  # for its copies of records
    )


def kinds(point: Path) -> list[str]:
    return [mount.kind for mount in mountinfo.table() if mount.point == str(point)]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_prints_the_usage_and_ends(option: str, tmp_path: Path) -> None:
    done = setup(option, scratch=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("contrib/setup [MOUNTPOINT]\n")
    assert "--install" in done.stdout
    assert "set -" not in done.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--helpp"], "unknown option --helpp"),
        (["-x"], "unknown option -x"),
        (["one", "two"], "one argument at most"),
        (["--install", "two"], "one argument at most"),
        ([""], "the mount point is empty"),
    ],
)
def test_wrong_arguments_change_nothing(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = setup(*arguments, scratch=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"setup: {says}")
    assert "contrib/setup [MOUNTPOINT]" in done.stderr
    assert os.listdir(tmp_path) == []


def test_again_it_replaces_its_mount_dead_or_alive_and_no_other(
    point: Path, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    for _ in range(2):
        done = setup(point, scratch=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Newest crash: " in done.stdout
        assert kinds(point) == ["tmpfs", "fuse.pstorefs"]
        assert len(list(tmp_path.glob("pstorefs-records.*"))) == 1  # those of now alone
    pid = daemon_of(point)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert setup(point, scratch=tmp_path).returncode == 0
    assert kinds(point) == ["tmpfs", "fuse.pstorefs"]


def test_a_mount_in_use_is_said_and_it_ends(
    source: Path, mount: MountMaker, tmp_path: Path
) -> None:
    one = mount(source, "-o", "plain")
    with min(one.point.iterdir()).open("rb"):
        done = setup(one.point, scratch=tmp_path)
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert mounted(one.point)
