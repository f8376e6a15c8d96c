"""python3 -m tests.bench.archive [DIRECTORY]: archiving against cp with one fsync per file.

500 records of the corpus, on the disk that DIRECTORY (default: /var/tmp) lies on; both are started
as processes, in turns, and the medians compared. Aim: at most 3 times as long (issue 4).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.records import capture

ROUNDS = 7
RECORDS = 500
#: A peer: each file copied, and synced by itself.
COPY = """
import os, sys
source, target = sys.argv[1:]
os.mkdir(target)
for name in os.listdir(source):
    data = open(f"{source}/{name}", "rb").read()
    file = os.open(f"{target}/{name}", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(file, data)
    os.fsync(file)
    os.close(file)
"""


def fill(folder: Path) -> None:
    """Dumps of several parts each, as ERST holds them."""
    folder.mkdir()
    for name, stored in sorted(capture("erst-lz4-6.1.192-many").enc.items()):
        (folder / name).write_bytes(stored.data)
    left = RECORDS - len(list(folder.iterdir()))
    for name, stored in sorted(capture("efi-zstd-6.1.192").enc.items())[:left]:
        (folder / name).write_bytes(stored.data)
    left = RECORDS - len(list(folder.iterdir()))
    for name, stored in sorted(capture("efi-lz4-6.1.192").enc.items())[:left]:
        other = name.replace("-efi-1", "-efi-2")
        (folder / other).write_bytes(stored.data)
    left = RECORDS - len(list(folder.iterdir()))
    for name, stored in sorted(capture("efi-deflate-6.1.192").enc.items())[:left]:
        other = name.replace("-efi-1", "-efi-3")
        (folder / other).write_bytes(stored.data)


def seconds(*command: str | Path) -> float:
    begin = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    where = sys.argv[1] if len(sys.argv) > 1 else "/var/tmp"  # noqa: S108
    copies, archives = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=where) as folder:
            base = Path(folder)
            fill(base / "store")
            count = len(list((base / "store").iterdir()))
            copies.append(seconds(sys.executable, "-c", COPY, base / "store", base / "copy"))
            command = [sys.executable, "-m", "tests.archive.drive"]
            archives.append(seconds(*command, base / "store", base / "archive"))
            assert not list((base / "store").iterdir())
            dumps = len(list((base / "archive").glob("[!.]*")))
    copy, archive = statistics.median(copies), statistics.median(archives)
    print(f"{count} records, {dumps} dumps, medians of {ROUNDS}:")
    print(f"cp with fsync {copy:.2f} s, archive {archive:.2f} s, {archive / copy:.2f} times")


if __name__ == "__main__":
    main()
