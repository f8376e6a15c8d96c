"""rclone: a store that ignores conditions (`rclone serve s3`), and a client of any store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.fleet.servers import ALL, BUCKET, DROP, free_ports, served

RCLONE = Path(sys.executable).parent / "rclone"


@contextmanager
def overwriting(base: Path) -> Iterator[str]:
    """The endpoint of a store that takes ``If-None-Match: *``, answers 200 and overwrites."""
    (base / "data" / BUCKET).mkdir(parents=True)
    (port,) = free_ports(1)
    words = [
        *(RCLONE, "serve", "s3", "--config=/dev/null", "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", ",".join(ALL), "--auth-key", ",".join(DROP), base / "data"),
    ]
    with served(words, port, base):
        yield f"http://127.0.0.1:{port}"


def environment(endpoint: str) -> Mapping[str, str]:
    """What makes a server at `endpoint` the remote ``store:`` of rclone."""
    about = {
        "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": endpoint, "FORCE_PATH_STYLE": "true",
        "ACCESS_KEY_ID": ALL[0], "SECRET_ACCESS_KEY": ALL[1],
    }  # fmt: skip
    named = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in about.items()}
    return {**os.environ, "RCLONE_CONFIG": "/dev/null", **named}


def run(endpoint: str, *words: str) -> str:
    """What a command of rclone prints."""
    done = subprocess.run(
        [RCLONE, *words], env=environment(endpoint),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
