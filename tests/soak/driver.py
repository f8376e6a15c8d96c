"""python -m tests.soak.driver COUNTS ARGUMENT...: the program `pstorefs`, observed from inside.

It is the product as it is. But on SIGUSR1 it writes to the file COUNTS what it holds, as JSON, and
its caches are small, so that they are full within a minute: what grows after that is a leak. With
SOAK_NO_RESERVE in the environment an archive may fill its disk to the last byte.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pstorefs.archive import policy, shelf
from pstorefs.catalog import bounds
from pstorefs.cli import pstorefs
from pstorefs.record import decoded

if TYPE_CHECKING:
    from pstorefs.mount.fuse import Adapter
    from pstorefs.tree.node import Node

_SMALL = 1 << 20
_FEW = 64
_libc = ctypes.CDLL(None)


def _adapter() -> Adapter | None:
    kind = getattr(sys.modules.get("pstorefs.mount.fuse"), "Adapter", None)
    return next((one for one in gc.get_objects() if type(one) is kind), None)


def _told(node: Node) -> str:
    return f"{type(node).__name__} {getattr(node, 'file', '')}{getattr(node, 'folder', '')}"


def counts() -> dict[str, object]:
    """What the daemon holds, after what nobody holds was thrown away."""
    gc.unfreeze()  # the daemon freezes what it starts with: get_objects would not tell of that
    gc.collect()
    adapter = _adapter()
    found: dict[str, object] = {
        "objects": len(gc.get_objects()),
        "threads": threading.active_count(),
    }
    if adapter is not None:
        nodes = list(adapter.inodes.nodes.values())
        found |= {
            "inodes": len(nodes),
            "lookups": sum(node.lookups for node in nodes),
            "opens": sum(node.opens for node in nodes),
            "handles": len(adapter.handles),
            "listings": len(adapter.listings.open),
        }
        # For the sentence, should there be any at a quiet point.
        found["held"] = [f"{_told(node)} {node.lookups}" for node in nodes[:20]]
        del nodes
    # Else what was freed shows as memory in use, here and there, by chance.
    _libc.malloc_trim(0)
    return found


def main() -> int:
    file, *arguments = sys.argv[1:]
    place = Path(file)

    def dump(*_: object) -> None:
        new = place.with_suffix(".new")
        new.write_text(json.dumps(counts()))
        new.rename(place)

    signal.signal(signal.SIGUSR1, dump)
    # What each thread is doing, should it hang. Kept open: it is written in the signal's handler.
    stacks = place.with_suffix(".stacks").open("w")
    faulthandler.register(signal.SIGUSR2, stacks)
    shelf._RECORDS = _FEW
    bounds.FACTS_KEPT = bounds.STORED_KEPT = _FEW
    bounds.TEXT_BYTES = bounds.MADE_BYTES = _SMALL
    decoded.Decoded.__init__.__defaults__ = (_SMALL,)
    if os.environ.get("SOAK_NO_RESERVE"):
        policy.Policy = functools.partial(policy.Policy, reserve_share=0, reserve_bytes=0)
    return pstorefs.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
