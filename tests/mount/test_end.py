"""A mount that is gone ends its program, whatever a thread of that is just doing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.archive import strace
from tests.fleet.crashes import crashes, write
from tests.mount.conftest import READY_SECONDS, everybodys_copy, until_mounted

NOW = datetime.now(timezone.utc).replace(microsecond=0)
#: Nobody waits for so long, however busy the machine is.
HANGS_SECONDS = 1000
Starter = Callable[[str, Path], subprocess.Popen[bytes]]
#: What the walk over the package imports, 2 s after the start. It says that it has begun.
_SLOW = f"import os, time; open(os.environ['BEGUN'], 'x').close(); time.sleep({HANGS_SECONDS})\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The program, with a module that takes for ever to load, as others do on a busy machine."""
    place = shutil.copytree(everybodys_copy(), tmp_path / "package")
    (place / "pstorefs" / "system" / "slow.py").write_text(_SLOW)
    return place


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A fleet's store."""
    write(tmp_path / "store", list(crashes(3, NOW)))
    return f"file://{tmp_path}/store"


def ends(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(READY_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.fixture
def started(package: Path, tmp_path: Path) -> Iterator[Starter]:
    """Mount in the foreground, until the slow module is being loaded."""
    made: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(source: str, point: Path) -> subprocess.Popen[bytes]:
        begun = tmp_path / "begun"
        process = subprocess.Popen(
            [sys.executable, "-m", "pstorefs", "-f", source, str(point)],
            env={
                **os.environ, "PYTHONPATH": str(package), "BEGUN": str(begun),
                "CACHE_DIRECTORY": str(tmp_path / "cache"),
            },
            cwd=package,
        )  # fmt: skip
        made.append((process, point))
        assert until_mounted(point, process)
        end = time.monotonic() + READY_SECONDS
        while not begun.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert list(point.iterdir())
        return process

    yield start
    for process, point in made:
        process.kill()
        process.wait()
        subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("what", ["records", "fleet"])
@pytest.mark.parametrize("how", ["umount", "SIGTERM"])
def test_nobody_waits_for_modules_that_are_being_loaded(
    what: str,
    how: str,
    source: Path,
    store: str,
    point: Path,
    started: Starter,
) -> None:
    process = started(store if what == "fleet" else str(source), point)
    if how == "umount":
        subprocess.run(["umount", point], check=True)
    else:
        process.send_signal(signal.SIGTERM)
    assert ends(process)


def test_the_cache_of_days_never_waits_for_the_disk(tmp_path: Path) -> None:
    """A thread that syncs ends when the disk is done, and its program not before that."""
    words = (
        "import sys; from pstorefs.fleet.daycache import Day, DayCache\n"
        "cache = DayCache(sys.argv[1]); cache.store([('2026-11-01', Day(1.0, ('x',)))])\n"
        "cache.forget(['2026-11-01']); cache.store([('2026-11-02', Day(1.0, ('x',)))])\n"
        "assert list(cache.load()) == ['2026-11-02']"
    )
    command = [sys.executable, "-c", words, str(tmp_path / "cache" / "days.sqlite")]
    assert strace.run(command).returncode == 0
    calls = ("unlink", "fsync", "fdatasync", "syncfs", "sync_file_range")
    seen = {point.call for point in strace.points_of(command, tmp_path / "trace", calls)}
    assert seen == {"unlink"}, "its journal goes; nothing is synced"
