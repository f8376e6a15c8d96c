"""Standard streams that are closed, or full: the work is done, and the exit status is its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

RECORD = (
    b"Panic#1 Part1\n<1>[    2.000000] BUG: kernel NULL pointer dereference, address: 0\n"
    b"<0>[    2.100000] Kernel panic - not syncing: Fatal exception\n"
)
CLOSED = ("<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-")
FULL = (">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("source", "store", "archive"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/dmesg-efi-151245478910001").write_bytes(RECORD)
    return tmp_path


def run(place: Path, program: str, words: Sequence[str], streams: str) -> tuple[int, bytes]:
    """A program of a shell with such streams; its exit status, and what it says."""
    code = f"import sys; from pstorefs.cli.{program} import main; sys.exit(main())"
    line = f'"$@" {streams}'
    done = subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-c", code, *words],
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        # Buffered, as it is for users: what cannot be written is found when Python ends.
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("streams", [*CLOSED, *FULL])
def test_archive_and_ship_do_their_work_whatever_becomes_of_their_words(
    place: Path, streams: str
) -> None:
    archive = f"archive={place}/archive"
    options = f"{archive},archive_volatile"
    status, said = run(place, "pstorefs", ["--archive", "-o", options, "source"], streams)
    assert (status, said.replace(b"standard output: ", b"").count(b"\n") <= 1) == (0, True), said
    dump = place / "archive/20171205T061949Z-panic-1"
    assert (dump / "raw/dmesg-efi-151245478910001").read_bytes() == RECORD
    words = ["--ship", f"file://{place}/store", "--now", "-o"]
    words.append(f"{archive},state={place}/state,machine=m")
    status, said = run(place, "pstorefs", words, streams)
    assert status == 0, said
    assert len(list(place.glob("store/v1/*/*/*"))) == 2
    status, said = run(place, "pstorefs", [*words, "--check"], streams)
    assert status == 0, said


ANSWERS = (
    ("pstorefs", ["--help"], 2),
    ("pstorefs", ["--version"], 2),
    ("pstorefs", ["--ship", "--help"], 2),
    ("pstorefs", ["--list", "source"], 2),
    ("pstorefs", ["--show", "latest", "source"], 2),
    ("pstorefs", ["--bundle", "latest", "-", "source"], 2),
    ("pstorefs", ["--check"], 2),
    ("pstorecat", ["--help"], 1),
    ("pstorecat", ["--version"], 1),
    ("pstorecat", ["source/dmesg-efi-151245478910001"], 1),
)


@pytest.mark.parametrize(("program", "words", "status"), ANSWERS, ids=str)
@pytest.mark.parametrize(
    ("streams", "why"),
    [(">&-", b"Bad file descriptor"), (">/dev/full", b"No space left on device")],
)
def test_an_answer_that_cannot_be_written_is_a_failure_and_says_so_once(
    place: Path, program: str, words: list[str], status: int, streams: str, why: bytes
) -> None:
    said = program.encode() + b": standard output: " + why + b"\n"
    assert run(place, program, words, streams) == (status, said)


def test_what_is_said_with_standard_error_closed_goes_nowhere_else(place: Path) -> None:
    assert run(place, "pstorefs", ["--ship", "nonsense"], "2>&-") == (1, b"")
    assert run(place, "pstorefs", ["nonsense", "--nonsense"], "2>/dev/full") == (1, b"")
