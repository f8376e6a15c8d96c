"""`pstorefs --every`: what comes is archived and shipped, and a signal ends it without loss."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pstorefs.cli import pstorefs
from tests.fleet.family import children
from tests.records import capture

ROOT = Path(__file__).parents[2]
_SECONDS = 60.0


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


class Machine:
    """A source, an archive, a spool, and a ship.conf."""

    def __init__(self, base: Path, url: str = "") -> None:
        self.base = base
        self.source, self.archive, self.spool = base / "source", base / "archive", base / "spool"
        self.source.mkdir()
        self.spool.mkdir()
        (base / "ship.conf").write_text(
            f"url = {url or f'file://{self.spool}'}\narchive = {self.archive}\n"
            f"state = {base}/state\nwindow = 0\n"
        )

    @contextmanager
    def running(self, seconds: str) -> Iterator[subprocess.Popen[str]]:
        options = f"archive={self.archive},archive_volatile"
        words = [sys.executable, "-m", "pstorefs", f"--every={seconds}", "-o", options]
        process = subprocess.Popen(
            [*words, str(self.source)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "CONFIGURATION_DIRECTORY": str(self.base)},
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def boots_after(self, crashes: str) -> None:
        """All of its records at once: those of one dump that come one by one would be several."""
        capture(crashes).write("enc", self.base / "whole").rename(self.source)

    def shipped(self) -> int:
        return len(list(self.spool.glob("v1/index/*/*.json")))

    def shipped_dumps(self) -> list[str]:
        lines = self.spool.glob("v1/index/*/*.json")
        return [json.loads(path.read_text())["dump"] for path in lines]


def test_what_comes_is_archived_and_shipped_until_a_signal(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.running("1s") as process:
        machine.boots_after("erst-mixed-upgrade")
        until(lambda: machine.shipped() == 10)
        capture("erst-zstd-6.1.192").write("enc", machine.source)
        until(lambda: not any(machine.source.iterdir()))
        until(lambda: machine.shipped() == len(list(machine.archive.glob("2*"))) > 10)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in said
    assert "10 of 10 dumps shipped" in said
    assert sorted(machine.shipped_dumps()) == sorted(p.name for p in machine.archive.glob("2*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_wait_at_once(number: signal.Signals, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    capture("erst-zstd-6.1.192").write("enc", machine.source)
    with machine.running("1h") as process:
        until(lambda: any(machine.archive.glob("2*")))
        process.send_signal(number)
        assert process.wait(10) == 0


def test_archiving_does_not_wait_for_a_store_that_hangs_and_no_second_run_is_begun(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        machine = Machine(tmp_path, "file:///nowhere")
        place = f"http://key@127.0.0.1:{silent.getsockname()[1]}/1"
        (tmp_path / "ship.conf").write_text(
            f"sentry = {place}\narchive = {machine.archive}\nstate = {tmp_path}/state\nwindow = 0\n"
        )
        with machine.running("1s") as process:
            machine.boots_after("erst-mixed-upgrade")
            until(lambda: len(list(machine.archive.glob("2*"))) == 10)
            connection, _ = silent.accept()  # and never an answer
            with connection:
                capture("erst-zstd-6.1.192").write("enc", machine.source)
                until(lambda: not any(machine.source.iterdir()))
                until(lambda: len(children(process.pid)) == 1)
                (shipping,) = children(process.pid)
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
                assert not Path(f"/proc/{shipping}").exists()


def test_the_archive_ends_its_work_before_a_signal_counts(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for name in ("erst-mixed-upgrade", "erst-zstd-6.1.192", "erst-lz4-6.1.192"):
        capture(name).write("enc", machine.source)
    with machine.running("1h") as process:
        until(machine.archive.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 0
    assert not any(machine.source.iterdir())
    assert not list(machine.archive.glob(".pstorefs-*"))
    assert machine.shipped() == 0


WRONG = [
    ["--every"],
    ["--every="],
    ["--every=0"],
    ["--every=soon"],
    ["--every=15m", "--what"],
    ["--every=15m", "--version"],
    ["--every=15m", "-o", "ro"],
    ["--every=15m", "a", "b"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_is_said_before_anything_begins(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pstorefs.main(words) == 1
    assert capsys.readouterr().err.startswith("pstorefs: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a namespace of processes")
def test_what_others_leave_is_buried(tmp_path: Path) -> None:
    """As a container's first process it inherits what a step has begun that was killed."""
    machine = Machine(tmp_path)
    words = [sys.executable, "-m", "pstorefs", "--every=1s", "-o"]
    options = f"archive={machine.archive},archive_volatile"
    outer = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child",
         "sh", "-c", '(sleep 3 &); exec "$@"', "sh", *words, options, machine.source],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "CONFIGURATION_DIRECTORY": str(tmp_path)},
    )  # fmt: skip
    try:
        until(lambda: bool(children(outer.pid)))
        (every,) = children(outer.pid)
        orphans: list[int] = []
        until(lambda: bool(orphans.extend(map(int, children(every))) or orphans))
        (orphan,) = set(orphans[:1])
        until(lambda: not Path(f"/proc/{orphan}").exists())
    finally:
        outer.kill()
        outer.wait()
