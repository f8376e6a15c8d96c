"""Many requests at once, and none: signals are heard, listings come, an idle mount sleeps."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from tests.mount.conftest import MountMaker
from tests.mount.programs import until_idle

WORKERS = 6


class Load:
    """Threads that open and read without a pause. Each open is at least two requests."""

    def __init__(self, point: Path) -> None:
        self.files = [path for path in point.iterdir() if path.is_file()]
        self.opened = 0
        self.wrong: list[str] = []
        self._ended = threading.Event()
        self._texts = {path: path.read_bytes() for path in self.files}
        self._threads = [threading.Thread(target=self._read, args=(n,)) for n in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def _read(self, number: int) -> None:
        while not self._ended.is_set():
            for path in self.files[number:] + self.files[:number]:
                try:
                    if path.read_bytes() != self._texts[path]:
                        self.wrong.append(path.name)
                except OSError:
                    return  # unmounted
                self.opened += 1

    def until(self, opened: int) -> None:
        """Wait until so many files were opened in all."""
        end = time.monotonic() + 100
        while self.opened < opened:
            assert time.monotonic() < end, f"{self.opened} of {opened} were opened"
            time.sleep(0.02)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        assert not self.wrong


def test_a_signal_is_heard_in_the_middle_of_requests(source: Path, mount: MountMaker) -> None:
    one = mount(source, "-o", "plain")
    load = Load(one.point)
    load.until(50)
    one.expect("unmounting")
    one.process.send_signal(signal.SIGTERM)
    # The readers do not stop before it is unmounted.
    assert one.process.wait(100) == 0
    load.end()


def test_listings_and_reads_of_many_at_once(source: Path, mount: MountMaker) -> None:
    """Listings of changed folders wait for a thread; whoever reads meanwhile does not."""
    one = mount(source, "-o", "plain")
    load = Load(one.point)
    record = max(source.glob("*.enc.z"), key=lambda path: path.stat().st_size)
    content = record.read_bytes()
    for number in range(20):
        folder = source / f"folder{number}"
        folder.mkdir()
        for part in range(5):
            (folder / f"dmesg-erst-{part + 1}.enc.z").write_bytes(content)
        assert len(os.listdir(one.point / folder.name)) == 5
        assert (one.point / folder.name).stat().st_mode
        load.until(load.opened + 1)
    load.end()


def test_an_idle_mount_sleeps(source: Path, mount: MountMaker) -> None:
    one = mount(source, "-o", "plain")
    Load(one.point).end()
    # Modules are loaded 2 s after the start; idle threads of trio end after 10 s.
    until_idle(one.process.pid, seconds=12)
