"""A mount outlives an upgrade or a removal of its package: nothing may be imported afterwards."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.mount.conftest import READY_SECONDS, everybodys_copy, until_mounted

#: What nothing but the walk over the whole package imports, and that near its end.
_LAST = "pstorefs.system.textfile"


def test_all_works_after_the_package_is_removed(tmp_path: Path, source: Path, point: Path) -> None:
    package = shutil.copytree(everybodys_copy(), tmp_path / "package")
    words = [sys.executable, "-m", "pstorefs", "-f", "-o", f"archive={tmp_path}/archive"]
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [*words, str(source), str(point)],
            stdin=subprocess.DEVNULL,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(package), "PYTHONVERBOSE": "1"},
            cwd=package,
        ) as process,
    ):
        try:
            assert until_mounted(point, process), log.read_text()[-2000:]
            until_loaded(log)
            shutil.rmtree(package)
            use_everything(point)
        finally:
            subprocess.run(["umount", point], check=True)
            assert process.wait(READY_SECONDS) == 0
    assert not list(source.iterdir())
    assert len(list((tmp_path / "archive").iterdir())) > 1


def until_loaded(log: Path) -> None:
    """Until the last module of all is there: -v tells of each."""
    end = time.monotonic() + READY_SECONDS
    while f"import '{_LAST}'" not in log.read_text(errors="replace"):
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(0.5)


def use_everything(point: Path) -> None:
    for path in sorted(point.rglob("*")):
        if path.is_file() and path.name != "control":
            assert path.read_bytes() or path.stat().st_size == 0
    (point / "control").write_text("archive\n")
    for name in ("control", "status", "dumps/latest/report.txt", "dumps/latest/summary.json"):
        assert (point / name).read_bytes()
