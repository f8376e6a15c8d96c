"""Will the next crash be recorded? One check for each thing that can prevent it. Pure.

Each check looks at a `CrashSetup` and answers yes, unsure or no, with what is so and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.system.crash_setup import CrashSetup
from pstorefs.system.printable import counted, printable

YES, UNSURE, NO = "yes", "unsure", "no"
_WORST = (YES, UNSURE, NO)

# x86 kernels write no variable that would leave less than 5 KiB (EFI_MIN_RESERVE); efivarfs has
# subtracted that already. A dump is up to kmsg_bytes of text, and compresses to half or less.
_EFI_OVERHEAD = 2048
_KMSG_BYTES = 10240
# A panic's report, with the lines before it that explain it.
_REPORT_BYTES = 8192
# Reasons as in linux/kmsg_dump.h: 1 panic, 2 oops.
_PANIC = 1
_NEARLY_FULL = 0.8
_ARCHIVE = "save and clear: pstorefs --archive, or echo archive > control in a mount"
#: Stores that keep what they have, and are full some day. The others overwrite the oldest record.
_FILLS = ("erst", "efi", "efi_pstore")


@dataclass(frozen=True, slots=True)
class Check:
    """One answer. `what` and `to_do` are clauses, fit for a terminal; `to_do` may be empty."""

    key: str
    answer: str
    what: str
    to_do: str = ""


def checks(setup: CrashSetup) -> tuple[Check, ...]:
    """All checks that apply to a setup, in the order of `CHECKS`."""
    if not setup.pstore:
        words = "this kernel has no pstore, or sysfs is not mounted"
        to_do = "use a kernel with CONFIG_PSTORE; in a container, run this on the host"
        return (Check("backend", NO, words, to_do),)
    return tuple(found for check in CHECKS for found in check(setup))


def overall(found: Iterable[Check]) -> str:
    """The answer to the question: the worst of all."""
    return max((check.answer for check in found), key=_WORST.index, default=YES)


def _backend(setup: CrashSetup) -> Iterator[Check]:
    if setup.backend:
        yield Check("backend", YES, f"{printable(setup.backend)} is registered")
        return
    words = "no backend is registered: the next crash will not be recorded"
    if setup.efi_disabled:
        to_do = (
            "efi_pstore is switched off: echo N > /sys/module/efi_pstore/parameters/pstore_disable"
        )
    elif setup.efi_firmware:
        to_do = "modprobe efi_pstore"
    elif setup.erst_firmware:
        to_do = "the firmware has ERST: see dmesg | grep -i erst for why the kernel does not use it"
    else:
        to_do = (
            "reserve memory for ramoops (ramoops.mem_address=, mem_size=, or memmap=),"
            " or give pstore_blk a partition"
        )
    yield Check("backend", NO, words, to_do)


def _room(setup: CrashSetup) -> Iterator[Check]:
    if setup.backend in ("efi", "efi_pstore"):
        yield from _efi_room(setup)
    elif setup.backend == "erst":
        yield _erst_room(setup)
    elif setup.backend == "ramoops" and setup.ramoops:
        yield from _ramoops_room(setup)
    elif setup.backend:
        yield Check("room", YES, "a new record overwrites the oldest one", "")


def _efi_room(setup: CrashSetup) -> Iterator[Check]:
    dumps = "" if setup.efi_dumps is None else f"; {counted(len(setup.efi_dumps), 'dump variable')}"
    if setup.efi_free is None or not setup.efi_total:
        words = f"this kernel does not say how full the EFI variables are{dumps}"
        yield Check("room", UNSURE if setup.efi_dumps else YES, words, _efi_way(setup))
        return
    needed = (setup.kmsg_bytes or _KMSG_BYTES) // 2 + _EFI_OVERHEAD
    words = (
        f"EFI variables: {_kib(setup.efi_free)} of {_kib(setup.efi_total)} may be written{dumps}"
    )
    if setup.efi_free < needed:
        yield Check("room", NO, f"{words}: too little for a dump", _efi_way(setup))
    elif setup.efi_free < 2 * needed or setup.efi_free < (1 - _NEARLY_FULL) * setup.efi_total:
        yield Check("room", UNSURE, f"{words}: nearly full", _efi_way(setup))
    else:
        yield Check("room", YES, words)


def _efi_way(setup: CrashSetup) -> str:
    """How dump variables go, those that the kernel does not show included."""
    shown = sum("-efi" in name for name in setup.records or ())
    if setup.efi_dumps is not None and len(setup.efi_dumps) > shown:
        return (
            "save and clear all, also what the kernel does not show: pstorefs --archive"
            f" -o archive={DEFAULT_ARCHIVE} /sys/firmware/efi/efivars"
        )
    if setup.efi_dumps or shown:
        return _ARCHIVE
    return "the firmware's own settings may free some of its variables"


def _erst_room(setup: CrashSetup) -> Check:
    if setup.records is None:
        return Check("room", UNSURE, "/sys/fs/pstore cannot be read", "run as root")
    if not setup.records:
        return Check("room", YES, "the store is empty")
    held = counted(len(setup.records), "record")
    words = f"{held} in ERST, and the firmware does not say how many fit"
    return Check("room", UNSURE, words, _ARCHIVE)


def _ramoops_room(setup: CrashSetup) -> Iterator[Check]:
    ramoops = setup.ramoops
    if ramoops is None:
        return
    if not ramoops.slots:
        words = "ramoops has no memory for dumps"
        yield Check("room", NO, words, "give ramoops a record_size, and a mem_size that fits it")
        return
    used = sum(name.startswith("dmesg-ramoops") for name in setup.records or ())
    words = f"{used} of {ramoops.slots} ramoops slots are used"
    if used > _NEARLY_FULL * ramoops.slots:
        yield Check("room", YES, f"{words}: a new record overwrites an old one", _ARCHIVE)
    else:
        yield Check("room", YES, words)


def _size(setup: CrashSetup) -> Iterator[Check]:
    if not setup.backend:
        return
    log = f" of the log's {_kib(setup.log_bytes)}" if setup.log_bytes else ""
    kept = setup.kmsg_bytes
    if kept is not None and kept < _REPORT_BYTES:
        words = f"only the last {_kib(kept)}{log} are recorded, less than a long report needs"
        yield Check("size", UNSURE, words, "boot with pstore.kmsg_bytes=65536")
        return
    if setup.backend == "ramoops" and setup.ramoops and setup.ramoops.slots:
        size = setup.ramoops.record_size
        fits = size * (2 if setup.compress else 1)
        if fits < _REPORT_BYTES:
            words = f"a ramoops record holds {_kib(size)}, less than a long report needs"
            yield Check("size", UNSURE, words, "give ramoops record_size=65536 or more")
            return
        kept = min(fits, kept or fits)
    if kept is not None:
        yield Check("size", YES, f"about the last {_kib(kept)}{log} are recorded")


def _panic_timeout(setup: CrashSetup) -> Iterator[Check]:
    if setup.backend != "ramoops" or setup.panic_timeout is None:
        return
    if setup.panic_timeout == 0:
        words = (
            "the store is RAM, and the machine does not reboot after a panic (kernel.panic=0):"
            " switching it off loses the record"
        )
        yield Check("panic", UNSURE, words, "sysctl kernel.panic=10: it reboots, and RAM is kept")
    else:
        yield Check("panic", YES, "the machine reboots after a panic, and RAM keeps the record")


def _reasons(setup: CrashSetup) -> Iterator[Check]:
    ramoops = setup.ramoops.max_reason if setup.ramoops else None
    reasons = {"ramoops": ramoops, "pstore_blk": setup.blk_max_reason}
    highest = reasons.get(setup.backend)
    if highest == _PANIC and not setup.panic_on_oops:
        words = f"{setup.backend} records panics only (max_reason=1), not oopses"
        yield Check("reasons", UNSURE, words, f"load {setup.backend} with max_reason=2")
    if setup.always_dump and setup.backend in _FILLS:
        words = (
            "each shutdown writes a record as well (printk.always_kmsg_dump), and fills the store"
        )
        to_do = "boot without printk.always_kmsg_dump, or archive at each boot"
        yield Check("reasons", YES if setup.archive_unit else UNSURE, words, to_do)


def _kdump(setup: CrashSetup) -> Iterator[Check]:
    if not setup.kdump_loaded:
        return
    if setup.kdump_last:
        yield Check("kdump", YES, "kdump is loaded, and runs after the store is written")
    else:
        words = "kdump is loaded and takes over before a panic is written to the store"
        yield Check("kdump", UNSURE, words, "boot with crash_kexec_post_notifiers to have both")


def _compression(setup: CrashSetup) -> Iterator[Check]:
    if not setup.backend:
        return
    foreign = sum(name.endswith(".enc.z") for name in setup.records or ())
    also = (
        f"; {counted(foreign, 'record')} of another kernel cannot be read by it" if foreign else ""
    )
    show = "pstorefs shows them decoded" if foreign else ""
    if not setup.compress:
        yield Check("compression", YES, f"records are stored as text{also}", show)
        return
    name = printable(setup.compress)
    words = f"records are compressed with {name}"
    release = re.match(r"(\d{1,5})\.(\d{1,5})", setup.kernel or "")
    new = release is not None and (int(release[1]), int(release[2])) >= (6, 6)
    if name == "deflate":
        yield Check("compression", YES, f"{words}, which this kernel reads{also}", show)
    elif new:
        # fs/pstore/platform.c since 6.6 falls back to deflate.
        yield Check(
            "compression",
            YES,
            f"{name} is configured, and this kernel uses deflate instead{also}",
            show,
        )
    else:
        yield Check(
            "compression",
            YES,
            f"{words}, which a kernel from 6.6 on cannot read{also}",
            "pstorefs shows them decoded; for the kernel itself boot with pstore.compress=deflate",
        )


def _emptied(setup: CrashSetup) -> Iterator[Check]:
    if not setup.backend:
        return
    fills = setup.backend in _FILLS
    systemd = setup.systemd
    if setup.archive_unit:
        yield Check("emptied", YES, "pstorefs-archive.service empties the store at each boot")
    elif systemd.enabled and systemd.storage != "none" and systemd.unlink:
        words = "systemd-pstore empties the store at each boot, into /var/lib/systemd/pstore"
        if systemd.storage == "journal":
            words = "systemd-pstore empties the store at each boot, into the journal"
        yield Check("emptied", YES, words)
    else:
        words = "nothing empties the store"
        if systemd.enabled and systemd.storage != "none":
            words = "systemd-pstore copies the store and does not empty it (Unlink=no)"
        elif systemd.enabled:
            words = "systemd-pstore does nothing (Storage=none), and nothing empties the store"
        answer = UNSURE if fills and setup.records else YES
        yield Check("emptied", answer, words, "systemctl enable --now pstorefs-archive.service")


#: Every check. The order is that of the answer.
CHECKS: tuple[Callable[[CrashSetup], Iterator[Check]], ...] = (
    _backend,
    _room,
    _size,
    _panic_timeout,
    _reasons,
    _kdump,
    _compression,
    _emptied,
)


def _kib(size: int) -> str:
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} bytes"
