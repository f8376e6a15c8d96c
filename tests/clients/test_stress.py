"""fio and stress-ng: every way to read that they know, many at once, at random places.

Not io_uring: fio's engine hung on FUSE file systems where this was tried (fio 3.33, Linux 6.18).
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests import figures
from tests.clients.conftest import Place

ENGINES = ("sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "splice", "libaio", "posixaio")
# mmap knows no O_DIRECT, and splice no pages that are nobody's.
DIRECT = tuple(engine for engine in ENGINES if engine not in ("mmap", "splice"))
_ANY_SIZE = ("--bsrange=1-64k", "--bs_unaligned")
FILES = {"mirror": ("big.bin",), "dumps": (".txt", ".enc.z")}  # so their names end
# The place, the engines, what they do there: past the page cache, too.
WAYS = {
    "mirror": ("mirror", ENGINES, ("--runtime=1", "--size=1m", *_ANY_SIZE)),
    "direct": ("mirror", DIRECT, ("--runtime=500ms", "--size=1m", "--bs=4k", "--direct=1")),
    "dumps": ("dumps", ENGINES, ("--runtime=500ms", "--size=100%", *_ANY_SIZE)),
}
_FIO = (
    *("fio", "--name=x", "--readonly", "--rw=randread", "--iodepth=8", "--numjobs=2", "--thread"),
    *("--time_based", "--group_reporting", "--allow_file_create=0", "--output-format=json"),
)
_READS: dict[str, dict[str, int]] = {way: {} for way in WAYS}


@pytest.mark.parametrize(
    ("way", "engine"), [(way, engine) for way in WAYS for engine in WAYS[way][1]]
)
def test_fio_reads_without_an_error(way: str, engine: str, places: dict[str, Place]) -> None:
    name, _, options = WAYS[way]
    place = places[name]
    files = [file for file in place.files() if file.endswith(FILES[name])]
    done = subprocess.run(
        [*_FIO, f"--ioengine={engine}", "--filename=" + ":".join(files), *options],
        cwd=place.shown,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (job,) = json.loads(done.stdout[done.stdout.index("{") :])["jobs"]
    assert job["error"] == 0
    assert job["read"]["total_ios"] > 0
    reads = _READS[way]
    reads[engine] = job["read"]["total_ios"]
    measured = f"{len(reads)} engines, {sum(reads.values())} reads"
    figures.record("clients", f"fio, {way}", measured, "no error", True)


# A round is all files once in one version, thousands of looks in another: so whichever comes first.
_STRESS_NG = (
    *("stress-ng", "--fstat", "4", "--fstat-ops", "400", "--timeout", "5"),
    *("--metrics-brief", "--verify"),
)


def test_stress_ng_changes_nothing(places: dict[str, Place], tmp_path: Path) -> None:
    """All that is in a directory: fstat, stat, lstat, statx, open, by four at once."""
    for name, place in places.items():
        done = subprocess.run(
            [*_STRESS_NG, "--fstat-dir", place.shown, "--temp-path", tmp_path],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        rounds = re.search(r"\] fstat +(\d+)", said)
        assert rounds, said
        figures.record(
            "clients", f"stress-ng fstat, {name}", f"{rounds[1]} rounds", "no error", True
        )
        subprocess.run(["diff", "-r", "--no-dereference", place.shown, place.plain], check=True)
