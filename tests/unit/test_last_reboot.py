"""Why the machine was booted: the judgement case by case, and each source of evidence."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.report import last_reboot
from pstorefs.report.last_reboot import Crash, journal_evidence, judge
from pstorefs.report.next_crash import NO, YES, Check
from pstorefs.report.status import Reporter
from pstorefs.system import boot_end, firmware_log, last_boot
from pstorefs.system.last_boot import (
    HARDWARE,
    NOTE,
    PANIC,
    POWER,
    VMCORE,
    WATCHDOG,
    Evidence,
    LastBoot,
    kernel_evidence,
    read_last_boot,
)
from pstorefs.system.machine import Machine
from tests.records import capture

BOOTED = 1_780_000_000.0
DIED = BOOTED - 60
CUT = LastBoot(BOOTED, orderly=False, ended=DIED, source="wtmp")
DOWN = replace(CUT, orderly=True)
SILENT = LastBoot(BOOTED)
PANICKED = Crash(DIED, "20260528T202540Z-panic-1", "kernel panic: x")
NO_BACKEND = Check("backend", NO, "no backend is registered", "modprobe efi_pstore")


def said(kind: str, says: str = "it", time: float | None = None) -> Evidence:
    return Evidence(kind, "source", says, time)


def having(boot: LastBoot, *evidence: Evidence) -> LastBoot:
    return replace(boot, evidence=evidence)


# What is known, the newest panic on record, the answer, words of the details.
CASES: list[tuple[str, LastBoot, Crash | None, str, str]] = [
    ("a record of the moment", CUT, PANICKED, last_reboot.RECORDED, "dumps/20260528T202540Z"),
    ("a record, no wtmp", SILENT, PANICKED, last_reboot.RECORDED, "kernel panic: x"),
    (
        "a record beats a watchdog that came after it",
        having(CUT, said(WATCHDOG)),
        PANICKED,
        last_reboot.RECORDED,
        "",
    ),
    (
        "a panic while shutting down",
        DOWN,
        PANICKED._replace(time=DIED + 1),
        last_reboot.RECORDED,
        "",
    ),
    (
        "a panic, a short boot after it, and a shutdown",
        DOWN,
        PANICKED._replace(time=DIED - 90),
        last_reboot.ORDERLY,
        "",
    ),
    (
        "a panic, and a short boot after it that was cut off",
        replace(CUT, began=DIED - 30),
        PANICKED._replace(time=DIED - 50),
        last_reboot.POWER_LOST,
        "why",
    ),
    (
        "a panic early in a short boot",
        replace(CUT, began=DIED - 30),
        PANICKED._replace(time=DIED - 31),
        last_reboot.RECORDED,
        "",
    ),
    ("an old record", CUT, PANICKED._replace(time=DIED - 9000), last_reboot.POWER_LOST, "why"),
    ("a record of the future", CUT, PANICKED._replace(time=BOOTED + 999), "power", ""),
    ("a record without a time", CUT, PANICKED._replace(time=None), last_reboot.POWER_LOST, ""),
    ("an old record, no wtmp", SILENT, PANICKED._replace(time=DIED - 9000), "not known", ""),
    (
        "kdump saved it",
        having(CUT, said(VMCORE, "/var/crash/1/vmcore", BOOTED - 30)),
        None,
        last_reboot.RECORDED,
        "by kdump, /var/crash/1/vmcore",
    ),
    (
        "kdump saved another",
        having(CUT, said(VMCORE, "/var/crash/1/vmcore", BOOTED - 86400)),
        None,
        last_reboot.POWER_LOST,
        "",
    ),
    ("a shutdown", DOWN, None, last_reboot.ORDERLY, "shut down at 2026-05-28T20:25:40Z"),
    (
        "a shutdown, and a CPU that keeps an old reason",
        having(DOWN, said(WATCHDOG), said(POWER)),
        None,
        last_reboot.ORDERLY,
        "",
    ),
    (
        "a panic that the journal holds",
        having(CUT, said(PANIC, "BUG: x"), said(POWER)),
        None,
        last_reboot.NOT_RECORDED,
        "BUG: x (source); what would prevent a record now: no backend is registered",
    ),
    ("a watchdog", having(CUT, said(WATCHDOG)), None, last_reboot.WATCHDOG_RESET, "it (source)"),
    ("a watchdog, no wtmp", having(SILENT, said(WATCHDOG)), None, "watchdog", ""),
    ("a fatal error", having(CUT, said(HARDWARE)), None, last_reboot.HARDWARE_ERROR, "it"),
    ("the reset button", having(CUT, said(POWER)), None, last_reboot.POWER_LOST, "it (source)"),
    ("a note", having(CUT, said(NOTE)), None, last_reboot.POWER_LOST, "no sign of life after"),
    ("nothing but the end", CUT, None, last_reboot.POWER_LOST, "nothing says why"),
    ("nothing at all", LastBoot(), None, last_reboot.NOT_KNOWN, "neither wtmp nor the journal"),
    ("no boot time", replace(CUT, booted=None), PANICKED, last_reboot.POWER_LOST, ""),
]


@pytest.mark.parametrize(
    ("_", "boot", "newest", "answer", "details"), CASES, ids=[case[0] for case in CASES]
)
def test_the_first_answer_that_has_evidence_is_given(
    _: str, boot: LastBoot, newest: Crash | None, answer: str, details: str
) -> None:
    cause = judge(boot, newest, (NO_BACKEND, Check("size", YES, "fine")))
    assert cause.answer.startswith(answer)
    assert details in cause.details
    assert str(cause).isprintable()


def test_where_nothing_prevents_a_record_the_reason_is_not_known() -> None:
    cause = judge(having(CUT, said(PANIC)), None)
    assert "it is not known why there is no record" in cause.details


def test_a_log_without_a_time_is_named_where_nothing_else_is_known() -> None:
    log = Crash(None, "undated-console-ramoops-0-abc", "kernel panic: y")
    assert "ends in kernel panic: y, dumps/undated" in judge(CUT, None, (), log).details
    assert "undated" not in judge(DOWN, None, (), log).details


# The kernel's log. What kernels print, as people have reported it.
RESET = "x86/amd: Previous system reset reason [0x08000800]: "
BERT = "BERT: Error records from previous boot:"
FATAL = [
    BERT,
    "[Hardware Error]: event severity: fatal",
    "[Hardware Error]:  Error 0, type: fatal",
    "[Hardware Error]:   section_type: IA32/X64 processor error",
]
CORRECTED = [
    BERT,
    "[Hardware Error]: It has been corrected by h/w and requires no further action",
    "[Hardware Error]: event severity: corrected",
    "[Hardware Error]:  Error 0, type: corrected",
    "[Hardware Error]:   section type: unknown, 3c1e3f4b-1e1a-43df-af28-59820e958e3c",
]
MCE = "mce: [Hardware Error]: CPU 5: Machine Check: 0 Bank 5: "
KERNEL: list[tuple[str, list[str], list[str]]] = [
    ("nothing", ["Linux version 6.12"], []),
    ("the watchdog", [RESET + "hardware watchdog timer expired"], [WATCHDOG]),
    (
        "data fabric",
        [RESET + "an uncorrected error caused a data fabric sync flood event"],
        [HARDWARE],
    ),
    ("the button", [RESET + "power button was pressed for 4 seconds"], [POWER]),
    ("too hot", [RESET + "thermal pin BP_THERMTRIP_L was tripped"], [POWER]),
    ("an ordinary reboot", [RESET + "software wrote 0x6 to reset control register 0xCF9"], [NOTE]),
    ("BERT, fatal", FATAL, [HARDWARE]),
    ("BERT, corrected", CORRECTED, [NOTE]),
    ("an error of this boot", FATAL[1:], []),
    ("an uncorrected machine check", [MCE + "bea0000000000108"], [HARDWARE]),
    ("a corrected machine check", [MCE + "9c20000000000108"], [NOTE]),
]


@pytest.mark.parametrize(("_", "lines", "kinds"), KERNEL, ids=[row[0] for row in KERNEL])
def test_what_the_kernel_says_of_the_boot_before(
    _: str, lines: list[str], kinds: list[str]
) -> None:
    assert [each.kind for each in kernel_evidence((0.5, line) for line in lines)] == kinds


def test_a_machine_check_of_this_boot_is_no_evidence() -> None:
    assert kernel_evidence([(500.0, MCE + "bea0000000000108")]) == []


def test_the_log_is_whole_if_its_first_line_is_there() -> None:
    first, second = (
        b"6,0,0,-;Linux version\n SUBSYSTEM=x\n",
        b"4,1,1500000,-;second; with ; in it\n",
    )
    assert last_boot.parse_kmsg(first + second) == (
        [(0.0, "Linux version"), (1.5, "second; with ; in it")],
        True,
    )
    assert last_boot.parse_kmsg(second)[1] is False


# The journal


def entry(seconds: float, message: object, priority: int = 4) -> bytes:
    known = {"MESSAGE": message, "_SOURCE_MONOTONIC_TIMESTAMP": str(int(seconds * 1e6))}
    return json.dumps({**known, "PRIORITY": str(priority)}).encode() + b"\n"


def journal_of(text: bytes) -> bytes:
    """A crash as a journal would hold it: one entry a line."""
    lines = []
    for line in text.decode().splitlines():
        level, _, rest = line[1:].partition(">[")
        time, _, message = rest.partition("] ")
        lines.append(entry(float(time), message, int(level)))
    return b"".join(lines)


def crash_text() -> bytes:
    files = capture("erst-none-6.1.192-deb12").enc
    return files["dmesg-erst-7638942959089483777"].data.partition(b"\n")[2]


def test_a_panic_that_the_journal_caught_is_evidence() -> None:
    text = boot_end.journal_text(journal_of(crash_text()))
    assert [(each.kind, each.says) for each in journal_evidence(text)] == [
        (PANIC, "kernel panic: sysrq triggered crash")
    ]


def test_a_crash_long_before_the_end_is_not_the_end() -> None:
    text = boot_end.journal_text(journal_of(crash_text()) + entry(9999, "all is well"))
    assert journal_evidence(text) == []


@pytest.mark.parametrize("text", [b"", b"<6>[    1.000000] all is well\n", b"\xff\0\n"])
def test_a_quiet_journal_says_nothing(text: bytes) -> None:
    assert journal_evidence(text) == []


# The last messages of a boot, each with its user, as guests of Debian 12 wrote them.
END = 1_780_000_000
ENDS: list[tuple[str, list[tuple[object, str | None]], bool]] = [
    ("shut down", [("Shutting down.", "0"), ("Journal stopped", "0")], True),
    ("cut off", [("Started session-1.scope - Session 1 of User root.", "0")], False),
    (
        "journald left a /var of its own",
        [
            (
                "Stopping systemd-journal-flush.service - Flush Journal to Persistent Storage...",
                "0",
            ),
            ("Unmounting var-log.mount - /var/log...", "0"),
        ],
        True,
    ),
    ("the kernel's come last", [("Shutting down.", "0"), ("reboot: Restarting", None)], True),
    ("a user says so", [("Journal stopped", "1000")], False),
    ("no text", [(None, "0"), ([1, 2], "0")], False),
]


@pytest.mark.parametrize(("_", "messages", "orderly"), ENDS, ids=[row[0] for row in ENDS])
def test_the_end_of_a_journal_says_whether_it_was_a_shutdown(
    _: str, messages: list[tuple[object, str | None]], orderly: bool
) -> None:
    rows = [
        {
            "MESSAGE": message,
            "__REALTIME_TIMESTAMP": f"{END + at}000000",
            "__MONOTONIC_TIMESTAMP": f"{90 + at}000000",
        }
        | ({} if user is None else {"_UID": user})
        for at, (message, user) in enumerate(messages)
    ]
    output = "\n".join(map(json.dumps, rows)).encode()
    end = boot_end.End(orderly, END + len(rows) - 1, "journal", began=END - 90)
    assert boot_end.parse_journal_end(output) == end


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"__REALTIME_TIMESTAMP": []}', b"\xff"])
def test_what_is_no_journal_is_no_end(line: bytes) -> None:
    assert boot_end.parse_journal_end(line) is None
    assert boot_end.journal_text(line + b"\n" + entry(1, [1, 2])) == b"" or line == b"{}"


End = boot_end.End
BOTH: list[tuple[End | None, End | None, End | None]] = [
    (None, None, None),
    (End(False, 1.0, "wtmp"), None, End(False, 1.0, "wtmp")),
    (None, End(True, 2.0, "journal"), End(True, 2.0, "journal")),
    (End(False, 1.0, "wtmp"), End(False, 2.0, "journal"), End(False, 2.0, "wtmp and journal")),
    (End(False, 1.0, "wtmp"), End(True, 2.0, "journal"), End(True, 2.0, "journal")),
    (End(True, 3.0, "wtmp"), End(False, 2.0, "journal"), End(True, 3.0, "wtmp")),
    # The journal knows the clock as it was set later
    (End(True, 3.0, "wtmp", 0.5), End(False, 2.0, "journal", 0.7), End(True, 3.0, "wtmp", 0.7)),
    (End(True, 3.0, "wtmp", 0.5), End(False, 2.0, "journal"), End(True, 3.0, "wtmp", 0.5)),
]


@pytest.mark.parametrize(("wtmp", "journal", "said"), BOTH)
def test_the_later_sign_of_life_counts_and_a_shutdown_that_one_saw(
    wtmp: End | None, journal: End | None, said: End | None
) -> None:
    assert boot_end.both(wtmp, journal) == said


# wtmp

UTMP = struct.Struct("<h 2x i 32s 4s 32s 256s 4x i i i 16s 20x")


def utmp(kind: int, user: bytes, seconds: int) -> bytes:
    return UTMP.pack(kind, 0, b"", b"", user, b"", 0, seconds, 0, b"")


BOOT, LOGIN, SHUTDOWN = (2, b"reboot"), (7, b"root"), (1, b"shutdown")
WTMP = [
    ("shut down", [BOOT, LOGIN, SHUTDOWN, BOOT], End(True, 1002.0, "wtmp", 1000.0)),
    ("cut off", [BOOT, LOGIN, BOOT], End(False, 1001.0, "wtmp", 1000.0)),
    ("cut off, then used", [BOOT, LOGIN, BOOT, LOGIN], End(False, 1001.0, "wtmp", 1000.0)),
    ("its beginning is lost", [LOGIN, BOOT], End(False, 1000.0, "wtmp")),
    ("the third boot", [BOOT, BOOT, BOOT], End(False, 1001.0, "wtmp", 1001.0)),
    ("the first boot", [BOOT, LOGIN], None),
    ("empty", [], None),
]


@pytest.mark.parametrize(("_", "entries", "end"), WTMP, ids=[row[0] for row in WTMP])
def test_the_end_of_the_boot_before_is_found_in_wtmp(
    _: str, entries: list[tuple[int, bytes]], end: End | None
) -> None:
    data = b"".join(utmp(kind, user, 1000 + at) for at, (kind, user) in enumerate(entries))
    assert boot_end.parse_wtmp(data + b"rest") == end


# This boot is at 1002 by its btime: what wtmp and utmp say of it, and whether wtmp is believed.
KNOWN_BOOTS = [
    ("the same in utmp, whatever the clock says", [1000, 9000], [9000], True),
    ("wtmp was left behind", [1000, 1500], [9000], False),
    ("no utmp, the clock agrees", [1000, 1200], [], True),
    ("no utmp, the clock does not agree", [100, 500], [], False),
]


@pytest.mark.parametrize(
    ("_", "boots", "now", "believed"), KNOWN_BOOTS, ids=[row[0] for row in KNOWN_BOOTS]
)
def test_a_wtmp_that_does_not_know_this_boot_is_not_believed(
    _: str, boots: list[int], now: list[int], believed: bool, tmp_path: Path
) -> None:
    files = {
        "proc/stat": b"btime 1002\n",
        "var/log/wtmp": b"".join(utmp(*BOOT, at) for at in boots),
        "run/utmp": b"".join(utmp(*BOOT, at) for at in now),
    }
    end = boot_end.from_wtmp(tree(tmp_path, files))
    assert end == (End(False, boots[0], "wtmp", boots[0]) if believed else None)


# The firmware's log


def event(kind: int, data: bytes = b"", bcd: str = "260528202540") -> bytes:
    return bytes([kind, 8 + len(data)]) + bytes.fromhex(bcd) + data


BEGIN = event(firmware_log.BOOT)
FIRMWARE: list[tuple[str, bytes, list[tuple[str, str]]]] = [
    (
        "a panic that gsmi noted",
        BEGIN + event(0x81, b"\2\0\0\0") + BEGIN,
        [("panic", "kernel panic")],
    ),
    ("a panic of another boot", BEGIN + event(0x81, b"\2\0\0\0") + BEGIN + BEGIN, []),
    ("a watchdog", BEGIN + BEGIN + event(0x9C), [("watchdog", "TCO watchdog reset")]),
    ("power", BEGIN + event(0x92), [("power", "power failure")]),
    (
        "what is read already",
        BEGIN + bytes([0x92, 0x88]) + event(0x92)[2:],
        [("power", "power failure")],
    ),
    ("the end of the log", BEGIN + b"\xff" + event(0x92), []),
    ("a length of nothing", BEGIN + b"\x92\0" + bytes(20), []),
    ("cut short", BEGIN + event(0x92)[:-1], []),
    ("no boot", event(0x92), []),
]


@pytest.mark.parametrize(("_", "raw", "found"), FIRMWARE, ids=[row[0] for row in FIRMWARE])
def test_the_firmwares_log_is_read_up_to_what_is_no_entry(
    _: str, raw: bytes, found: list[tuple[str, str]]
) -> None:
    events = firmware_log.parse(b"head" + raw, 4)
    assert [each[:2] for each in firmware_log.of_last_reboot(events)] == found


@pytest.mark.parametrize(
    ("bcd", "time"),
    [("260528202540", 1_779_999_940.0), ("ff0000000000", None), ("261399000000", None)],
)
def test_the_firmwares_time_is_a_date_in_bcd_or_not_known(bcd: str, time: float | None) -> None:
    assert firmware_log.parse(event(0x92, bcd=bcd), 0)[0].time == time


# All of it, on a tree like a machine's


def tree(root: Path, files: Mapping[str, bytes]) -> Machine:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return Machine(str(root))


LOG = "sys/firmware/dmi/entries/15-0/system_event_log"
FILES = {
    "proc/stat": f"btime {int(BOOTED)}\n".encode(),
    "var/log/wtmp": utmp(*BOOT, int(DIED) - 500)
    + utmp(*LOGIN, int(DIED))
    + utmp(*BOOT, int(BOOTED)),
    "dev/kmsg": f"6,0,0,-;Linux\n6,1,9,-;{RESET}hardware watchdog timer expired\n".encode(),
    "sys/class/watchdog/watchdog0/bootstatus": b"32\n",
    "sys/class/watchdog/watchdog0/identity": b"iTCO_wdt\n",
    "sys/class/watchdog/watchdog1/bootstatus": b"0\n",
    "var/crash/202605282025/dump.202605282025": b"",
    "var/crash/kexec_cmd": b"",
    f"{LOG}/data_start_offset": b"0x0\n",
    f"{LOG}/raw_event_log": BEGIN + event(0x98) + b"\xff" * 100,
}


def test_each_piece_of_evidence_is_read_and_has_its_source(tmp_path: Path) -> None:
    machine = tree(tmp_path, FILES)
    os.utime(tmp_path / "var/crash/202605282025/dump.202605282025", (BOOTED, BOOTED))
    boot = read_last_boot(machine)
    assert (boot.booted, boot.orderly, boot.ended, boot.source) == (BOOTED, False, DIED, "wtmp")
    assert [(each.kind, each.source) for each in boot.evidence] == [
        (WATCHDOG, "kernel log"),
        (WATCHDOG, "watchdog"),
        (VMCORE, "kdump"),
        (POWER, "firmware event log"),
    ]
    assert judge(boot, None).details == "by kdump, /var/crash/202605282025/dump.202605282025"


@pytest.mark.parametrize("content", [b"", b"\xff" * 5000, b"9" * 100, b"\n" * 3, b"6,0,0,-;"])
def test_no_content_is_too_strange(content: bytes, tmp_path: Path) -> None:
    cause = judge(read_last_boot(tree(tmp_path, dict.fromkeys(FILES, content))), None)
    assert str(cause).isprintable()


def test_a_fifo_in_the_place_of_a_log_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev" / "kmsg")
    assert read_last_boot(Machine(str(tmp_path))).evidence == ()


def test_status_says_why_without_any_record(tmp_path: Path) -> None:
    machine = tree(tmp_path, {path: data for path, data in FILES.items() if "crash" not in path})
    reporter = Reporter(Catalog([]), "/sys/fs/pstore", machine, own=True)
    assert reporter.text().decode().splitlines()[:6] == [
        "No crash on record.",
        (
            "Last reboot, 2026-05-28T20:26:40Z: watchdog:"
            " CPU's reset reason: hardware watchdog timer expired (kernel log)."
        ),
        "  wtmp, 2026-05-28T20:25:40Z: no shutdown: the previous boot ended abruptly",
        "  kernel log: CPU's reset reason: hardware watchdog timer expired",
        "  watchdog: iTCO_wdt: a watchdog reset the machine",
        "  firmware event log, 2026-05-28T20:25:40Z: power button held",
    ]
    known = json.loads(reporter.json())
    assert known["reboot_cause"]["answer"] == "watchdog"
    assert len(known["reboot_cause"]["evidence"]) == 4


def test_this_machine_answers_in_time() -> None:
    assert judge(read_last_boot(Machine()), None).answer
