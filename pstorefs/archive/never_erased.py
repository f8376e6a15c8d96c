"""What `archive` and `rm` never erase, whoever asks. `clear NAME` does it all the same."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pstorefs.system import mountinfo

if TYPE_CHECKING:
    from pstorefs.archive.layout import Fact
    from pstorefs.record.record import Record
    from pstorefs.source.directory import OpenDirectory

#: Why a record is not erased, and what to do.
WHY = {
    "suspect": "no header line: the kernel may show less than the store holds; boot once with"
    " pstore.compress=none to get the rest, or force it: clear {name}",
    "log": "the kernel overwrites such logs itself, and erasing one wipes what it is writing;"
    " to erase it anyway: clear {name}",
    "slot": "this kernel has oopsed since boot, and the new record may be in the same slot;"
    " reboot, then archive; or force it: clear {name}",
    "same": "this is the archived copy itself: the archive is mounted within the source",
    "changed": "it, or a record of the same dump, changed while it was archived: archive it again",
    "returned": "the store still has it, although it was erased twice;"
    " pstorefs tries again after the next boot; to try now: clear {name}",
}
#: Logs that the kernel keeps writing, all of one backend.
LOGS = ("console", "pmsg", "ftrace")
# Backends that erase by slot number (fs/pstore/ram.c, zone.c).
_SLOTS = ("ramoops", "pstore_blk")
_OOPS_COUNT = "/sys/kernel/oops_count"  # since Linux 6.2
_TAINTED = "/proc/sys/kernel/tainted"
_TAINT_DIE = 1 << 7
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def forbids(record: Record, fact: Fact | None, *, oopsed: bool, boot: str) -> str:
    """The key of `WHY` that forbids to erase a record; empty if none does."""
    if record.state == "suspect":
        return "suspect"
    if record.name.backend == "ramoops" and record.name.type in LOGS:
        return "log"
    if oopsed and record.family in _SLOTS and record.is_dump:
        return "slot"
    if fact and fact.cleared and boot and fact.again_boot == boot:
        return "returned"
    return ""


def message(why: str, name: str) -> str:
    """The sentence for a key of `WHY`."""
    return WHY[why].format(name=name)


def oopsed_since_boot(store: OpenDirectory) -> bool:
    """Whether this kernel may have written a new record into one of the store's slots.

    A directory with copies of records has no slots. What cannot be told counts as yes.
    """
    kind = mountinfo.kind_of(store.stamp(()).device)
    if kind not in ("", "pstore"):
        return False
    count, taint = _number(_OOPS_COUNT), _number(_TAINTED)
    if count is None and taint is None:
        return True
    return bool(count) or bool((taint or 0) & _TAINT_DIE)


def boot_id() -> str:
    """The kernel's name of this boot; empty if it does not tell."""
    try:
        with open(_BOOT_ID) as file:
            return file.read(64).strip()
    except OSError:
        return ""


def _number(path: str) -> int | None:
    try:
        with open(path) as file:
            return int(file.read(32))
    except (OSError, ValueError):
        return None


def refusal(name: str, error: OSError) -> tuple[int, str]:
    """The errno and a sentence for a store that does not let a record be erased."""
    number = error.errno or errno.EIO
    if number in (errno.EPERM, errno.EACCES):
        if "-nvram-" in name:
            return errno.EPERM, "this store (nvram) lets nothing be erased: new crashes overwrite"
        other = ", or undo chattr +i" if number == errno.EPERM else ""
        return number, f"the store does not let it be erased: run as root{other}"
    if number == errno.EROFS:
        return number, "the store is read-only: remount it (mount -o remount,rw)"
    return number, f"the store failed to erase it: {error.strerror or os.strerror(number)}"
