"""A log without a header that ends in a crash: the only witness is kept, and said to be one."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from pstorefs.archive.engine import archive
from pstorefs.archive.outcome import Outcome, first_error
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.dump import group, latest
from pstorefs.oops import parse_dump
from pstorefs.record.record import STORE
from pstorefs.report import status
from pstorefs.report.files import composer
from pstorefs.report.summary_json import title_of
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from tests.archive import drive, judge
from tests.made import record_of
from tests.records import capture

OOPS = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    "Oops: 0000 [#1] SMP\nCPU: 1 PID: 42 Comm: a Not tainted 6.1.5 #7\n"
    "RIP: 0010:culprit+0x5/0x20\nCall Trace:\n caller+0x10/0x20\n---[ end trace 0 ]---\n"
)
PANIC = OOPS + "Kernel panic - not syncing: Fatal exception\nKernel Offset: disabled\n"
ORDERLY = "systemd-shutdown[1]: Rebooting.\nreboot: Restarting system\n"
POLICY = drive.POLICY._replace(compose=composer(Machine(), own=False))
TITLE = "BUG: unable to handle kernel NULL pointer dereference in culprit"


def log(text: str) -> bytes:
    lines = [f"line {number}" for number in range(100)] + text.splitlines()
    return "".join(f"[{n / 10:12.6f}] {line}\n" for n, line in enumerate(lines)).encode()


def run(base: Path, files: dict[str, bytes]) -> dict[str, Outcome]:
    source = base / "store"
    source.mkdir(exist_ok=True)
    for name, data in files.items():
        (source / name).write_bytes(data)
    store = OpenDirectory(str(source))
    try:
        outcomes = archive(store, str(base / "archive"), None, POLICY)
    finally:
        store.close()
    return {outcome.record: outcome for outcome in outcomes}


@pytest.mark.parametrize("file", ["console-ramoops-0", "pmsg-ramoops-0", "console-pstore_blk-0"])
def test_the_only_log_of_a_crash_is_archived_under_a_name_of_its_own(
    file: str, tmp_path: Path
) -> None:
    outcomes = run(tmp_path, {file: log(PANIC)})
    assert outcomes[file].result in ("kept", "cleared")
    (folder,) = (tmp_path / "archive").glob("[!.]*")
    assert folder.name.startswith(f"undated-{file}-")
    assert (folder / "raw" / file).read_bytes() == log(PANIC)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["crash"], summary["title"]) == (True, TITLE)
    assert summary["panic"] == "Fatal exception"
    assert summary["signature"]
    report = (folder / "report.txt").read_text()
    assert "which ends in a crash: Fatal exception" in report
    assert "BUG: kernel NULL pointer dereference" in report


def test_what_is_archived_already_is_not_archived_again(tmp_path: Path) -> None:
    run(tmp_path, {"console-ramoops-0": log(PANIC)})
    run(tmp_path, {"console-ramoops-0": log(PANIC)})
    assert len(judge.saved(tmp_path / "archive")) == 1


@pytest.mark.parametrize("text", [ORDERLY, OOPS + ORDERLY, "more\n"])
def test_a_log_that_ends_otherwise_is_left_alone(text: str, tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"console-ramoops-0": log(text)})
    assert outcomes["console-ramoops-0"].result == "skipped"
    assert not list((tmp_path / "archive").glob("[!.]*"))


def test_a_log_with_the_dump_of_its_crash_belongs_to_that(tmp_path: Path) -> None:
    console = log(PANIC)
    dump = b"Panic#1 Part1\n" + console
    files = {"console-ramoops-0": console, "dmesg-ramoops-0": dump}
    (found,) = group(record_of(name, data, 10**18) for name, data in files.items())
    assert (found.reason, found.is_witness) == ("Panic", False)
    run(tmp_path, files)
    (folder,) = (tmp_path / "archive").glob("[!.]*")
    assert {path.name for path in (folder / "raw").iterdir()} == set(files)


def test_a_log_is_never_the_latest_dump_and_is_the_news_where_there_is_none(tmp_path: Path) -> None:
    (found,) = group([record_of("console-ramoops-0", log(PANIC), 10**18)])
    assert found.is_crash
    assert found.time_ns is None
    assert latest([found]) is None
    (tmp_path / "console-ramoops-0").write_bytes(log(PANIC))
    store = OpenDirectory(str(tmp_path))
    try:
        reporter = status.Reporter(
            Catalog([Place(STORE, store)]), str(tmp_path), Machine(), own=False
        )
        said = reporter.text().decode()
    finally:
        store.close()
    assert f"Newest crash: {TITLE}" in said
    assert "No crash on record" not in said


def test_a_dump_of_nvram_without_a_header_is_the_latest() -> None:
    files = capture("architectures/nvram-ppc64el-zlib-6.12.107-deb13").enc
    records = [record_of(name, stored.data, stored.mtime_ns) for name, stored in files.items()]
    (found,) = group(records)
    assert found.is_crash
    assert latest([found]) is found
    assert found.name == "20260917T050735Z-dmesg-nvram-2"


def test_data_of_the_firmware_is_left_alone(tmp_path: Path) -> None:
    files = capture("architectures/nvram-ppc64el-lz4-6.1.192").enc
    outcomes = run(tmp_path, {name: stored.data for name, stored in files.items()})
    for name in ("rtas-nvram-0", "powerpc-common-nvram-6"):
        assert outcomes[name].result == "skipped"
        assert "not a kernel log" in outcomes[name].message
    assert first_error(outcomes.values(), named=False) == 0
    # rm succeeded, and the file was still there.
    assert first_error([outcomes["rtas-nvram-0"]], named=True) == errno.EPERM


@pytest.mark.parametrize(
    ("file", "title"),
    [
        ("console-ramoops-0", "console log of ramoops"),
        ("pmsg-ramoops-0", "messages of user space of ramoops"),
        ("ftrace-ramoops-0", "function trace of ramoops"),
    ],
)
def test_a_record_that_says_nothing_of_a_crash_is_called_what_it_is(file: str, title: str) -> None:
    (found,) = group([record_of(file, log("more\n"))])
    assert title_of(found, parse_dump(log("more\n"), "")) == title
