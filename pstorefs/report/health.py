"""What needs attention: findings on records, store and machine, each with what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pstorefs.archive.directory import obstacle
from pstorefs.archive.layout import facts_in
from pstorefs.archive.policy import Policy
from pstorefs.catalog.catalog import Catalog
from pstorefs.dump import Dump
from pstorefs.record import reading
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.report.next_crash import YES, checks
from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.crash_setup import read_setup
from pstorefs.system.machine import Machine
from pstorefs.system.printable import counted, printable


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that needs attention: a stable word for programs, the problem, and what to do."""

    key: str
    what: str
    way_out: str


def backend(machine: Machine) -> str:
    """The backend that the running kernel has registered; empty: none."""
    name = machine.read("sys/module/pstore/parameters/backend")
    return "" if name == "(null)" else name


def health(machine: Machine, catalog: Catalog, *, own: bool) -> Iterator[Finding]:
    """What needs attention. The machine itself is checked only if the records are its own."""
    records = catalog.live()
    foreign = [
        record for record in records if record.name.encoded and record.state == reading.DECODED
    ]
    if foreign and own:
        formats = ", ".join(sorted({record.compression for record in foreign}))
        yield Finding(
            "foreign",
            f"{counted(len(foreign), 'record')} cannot be read by the running kernel:"
            f" another one compressed them ({formats})",
            "nothing to do: they are shown decoded here",
        )
    for state, key, what, way_out in _STATES:
        count = sum(record.state == state for record in records)
        if count:
            yield Finding(key, f"{counted(count, 'record')} {what}", way_out)
    yield from _newest_missing(catalog)
    yield from _unreadable(catalog)
    rotten = catalog.rotten()
    if rotten:
        yield Finding(
            "archive-damaged",
            f"{counted(len(rotten), 'record')} in the archive not as saved: {printable(rotten[0])}",
            "restore that dump from a backup; sha256sum -c SHA256SUMS in it says which file",
        )
    if own:
        for check in (_next_crash, _systemd_pstore, _hidden_in_efi):
            yield from check(machine, catalog)


def _unreadable(catalog: Catalog) -> Iterator[Finding]:
    unreadable = dict(catalog.unreadable)
    for kind in catalog.silent:
        yield Finding(
            "no-answer",
            f"{kind}: {printable(unreadable.pop(kind, 'it does not answer'))}:"
            " what is known of it may be old",
            "see to the server or the disk that it is on; it is asked again by itself",
        )
    if unreadable:
        path, reason = min(unreadable.items())
        yield Finding(
            "unreadable",
            f"{counted(len(unreadable), 'entry', 'entries')} not taken into dumps:"
            f" {printable(path)}: {printable(reason)}",
            "if permission is denied, mount as root; files that are not records can be moved away",
        )


def _newest_missing(catalog: Catalog) -> Iterator[Finding]:
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
            "look where records are moved to; a full store loses parts: erase old records",
        )


_STATES = (
    (
        reading.SUSPECT,
        "suspect",
        "decompressed wrongly by the kernel, which hides the stored bytes",
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
        "with uncorrectable memory errors",
        "read with caution; on ramoops a larger ecc= parameter helps the next time",
    ),
)


#: Findings have had these words before there were checks.
_KEYS = {"backend": "no-backend", "room": "full"}


def _next_crash(machine: Machine, _: Catalog) -> Iterator[Finding]:
    for check in checks(read_setup(machine)):
        if check.answer != YES:
            yield Finding(_KEYS.get(check.key, check.key), check.what, check.to_do)


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
            "dumps/ shows its records; to archive before it: systemctl enable pstorefs-archive;"
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
            "pstorefs --list /sys/firmware/efi/efivars shows them; to save and clear them:"
            f" pstorefs --archive -o archive={DEFAULT_ARCHIVE} /sys/firmware/efi/efivars",
        )


def not_archiving(
    catalog: Catalog, store: OpenDirectory, archive: str, policy: Policy
) -> list[Finding]:
    """What to say of an archive that would take nothing: else nobody learns before it is needed."""
    if ARCHIVE in catalog.silent:  # it does not answer, and that is said already
        return []
    error = obstacle(archive, store, policy)
    if error is None:
        return []
    what, _, way_out = str(error.strerror).rpartition(": ")
    return [Finding("archive", f"nothing can be archived: {printable(what)}", printable(way_out))]


def returned(catalog: Catalog, archive: str) -> list[Finding]:
    """The finding about records that came back although they were cleared."""
    dumps = catalog.dumps().values()
    if ARCHIVE in catalog.silent:
        return []
    found = 0
    store = OpenDirectory(archive, optional=True)
    try:
        for dump in dumps:
            live = {record.sha256 for record in dump.records if record.place == STORE}
            folders = {
                record.path.split("/")[0] for record in dump.records if record.place == ARCHIVE
            }
            for folder in folders if live else ():
                facts = facts_in(store, folder).values()
                found += sum(fact.sha256 in live and fact.cleared > 0 for fact in facts)
    finally:
        store.close()
    if not found:
        return []
    return [
        Finding(
            "returned",
            f"{counted(found, 'record')} came back although cleared: the firmware kept them",
            "they are safe in the archive, and are cleared again once in each boot;"
            " if the store fills up, look for a firmware setting or update",
        )
    ]
