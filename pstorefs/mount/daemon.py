"""Mount, in the foreground or in the background: what the command `pstorefs` does.

The order matters (each step was tried): check everything that can be checked (preflight); fork, if
it is to be in the background, *before* trio runs and before any thread exists (background); mount
and answer requests (serve).
"""

from __future__ import annotations

import os
import sys

from pstorefs.mount.assemble import Backing, Records
from pstorefs.mount.background import notify_systemd, serve_in_background
from pstorefs.mount.logs import log_to_terminal
from pstorefs.mount.preflight import check_fuse, check_hidden, free_mountpoint, open_source
from pstorefs.mount.serve import mount_and_serve
from pstorefs.settings.options import Settings


def run(settings: Settings) -> None:
    """Mount and serve until unmounted. Raises `MountError`. In the background, returns at once.

    The caller has switched garbage collection off (`cli.pstorefs`); it is on again once mounted.
    """
    mountpoint = free_mountpoint(settings.mountpoint)
    backing = _backing(settings, mountpoint)
    check_fuse(settings)
    if settings.check_only:
        backing.close()
        return
    if settings.foreground or settings.debug:
        log_to_terminal()
        mount_and_serve(settings, backing, mountpoint, notify_systemd)
        if settings.is_fleet:
            # Threads may still wait for the store, in Rust, which aborts if Python ends first.
            sys.stderr.flush()
            os._exit(0)
    else:
        serve_in_background(settings, backing, mountpoint)


def _backing(settings: Settings, mountpoint: str) -> Backing:
    if settings.is_fleet:
        from pstorefs.mount.fleet import FleetStore

        return FleetStore(settings, mountpoint)
    store = open_source(settings, mountpoint)
    check_hidden(mountpoint, settings.target)
    return Records(settings, store)
