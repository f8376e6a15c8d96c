"""python3 -m tests.archive.drive SOURCE ARCHIVE [NAME...]: one `archive` command, as a process.

For harnesses that kill it, fail its system calls or cut its power. Prints one line per record. With
SAVED=FILE in the environment a line in FILE says which dumps were announced.
Exit status: 0, or the errno of the command. With SYNCFS=1 in the environment syncfs(2) takes the
place of fsync(2) for few files as it does for many; with BATCHES=1 each dump, or boot, is a batch;
with FILES=1 the files beside the records are those that the program itself makes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from pstorefs.archive import batches, durable, relatives
from pstorefs.archive.engine import archive
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.outcome import Outcome, first_error
from pstorefs.archive.policy import Policy
from pstorefs.dump import Dump, Record
from pstorefs.dump.joining import join
from pstorefs.record.record import ARCHIVE
from pstorefs.report.files import composer
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine


def compose(
    dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
) -> Mapping[str, bytes]:
    """As little as there can be, but for the records: all of them."""
    if os.environ.get("FILES"):
        return composer(Machine("/nonexistent"), own=False)(dump, read, siblings)
    paths = sorted(record.path for record in dump.records if record.place == ARCHIVE)
    saved = "".join(f"{path}\n" for path in paths)
    return {"dmesg.txt": join(dump, read), "summary.json": b"{}\n", "report.txt": saved.encode()}


def announce(dump: Dump, summary: bytes) -> None:
    """A line in the file that the environment names, if it names one."""
    del summary
    path = os.environ.get("SAVED")
    if path:
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, f"{dump.name}\n".encode())
        os.close(log)


#: For small disks, and for tmpfs.
POLICY = Policy(volatile=True, compose=compose, on_saved=announce, reserve_share=0, reserve_bytes=0)


def run(source: str, target: str, names: list[str] | None = None) -> list[Outcome]:
    store = OpenDirectory(source)
    try:
        return archive(store, target, names, POLICY)
    finally:
        store.close()


def main() -> int:
    source, target, *names = sys.argv[1:]
    if os.environ.get("SYNCFS"):
        durable.MANY = 0
    if os.environ.get("BATCHES"):
        batches._BATCH_BYTES, relatives._CUT = 1, 1 << 40
    try:
        outcomes = run(source, target, names or None)
    except ArchiveError as error:
        print(f"{error.strerror}")
        return error.errno or 1
    for outcome in outcomes:
        print(outcome)
    return first_error(outcomes, named=bool(names))


if __name__ == "__main__":
    sys.exit(main())
