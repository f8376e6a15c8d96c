"""What Prometheus is told, and what it makes of it: promtool judges both."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pstorefs.system import textfile
from tests.fleet import site
from tests.fleet.test_ship import shipped
from tests.records import capture

RULES = Path(__file__).parents[2] / "contrib" / "prometheus"


def values(file: Path) -> dict[str, float]:
    """Of each series, without labels or with them."""
    rows = (line.rpartition(" ") for line in file.read_text().splitlines() if line[0] != "#")
    return {series: float(value) for series, _, value in rows}


def archive_with_metrics(
    records: Path, archive: Path, file: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    options = ",".join((f"archive={archive},archive_volatile,metrics={file}", *more))
    words = [sys.executable, "-m", "pstorefs", "--archive", "-o", options, str(records)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def judged(file: Path) -> None:
    """Promtool has nothing to say against it."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=file.read_bytes(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert file.stat().st_mode & 0o777 == 0o644
    assert not list(file.parent.glob("*.new"))


def test_the_archive_says_what_crashed_and_how_it_fares(tmp_path: Path) -> None:
    records, archive, file = tmp_path / "records", tmp_path / "archive", tmp_path / "p.prom"
    records.mkdir()
    assert archive_with_metrics(records, archive, file).returncode == 0
    judged(file)
    assert values(file)["pstorefs_newest_crash_timestamp_seconds"] == 0
    assert "newest_crash_info{" not in file.read_text()
    capture("erst-mixed-upgrade").write("enc", records)
    begun = time.time()
    assert archive_with_metrics(records, archive, file).returncode == 0
    judged(file)
    found, text = values(file), file.read_text()
    summary = json.loads((archive / "20260608T081503Z-panic-1" / "summary.json").read_text())
    info = re.search(r"^pstorefs_newest_crash_info\{(.*)\} 1$", text, re.MULTILINE)
    assert info
    assert dict(re.findall(r'(\w+)="([^"]*)"', info[1])) == {
        "signature": summary["signature"],
        "class": summary["class"],
        "kernel": summary["kernel"]["release"],
        "dump": "20260608T081503Z-panic-1",
    }
    assert found["pstorefs_newest_crash_timestamp_seconds"] == 1780906503
    assert found["pstorefs_archive_last_exit_status"] == 0
    assert found["pstorefs_archive_last_success_timestamp_seconds"] >= begun
    assert 'pstorefs_dumps{class="panic"} 7\n' in text
    assert sum(map(int, re.findall(r"^pstorefs_dumps\{.*\} (\d+)$", text, re.MULTILINE))) == 10
    assert 'pstorefs_store_records{state="decoded"} 0\n' in text


def test_what_falls_when_dumps_leave_the_archive_is_no_counter(tmp_path: Path) -> None:
    """rate() takes a counter that falls for one that began anew, and counts all of it again."""
    records, archive, file = tmp_path / "records", tmp_path / "archive", tmp_path / "p.prom"
    records.mkdir()
    capture("erst-mixed-upgrade").write("enc", records)
    assert archive_with_metrics(records, archive, file).returncode == 0
    before = values(file)
    assert archive_with_metrics(records, archive, file, "keep=2").returncode == 0
    judged(file)
    after, kinds = values(file), dict(re.findall(r"# TYPE (\w+) (\w+)", file.read_text()))
    fell = {row.partition("{")[0] for row in before if after.get(row, 0) < before[row]}
    assert "pstorefs_dumps" in fell
    assert {kinds[name] for name in fell} == {"gauge"}


def test_a_failure_of_the_archive_is_said_with_when_it_last_went_well(tmp_path: Path) -> None:
    records, archive, file = tmp_path / "records", tmp_path / "archive", tmp_path / "p.prom"
    records.mkdir()
    assert archive_with_metrics(records, archive, file).returncode == 0
    before = values(file)
    capture("erst-mixed-upgrade").write("enc", records)
    archive.mkdir(mode=0o700)
    archive.chmod(0o777)  # refused: others may write there
    assert archive_with_metrics(records, archive, file).returncode == 2
    judged(file)
    found = values(file)
    assert found["pstorefs_archive_last_exit_status"] == 2
    name = "pstorefs_archive_last_success_timestamp_seconds"
    assert found[name] == before[name] > 0
    states = re.findall(r"^pstorefs_store_records\{.*\} (\d+)$", file.read_text(), re.MULTILINE)
    assert sum(map(int, states)) == len(list(records.iterdir())) > 0
    records.rename(tmp_path / "away")  # not even the store is there
    assert archive_with_metrics(records, archive, file).returncode == 2
    assert values(file)[name] == before[name]


def test_neither_program_replaces_the_file_of_the_other_or_of_a_stranger(tmp_path: Path) -> None:
    archive, spool, file = site.archived(tmp_path), tmp_path / "spool", tmp_path / "p.prom"
    spool.mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert archive_with_metrics(empty, archive, file).returncode == 0
    before = file.read_bytes()
    done = shipped(spool, archive, tmp_path / "state", "--now", "-o", f"metrics={file}")
    assert (done.returncode, "its own file" in done.stderr) == (2, True)
    assert file.read_bytes() == before
    file.with_name("p.prom.new").write_text("of a run that was killed")
    file.with_name("p.prom.new").chmod(0)
    assert archive_with_metrics(empty, archive, file).returncode == 0
    judged(file)
    file.write_text("a stranger's\n")
    done = archive_with_metrics(empty, archive, file)
    assert (done.returncode, "its own file" in done.stderr) == (2, True)
    assert file.read_text() == "a stranger's\n"


LABELS = [
    ('say "x"', r'a="say \"x\""'),
    ("back\\slash", r'a="back\\slash"'),
    ("two\nlines", r'a="two\nlines"'),
    ("\udcff", 'a="?"'),
    ("x" * 1000, f'a="{"x" * 200}"'),
]


@pytest.mark.parametrize(("value", "shown"), LABELS, ids=[row[1][:20] for row in LABELS])
def test_labels_are_hostile_and_stay_within_their_quotes(value: str, shown: str) -> None:
    text = textfile.text([("pstorefs_x", "gauge", "X.", [({"a": value}, 1)])])
    assert text.splitlines()[2:] == [f"pstorefs_x{{{shown}}} 1"]


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
    judged(file)


def test_the_count_of_what_is_shipped_never_falls(tmp_path: Path) -> None:
    archive, spool, file = site.archived(tmp_path), tmp_path / "spool", tmp_path / "ship.prom"
    spool.mkdir()
    state, words = tmp_path / "state", ("--now", "-o", f"metrics={file}")
    assert shipped(spool, archive, state, *words).returncode == 0
    names = sorted(path.name for path in archive.glob("2*"))
    for name in names[:3]:
        shutil.rmtree(archive / name)
    (receipt,) = state.glob(f"*/{names[3]}")
    for _ in range(2):  # a receipt that was lost is written again, which is no dump more
        receipt.unlink()
        assert shipped(spool, archive, state, *words).returncode == 0
        assert list(values(file).values()) == [0, 10, 0]
    assert sorted(path.name for path in receipt.parent.glob("2*")) == names[3:]


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
