"""Captures of other architectures: what is shown of them, and what is said of each crash.

The table is written by hand from the texts and from what each machine was made to do.
"""

# ruff: noqa: E501 -- a row is easier to read than its pieces

from __future__ import annotations

from functools import cache

import pytest

from pstorefs.dump import Dump, group, join
from pstorefs.oops import Facts, parse_dump
from pstorefs.record.name import parse_name
from pstorefs.record.reading import read
from tests.made import Texts, items_of
from tests.records import CORPUS, capture, plain_name

NULL = "BUG: unable to handle kernel NULL pointer dereference in "
PAGING = "BUG: unable to handle kernel paging request in "
POINTER = "BUG: unable to handle kernel pointer dereference in "
USER = "BUG: unable to handle kernel access to user memory in "
SYSRQ = "kernel panic: sysrq triggered crash"
GUARD = "lkdtm_STACK_GUARD_PAGE_LEADING"

#: Of each dump, the oldest first: reason and count, title, function at the instruction pointer (""
#: where it is bare, None without registers), CPU, PID, comm, reliable frames, the first of them.
DUMPS: dict[
    str,
    list[tuple[str, str, str | None, int | None, int | None, str | None, int, str | None]],
] = {
    "blk-ppc64el-lzo-6.1.192": [
        ("Oops#1", NULL + "lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 0, 60, "init", 6, "direct_entry"),
        ("Oops#2", PAGING + "lkdtm_WRITE_RO", "lkdtm_WRITE_RO", 0, 63, "init", 7, "lkdtm_do_action"),
        ("Oops#3", NULL + "execute_location", "", 0, 65, "init", 7, "lkdtm_do_action"),
    ],
    "blk-s390x-zstd-6.1.192": [
        ("Oops#1", POINTER + "lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 1, 68, "init", 7, "lkdtm_EXCEPTION"),
        ("Oops#2", POINTER + "lkdtm_WRITE_RO", "lkdtm_WRITE_RO", 0, 70, "init", 8, "lkdtm_WRITE_RO"),
        ("Oops#3", "illegal operation in execute_location", "", 0, 72, "init", 7, "execute_location"),
        ("Oops#4", POINTER + GUARD, GUARD, 0, 75, "init", 7, GUARD),
    ],
    "efi-arm64-deflate-6.12.117-deb13": [
        ("Panic#1", "kernel panic: Attempted to kill init!", None, 0, 1, "init", 14, "dump_backtrace"),
        ("Panic#1", SYSRQ, None, 0, 1, "init", 18, "dump_backtrace"),
    ],
    "efi-arm64-zstd-6.1.192": [
        ("Oops#1", NULL + "lkdtm_ACCESS_NULL", "lkdtm_ACCESS_NULL", 1, 59, "init", 12, "lkdtm_ACCESS_NULL"),
        ("Panic#2", "kernel panic: dumptest", None, None, None, None, 0, None),
    ],
    "nvram-ppc64el-842-6.1.192": [
        ("Panic#2", "kernel panic in lkdtm_HARDLOCKUP", "lkdtm_HARDLOCKUP", None, None, None, 6, "direct_entry"),
    ],
    "nvram-ppc64el-lz4-6.1.192": [
        ("Oops#1", NULL + "lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 1, 58, "init", 6, "direct_entry"),
    ],
    "nvram-ppc64el-zlib-6.12.107-deb13": [
        ("None#None", SYSRQ, None, 1, 1, "init", 9, "panic"),
    ],
    "nvram-ppc64el-zstd-6.1.192": [
        ("Panic#2", "kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)", None, 0, 1, "swapper/0", 6, "panic"),
    ],
    "ramoops-arm64-842-6.1.192": [
        ("Panic#1", "INFO: task hung in lkdtm_HUNG_TASK", None, None, 59, "init", 15, "__switch_to"),
    ],
    "ramoops-arm64-deflate-6.12.117-deb13": [
        ("Panic#1", SYSRQ, None, 1, 1, "init", 18, "dump_backtrace"),
    ],
    "ramoops-arm64-lz4-6.1.192": [
        ("Oops#1", NULL + "lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 1, 59, "init", 12, "lkdtm_EXCEPTION"),
        ("Oops#2", "BUG: unable to handle kernel write to read-only memory in lkdtm_WRITE_RO", "lkdtm_WRITE_RO", 0, 61, "init", 12, "lkdtm_WRITE_RO"),
        ("Oops#3", NULL + "execute_location", "", 1, 63, "init", 12, "lkdtm_EXEC_NULL"),
        ("Oops#4", PAGING + GUARD, GUARD, 1, 68, "init", 12, GUARD),
        ("Panic#5", SYSRQ, None, None, None, None, 0, None),
    ],
    "ramoops-armhf-842-6.1.192": [
        ("Oops#1", "Unhandled fault in lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 1, 57, "init", 6, "lkdtm_EXCEPTION"),
        ("Panic#2", "Unhandled fault in lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 1, 57, "init", 6, "lkdtm_EXCEPTION"),
    ],
    "ramoops-armhf-lz4-6.1.192": [
        ("Oops#1", "Unhandled fault in lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 1, 58, "init", 6, "lkdtm_EXCEPTION"),
        ("Oops#2", PAGING + "lkdtm_WRITE_RO", "lkdtm_WRITE_RO", 1, 61, "init", 6, "lkdtm_WRITE_RO"),
        ("Oops#3", "Unhandled prefetch abort in execute_location", "", 1, 63, "init", 6, "execute_location"),
        ("Oops#4", PAGING + GUARD, GUARD, 1, 67, "init", 6, GUARD),
        ("Panic#5", SYSRQ, None, None, None, None, 0, None),
    ],
    "ramoops-riscv64-deflate-6.12.117": [
        ("Oops#1", USER + "lkdtm_EXCEPTION", "lkdtm_EXCEPTION", 0, 66, "init", 9, "lkdtm_EXCEPTION"),
        ("Oops#2", PAGING + "lkdtm_WRITE_RO", "lkdtm_WRITE_RO", 0, 68, "init", 9, "lkdtm_WRITE_RO"),
        ("Oops#3", USER + "execute_location", "", 0, 70, "init", 0, None),
        ("Oops#4", PAGING + GUARD, GUARD, 0, 74, "init", 9, GUARD),
        ("Panic#5", SYSRQ, None, None, None, None, 0, None),
    ],
    "ramoops-riscv64-deflate-6.12.117-hung": [
        ("Panic#1", "INFO: task hung in lkdtm_HUNG_TASK", None, None, 66, "init", 11, "__schedule"),
    ],
}  # fmt: skip


@cache
def dumps(name: str) -> list[tuple[Dump, Facts, bytes]]:
    texts = Texts()
    found = group(items_of(capture(f"architectures/{name}").enc, texts))
    joined = [(dump, join(dump, texts)) for dump in found if dump.type == "dmesg"]
    return [(dump, parse_dump(text, dump.reason or "", dump.count), text) for dump, text in joined]


def test_all_captures_are_in_the_table() -> None:
    found = {path.name.removesuffix(".tar.xz") for path in CORPUS.glob("architectures/*.tar.xz")}
    assert found == set(DUMPS)


@pytest.mark.parametrize("name", DUMPS)
def test_each_record_is_shown_as_a_kernel_shows_it(name: str) -> None:
    one = capture(f"architectures/{name}")
    right = one.truth or one.ref
    shown = {plain_name(file): stored.data for file, stored in right.items()}
    for file, stored in one.enc.items():
        parsed = parse_name(file)
        assert parsed is not None
        if plain_name(file) in shown:
            assert read(parsed, stored.data).text == shown[plain_name(file)], file
        else:
            assert one.truth, file


@pytest.mark.parametrize("name", DUMPS)
def test_title_place_task_and_trace_of_each_dump(name: str) -> None:
    found = []
    for dump, facts, _ in dumps(name):
        function = None if facts.ip is None else facts.ip.function or ""
        frames = [frame.function for frame in facts.trace if frame.reliable]
        found.append(
            (
                f"{dump.reason}#{dump.count}",
                facts.title,
                function,
                facts.cpu,
                facts.pid,
                facts.comm,
                len(frames),
                frames[0] if frames else None,
            )
        )
    assert found == DUMPS[name]


@pytest.mark.parametrize("name", DUMPS)
def test_each_dump_is_a_crash_and_it_is_said_who_made_it(name: str) -> None:
    made = {SYSRQ: "sysrq", DUMPS["nvram-ppc64el-zstd-6.1.192"][0][1]: None}
    made["kernel panic: Attempted to kill init!"] = None
    for dump, facts, _ in dumps(name):
        assert dump.is_crash
        assert facts.made_by == made.get(facts.title, "lkdtm"), facts.title


@pytest.mark.parametrize("name", DUMPS)
def test_each_report_is_whole(name: str) -> None:
    starts = ("Unable to handle", "BUG: ", "8<---", "kernel tried", "illegal operation", "sysrq: ",
              "lkdtm: ", "INFO: task", "Kernel panic", "List of all", "NIP [")  # fmt: skip
    ends = (
        "---[ end trace",
        "Memory Limit",
        "CPU features",
        "SMP: stopping",
        "[c",
        "--- interrupt",
    )
    for _, facts, text in dumps(name):
        assert facts.span is not None
        own = text[facts.span.start : facts.span.end].decode().split("\n")
        first, last = (line.partition("] ")[2] for line in (own[0], own[-1]))
        assert first.startswith(starts), first
        assert last.startswith(ends) or "panic - not syncing" in last, last


def test_what_the_firmware_of_powerpc_left_is_no_dump() -> None:
    files = capture("architectures/nvram-ppc64el-842-6.1.192").enc
    assert {"rtas-nvram-0", "powerpc-common-nvram-6"} <= set(files)
    assert [dump.type for dump in group(items_of(files))] == ["dmesg"]


def test_the_same_null_write_is_one_bug_on_arm64_and_powerpc() -> None:
    signatures = {
        facts.signature
        for name in DUMPS
        for _, facts, _ in dumps(name)
        if facts.title == NULL + "lkdtm_EXCEPTION"
    }
    assert len(signatures) == 1
