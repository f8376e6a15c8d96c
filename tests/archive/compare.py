"""python3 -m tests.archive.compare [FILE SYSTEM...]: what a power cut costs, here and elsewhere.

The harness of test_power.py with several programs, all cuts of each, as a table: in how many of the
cuts records were lost, and how many records at worst. For the README; takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.archive import judge, power
from tests.archive.test_power import careless, ours
from tests.records import capture

CAPTURE = "erst-mixed-upgrade"
# As in Debian: binary and default configuration, Storage=external, Unlink=yes.
SYSTEMD = "/lib/systemd/systemd-pstore"


def systemd(store: Path, disk: Path) -> None:
    """systemd-pstore as the service runs it, with our store in its place."""
    target = disk / "archive"
    target.mkdir()
    Path("/var/lib/systemd/pstore").mkdir(parents=True, exist_ok=True)
    script = (
        f"mount --bind '{store}' /sys/fs/pstore &&"
        f" mount --bind '{target}' /var/lib/systemd/pstore && exec {SYSTEMD}"
    )
    subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True, timeout=500)


def ours_syncfs(store: Path, disk: Path) -> None:
    """As with more files than `durable.MANY`."""
    os.environ["SYNCFS"] = "1"
    ours(store, disk)
    del os.environ["SYNCFS"]


PROGRAMS: dict[str, Callable[[Path, Path], None]] = {
    "pstorefs": ours,
    "pstorefs (syncfs)": ours_syncfs,
    "systemd-pstore": systemd,
    "mv": careless,
}


def lost(records: dict[str, bytes], store: Path, archive: Path) -> int:
    """Records that are whole nowhere, wherever and by whatever name a program saves them."""
    left = judge.contents(store)
    anywhere = {
        path.read_bytes()
        for path in archive.rglob("*")
        if path.is_file() and not any(part.startswith(".pstorefs-new-") for part in path.parts)
    }
    return sum(left.get(name) != data and data not in anywhere for name, data in records.items())


def main() -> None:
    print("| file system | program | cuts | cuts with a loss | records lost at worst |")
    print("| --- | --- | --- | --- | --- |")
    for kind in sys.argv[1:] or power.MKFS:
        for name, program in PROGRAMS.items():
            with tempfile.TemporaryDirectory() as folder:
                base = Path(folder)
                records = capture(CAPTURE).write("enc", base / "records")
                before, events = power.record(kind, base, records, program)
                wanted, found = judge.contents(records), power.cuts(events)
                worst = []
                (base / "after").mkdir()
                for cut in found:
                    image, store = power.after(cut, before, records, base)
                    with power.mounted(kind, image, base / "after"):
                        worst.append(lost(wanted, store, base / "after/archive"))
                bad = sum(count > 0 for count in worst)
                line = (kind, name, len(found), bad, f"{max(worst)} of {len(wanted)}")
                print("|", " | ".join(map(str, line)), "|", flush=True)


if __name__ == "__main__":
    main()
