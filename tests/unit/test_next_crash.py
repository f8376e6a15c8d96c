"""Will the next crash be recorded: each check, the reader on trees like /sys, the command."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pstorefs.cli import check as command
from pstorefs.cli.pstorefs import main
from pstorefs.report import test_crash as tried
from pstorefs.report.next_crash import NO, UNSURE, YES, Check, checks, overall
from pstorefs.settings.options import Settings
from pstorefs.settings.questions import Question
from pstorefs.system.crash_setup import CrashSetup, Ramoops, SystemdPstore, read_setup
from pstorefs.system.machine import Machine

# A machine on which the next crash is recorded, for each store.
EFI = CrashSetup(
    kernel="6.12.1",
    pstore=True,
    backend="efi_pstore",
    efi_firmware=True,
    efi_total=128 << 10,
    efi_free=90 << 10,
    efi_dumps=(),
    kmsg_bytes=10240,
    compress="deflate",
    panic_timeout=0,
    archive_unit=True,
)
ERST = replace(EFI, backend="erst", efi_total=None, efi_free=None, efi_dumps=None)
RAMOOPS = replace(
    ERST,
    backend="ramoops",
    panic_timeout=10,
    ramoops=Ramoops(record_size=65536, slots=8, max_reason=2),
)
BLK = replace(ERST, backend="pstore_blk", blk_max_reason=2)
GOOD = {"efi": EFI, "erst": ERST, "ramoops": RAMOOPS, "blk": BLK}


@pytest.mark.parametrize("setup", GOOD.values(), ids=GOOD)
def test_a_machine_as_it_should_be_answers_yes(setup: CrashSetup) -> None:
    assert [check for check in checks(setup) if check.answer != YES] == []
    assert overall(checks(setup)) == YES


EFI_DUMPS = tuple(f"dump-type0-{part}-1-1700000000-C-guid" for part in range(1, 13))
ERST_NAMES = ("dmesg-erst-6495821019368914945", "dmesg-erst-6495821019368914946.enc.z")

# What is different; the key of the check that notices, its answer, a word that it says.
CASES: list[tuple[str, CrashSetup, str, str, str]] = [
    ("no pstore", CrashSetup(), "backend", NO, "CONFIG_PSTORE"),
    ("no backend, EFI", replace(EFI, backend=""), "backend", NO, "modprobe efi_pstore"),
    (
        "efi_pstore switched off",
        replace(EFI, backend="", efi_disabled=True),
        "backend",
        NO,
        "pstore_disable",
    ),
    (
        "no backend, ERST table",
        replace(EFI, backend="", efi_firmware=False, erst_firmware=True),
        "backend",
        NO,
        "grep -i erst",
    ),
    ("no backend", replace(EFI, backend="", efi_firmware=False), "backend", NO, "ramoops"),
    ("EFI full", replace(EFI, efi_free=5000), "room", NO, "too little"),
    ("EFI nearly full", replace(EFI, efi_free=9000), "room", UNSURE, "nearly full"),
    ("EFI above 80 %", replace(EFI, efi_free=20 << 10), "room", UNSURE, "nearly full"),
    (
        "EFI full of what the kernel does not show",
        replace(EFI, efi_free=5000, efi_dumps=EFI_DUMPS),
        "room",
        NO,
        "pstorefs --archive -o archive=/var/lib/pstorefs /sys/firmware/efi/efivars",
    ),
    (
        "EFI size not told, dumps there",
        replace(EFI, efi_total=None, efi_free=None, efi_dumps=EFI_DUMPS),
        "room",
        UNSURE,
        "12 dump variables",
    ),
    (
        "EFI size not told, no dumps",
        replace(EFI, efi_total=None, efi_free=None),
        "room",
        YES,
        "does not say",
    ),
    ("ERST with records", replace(ERST, records=ERST_NAMES), "room", UNSURE, "2 records"),
    ("store not readable", replace(ERST, records=None), "room", UNSURE, "run as root"),
    (
        "ramoops without slots",
        replace(RAMOOPS, ramoops=Ramoops(0, 0, 2)),
        "room",
        NO,
        "record_size",
    ),
    (
        "ramoops full",
        replace(RAMOOPS, records=tuple(f"dmesg-ramoops-{n}" for n in range(8))),
        "room",
        YES,
        "8 of 8",
    ),
    ("little of the log", replace(EFI, kmsg_bytes=2048), "size", UNSURE, "kmsg_bytes"),
    (
        "small ramoops records",
        replace(RAMOOPS, ramoops=Ramoops(4096, 8, 2), compress=""),
        "size",
        UNSURE,
        "record_size",
    ),
    (
        "small ramoops records, compressed",
        replace(RAMOOPS, ramoops=Ramoops(4096, 8, 2)),
        "size",
        YES,
        "8 KiB",
    ),
    ("log size known", replace(EFI, log_bytes=262144), "size", YES, "10 KiB of the log's 256 KiB"),
    ("panic=0 and RAM", replace(RAMOOPS, panic_timeout=0), "panic", UNSURE, "kernel.panic=10"),
    (
        "panics only",
        replace(RAMOOPS, ramoops=Ramoops(65536, 8, 1)),
        "reasons",
        UNSURE,
        "max_reason=2",
    ),
    ("panics only, blk", replace(BLK, blk_max_reason=1), "reasons", UNSURE, "max_reason=2"),
    (
        "shutdowns fill the store",
        replace(EFI, always_dump=True, archive_unit=False),
        "reasons",
        UNSURE,
        "always_kmsg_dump",
    ),
    ("shutdowns, emptied at boot", replace(EFI, always_dump=True), "reasons", YES, "shutdown"),
    ("kdump first", replace(EFI, kdump_loaded=True), "kdump", UNSURE, "post_notifiers"),
    (
        "kdump after the store",
        replace(EFI, kdump_loaded=True, kdump_last=True),
        "kdump",
        YES,
        "after the store",
    ),
    ("no compression", replace(EFI, compress=""), "compression", YES, "as text"),
    (
        "zstd of an old kernel",
        replace(EFI, kernel="6.1.0-18-amd64", compress="zstd"),
        "compression",
        YES,
        "pstore.compress=deflate",
    ),
    ("zstd of a new kernel", replace(EFI, compress="zstd"), "compression", YES, "uses deflate"),
    (
        "records of another kernel",
        replace(ERST, records=ERST_NAMES),
        "compression",
        YES,
        "1 record of another kernel",
    ),
    (
        "nothing empties a store with records",
        replace(ERST, archive_unit=False, records=ERST_NAMES),
        "emptied",
        UNSURE,
        "pstorefs-archive.service",
    ),
    ("nothing empties it", replace(EFI, archive_unit=False), "emptied", YES, "nothing empties"),
    (
        "systemd-pstore",
        replace(EFI, archive_unit=False, systemd=SystemdPstore(enabled=True)),
        "emptied",
        YES,
        "/var/lib/systemd/pstore",
    ),
    (
        "systemd-pstore copies only",
        replace(
            ERST,
            archive_unit=False,
            records=ERST_NAMES,
            systemd=SystemdPstore(enabled=True, unlink=False),
        ),
        "emptied",
        UNSURE,
        "Unlink=no",
    ),
    (
        "systemd-pstore does nothing",
        replace(EFI, archive_unit=False, systemd=SystemdPstore(enabled=True, storage="none")),
        "emptied",
        YES,
        "Storage=none",
    ),
]


@pytest.mark.parametrize(("_", "setup", "key", "answer", "said"), CASES, ids=[c[0] for c in CASES])
def test_each_check_gives_its_answer_and_says_what_to_do(
    _: str, setup: CrashSetup, key: str, answer: str, said: str
) -> None:
    found = [check for check in checks(setup) if check.key == key and check.answer == answer]
    assert found, checks(setup)
    assert any(said in f"{check.what} {check.to_do}" for check in found), found
    assert all(check.to_do for check in checks(setup) if check.answer != YES)


def test_the_worst_answer_counts() -> None:
    def of(*answers: str) -> str:
        return overall(Check("x", answer, "") for answer in answers)

    assert (of(YES, UNSURE, YES), of(UNSURE, NO, YES), of()) == (UNSURE, NO, YES)


def tree(root: Path, files: Mapping[str, str]) -> Machine:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Machine(str(root))


PARAMETERS = "sys/module"
FILES = {
    f"{PARAMETERS}/pstore/parameters/backend": "ramoops\n",
    f"{PARAMETERS}/pstore/parameters/compress": "zstd\n",
    f"{PARAMETERS}/pstore/parameters/kmsg_bytes": "10240\n",
    f"{PARAMETERS}/ramoops/parameters/mem_size": "1048576\n",
    f"{PARAMETERS}/ramoops/parameters/record_size": "65536\n",
    f"{PARAMETERS}/ramoops/parameters/console_size": "262144\n",
    f"{PARAMETERS}/ramoops/parameters/ftrace_size": "0\n",
    f"{PARAMETERS}/ramoops/parameters/pmsg_size": "65536\n",
    f"{PARAMETERS}/ramoops/parameters/max_reason": "-1\n",
    f"{PARAMETERS}/printk/parameters/always_kmsg_dump": "Y\n",
    f"{PARAMETERS}/kernel/parameters/crash_kexec_post_notifiers": "Y\n",
    "sys/kernel/kexec_crash_loaded": "1\n",
    "proc/sys/kernel/panic": "-1\n",
    "proc/sys/kernel/panic_on_oops": "1\n",
    "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
    "sys/fs/pstore/dmesg-ramoops-0": "",
    "sys/firmware/efi/efivars/dump-type0-1-1-1700000000-C-x": "",
    "sys/firmware/efi/efivars/Boot0000-y": "",
    "etc/systemd/pstore.conf": "[PStore]\n#Storage=none\nUnlink=no\n",
    "etc/systemd/pstore.conf.d/50-site.conf": "[PStore]\nStorage = journal\n",
    "etc/systemd/system/sysinit.target.wants/systemd-pstore.service": "",
}


def test_the_setup_is_read_from_sys_and_proc(tmp_path: Path) -> None:
    blocks = os.statvfs_result((1, 0, 131072, 60000, 50000, 0, 0, 0, 0, 255))
    assert read_setup(tree(tmp_path, FILES), lambda _: blocks) == CrashSetup(
        kernel="6.1.0-18-amd64",
        pstore=True,
        backend="ramoops",
        efi_firmware=True,
        records=("dmesg-ramoops-0",),
        efi_total=131072,
        efi_free=50000,
        efi_dumps=("dump-type0-1-1-1700000000-C-x",),
        ramoops=Ramoops(65536, 11, -1),
        kmsg_bytes=10240,
        compress="zstd",
        panic_timeout=-1,
        panic_on_oops=True,
        always_dump=True,
        kdump_loaded=True,
        kdump_last=True,
        systemd=SystemdPstore(enabled=True, storage="journal", unlink=False),
    )


def test_nothing_is_known_of_an_empty_tree(tmp_path: Path) -> None:
    setup = read_setup(Machine(str(tmp_path)))
    assert setup == CrashSetup(records=None)
    assert [check.answer for check in checks(setup)] == [NO]


@pytest.mark.parametrize("text", ["", "(null)", "x" * 70000, "-", "9" * 30, "\0\xff"])
def test_no_content_of_a_parameter_is_too_strange(text: str, tmp_path: Path) -> None:
    setup = read_setup(tree(tmp_path, dict.fromkeys(FILES, text)))
    assert all(check.what.isprintable() for check in checks(setup))


def test_the_command_answers_for_this_machine(capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["--check", "--json"])
    answer = json.loads(capfd.readouterr().out)
    assert status == {"yes": 0, "unsure": 1, "no": 2}[answer["answer"]]
    assert {"backend", "archive"} <= {check["key"] for check in answer["checks"]}
    assert main(["--check"]) == status
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) >= len(answer["checks"]) + 1
    assert lines[len(answer["checks"])].startswith("The next crash")


ARCHIVES = [
    ("", YES, "will be made"),
    ("mkdir", YES, "has room"),
    ("writable by all", UNSURE, "other users may write there"),
    ("a file", UNSURE, "not a directory"),
    ("no directory above", UNSURE, "the directory above it does not exist"),
]


@pytest.mark.parametrize(("what", "answer", "said"), ARCHIVES, ids=[row[0] for row in ARCHIVES])
def test_the_archive_can_be_written(what: str, answer: str, said: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    if what in ("mkdir", "writable by all"):
        archive.mkdir(mode=0o700)
    if what == "writable by all":
        archive.chmod(0o777)
    if what == "a file":
        archive.touch()
    if what == "no directory above":
        archive = archive / "below"
    found = command.archive_check(Settings(archive=str(archive), archive_volatile=True))
    assert (found.key, found.answer) == ("archive", answer), found
    assert said in found.what
    assert bool(found.to_do) == (answer != YES)


# The archive's place in a mount namespace of its own: whether the archive is made there already.
READ_ONLY = "mount --bind {0} {0} && mount -o remount,bind,ro {0}"
PLACES = [
    ("tmpfs", "mount -t tmpfs none {0}", "is on tmpfs"),
    ("tmpfs, made", "mount -t tmpfs none {0} && mkdir -m 700 {0}/a", "is on tmpfs"),
    ("read only", READ_ONLY, "read-only file system"),
    ("read only, made", "mkdir -m 700 {0}/a && " + READ_ONLY, "read-only file system"),
]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
@pytest.mark.parametrize(("_", "mount", "said"), PLACES, ids=[row[0] for row in PLACES])
def test_where_nothing_would_stay_the_archive_is_not_promised(
    _: str, mount: str, said: str
) -> None:
    # On a disk, whatever the directory for temporary files is on.
    place = tempfile.mkdtemp(prefix="pstorefs-check-", dir="/var/tmp")
    check = f"{sys.executable} -m pstorefs --check --json -o archive={place}/a"
    words = ["unshare", "--mount", "sh", "-c", f"{mount.format(place)} && {check}"]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    finally:
        shutil.rmtree(place)
    (found,) = (each for each in json.loads(done.stdout)["checks"] if each["key"] == "archive")
    assert found["answer"] == UNSURE
    assert said in found["what"]
    assert found["to_do"]


def test_check_takes_no_source_and_crash_no_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "/sys/fs/pstore"]) == 1
    assert "it takes no source" in capfd.readouterr().err
    assert main(["--check", "--crash", "--json"]) == 1


# The test crash, on a tree where sysrq-trigger is a plain file


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(command, "_CRASH_SECONDS", 0)
    files = {"proc/sys/kernel/hostname": "victim\n", "dev/kmsg": "", "proc/sysrq-trigger": ""}
    return tree(tmp_path, {**FILES, **files})


def crash(victim: Machine, tmp_path: Path, *answers: str) -> tuple[int, str]:
    replies = iter(answers)
    settings = Settings(archive=str(tmp_path / "archive"), archive_volatile=True)
    status = command.crash(settings, victim, YES, lambda _: next(replies))
    return status, victim.read("proc/sysrq-trigger")


@pytest.mark.parametrize(
    "answers", [("",), ("another",), ("victim", ""), ("victim", "yes")], ids=" ".join
)
def test_without_both_answers_nothing_is_done(
    answers: tuple[str, ...], victim: Machine, tmp_path: Path
) -> None:
    assert crash(victim, tmp_path, *answers) == (2, "")
    assert not (tmp_path / "archive").exists()
    assert victim.read("dev/kmsg") == ""


def test_a_crash_leaves_a_marker_and_a_line_in_the_log_first(
    victim: Machine, tmp_path: Path
) -> None:
    assert crash(victim, tmp_path, "victim", "crash") == (2, "c")
    marker = tried.read_marker(str(tmp_path / "archive"))
    assert marker is not None
    assert victim.read("dev/kmsg") == marker.line


def test_where_the_answer_is_no_nothing_is_asked(victim: Machine) -> None:
    def ask(_: str) -> str:
        raise AssertionError

    assert command.crash(Settings(), victim, NO, ask) == 2


def test_without_a_terminal_nothing_is_crashed(capfd: pytest.CaptureFixture[str]) -> None:
    command_line = [sys.executable, "-m", "pstorefs", "--check", "--crash"]
    done = subprocess.run(command_line, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 2
    capfd.readouterr()


def test_it_is_asked_on_a_terminal(
    victim: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, below = pty.openpty()
    settings = Settings(archive=str(tmp_path / "archive"), archive_volatile=True)
    with open(below) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        asking = threading.Thread(target=os.write, args=(above, b"victim\nno\n"))
        asking.start()
        assert command.crash(settings, victim, YES) == 2
        asking.join()
    os.close(above)
    assert victim.read("proc/sysrq-trigger") == ""


def question(archive: Path) -> Question:
    return Question("--check", Settings(archive=str(archive), archive_volatile=True))


def found_after(tmp_path: Path, text: bytes | None, boot: str) -> tried.Verdict | None:
    """What is said after the reboot, where the archive holds a dump with this text."""
    marker = tried.Marker("ab" * 16, 1_780_000_000, boot)
    archive = tmp_path / "archive"
    archive.mkdir(mode=0o700)
    descriptor = os.open(archive, os.O_RDONLY)
    tried.write_marker(descriptor, marker)
    os.close(descriptor)
    if text is not None:
        store = tmp_path / "store"
        store.mkdir()
        record = store / "dmesg-efi_pstore-178000006001001"
        record.write_bytes(text)
        options = f"archive={archive},archive_volatile"
        assert main(["--archive", "-o", options, str(store)]) == 0
    return command.last_test(question(archive).settings)


LINE = f"<13>[   99.000000] pstorefs: test crash {'ab' * 16}\n".encode()
PANIC = b"<0>[   99.100000] Kernel panic - not syncing: sysrq triggered crash\n"


def test_after_the_reboot_its_record_is_known_by_the_token(tmp_path: Path) -> None:
    verdict = found_after(tmp_path, b"Panic#1 Part1\n" + LINE + PANIC, "an earlier boot")
    assert verdict is not None
    assert verdict.dump.endswith("-panic-1")
    assert "was recorded" in str(verdict)


@pytest.mark.parametrize("text", [None, b"Panic#1 Part1\n" + PANIC], ids=["nothing", "another"])
def test_a_crash_that_left_no_record_is_said(text: bytes | None, tmp_path: Path) -> None:
    verdict = found_after(tmp_path, text, "an earlier boot")
    assert verdict is not None
    assert str(verdict).startswith("No record of the test crash of 2026-05-28T20:26:40Z was found")


def test_before_the_reboot_it_waits(tmp_path: Path) -> None:
    with open("/proc/sys/kernel/random/boot_id") as file:
        verdict = found_after(tmp_path, None, file.read().strip())
    assert verdict is not None
    assert verdict.waiting


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token": "x", "time": 1, "boot": ""}',
        b'{"token": "' + b"a" * 32 + b'", "time": -1, "boot": ""}',
        b'{"token": "' + b"a" * 32 + b'", "time": "1", "boot": ""}',
        b"[" * 4000,
    ],
)
def test_a_marker_that_was_not_written_so_is_none(text: bytes) -> None:
    assert tried.parse_marker(text) is None
