"""What the kernel does not know, or has forgotten, the daemon does not hold."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.mount import conftest
from tests.mount.conftest import Mount, MountMaker
from tests.soak.client import half
from tests.soak.site import shrink


def inodes(one: Mount, counts: Path) -> int:
    """How many inodes the daemon holds once the kernel has forgotten what nobody uses."""
    end = time.monotonic() + 100
    while True:
        shrink(one.point)
        counts.unlink(missing_ok=True)
        one.process.send_signal(signal.SIGUSR1)
        while not counts.exists():
            time.sleep(0.01)
        found = int(json.loads(counts.read_text())["inodes"])
        if found == 1 or time.monotonic() > end:
            return found


@pytest.mark.parametrize("place", ["", "dumps", "meta"])
def test_a_listing_that_is_not_read_to_its_end_leaves_nothing(
    reference: Path, mount: MountMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    record = next(reference.iterdir()).read_bytes()
    for number in range(60):
        (reference / f"dmesg-erst-{(10**9 + number * 600 << 32) + 1}").write_bytes(record)
    counts = tmp_path / "counts"
    command = [sys.executable, "-m", "tests.soak.driver", str(counts)]
    monkeypatch.setattr(conftest, "COMMAND", command)
    one = mount(reference)
    for _ in range(3):
        half(str(one.point / place))
    assert inodes(one, counts) == 1
    assert len(os.listdir(one.point / place)) >= 60
    assert inodes(one, counts) == 1
