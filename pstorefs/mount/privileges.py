"""What the daemon may do as root once it is mounted: the rest is given up, for good.

=================== ========== ===================================================================
capability          kept       what for
=================== ========== ===================================================================
CAP_SYS_ADMIN       permitted  to unmount at the end: `regain` makes it effective there, and nothing
                               that reads a record runs with it
CAP_DAC_READ_SEARCH effective  in a mount that changes nothing: sources that belong to others
CAP_DAC_OVERRIDE    effective  instead of it where records may be saved or erased: sources and
                               archives in directories that belong to others
all others          no
=================== ========== ===================================================================

The bounding set is emptied and no_new_privs set: what the daemon starts (journalctl, for `status`)
has no capability at all. An ordinary user has nothing to give up, and needs fusermount3, which is
set-uid: so no_new_privs would leave a dead mount behind at SIGTERM, and is left alone there.

Capabilities belong to a thread (capabilities(7)): `drop` is for a process that has one, whose
further threads inherit what is left.
"""

from __future__ import annotations

import errno
import logging
import os

from pstorefs.system import capabilities
from pstorefs.system.capabilities import DAC_OVERRIDE, DAC_READ_SEARCH, SYS_ADMIN

# include/uapi/linux/prctl.h
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24

_log = logging.getLogger("pstorefs")


def drop(*, changes: bool) -> None:
    """Give up what is not needed from here on. `changes`: records may be saved or erased.

    What cannot be given up (an old kernel, a container that forbids the calls) is logged once, and
    the mount goes on.
    """
    if os.geteuid() != 0:
        return
    access = 1 << (DAC_OVERRIDE if changes else DAC_READ_SEARCH)
    failed = []
    for step, call in (
        # Needs CAP_SETPCAP, so it comes first.
        ("the bounding set", _empty_bounding_set),
        ("no_new_privs", capabilities.no_new_privs),
        ("capabilities", lambda: capabilities.limit(access | 1 << SYS_ADMIN, access)),
    ):
        try:
            call()
        except (OSError, AttributeError) as error:
            failed.append(f"{step}: {getattr(error, 'strerror', None) or error}")
    if failed:
        _log.warning("privileges that are not needed cannot be dropped: %s", "; ".join(failed))


def regain() -> None:
    """Make effective what is permitted: to unmount, at the end."""
    if os.geteuid() != 0:
        return
    try:
        permitted = capabilities.sets()[1]
        capabilities.limit(permitted, permitted)
    except (OSError, AttributeError) as error:
        _log.warning("cannot regain the privilege to unmount: %s", error)


def _empty_bounding_set() -> None:
    for capability in range(64):
        try:
            if not capabilities.prctl(_PR_CAPBSET_READ, capability):
                continue
        except OSError as error:
            if error.errno == errno.EINVAL:
                return  # the kernel knows no capability of that number, nor a higher one
            raise
        capabilities.prctl(_PR_CAPBSET_DROP, capability)
