"""How the running kernel and its user space would record a crash: facts read from /sys and /proc.

Every path lies below the machine's root, so that tests can show another machine. What cannot be
read is None or empty. Sources of the facts: fs/pstore/platform.c and ram.c, drivers/firmware/efi/
efi-pstore.c, fs/efivarfs/super.c (statfs gives sizes since Linux 6.7), kernel/panic.c,
Documentation/ABI/testing/pstore, pstore.conf(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pstorefs.system.machine import Machine

EFIVARS = "sys/firmware/efi/efivars"
PSTORE = "sys/fs/pstore"
# Listings of names are cut there: a store has tens of records, the firmware hundreds of variables.
_MOST_NAMES = 100_000
# Read the size of the kernel's log buffer: SYSLOG_ACTION_SIZE_BUFFER, syslog(2).
_SIZE_BUFFER = 10
_WANTS = "etc/systemd/system/sysinit.target.wants"
_CONFIGS = ("etc/systemd/pstore.conf", "run/systemd/pstore.conf", "usr/lib/systemd/pstore.conf")
_CONFIG_FOLDERS = (
    "usr/lib/systemd/pstore.conf.d",
    "run/systemd/pstore.conf.d",
    "etc/systemd/pstore.conf.d",
)
_FALSE = ("no", "false", "off", "0", "n", "f")


@dataclass(frozen=True, slots=True)
class Ramoops:
    """Parameters of ramoops, in bytes; `slots`: the number of dumps it can hold."""

    record_size: int
    slots: int
    max_reason: int | None


@dataclass(frozen=True, slots=True)
class SystemdPstore:
    """Whether systemd-pstore runs at boot, and its settings."""

    enabled: bool = False
    storage: str = "external"
    unlink: bool = True


@dataclass(frozen=True, slots=True)
class CrashSetup:
    """Everything that decides whether the next crash will be recorded. Sizes are in bytes."""

    kernel: str | None = None
    #: Whether the kernel has pstore at all.
    pstore: bool = False
    backend: str = ""
    #: efi_pstore is there, and switched off by its parameter.
    efi_disabled: bool = False
    efi_firmware: bool = False
    erst_firmware: bool = False
    #: Names in /sys/fs/pstore; None: not readable.
    records: tuple[str, ...] | None = ()
    #: EFI variables: size of the store, and how much the kernel lets be written; None: not known.
    efi_total: int | None = None
    efi_free: int | None = None
    #: Names of dump variables in efivarfs; None: no efivarfs, or not readable.
    efi_dumps: tuple[str, ...] | None = None
    ramoops: Ramoops | None = None
    blk_max_reason: int | None = None
    kmsg_bytes: int | None = None
    log_bytes: int | None = None
    compress: str = ""
    panic_timeout: int | None = None
    panic_on_oops: bool = False
    always_dump: bool = False
    kdump_loaded: bool = False
    kdump_last: bool = False
    systemd: SystemdPstore = SystemdPstore()
    archive_unit: bool = False


def read_setup(
    machine: Machine, statvfs: Callable[[str], os.statvfs_result] = os.statvfs
) -> CrashSetup:
    """The setup of a machine. `statvfs` is asked about efivarfs."""

    def flag(path: str) -> bool:
        return machine.read(path) in ("Y", "1")

    modules = "sys/module"
    backend = machine.read(f"{modules}/pstore/parameters/backend")
    total, free = _efi_room(machine, statvfs)
    dumps = _names(machine, EFIVARS)
    return CrashSetup(
        kernel=machine.kernel,
        pstore=_exists(machine, f"{modules}/pstore") or _exists(machine, PSTORE),
        backend="" if backend == "(null)" else backend,
        efi_disabled=flag(f"{modules}/efi_pstore/parameters/pstore_disable"),
        efi_firmware=_exists(machine, "sys/firmware/efi"),
        erst_firmware=_exists(machine, "sys/firmware/acpi/tables/ERST"),
        records=_names(machine, PSTORE),
        efi_total=total,
        efi_free=free,
        efi_dumps=dumps and tuple(name for name in dumps if name.startswith("dump-type")),
        ramoops=_ramoops(machine),
        blk_max_reason=_number(machine, f"{modules}/pstore_blk/parameters/max_reason"),
        kmsg_bytes=_number(machine, f"{modules}/pstore/parameters/kmsg_bytes"),
        log_bytes=_log_bytes() if machine.root == "/" else None,
        compress=_compress(machine),
        panic_timeout=_number(machine, "proc/sys/kernel/panic"),
        panic_on_oops=flag("proc/sys/kernel/panic_on_oops"),
        always_dump=flag(f"{modules}/printk/parameters/always_kmsg_dump"),
        kdump_loaded=flag("sys/kernel/kexec_crash_loaded"),
        kdump_last=flag(f"{modules}/kernel/parameters/crash_kexec_post_notifiers"),
        systemd=_systemd(machine),
        archive_unit=_exists(machine, f"{_WANTS}/pstorefs-archive.service"),
    )


def _exists(machine: Machine, path: str) -> bool:
    return os.path.lexists(os.path.join(machine.root, path))


def _number(machine: Machine, path: str) -> int | None:
    text = machine.read(path)
    return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None


def _names(machine: Machine, path: str) -> tuple[str, ...] | None:
    found: list[str] = []
    try:
        with os.scandir(os.path.join(machine.root, path)) as entries:
            for entry in entries:
                found.append(entry.name)
                if len(found) >= _MOST_NAMES:
                    break
    except OSError:
        return None
    return tuple(sorted(found))


def _efi_room(
    machine: Machine, statvfs: Callable[[str], os.statvfs_result]
) -> tuple[int | None, int | None]:
    try:
        room = statvfs(os.path.join(machine.root, EFIVARS))
    except OSError:
        return None, None
    # Before Linux 6.7 all numbers are 0.
    unit = room.f_frsize or room.f_bsize
    return (room.f_blocks * unit, room.f_bavail * unit) if room.f_blocks else (None, None)


def _ramoops(machine: Machine) -> Ramoops | None:
    """How many dumps ramoops can hold: what its other zones leave of its memory."""
    folder = "sys/module/ramoops/parameters"
    if not _exists(machine, folder):
        return None

    def parameter(name: str) -> int:
        return max(0, _number(machine, f"{folder}/{name}") or 0)

    size = parameter("record_size")
    others = sum(parameter(f"{zone}_size") for zone in ("console", "ftrace", "pmsg"))
    slots = max(0, parameter("mem_size") - others) // size if size else 0
    return Ramoops(size, slots, _number(machine, f"{folder}/max_reason"))


def _compress(machine: Machine) -> str:
    name = machine.read("sys/module/pstore/parameters/compress")
    return "" if name in ("(null)", "none") else name


def _log_bytes() -> int | None:
    import ctypes

    with suppress(OSError, AttributeError):
        size: int = ctypes.CDLL(None).klogctl(_SIZE_BUFFER, None, 0)
        return size if size > 0 else None
    return None


def _systemd(machine: Machine) -> SystemdPstore:
    """pstore.conf(5): the first main file, then all drop-ins by name, the last setting wins."""
    text = next((words for path in _CONFIGS if (words := machine.read(path))), "")
    drop_ins = {
        name: f"{folder}/{name}"
        for folder in _CONFIG_FOLDERS
        for name in _names(machine, folder) or ()
        if name.endswith(".conf")
    }
    for name in sorted(drop_ins):
        text += "\n" + machine.read(drop_ins[name])
    settings = {"Storage": "external", "Unlink": "yes"}
    for key, value in re.findall(r"^[ \t]*(Storage|Unlink)[ \t]*=[ \t]*(\S+)", text, re.MULTILINE):
        settings[key] = value
    return SystemdPstore(
        enabled=_exists(machine, f"{_WANTS}/systemd-pstore.service"),
        storage=settings["Storage"],
        unlink=settings["Unlink"].lower() not in _FALSE,
    )
