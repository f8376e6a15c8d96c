"""What needs attention: findings on records, store and machine, each with a way out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pstorefs.catalog.catalog import Catalog
from pstorefs.dump import Dump
from pstorefs.record import reading
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable

_NEARLY_FULL = 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that needs attention: a stable word for programs, what is, and what to do."""

    key: str
    what: str
    way_out: str


def backend(machine: Machine) -> str:
    """The backend that the running kernel has registered; empty: none."""
    name = machine.read("sys/module/pstore/parameters/backend")
    return "" if name == "(null)" else name


def health(machine: Machine, catalog: Catalog, *, own: bool) -> Iterator[Finding]:
    """What needs attention. What concerns the machine is asked only if the records are its own."""
    records = catalog.live()
    foreign = [
        record for record in records if record.name.encoded and record.state == reading.DECODED
    ]
    if foreign and own:
        formats = ", ".join(sorted({record.compression for record in foreign}))
        yield Finding(
            "foreign",
            f"{counted(len(foreign), 'record')} cannot be read by the running kernel:"
            f" an older one compressed them ({formats})",
            "nothing to do: they are shown decoded here",
        )
    for state, key, what, way_out in _STATES:
        count = sum(record.state == state for record in records)
        if count:
            yield Finding(key, f"{counted(count, 'record')} {what}", way_out)
    beheaded = [
        dump
        for dump in catalog.view().newest
        if isinstance(dump, Dump) and dump.missing and dump.missing[0][0] == 1
    ]
    if beheaded:
        yield Finding(
            "newest-missing",
            f"{counted(len(beheaded), 'dump')} without the newest part, which says what happened:"
            f" dumps/{beheaded[-1].name}",
            "look for it where records are moved to; a full store loses it: erase old records",
        )
    if catalog.unreadable:
        path, reason = min(catalog.unreadable.items())
        yield Finding(
            "unreadable",
            f"{counted(len(catalog.unreadable), 'entry', 'entries')} not taken into dumps:"
            f" {printable(path)}: {printable(reason)}",
            "mount as root, if it is the permission; what is no record may be moved away",
        )
    rotten = catalog.rotten()
    if rotten:
        yield Finding(
            "archive-damaged",
            f"{counted(len(rotten), 'record')} in the archive not as saved: {printable(rotten[0])}",
            "restore that dump from a backup; sha256sum -c SHA256SUMS in it tells which file",
        )
    if own:
        for check in (_no_backend, _kdump, _systemd_pstore, _hidden_in_efi, _full):
            yield from check(machine, catalog)


_STATES = (
    (
        reading.SUSPECT,
        "suspect",
        "cannot be what the kernel shows: it decompressed wrongly, and hides the stored bytes",
        "boot once with pstore.compress=none on the kernel command line, and look again",
    ),
    (
        reading.UNDECODABLE,
        "undecodable",
        "in no known format",
        "kept as stored; if another kernel can read it, please report it",
    ),
    (
        reading.SALVAGED,
        "salvaged",
        "cut short or broken, shown as far as possible",
        "look for lines that begin with [pstorefs: ",
    ),
    (
        reading.DAMAGED,
        "damaged",
        "with memory errors beyond correction",
        "read with caution; on ramoops a larger ecc= parameter helps the next time",
    ),
)


def _no_backend(machine: Machine, _: Catalog) -> Iterator[Finding]:
    if not backend(machine):
        yield Finding(
            "no-backend",
            "no backend is registered: the next crash will not be recorded",
            "load one: modprobe efi_pstore, or ramoops with reserved memory;"
            " ERST needs firmware that has it (dmesg | grep -i erst)",
        )


def _kdump(machine: Machine, catalog: Catalog) -> Iterator[Finding]:
    loaded = machine.read("sys/kernel/kexec_crash_loaded") == "1"
    after = machine.read("sys/module/kernel/parameters/crash_kexec_post_notifiers")
    if loaded and after != "Y":
        yield Finding(
            "kdump",
            "kdump is loaded and takes over before a panic is written to the store",
            "boot with crash_kexec_post_notifiers to have both",
        )
    newest = catalog.latest()
    at = (newest.time_ns or 0) / 1e9 if newest else 0
    try:
        with os.scandir(os.path.join(machine.root, "var/crash")) as entries:
            newer = [e.name for e in entries if e.is_dir() and e.stat().st_mtime > at + 1]
    except OSError:
        return
    if newer:
        yield Finding(
            "var-crash",
            f"{counted(len(newer), 'dump')} in /var/crash newer than any record here",
            f"see /var/crash/{printable(max(newer))}",
        )


def _systemd_pstore(machine: Machine, _: Catalog) -> Iterator[Finding]:
    wants = os.path.join(machine.root, "etc/systemd/system/sysinit.target.wants")
    if os.path.lexists(os.path.join(wants, "pstorefs-archive.service")):
        return  # which comes first, and leaves it nothing
    wanted = os.path.join(wants, "systemd-pstore.service")
    config = machine.read("etc/systemd/pstore.conf")
    storage = re.search(r"^\s*Storage\s*=\s*(\S+)", config, re.MULTILINE)
    if os.path.lexists(wanted) and not (storage and storage[1] == "none"):
        yield Finding(
            "systemd-pstore",
            "systemd-pstore is enabled: at each boot it empties the store into"
            " /var/lib/systemd/pstore, undecoded",
            "its records are part of dumps/; to come first: systemctl enable pstorefs-archive;"
            " to stop it: systemctl disable systemd-pstore",
        )


def _hidden_in_efi(machine: Machine, catalog: Catalog) -> Iterator[Finding]:
    try:
        names = os.listdir(os.path.join(machine.root, "sys/firmware/efi/efivars"))
    except OSError:
        return
    stored = sum(name.startswith("dump-type") for name in names)
    listed = sum(record.family == "efi" for record in catalog.live())
    if stored > listed:
        yield Finding(
            "hidden",
            f"{stored - listed} of {stored} dump variables of the firmware are not shown by the"
            " kernel: a record larger than its buffer ends the listing",
            "they are in /sys/firmware/efi/efivars/dump-type*",
        )


def _full(machine: Machine, catalog: Catalog) -> Iterator[Finding]:
    what = "the store is nearly full: the next crash may be lost"
    way_out = "save and clear: echo archive > control, or pstorefs --archive"
    if any(record.family == "efi" for record in catalog.live()):
        try:
            room = os.statvfs(os.path.join(machine.root, "sys/firmware/efi/efivars"))
        except OSError:
            return
        if room.f_blocks and 1 - room.f_bavail / room.f_blocks > _NEARLY_FULL:
            yield Finding("full", what, way_out)
    slots = _ramoops_slots(machine)
    used = sum(i.family == "ramoops" and i.name.type == "dmesg" for i in catalog.live())
    if slots and used / slots > _NEARLY_FULL:
        yield Finding(
            "full",
            f"{used} of {slots} ramoops slots are used: the oldest gets overwritten",
            way_out,
        )


def _ramoops_slots(machine: Machine) -> int:
    """How many dumps ramoops can hold: what its other zones leave of its memory."""

    def parameter(name: str) -> int:
        value = machine.read(f"sys/module/ramoops/parameters/{name}")
        return int(value) if value.isdecimal() else 0

    record = parameter("record_size")
    if not record:
        return 0
    others = sum(parameter(f"{zone}_size") for zone in ("console", "ftrace", "pmsg"))
    return max(0, parameter("mem_size") - others) // record


def counted(number: int, word: str, words: str = "") -> str:
    """A number and its noun."""
    return f"{number} {word if number == 1 else words or word + 's'}"
