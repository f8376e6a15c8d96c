"""`pstorefs --bundle DUMP FILE`: all there is about one dump in one file, for a bug report.

A tar archive, compressed by gzip, with one directory in it, which is called as the dump is::

    raw/            the records as stored, bit for bit (not with --redact: they may be compressed)
    dmesg.txt, report.txt, summary.json, console.txt, logcat.txt
    machine.json    the machine that reads: kernel, distribution, hardware, how it records crashes
    redacted.txt    with --redact: that raw/ is left out; each stand-in, its kind, how often
    SHA256SUMS      of all of them

The same dump gives the same file, byte for byte, as long as the machine's facts stay the same. The
list of secrets and their stand-ins goes to standard output (unless the bundle does), and is not in
the bundle.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pwd
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from pstorefs import __version__
from pstorefs.archive.layout import SUMS
from pstorefs.archive.stored import Stored
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.view import Listed
from pstorefs.cli.questions import QuestionError, composed, named, opened_catalog, write
from pstorefs.report import files
from pstorefs.report.next_crash import checks
from pstorefs.report.redact import HOST, MACHINE, SERIAL, USER, Secret, listing, redact
from pstorefs.settings.questions import Question
from pstorefs.system.crash_setup import read_setup
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable

MACHINE_FILE = "machine.json"
REDACTED = "redacted.txt"
#: The first line of redacted.txt.
_LEFT_OUT = b"raw/ is left out: records as stored hold what was replaced, and may be compressed.\n"
_SCHEMA = 1
# A dump's text is some ten KiB; this is beyond the largest.
_LONGEST_TEXT = 64 << 20
_HARDWARE = (
    "sys_vendor",
    "product_name",
    "product_version",
    "board_name",
    "bios_version",
    "bios_date",
)
#: Files of /sys/class/dmi/id that name this one machine (root alone may read them).
_SERIALS = (
    "product_serial",
    "board_serial",
    "chassis_serial",
    "board_asset_tag",
    "chassis_asset_tag",
)
_UUIDS = ("product_uuid",)
_FIRST_USER, _NOBODY = 1000, 65534


def run_bundle(question: Question) -> int:
    """Write the bundle; the exit status. Raises `QuestionError`, OSError."""
    name, path = question.arguments
    own, machine = question.settings.default_source, Machine()
    redacting = "--redact" in question.flags
    with opened_catalog(question.settings) as catalog:
        dump = named(catalog, name)
        contents = contents_of(catalog, dump, machine, own=own, raw=not redacting)
    said = ""
    if redacting:
        done = redact(contents, secrets(machine))
        contents = {**done.texts, REDACTED: _LEFT_OUT + listing(done.replaced)}
        said = "".join(f"{r.stand_in}: {printable(r.secret)}\n" for r in done.replaced)
    contents[SUMS] = sums(contents)
    save(path, tarball(f"pstorefs-{dump.name}", contents, (dump.time_ns or 0) // 10**9))
    if path != "-":
        write(f"{printable(path)}: {len(contents)} files\n{said}".encode(errors="replace"))
    return 0


def contents_of(
    catalog: Catalog, dump: Listed, machine: Machine, *, own: bool, raw: bool
) -> dict[str, bytes]:
    """All files of a bundle but the sums."""
    found = dict(_raw(catalog, dump)) if raw else {}
    for file in files.FILES:
        text = composed(catalog, dump, file, own=own)
        if len(text) > _LONGEST_TEXT:
            raise QuestionError(f"{dump.name}/{file}: {len(text)} bytes are too many for a bundle")
        if text or file not in files.OPTIONAL:
            found[file] = text
    found[MACHINE_FILE] = json.dumps(machine_facts(machine), indent=1).encode() + b"\n"
    return found


def _raw(catalog: Catalog, dump: Listed) -> Iterator[tuple[str, bytes]]:
    """The records as stored; a second one of the same name gets ~ and 8 digits of its hash."""
    known = catalog.resolved(dump)
    found: list[tuple[str, str, Callable[[], bytes]]] = []
    if isinstance(known, Stored):
        for each in known.records:
            path, sha256 = each["path"], each["sha256"]
            found.append((each["name"], sha256, partial(catalog.archived_bytes, path, sha256)))
    else:
        found += [(r.file, r.sha256, partial(catalog.stored, r)) for r in known.records]
    names: set[str] = set()
    for name, sha256, read in {row[1]: row for row in found}.values():
        yield f"raw/{name}~{sha256[:8]}" if name in names else f"raw/{name}", read()
        names.add(name)


def machine_facts(machine: Machine) -> dict[str, Any]:
    """The machine that reads, as far as a developer wants to know it. No serial numbers."""
    setup = read_setup(machine)
    release = dict(
        line.partition("=")[::2] for line in machine.read("etc/os-release").splitlines() if line
    )
    known = asdict(setup)
    for names in ("records", "efi_dumps"):
        known[names] = None if known[names] is None else len(known[names])
    return {
        "schema": _SCHEMA,
        "program": f"pstorefs {__version__}",
        "hostname": machine.hostname,
        "kernel": machine.kernel,
        "kernel_version": machine.read("proc/sys/kernel/version") or None,
        "architecture": os.uname().machine,
        "distribution": release.get("PRETTY_NAME", "").strip('"') or None,
        "hardware": {name: machine.read(f"sys/class/dmi/id/{name}") or None for name in _HARDWARE},
        "tainted": machine.read("proc/sys/kernel/tainted") or None,
        "recording": known,
        "checks": [asdict(check) for check in checks(setup)],
    }


def secrets(machine: Machine) -> Iterator[Secret]:
    """What names this machine and its users."""
    if machine.hostname:
        name, _, domain = machine.hostname.partition(".")
        yield Secret(HOST, machine.hostname)
        yield Secret(HOST, name)
        if "." in domain:  # other machines have it, too; `lan` alone is any word
            yield Secret(HOST, domain)
    if machine.machine_id:
        yield Secret(MACHINE, machine.machine_id)
    for kind, names in ((SERIAL, _SERIALS), (MACHINE, _UUIDS)):
        for name in names:
            value = machine.read(f"sys/class/dmi/id/{name}")
            # Firmware without a number says things like "Not Specified" or "0".
            if len(value) > 3 and any(c.isdigit() for c in value):
                yield Secret(kind, value)
    with suppress(KeyError, OSError):
        for user in pwd.getpwall():
            if _FIRST_USER <= user.pw_uid < _NOBODY:
                yield Secret(USER, user.pw_name)


def sums(contents: Mapping[str, bytes]) -> bytes:
    """SHA256SUMS, as sha256sum(1) reads it."""
    return "".join(
        f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents)
    ).encode()


def tarball(top: str, contents: Mapping[str, bytes], seconds: int) -> bytes:
    """A tar.gz with one directory. The same contents give the same bytes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(contents):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode, member.mtime = len(contents[name]), 0o600, max(0, seconds)
            tar.addfile(member, io.BytesIO(contents[name]))
    return buffer.getvalue()


def save(path: str, data: bytes) -> None:
    """Write a new file for its owner alone; nothing half-written stays. `-`: standard output."""
    if path == "-":
        write(data)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise QuestionError(f"{path}: exists already: remove it, or give another name") from None
    except FileNotFoundError:
        raise QuestionError(f"{path}: the directory does not exist: make it first") from None
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise
