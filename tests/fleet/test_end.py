"""A fleet's mount that is gone ends its program, whatever its store does."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.fleet import servers
from tests.fleet.liar import Liar
from tests.mount.conftest import COMMAND, READY_SECONDS, until_mounted

#: Nobody waits for so long, however busy the machine is.
HANGS_SECONDS = 1000


def test_nobody_waits_for_a_store_that_hangs_once_the_mount_is_gone(tmp_path: Path) -> None:
    """A request to a store takes up to 45 s; who asked for it was told by the kernel."""
    point = tmp_path / "point"
    point.mkdir()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with Liar() as liar, servers.Proxy(liar.endpoint) as proxy:
        liar.objects = {"fleet/v1/index/date=2026-11-01/x.json": b""}
        process = subprocess.Popen(
            [*COMMAND, "-f", "-o", f"endpoint={proxy.endpoint}", "s3://b/fleet", point],
            env={**os.environ, **keys, "CACHE_DIRECTORY": str(tmp_path / "cache")},
        )
        assert until_mounted(point, process)
        proxy.delay, before = HANGS_SECONDS, proxy.count
        reader = subprocess.Popen(["ls", point / "days"], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + READY_SECONDS
            while proxy.count == before:
                assert time.monotonic() < end
                time.sleep(0.05)
            # The reader has it open: it stays in the table, dead, until that is gone.
            subprocess.run(["umount", "-f", point], check=False, stderr=subprocess.DEVNULL)
            assert process.wait(30) == 0
        finally:
            process.kill()
            reader.wait(READY_SECONDS)
            subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)
