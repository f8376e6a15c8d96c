"""What Prometheus is told of shipping, and what it makes of it: promtool judges both."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.fleet import site
from tests.fleet.test_ship import shipped

RULES = Path(__file__).parents[2] / "contrib" / "prometheus"


def values(file: Path) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in re.findall(r"^(\w+) (\S+)$", file.read_text(), re.MULTILINE)
    }


def test_metrics_say_what_waits_and_what_is_shipped(tmp_path: Path) -> None:
    archive, spool, file = site.archived(tmp_path), tmp_path / "spool", tmp_path / "ship.prom"
    words = ("--now", "-o", f"metrics={file}")
    assert shipped(spool, archive, tmp_path / "state", *words).returncode == 2
    found = values(file)
    assert (found["pstorefs_ship_pending"], found["pstorefs_ship_shipped_total"]) == (10, 0)
    saved = min(path.stat().st_mtime for path in archive.glob("*/SHA256SUMS"))
    assert abs(found["pstorefs_ship_oldest_pending_timestamp_seconds"] - saved) < 0.01
    spool.mkdir()
    for _ in range(2):  # also a run that has nothing to do
        assert shipped(spool, archive, tmp_path / "state", *words).returncode == 0
        assert list(values(file).values()) == [0, 10, 0]
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=file.read_bytes(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert file.stat().st_mode & 0o777 == 0o644
    assert not list(tmp_path.glob("*.new"))


def test_metrics_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    archive, spool = site.archived(tmp_path), tmp_path / "spool"
    spool.mkdir()
    words = ("--now", "-o", f"metrics={tmp_path}/none/ship.prom")
    done = shipped(spool, archive, tmp_path / "state", *words)
    assert done.returncode == 2
    assert "none/ship.prom: No such file" in done.stderr
    assert site.all_well(site.wrong(site.contents(spool), site.expected(archive)))


def test_the_alerts_do_what_they_are_for() -> None:
    subprocess.run(["promtool", "test", "rules", RULES / "pstorefs.test.yml"], check=True)
