"""Grouping, naming and joining by rule: what the corpus does not hold, made up to the formats."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.codecs.text import REASONS
from pstorefs.dump import group, join, latest, systemd_record
from pstorefs.oops.gaps import loses_text
from pstorefs.record.name import CRASHES, FIRMWARE, Ecc, parse_name
from pstorefs.record.reading import DAMAGED, SALVAGED, Reading
from pstorefs.record.record import ARCHIVE, SYSTEMD, Record, when
from tests.effort import effort
from tests.made import (
    Texts,
    efi_dump,
    efi_name,
    erst_dump,
    erst_name,
    heads,
    members,
    record_of,
    text,
    undecodable,
)

T = 1_700_000_000  # 2023-11-14T22:13:20Z


# EFI


def test_efi_parts_join_across_seconds() -> None:
    times = [T + part // 8 for part in range(30)]
    dumps = group(efi_dump("Panic", 1, times, 100.0))
    assert heads(dumps) == [("Panic", 1, list(range(1, 31)))]
    assert dumps[0].name == "20231114T221320Z-panic-1"


def test_efi_parts_join_where_firmware_takes_seconds_for_a_write() -> None:
    assert len(group(efi_dump("Panic", 1, [T, T + 6, T + 7, T + 15], 100.0))) == 1


def test_efi_and_efi_pstore_are_one_backend() -> None:
    old = record_of(efi_name(T, 1, 1, "efi"), text("Panic", 1, 1, [9.0, 10.0]))
    new = record_of(efi_name(T, 1, 1, "efi_pstore"), text("Panic", 1, 1, [9.0, 10.0]))
    other = record_of(efi_name(T, 2, 1, "efi"), text("Panic", 1, 2, [7.0, 8.0]))
    (dump,) = group([old, new, other])
    assert [len(part.records) for part in dump.parts] == [1, 2]
    assert dump.backend == "efi"


def test_efi_crash_loop_of_seconds_gives_a_dump_for_each_boot() -> None:
    records = []
    for boot in range(5):
        records += efi_dump("Panic", 1, [T + 4 * boot + part // 6 for part in range(9)], 2.0)
    assert heads(group(records)) == [("Panic", 1, list(range(1, 10)))] * 5


def test_efi_oops_and_panic_in_one_second_are_two() -> None:
    records = efi_dump("Oops", 1, [T] * 5, 10.0) + efi_dump("Panic", 2, [T] * 5, 10.5)
    dumps = group(records)
    assert [dump.name for dump in dumps] == ["20231114T221320Z-oops-1", "20231114T221320Z-panic-2"]
    assert latest(dumps) is dumps[1]


@pytest.mark.parametrize("lost", range(1, 7))
def test_efi_undecodable_part_is_placed_by_its_id(lost: int) -> None:
    records = efi_dump("Panic", 1, [T, T, T, T + 1, T + 1, T + 1], 10.0)
    records += efi_dump("Panic", 1, [T + 20] * 6, 10.0)
    records[lost - 1] = undecodable(records[lost - 1].file)
    assert heads(group(records)) == [("Panic", 1, [1, 2, 3, 4, 5, 6])] * 2


def test_efi_dump_that_is_undecodable_as_a_whole_is_one_entry() -> None:
    records = [undecodable(efi_name(T + part // 3, part, 2)) for part in range(1, 7)]
    (dump,) = group(records)
    assert dump.reason is None
    assert [part.number for part in dump.parts] == [6, 5, 4, 3, 2, 1]
    assert dump.name == f"20231114T221320Z-{efi_name(T, 1, 2, 'efi')}"
    assert not dump.is_crash


@pytest.mark.parametrize("lost", [(), (99,), (100,), (103,), (98, 101)])
def test_efi_part_above_99_and_count_above_999_carry(lost: tuple[int, ...]) -> None:
    records = efi_dump("Panic", 1234, [T + part // 40 for part in range(105)], 50.0)
    for part in lost:
        records[part - 1] = undecodable(records[part - 1].file)
    (dump,) = group(records)
    assert [part.number for part in dump.parts] == list(range(105, 0, -1))
    assert dump.name == "20231114T221320Z-panic-1234"


def test_efi_parts_of_two_machines_are_told_apart_by_the_times_of_their_lines() -> None:
    one = efi_dump("Panic", 1, [T] * 4 + [T + 1] * 4, 5000.0, note="one ")
    other = efi_dump("Panic", 1, [T + 1] * 3 + [T + 2] * 5, 20.0, note="other ")
    dumps = group(one + other)
    assert sorted(members(dumps)) == sorted(
        [[record.file for record in reversed(each)] for each in (one, other)]
    )


# ERST


def test_erst_dumps_of_interleaved_boots() -> None:
    boots = [T, T + 7, T + 9]
    records = []
    for boot in boots:
        records += erst_dump("Oops", 1, 3, 10.0, boot=boot, first=1)
        records += erst_dump("Panic", 2, 4, 12.0, boot=boot, first=4, mtime=boot + 2)
    random.Random(1).shuffle(records)
    dumps = group(records)
    assert sorted(heads(dumps)) == sorted([("Oops", 1, [1, 2, 3]), ("Panic", 2, [1, 2, 3, 4])] * 3)
    assert {dump.boot: 0 for dump in dumps}.keys() == {f"erst-{boot}" for boot in boots}


@pytest.mark.parametrize("lost", range(8))
def test_erst_undecodable_part_is_placed_by_its_number(lost: int) -> None:
    records = erst_dump("Oops", 1, 3, 10.0, boot=T, first=1)
    records += erst_dump("Panic", 2, 5, 12.0, boot=T, first=4)
    records[lost] = undecodable(records[lost].file, T * 10**9)
    dumps = group(records)
    assert heads(dumps) == [("Oops", 1, [1, 2, 3]), ("Panic", 2, [1, 2, 3, 4, 5])]
    assert [dump.missing for dump in dumps] == [(), ()]


def test_erst_undecodable_dump_is_an_entry_of_its_own() -> None:
    records = erst_dump("Oops", 1, 3, 10.0, boot=T, first=1)
    records += [undecodable(erst_name(T, number), (T + 30) * 10**9) for number in (4, 5, 6)]
    records += erst_dump("Panic", 3, 3, 50.0, boot=T, first=7, mtime=T + 40)
    dumps = group(records)
    assert heads(dumps) == [
        ("Oops", 1, [1, 2, 3]),
        (None, None, [None] * 3),
        ("Panic", 3, [1, 2, 3]),
    ]
    assert dumps[1].name == f"20231114T221350Z-{erst_name(T, 4)}"
    assert {dump.boot for dump in dumps} == {f"erst-{T}"}


def test_erst_numbers_tell_that_the_oldest_parts_are_missing() -> None:
    records = erst_dump("Oops", 1, 5, 10.0, boot=T, first=1)[:2]
    records += erst_dump("Panic", 2, 4, 12.0, boot=T, first=6)[1:]
    dumps = group(records)
    assert [dump.missing for dump in dumps] == [((3, 5),), ((1, 1),)]


def test_erst_machine_check_records_are_no_missing_parts() -> None:
    records = erst_dump("Oops", 1, 3, 10.0, boot=T, first=1)
    records.append(record_of(f"mce-erst-{(T << 32) + 4}", b"\x01\x02binary"))
    records += erst_dump("Panic", 2, 3, 12.0, boot=T, first=5)
    dumps = group(records)
    assert [dump.missing for dump in dumps] == [()] * 3
    assert [dump.type for dump in dumps] == ["mce", "dmesg", "dmesg"]
    assert dumps[0].name == f"20231114T221320Z-mce-erst-{(T << 32) + 4}"


def test_erst_ids_of_2038_and_later() -> None:
    boot = 2_200_000_000
    records = [
        record_of(
            f"dmesg-erst-{1 << 63 | boot << 24 | part}",
            text("Panic", 1, part, [9.0 - part, 9.5 - part]),
            boot * 10**9,
        )
        for part in (1, 2, 3)
    ]
    (dump,) = group(records)
    assert dump.name == "20390918T230640Z-panic-1"
    assert dump.boot == f"erst-{boot}"


def test_erst_file_times_are_not_believed_where_the_files_were_copied() -> None:
    """`cp` without -p: the mtime is later than the machine was up."""
    records = erst_dump("Oops", 1, 3, 100.0, boot=T, first=1, mtime=T + 5_000_000)
    records += erst_dump("Panic", 2, 3, 4000.0, boot=T, first=4, mtime=T + 5_000_000)
    assert {dump.time_source for dump in group(records)} == {"boot-id"}
    real = erst_dump("Panic", 2, 3, 4000.0, boot=T, first=4, mtime=T + 3900)
    (dump,) = group(real)
    assert (dump.time_source, dump.time_ns) == ("mtime", (T + 3900) * 10**9)


# Slots


def test_slots_of_several_boots_are_dumps_of_their_own() -> None:
    records = [
        record_of("dmesg-ramoops-0", text("Panic", 1, 1, [5.0, 6.0], "third "), (T + 900) * 10**9),
        record_of("dmesg-ramoops-1", text("Panic", 1, 1, [5.0, 6.0], "first "), T * 10**9),
        record_of("dmesg-ramoops-2", text("Panic", 1, 1, [5.0, 6.0], "second "), (T + 60) * 10**9),
    ]
    dumps = group(records)
    assert members(dumps) == [["dmesg-ramoops-1"], ["dmesg-ramoops-2"], ["dmesg-ramoops-0"]]
    assert {dump.boot for dump in dumps} == {None}


def test_the_same_text_at_another_time_is_another_dump() -> None:
    """A kernel without printk.time prints the same lines in every boot."""
    data = b"Panic#1 Part1\n<0>Kernel panic - not syncing: sysrq triggered crash\n"
    records = [record_of("dmesg-ramoops-0", data, (T + 100 * n) * 10**9) for n in range(3)]
    assert len(group(records)) == 3


def test_a_slot_in_store_and_archive_is_one_record() -> None:
    data = text("Panic", 1, 1, [5.0, 6.0])
    name = "20231114T221320Z-panic-1"
    records = [
        record_of("dmesg-ramoops-0", data, T * 10**9),
        record_of("dmesg-ramoops-0", data, T * 10**9, place=ARCHIVE, path=f"{name}/raw/x"),
        record_of("dmesg-ramoops-0", data, (T + 99) * 10**9, place=SYSTEMD),
    ]
    (dump,) = group(records)
    assert [record.place for record in dump.records] == ["store", "archive", "systemd"]
    assert dump.name == name


# Boots and consoles


def test_dumps_share_a_boot_if_the_lines_of_one_stand_in_the_other() -> None:
    early, late = [9.1, 9.2, 9.3, 9.4], [9.4, 40.0, 50.0]
    records = [
        record_of(efi_name(T, 1, 1), text("Oops", 1, 1, early)),
        record_of(efi_name(T + 500, 1, 2), text("Panic", 2, 1, early + late[1:])),
        record_of(efi_name(T + 900, 1, 2), text("Panic", 2, 1, [x + 0.01 for x in early])),
    ]
    dumps = group(records)
    assert dumps[0].boot == dumps[1].boot is not None
    assert [dump.order for dump in dumps] == [1, 2, None]
    assert dumps[2].boot is None


def test_dumps_share_a_boot_if_counts_run_on_and_both_began_at_one_time() -> None:
    records = efi_dump("Oops", 1, [T + 100], 100.0) + efi_dump("Panic", 2, [T + 5000], 5000.2)
    records += efi_dump("Panic", 2, [T + 9000], 50.0)
    dumps = group(records)
    assert dumps[0].boot == dumps[1].boot is not None
    assert dumps[2].boot is None


def test_dumps_with_one_count_never_share_a_boot() -> None:
    """Machines without a clock: every boot begins in 2000."""
    records = []
    for machine in range(3):
        records += efi_dump("Oops", 1, [T + 50], 50.0 + machine / 10, note=f"{machine} ")
    assert len({dump.name for dump in group(records)}) == len(group(records))
    assert {dump.boot for dump in group(records)} == {None}


def test_boot_key_stays_when_a_later_dump_appears() -> None:
    first = efi_dump("Oops", 1, [T + 10], 10.0) + efi_dump("Oops", 2, [T + 20], 20.0)
    more = efi_dump("Panic", 3, [T + 30], 30.0)
    assert {dump.boot for dump in group(first)} == {dump.boot for dump in group(first + more)}


CONSOLE = b"[    5.000000] x line of part 1\n[    6.000000] x line of part 1\n"


@pytest.mark.parametrize(
    ("console", "tied"),
    [
        (CONSOLE, True),
        (b"older\n" + CONSOLE + b"[    7.000000] Rebooting in 1 seconds..\n", True),
        (CONSOLE.replace(b"6.000000", b"6.000001"), False),
        (CONSOLE.replace(b" x ", b" y "), False),
        (b"no times here\n", False),
    ],
)
def test_console_is_tied_by_last_lines_alone(console: bytes, tied: bool) -> None:
    data = text("Panic", 1, 1, [4.0, 5.0, 6.0], "x ").replace(b"<6>", b"<4>")
    records = [
        record_of("dmesg-ramoops-0", data, T * 10**9),
        record_of("console-ramoops-0", console, (T + 50) * 10**9),
    ]
    dumps = group(records)
    assert len(dumps) == (1 if tied else 2)
    assert len(dumps[-1].others) == tied
    if not tied:
        assert dumps[0].name.startswith("undated-console-ramoops-0-")


def test_console_goes_to_the_latest_dump_of_its_boot() -> None:
    data = text("Oops", 1, 1, [4.0, 5.0, 6.0], "x ")
    more = text("Panic", 2, 1, [4.0, 5.0, 6.0, 7.0, 8.0], "x ")
    log = b"".join(line[3:] for line in more.splitlines(keepends=True)[1:])
    records = [
        record_of("dmesg-ramoops-0", data, T * 10**9),
        record_of("dmesg-ramoops-1", more, (T + 2) * 10**9),
        record_of("console-ramoops-0", log, 0),
    ]
    assert [len(dump.others) for dump in group(records)] == [0, 1]


# Names


def test_reasons_that_are_no_crashes_are_named_for_what_they_are() -> None:
    records = [
        record_of(f"dmesg-nvram-{n}", text(reason, 1, 1, [5.0]), (T + n) * 10**9)
        for n, reason in enumerate(REASONS)
    ]
    dumps = group(records)
    assert [dump.name[17:] for dump in dumps] == [f"{reason.lower()}-1" for reason in REASONS]
    assert [dump.reason for dump in dumps if dump.is_crash] == list(CRASHES)
    assert latest(dump for dump in dumps if not dump.is_crash) is None


def test_of_two_dumps_with_one_name_the_older_keeps_it() -> None:
    first = record_of("dmesg-ramoops-3", text("Panic", 1, 1, [5.0], "a "), T * 10**9 + 1)
    second = record_of("dmesg-ramoops-1", text("Panic", 1, 1, [5.0], "b "), T * 10**9 + 5)
    third = record_of("dmesg-ramoops-2", text("Panic", 1, 1, [5.0], "c "), T * 10**9 + 9)
    names = [dump.name for dump in group([third, first, second])]
    base = "20231114T221320Z-panic-1"
    assert names == [base, f"{base}-{second.text_hash[:8]}", f"{base}-{third.text_hash[:8]}"]
    assert [dump.name for dump in group([first, third])] == [names[0], names[2]]


def test_an_archived_dump_keeps_its_name() -> None:
    base = "20231114T221320Z-panic-1"
    old = record_of("dmesg-ramoops-3", text("Panic", 1, 1, [5.0], "a "), T * 10**9 + 1)
    kept = record_of(
        "dmesg-ramoops-0",
        text("Panic", 1, 1, [5.0], "b "),
        T * 10**9 + 5,
        place=ARCHIVE,
        path=f"{base}/raw/dmesg-ramoops-0",
    )
    assert [dump.name for dump in group([old, kept])] == [f"{base}-{old.text_hash[:8]}", base]


@pytest.mark.parametrize("folder", ["latest", "..", "x/y", ".hidden", "20231114T221320Z-a b"])
def test_no_other_directory_name_is_taken_over(folder: str) -> None:
    record = record_of(
        "dmesg-ramoops-0", text("Panic", 1, 1, [5.0]), T * 10**9, place=ARCHIVE, path=f"{folder}/x"
    )
    assert [dump.name for dump in group([record])] == ["20231114T221320Z-panic-1"]


def test_without_a_time_the_name_says_so() -> None:
    data = text("Panic", 1, 1, [5.0])
    (dump,) = group([record_of("dmesg-ramoops-7", data, T * 10**9, place=SYSTEMD)])
    assert dump.name == f"undated-dmesg-ramoops-7-{dump.parts[0].record.text_hash[:8]}"
    assert dump.time_source == "none"


@pytest.mark.parametrize("number", [0, 1, 99_999, 2**31, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("backend", ["erst", "efi", "efi_pstore", "ramoops", "other"])
def test_any_id_and_time_gives_a_name(backend: str, number: int) -> None:
    for mtime in (-5, 0, 1, 2**62):
        record = record_of(f"dmesg-{backend}-{number}", text("Panic", 1, 1, [1.0]), mtime)
        (dump,) = group([record])
        assert dump.name.isprintable()
        assert len(dump.name) < 250
        assert when(record)[0] >= 0


# Joining


def test_gaps_are_said_in_their_places_and_the_rest_is_unchanged() -> None:
    texts = Texts()
    records = [
        record_of(efi_name(T, part, 1), text("Panic", 1, part, [100.0 - part]), texts=texts)
        for part in (2, 4, 8, 9)
    ]
    (dump,) = group(records)
    assert join(dump, texts).decode() == (
        "<6>[   91.000000] line of part 9\n"
        "<6>[   92.000000] line of part 8\n"
        "[pstorefs: parts 7 to 5 of at least 9 are missing]\n"
        "<6>[   96.000000] line of part 4\n"
        "[pstorefs: part 3 of at least 9 is missing]\n"
        "<6>[   98.000000] line of part 2\n"
        "[pstorefs: part 1 of at least 9 is missing]\n"
    )


def test_nothing_is_added_between_parts_that_old_kernels_cut_inside_a_line() -> None:
    texts = Texts()
    records = [
        record_of(efi_name(T, 1, 1), b"Panic#1 Part1\nd of a line\nlast", texts=texts),
        record_of(efi_name(T, 2, 1), b"Panic#1 Part2\nfirst\nthe en", texts=texts),
        record_of(efi_name(T, 4, 1), b"Panic#1 Part4\nbroken o", texts=texts),
    ]
    assert join(group(records)[0], texts) == (
        b"broken o\n[pstorefs: part 3 of at least 4 is missing]\nfirst\nthe end of a line\nlast"
    )


def test_an_undecodable_part_is_said_and_its_bytes_are_not_shown() -> None:
    texts = Texts()
    records = [
        record_of(efi_name(T, part, 1), text("Panic", 1, part, [9.0 - part]), texts=texts)
        for part in (1, 3)
    ]
    lost = undecodable(efi_name(T, 2, 1))
    assert join(group([*records, lost])[0], texts).decode() == (
        "<6>[    6.000000] line of part 3\n"
        f"[pstorefs: part 2 ({lost.file}) cannot be decoded: no known compression format fits]\n"
        "<6>[    8.000000] line of part 1\n"
    )


def test_doubtful_text_stands_between_marks() -> None:
    texts = Texts()
    records = [
        record_of(efi_name(T, part, 1), text("Panic", 1, part, [9.0 - part]), texts=texts)
        for part in (1, 3)
    ]
    file = efi_name(T, 2, 1) + ".enc.z"
    shown = b"Panic#1 Part2\n<6>[    7.000000] sure\n[pstorefs: broken]\nunsure\n"
    repair = "its memory was damaged, blocks beyond repair: 2"
    for state, ecc, said in (
        (SALVAGED, None, f"[pstorefs: part 2 ({file}) is damaged]\n"),
        (DAMAGED, Ecc(3, 2), f"[pstorefs: part 2 ({file}) may be wrong: {repair}]\n"),
    ):
        record = Record.of(
            file, "store", 0, b"stored", Reading(shown, state, "lz4", ecc, "x", 0, 37)
        )
        texts[record.sha256] = shown
        assert join(group([*records, record])[0], texts).decode() == (
            "<6>[    6.000000] line of part 3\n" + said + "<6>[    7.000000] sure\n"
            "[pstorefs: broken]\nunsure\n"
            f"[pstorefs: end of part 2 ({file})]\n<6>[    8.000000] line of part 1\n"
        )
        # oops/gaps.py knows these sentences: a report goes on behind them.
        assert not loses_text(said)
    assert not loses_text(f"[pstorefs: end of part 2 ({file})]\n")


def test_backend_lines_and_notices_are_taken_off() -> None:
    texts = Texts()
    blk = record_of(
        "dmesg-pstore_blk-0", b"Oops: Total 7 times\nOops#1 Part1\nlog\n", T * 10**9, texts=texts
    )
    ecc = record_of(
        "dmesg-ramoops-0",
        b"Oops#1 Part1\nlog\n\nECC: 3 Corrected bytes, 0 unrecoverable blocks\n",
        T * 10**9,
        texts=texts,
    )
    assert [join(dump, texts) for dump in group([blk, ecc])] == [b"log\n", b"log\n"]


def test_a_part_number_out_of_this_world_costs_nothing() -> None:
    texts = Texts()
    records = [
        record_of(efi_name(T, 1, 1), b"Panic#1 Part1\nnew\n", texts=texts),
        record_of(efi_name(T, 2, 1), b"Panic#1 Part4294967295\nold\n", texts=texts),
    ]
    texts_joined = [join(dump, texts) for dump in group(records)]
    assert sum(len(each) for each in texts_joined) < 500


# systemd-pstore's directories


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("1700000000/001/dmesg-efi-170000000001001", True),
        ("1700000000/001/dmesg-efi_pstore-170000000001001", True),
        ("7301444403200000003/dmesg-erst-7301444403200000001", True),
        ("170000000001/dmesg-efi-170000000001001", True),  # systemd 243
        ("dmesg-efi-170000000001001.enc.z", True),
        ("dmesg-ramoops-0", True),
        ("console-ramoops-0", True),
        ("1700000000/001/dmesg.txt", False),
        ("7301444403200000003/dmesg.txt", False),
        ("1700000000/001/.#dmesg-efi-17000000000100112ab", False),
        ("1/2/3/dmesg-ramoops-0", False),
        ("notes/dmesg-ramoops-0", False),
        ("/dmesg-ramoops-0", False),
        ("../dmesg-ramoops-0", False),
        ("", False),
    ],
)
def test_records_among_what_systemd_pstore_left(path: str, record: bool) -> None:
    assert systemd_record(path) is record


# Whatever comes


@st.composite
def stores(draw: st.DrawFn) -> list[Record]:
    """Boots, each with dumps of rising count, of one backend; parts missing or undecodable."""
    records = []
    backend = draw(st.sampled_from(["erst", "efi"]))
    time = T
    for boot in range(draw(st.integers(1, 4))):
        time += draw(st.integers(40, 500))
        uptime, number, start = 5.0 + boot, 1, time
        for count in range(1, draw(st.integers(1, 3)) + 1):
            parts = draw(st.integers(1, 6))
            reason = draw(st.sampled_from(["Oops", "Panic", "Emergency"]))
            if backend == "erst":
                dump = erst_dump(reason, count, parts, uptime, boot=start, first=number, mtime=time)
            else:
                slow = draw(st.integers(0, 3))
                times = [time + slow * part // parts for part in range(parts)]
                dump = efi_dump(reason, count, times, uptime)
                time += slow
            records.append(dump)
            number += parts
            step = draw(st.integers(1, 20))
            time += step
            uptime += step
    return [record for dump in records for record in dump]


@settings(max_examples=80, deadline=None)
@given(records=stores(), data=st.data())
def test_dumps_are_what_was_written_in_any_order(
    records: list[Record], data: st.DataObject
) -> None:
    written: list[list[str]] = []
    for record in records:
        assert record.header
        if record.header.part == 1:
            written.append([])
        written[-1].insert(0, record.file)
    shuffled = data.draw(st.permutations(records))
    dumps = group(shuffled)
    assert members(dumps) == written
    assert dumps == group(records)
    assert len({dump.name for dump in dumps}) == len(dumps)


@settings(max_examples=80, deadline=None)
@given(records=stores(), data=st.data())
def test_no_lost_part_merges_splits_or_renames_a_dump(
    records: list[Record], data: st.DataObject
) -> None:
    gone = data.draw(st.integers(0, len(records) - 1))
    whole = group(records)
    dumps = group(records[:gone] + records[gone + 1 :])
    kept = [[file for file in each if file != records[gone].file] for each in members(whole)]
    assert members(dumps) == [each for each in kept if each]
    header = records[gone].header
    assert header
    for dump in dumps:
        if dump.name not in {each.name for each in whole}:
            assert header.part == 1  # the earliest time was its own


@settings(max_examples=80, deadline=None)
@given(records=stores(), data=st.data())
def test_an_undecodable_part_stays_in_its_dump(records: list[Record], data: st.DataObject) -> None:
    heads_of = [(dump.reason, dump.count, len(dump.parts)) for dump in group(records)]
    several = [
        index
        for index, record in enumerate(records)
        if any(
            len(dump.parts) > 1 and record in [part.record for part in dump.parts]
            for dump in group(records)
        )
    ]
    if not several:
        return
    index = data.draw(st.sampled_from(several))
    lost = undecodable(records[index].file, records[index].mtime_ns)
    dumps = group([*records[:index], lost, *records[index + 1 :]])
    assert [(dump.reason, dump.count, len(dump.parts)) for dump in dumps] == heads_of
    assert all(part.number for dump in dumps for part in dump.parts)


@pytest.mark.parametrize("backend", ["efi", "erst"])
def test_crash_loops_of_seconds_with_lost_parts(backend: str) -> None:
    """Several boots within a minute, parts removed and undecodable in every other dump."""
    for seed in range(120):
        draw = random.Random(seed)
        records: list[Record] = []
        written = []
        time_now = T
        for _ in range(draw.randint(1, 6)):
            time_now += draw.randint(3, 12)
            boot, number, uptime = time_now, 1, draw.uniform(0.8, 6)
            for count in range(1, draw.randint(1, 3) + 1):
                parts = draw.randint(3, 30)
                reason = draw.choice(["Oops", "Panic"])
                slow = draw.randint(0, 4) if backend == "efi" else 0
                times = [time_now + slow * part // parts for part in range(parts)]
                dump = (
                    efi_dump(reason, count, times, uptime)
                    if backend == "efi"
                    else erst_dump(
                        reason, count, parts, uptime, boot=boot, first=number, mtime=time_now
                    )
                )
                number += parts
                time_now += slow + draw.randint(0, 1)
                uptime += 1
                if draw.random() < 0.5:
                    dump.pop(draw.randrange(len(dump)))
                if draw.random() < 0.5:
                    index = draw.randrange(len(dump))
                    dump[index] = undecodable(dump[index].file, dump[index].mtime_ns)
                written.append([record.file for record in reversed(dump)])
                records += dump
        draw.shuffle(records)
        assert sorted(members(group(records))) == sorted(written), seed


names = st.one_of(
    st.builds(
        "{}-{}-{}{}".format,
        st.sampled_from(["dmesg", "console", "mce", "powerpc-ofw"]),
        st.sampled_from(["erst", "efi", "efi_pstore", "ramoops", "nvram", "vendor"]),
        st.integers(-(2**63), 2**64 - 1)
        | st.integers(0, 9)
        | st.integers(T * 10**5, T * 10**5 + 9),
        st.sampled_from(["", ".enc.z"]),
    ),
    st.just("console-ramoops"),
)
bodies = st.one_of(
    st.binary(max_size=40),
    st.builds(
        text,
        st.sampled_from(["Panic", "Oops", "Shutdown"]),
        st.integers(0, 2**33),
        st.integers(0, 2**33) | st.integers(0, 4),
        st.lists(st.floats(0, 10**8), max_size=4),
    ),
)


@settings(max_examples=120, deadline=None)
@given(
    files=st.lists(st.tuples(names, bodies, st.integers(-1, 2**63)), max_size=12),
    data=st.data(),
)
def test_any_records_are_each_in_exactly_one_dump(
    files: list[tuple[str, bytes, int]], data: st.DataObject
) -> None:
    texts = Texts()
    places = st.sampled_from(["store", ARCHIVE, SYSTEMD])
    records = [
        record_of(name, body, mtime, place=data.draw(places), path=f"{n}/{name}", texts=texts)
        for n, (name, body, mtime) in enumerate(files)
        if parse_name(name)
    ]
    dumps = group(records)
    found = [record.path for dump in dumps for record in dump.records]
    # Binary data of powerpc's firmware is no log.
    logs = [record for record in records if record.is_dump or record.name.type not in FIRMWARE]
    assert sorted(found) == sorted(record.path for record in logs)
    assert group(data.draw(st.permutations(records))) == dumps
    assert len({dump.name for dump in dumps}) == len(dumps)
    for dump in dumps:
        assert "/" not in dump.name
        assert dump.name.isascii()
        join(dump, texts)
    latest(dumps)


def test_of_two_dumps_with_one_text_the_same_one_is_of_the_boot_of_a_third() -> None:
    body = text("Panic", 1, 1, [1.0])
    files = (
        ("console-ramoops", body),
        ("dmesg-ramoops-0", body),
        ("console-ramoops", text("Panic", 0, 1, [1.0])),
    )
    records = [record_of(name, data, 0, path=f"{n}/{name}") for n, (name, data) in enumerate(files)]
    boots = [
        {dump.records[0].path for dump in group(order) if dump.boot}
        for order in permutations(records)
    ]
    assert boots == [boots[0]] * 6, boots
    assert len(boots[0]) == 2


def test_fifteen_records_are_grouped_in_no_time() -> None:
    records = efi_dump("Panic", 1, [T] * 15, 10.0)
    group(records)
    with effort() as spent:
        for _ in range(200):
            group(records)
    assert spent.units < 80  # 5 ms each; 0.2 ms on the machine that this was written on


def test_a_hundred_thousand_records_are_grouped_in_seconds() -> None:
    models = efi_dump("Panic", 1, [T] * 20, 10.0)
    records = []
    for boot in range(1000):
        for part, model in enumerate(models, 1):
            name = parse_name(efi_name(T + 100 * boot, part, 1))
            assert name
            records.append(
                replace(model, name=name, file=name.plain, path=name.plain, sha256=name.plain)
            )
    with effort() as spent:
        assert len(group(records)) == 1000
    assert spent.units < 800  # a fifth of 100,000: 40 on the machine that this was written on
