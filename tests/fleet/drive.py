"""Ship an archive to a spool: python3 -m tests.fleet.drive ARCHIVE DISK [MARKS].

DISK/spool is the store, DISK/state has the receipts. As soon as a dump is said to be shipped, the
file of its name is removed from MARKS: whoever watches that knows the moment. The exit status is
that of --ship.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from pstorefs.fleet import receipts, ship
from pstorefs.fleet.machine import Identity, app_specific
from pstorefs.fleet.spool import Spool
from pstorefs.settings.ship import Ship
from tests.fleet.site import AT_ONCE


def run(archive: str, disk: str, marks: str = "") -> list[ship.Result]:
    settings = Ship()
    settings.url = (
        "file:///spool"  # receipts are kept by name: the same wherever the disk is mounted
    )
    folder = receipts.make_receipts(f"{disk}/state", settings.store_name)
    there = os.open(archive, os.O_RDONLY | os.O_DIRECTORY)

    def told(result: ship.Result) -> None:
        if marks and result.result == ship.SHIPPED:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(marks, result.dump))

    try:
        identity = Identity(app_specific("0" * 31 + "1"), "")
        sender = ship.Sender(
            settings, identity, Spool(f"{disk}/spool"), there, folder, AT_ONCE, told
        )
        waiting = receipts.pending(there, folder)
        receipts.forget(folder, set(os.listdir(there)))
        return ship.run(sender, waiting) if waiting else []
    finally:
        os.close(folder)
        os.close(there)


if __name__ == "__main__":
    sys.exit(ship.status(run(*sys.argv[1:])))
