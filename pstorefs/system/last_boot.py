"""How the previous boot ended: evidence, each piece with its source.

Read from wtmp and the journal, the kernel's log of this boot (what the firmware and the CPU told
it), watchdogs, kdump's directories and the firmware's event log. What cannot be read is left out:
nothing here raises, and every look is bounded in size and time.

Sources of the facts: utmp(5); sd-journal; /dev/kmsg (Documentation/ABI/testing/dev-kmsg);
drivers/acpi/apei/bert.c; arch/x86/kernel/cpu/mce; Documentation/arch/x86/amd-debugging.rst;
Documentation/watchdog/watchdog-api.rst.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from pstorefs.system import boot_end, firmware_log
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable

#: Kinds of evidence. `NOTE` says something and decides nothing.
WATCHDOG, HARDWARE, POWER, PANIC, VMCORE, NOTE = (
    "watchdog",
    "hardware",
    "power",
    "panic",
    "vmcore",
    "note",
)

_SECONDS = 3
_MOST_BYTES = 4 << 20
_MOST_EVIDENCE = 20
_LONGEST = 200
# Machine checks that are older than this boot are printed while it begins.
_EARLY_SECONDS = 30
_CRASH_FOLDERS = ("var/crash", "var/lib/kdump")
_MOST_ENTRIES = 2000
_EVENT_LOG = "sys/firmware/dmi/entries/15-0/system_event_log"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The statement of one source, fit for a terminal; `time` is Unix time, None: not known."""

    kind: str
    source: str
    says: str
    time: float | None = None


@dataclass(frozen=True, slots=True)
class LastBoot:
    """The facts about the end of the previous boot. Times are Unix times; None: not known."""

    #: When this boot began.
    booted: float | None = None
    #: Whether the boot before was shut down.
    orderly: bool | None = None
    #: When that one began; its last sign of life; where both are written down.
    began: float | None = None
    ended: float | None = None
    source: str = ""
    evidence: tuple[Evidence, ...] = ()
    #: The kernel's last lines of the boot before, as a journal has them.
    kernel_text: bytes = b""


def read_last_boot(machine: Machine) -> LastBoot:
    """Look everywhere. A journal is asked only of the machine that runs."""
    real = machine.root == "/"
    ended = boot_end.from_wtmp(machine)
    if real and not (ended and ended.orderly):
        last = ("-n", str(boot_end.END_ENTRIES))
        journal = boot_end.run("journalctl", "-q", "-b", "-1", *last, "-o", "json")
        ended = boot_end.both(ended, boot_end.parse_journal_end(journal))
    orderly, at, source, began = ended or (None, None, "", None)
    lines, whole = _kernel_log(machine)
    if real and not whole:
        lines = boot_end.parse_journal_kernel(
            boot_end.run("journalctl", "-q", "-k", "-b", "0", "-o", "json", boot_end.FIELDS)
        )
    text = b""
    if real and not orderly:
        text = boot_end.journal_text(
            boot_end.run(
                "journalctl", "-q", "-k", "-b", "-1", "-n", "400", "-o", "json", boot_end.FIELDS
            )
        )
    evidence = (
        *kernel_evidence(lines),
        *_watchdogs(machine),
        *_vmcores(machine),
        *_firmware(machine),
    )
    return LastBoot(
        booted=machine.boot_seconds,
        orderly=orderly,
        began=began,
        ended=at,
        source=source,
        evidence=evidence[:_MOST_EVIDENCE],
        kernel_text=text,
    )


# The kernel's log


def _kernel_log(machine: Machine) -> tuple[list[tuple[float, str]], bool]:
    """(seconds since boot, text) of the kernel's log; whether it still has its beginning."""
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(os.path.join(machine.root, "dev/kmsg"), flags)
    except OSError:
        return [], False
    pieces, size, end = [], 0, time.monotonic() + _SECONDS
    try:
        while size < _MOST_BYTES and time.monotonic() < end:
            try:
                piece = os.read(descriptor, 1 << 16)
            except BrokenPipeError:
                continue  # a line was overwritten before it was read
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
    except OSError:
        pass  # EAGAIN: no more
    finally:
        os.close(descriptor)
    return parse_kmsg(b"".join(pieces))


_KMSG = re.compile(r"(\d{1,10}),(\d{1,20}),(\d{1,20}),[^;\n]{0,200};([^\n]*)")


def parse_kmsg(data: bytes) -> tuple[list[tuple[float, str]], bool]:
    """(seconds since boot, text) of each line, and whether the first line is among them."""
    found, whole = [], False
    for match in map(_KMSG.match, data.decode(errors="replace").split("\n")):
        if match:
            whole = whole or int(match[2]) == 0
            found.append((int(match[3]) / 1e6, match[4]))
    return found, whole


_AMD = re.compile(r"x86/amd: Previous system reset reason \[0x[0-9a-f]{1,8}\]: (.*)")
#: What AMD's CPUs say (FCH::PM::S5_RESET_STATUS), by a part of the kernel's words.
AMD_REASONS = (
    ("watchdog timer expired", WATCHDOG),
    ("sync flood", HARDWARE),
    ("parity error", HARDWARE),
    ("thermal", POWER),
    ("THERMTRIP", POWER),
    ("power button was pressed", POWER),
    ("shutdown pin", POWER),
    ("reset pin BP_SYS_RST_L", POWER),
    ("remote ASF", POWER),
)
_BERT = "BERT: Error records from previous boot"
_SEVERITY = re.compile(r"\[Hardware Error\]: +event severity: (\w{1,20})")
_SECTION = re.compile(r"\[Hardware Error\]: +section[_ ]type: ([^\n]{1,100})")
_MCE = re.compile(
    r"mce: \[Hardware Error\]: CPU (\d{1,6}): Machine Check(?: Exception)?: [0-9a-f]{1,8}"
    r" Bank (\d{1,3}): ([0-9a-f]{1,16})"
)
_UNCORRECTED = 1 << 61
# A BERT block is some tens of lines.
_BLOCK = 200


def kernel_evidence(lines: Iterable[tuple[float, str]]) -> list[Evidence]:
    """The evidence about the previous boot in this boot's log."""
    found: list[Evidence] = []
    bert = 0
    severity = ""
    for seconds, text in lines:
        bert -= 1
        if match := _AMD.search(text):
            kind = next((kind for words, kind in AMD_REASONS if words in match[1]), NOTE)
            found.append(_said(kind, f"CPU's reset reason: {match[1]}"))
        elif _BERT in text:
            bert = _BLOCK
        elif bert > 0 and (match := _SEVERITY.search(text)):
            severity = match[1]
        elif bert > 0 and severity and (match := _SECTION.search(text)):
            kind = HARDWARE if severity == "fatal" else NOTE
            found.append(_said(kind, f"BERT, from the previous boot: {severity}: {match[1]}"))
            severity = ""
        elif seconds < _EARLY_SECONDS and (match := _MCE.search(text)):
            kind = HARDWARE if int(match[3], 16) & _UNCORRECTED else NOTE
            words = (
                f"machine check from the previous boot: CPU {match[1]}, bank {match[2]}, {match[3]}"
            )
            found.append(_said(kind, words))
    return found


def _said(kind: str, words: str) -> Evidence:
    return Evidence(kind, "kernel log", printable(words)[:_LONGEST])


# Watchdogs, kdump, firmware

#: Bits of bootstatus (linux/watchdog.h).
BOOT_STATUS = (
    (0x0020, WATCHDOG, "a watchdog reset the machine"),
    (0x0001, POWER, "reset by overheating"),
    (0x0002, POWER, "reset by a fan's failure"),
    (0x0010, POWER, "reset by low voltage"),
    (0x0040, POWER, "reset by high voltage"),
)


def _watchdogs(machine: Machine) -> Iterator[Evidence]:
    folder = "sys/class/watchdog"
    for name in _listed(machine, folder):
        text = machine.read(f"{folder}/{name}/bootstatus")
        status = int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else 0
        identity = printable(machine.read(f"{folder}/{name}/identity") or name)[:_LONGEST]
        for bit, kind, words in BOOT_STATUS:
            if status & bit:
                yield Evidence(kind, "watchdog", f"{identity}: {words}")


def _vmcores(machine: Machine) -> Iterator[Evidence]:
    """Dumps of kdump: a directory for each (Debian, Fedora, SUSE), `vmcore*` or `dump.*` in it."""
    for folder in _CRASH_FOLDERS:
        for name in _listed(machine, folder):
            for file in _listed(machine, f"{folder}/{name}"):
                if file.startswith(("vmcore", "dump.")):
                    path = f"{folder}/{name}/{file}"
                    with suppress(OSError):
                        status = os.lstat(os.path.join(machine.root, path))
                        if stat.S_ISREG(status.st_mode):
                            yield Evidence(VMCORE, "kdump", printable(f"/{path}"), status.st_mtime)


def _firmware(machine: Machine) -> Iterator[Evidence]:
    offset = machine.read(f"{_EVENT_LOG}/data_start_offset")
    try:
        start = int(offset, 0)
        with open(os.path.join(machine.root, _EVENT_LOG, "raw_event_log"), "rb") as file:
            raw = file.read(1 << 16)
    except (OSError, ValueError):
        return
    for kind, words, at in firmware_log.of_last_reboot(firmware_log.parse(raw, max(0, start))):
        yield Evidence(kind if kind != "shutdown" else NOTE, "firmware event log", words, at)


def _listed(machine: Machine, path: str) -> list[str]:
    found = []
    with suppress(OSError), os.scandir(os.path.join(machine.root, path)) as entries:
        for entry in entries:
            found.append(entry.name)
            if len(found) >= _MOST_ENTRIES:
                break
    return sorted(found)
