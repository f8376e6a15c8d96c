"""Dumps of the corpus: exactly what the machines wrote, whatever is removed or shuffled."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest

from pstorefs.dump import Dump, group, join, latest
from pstorefs.record.name import parse_header, split_notice
from pstorefs.record.record import SYSTEMD, Record
from tests.made import Texts, items_of
from tests.records import capture, captures

OOPSES = ("oops", "bug", "exec")
SEVERAL = [name for name in captures() if name.startswith(("erst", "efi"))]
SLOTS = [name for name in captures() if name.startswith(("ramoops", "blk"))]
# As 386 records: each one removed in turn takes a second more, and shows nothing new.
SMALL = [name for name in SEVERAL if not name.endswith("-many")]


def written(name: str) -> list[tuple[str, int]]:
    """Reasons and counts of the dumps that the machine wrote, boot by boot."""
    return [
        ("Oops" if kind in OOPSES else "Panic", count)
        for boot in capture(name).info["crash_kind"]
        for count, kind in enumerate(boot.split(","), 1)
    ]


@cache
def shown(name: str, folder: str) -> tuple[list[Record], Texts]:
    texts = Texts()
    return items_of(capture(name).folders[folder], texts), texts


def dumps_only(dumps: list[Dump]) -> list[Dump]:
    return [dump for dump in dumps if dump.type == "dmesg"]


@pytest.mark.parametrize("folder", ["enc", "ref"])
@pytest.mark.parametrize("name", captures())
def test_dumps_are_those_that_the_machine_wrote(name: str, folder: str) -> None:
    dumps = dumps_only(group(shown(name, folder)[0]))
    assert [(dump.reason, dump.count) for dump in dumps] == written(name)
    assert [dump.missing for dump in dumps] == [()] * len(dumps)
    assert all(dump.name[15:] == f"Z-{str(dump.reason).lower()}-{dump.count}" for dump in dumps)


@pytest.mark.parametrize("folder", ["enc", "ref"])
@pytest.mark.parametrize("name", [name for name in captures() if "unrecoverable" not in name])
def test_joined_text_is_the_reference_parts_in_order(name: str, folder: str) -> None:
    records, texts = shown(name, folder)
    for dump in dumps_only(group(records)):
        expected = b""
        parts = []
        for file in capture(name).ref.values():
            body = split_notice(file.data)[0]
            header = parse_header(body)
            if header and (header.reason, header.count) == (dump.reason, dump.count):
                parts.append((header.part, body, body[header.length :]))
        mine = {split_notice(texts(part.record))[0] for part in dump.parts}
        for _, body, log in sorted(parts, reverse=True):
            if body in mine:
                expected += log
        assert expected
        assert join(dump, texts) == expected


@pytest.mark.parametrize("name", captures())
def test_dumps_of_one_boot_know_each_other(name: str) -> None:
    boots = capture(name).info["crash_kind"]
    dumps = dumps_only(group(shown(name, "ref")[0]))
    if "unrecoverable" in name:
        return  # their lines are damaged: evidence may be lost
    keys = []
    for boot in boots:
        size = len(boot.split(","))
        mine, dumps = dumps[:size], dumps[size:]
        keys.append(mine[0].boot)
        assert {dump.boot for dump in mine} == {mine[0].boot}
        if size > 1:
            assert mine[0].boot
            assert [dump.order for dump in mine] == list(range(1, size + 1))
    known = [key for key in keys if key]
    assert len(set(known)) == len(known)


@pytest.mark.parametrize("name", SLOTS)
def test_console_belongs_to_the_dump_whose_last_lines_stand_in_it(name: str) -> None:
    dumps = group(shown(name, "ref")[0])
    with_console = [d for d in dumps if any("console" in part.record.file for part in d.others)]
    expected = 1 if any("console" in file for file in capture(name).ref) else 0
    assert len(with_console) == expected
    if expected and "unrecoverable" not in name:
        assert with_console == [dumps[-1]]
    assert not [dump for dump in dumps if dump.type == "console"]


@pytest.mark.parametrize("name", SLOTS)
def test_other_records_are_entries_of_their_own_without_a_time(name: str) -> None:
    others = [dump for dump in group(shown(name, "ref")[0]) if dump.type in ("pmsg", "ftrace")]
    assert len(others) == sum(file.startswith(("pmsg", "ftrace")) for file in capture(name).ref)
    for dump in others:
        file = dump.parts[0].record.file
        assert dump.name.startswith(f"undated-{file}-")
        assert not dump.is_crash
        assert dump.time_ns is None


@pytest.mark.parametrize("name", captures())
def test_order_of_records_does_not_matter(name: str) -> None:
    records = list(shown(name, "ref")[0])
    expected = group(records)
    shuffler = random.Random(name)
    for _ in range(3):
        shuffler.shuffle(records)
        assert group(records) == expected


@pytest.mark.parametrize("name", SMALL)
def test_a_dump_without_one_part_is_still_one_and_names_the_gap(name: str) -> None:
    records, texts = shown(name, "ref")
    whole = group(records)
    for index, dump in enumerate(whole):
        for part in dump.parts:
            if len(dump.parts) == 1:
                continue
            dumps = group(record for record in records if record is not part.record)
            assert [(d.reason, d.count) for d in dumps] == written(name)
            cut = dumps[index]
            assert [p.record for p in cut.parts] == [p.record for p in dump.parts if p is not part]
            number = part.number
            assert number is not None
            # Of the highest part only the ids of the next dump can tell, and ERST's alone.
            follows = index + 1 < len(whole) and whole[index + 1].boot == dump.boot
            told = number < len(dump.parts) or (dump.backend == "erst" and follows)
            assert cut.missing == (((number, number),) if told else ())
            text = join(cut, texts)
            assert (f"[pstorefs: part {number} of at least ".encode() in text) == told
            ours = [line for line in text.splitlines() if line.startswith(b"[pstorefs: ")]
            assert len(ours) == told
            others = [p for p in dump.parts if p is not part]
            if min(_seconds(p.record) for p in others) == _seconds(min(dump.records, key=_seconds)):
                assert cut.name == dump.name


def _seconds(record: Record) -> int:
    if record.family == "efi":
        return (record.name.id or 0) // 100_000
    return record.mtime_ns // 10**9


@pytest.mark.parametrize("name", SEVERAL)
def test_dumps_that_systemd_moved_are_found_by_their_ids_alone(name: str) -> None:
    """systemd-pstore gives copies the time of copying."""
    moved = [
        replace(record, place=SYSTEMD, mtime_ns=1_900_000_000 * 10**9)
        for record in shown(name, "ref")[0]
    ]
    dumps = group(moved)
    assert [(dump.reason, dump.count) for dump in dumps] == written(name)
    assert {dump.time_source for dump in dumps} == {"id" if name.startswith("efi") else "boot-id"}
    for dump, original in zip(dumps, group(shown(name, "ref")[0]), strict=True):
        assert dump.id == original.id
        assert dump.order == original.order
        # Later dumps of a boot are known to be no older than the first: ERST ids tell no more.
        if dump.order in (None, 1) or dump.backend == "efi":
            assert dump.name == original.name


@pytest.mark.parametrize("name", captures())
def test_a_dump_in_two_places_is_one(name: str) -> None:
    """In the store as the kernel leaves it, and as text where systemd-pstore moved it."""
    records, _ = shown(name, "enc")
    moved = [
        replace(record, place=SYSTEMD, mtime_ns=1_900_000_000 * 10**9)
        for record in shown(name, "ref")[0]
        if record.name.type == "dmesg"
    ]
    dumps = group([*records, *moved])
    alone = group(records)
    assert [dump.name for dump in dumps] == [dump.name for dump in alone]
    assert [len(dump.parts) for dump in dumps] == [len(dump.parts) for dump in alone]
    for dump in dumps_only(dumps):
        assert [len(part.records) for part in dump.parts] == [2] * len(dump.parts)


def test_records_of_all_captures_together_give_the_dumps_of_each() -> None:
    """Many machines in one directory tree: ids of ERST and slots of ramoops clash."""
    names = ["erst-842-6.1.192", "erst-mixed-upgrade", "erst-zstd-6.1.192", *SLOTS[2:]]
    names += ["efi-deflate-6.1.192", "efi-lz4-6.1.192"]
    records, wanted = [], []
    for name in names:
        if "unrecoverable" in name:
            continue
        records += shown(name, "ref")[0]
        wanted += [
            tuple(sorted(i.sha256 for i in d.records if i.is_dump))
            for d in group(shown(name, "ref")[0])
        ]
    found = [tuple(sorted(i.sha256 for i in d.records if i.is_dump)) for d in group(records)]
    assert sorted(filter(None, found)) == sorted(filter(None, wanted))


@pytest.mark.parametrize("name", captures())
def test_latest_is_the_last_crash(name: str) -> None:
    dumps = group(shown(name, "ref")[0])
    assert latest(dumps) is dumps[-1]


def test_garbage_that_a_kernel_shows_as_text_is_a_copy_of_the_record_itself() -> None:
    """Linux 6.12 took an LZ4 record for deflate; another kernel shows the same slot as it is."""
    files = capture("ramoops-lz4hc-6.1.192-ecc").folders
    garbage = items_of(files["other-6.12.107-deb13"])
    assert [record.state for record in garbage] == ["suspect"]
    dumps = dumps_only(group([*garbage, *items_of(files["ref"])]))
    assert [(dump.reason, dump.count) for dump in dumps] == written("ramoops-lz4hc-6.1.192-ecc")
    assert [record.state for record in dumps[-1].parts[0].records] == ["plain", "suspect"]
