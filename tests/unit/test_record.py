"""Names, ids, times, header lines and ECC notices, as tables of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pstorefs.record.name import (
    Ecc,
    Header,
    Name,
    id_number,
    id_seconds,
    parse_header,
    parse_name,
    parse_notice,
    split_notice,
)

NAMES = [
    ("dmesg-erst-6495821019368914945", Name("dmesg", "erst", 6495821019368914945, False, "")),
    ("dmesg-erst-6495821019368914945.enc.z", Name("dmesg", "erst", 6495821019368914945, True, "")),
    ("dmesg-erst-18446744073709551615", Name("dmesg", "erst", (1 << 64) - 1, False, "")),
    # Old kernels printed the unsigned id with a sign.
    ("dmesg-erst--1", Name("dmesg", "erst", (1 << 64) - 1, False, "")),
    ("dmesg-efi-178679520401001", Name("dmesg", "efi", 178679520401001, False, "")),
    ("dmesg-efi_pstore-178679520401001", Name("dmesg", "efi_pstore", 178679520401001, False, "")),
    ("dmesg-ramoops-0", Name("dmesg", "ramoops", 0, False, "")),
    ("dmesg-pstore_blk-3", Name("dmesg", "pstore_blk", 3, False, "")),
    ("dmesg-nvram-1", Name("dmesg", "nvram", 1, False, "")),
    ("mce-erst-5", Name("mce", "erst", 5, False, "")),
    ("console-ramoops-0", Name("console", "ramoops", 0, False, "")),
    ("console-ramoops", Name("console", "ramoops", None, False, "")),
    ("ftrace-ramoops", Name("ftrace", "ramoops", None, False, "")),
    ("ftrace-ramoops-0", Name("ftrace", "ramoops", 0, False, "")),
    ("pmsg-ramoops-0", Name("pmsg", "ramoops", 0, False, "")),
    ("rtas-nvram-0", Name("rtas", "nvram", 0, False, "")),
    ("powerpc-ofw-nvram-2", Name("powerpc-ofw", "nvram", 2, False, "")),
    ("powerpc-common-nvram-1", Name("powerpc-common", "nvram", 1, False, "")),
    ("powerpc-opal-nvram-3", Name("powerpc-opal", "nvram", 3, False, "")),
    ("unknown-erst-7", Name("unknown", "erst", 7, False, "")),
    ("boot_log-ramoops-0.enc.z", Name("boot_log", "ramoops", 0, True, "")),
    ("dmesg-newbackend-12", Name("dmesg", "newbackend", 12, False, "")),
]


@pytest.mark.parametrize(("name", "expected"), NAMES, ids=[name for name, _ in NAMES])
def test_a_kernels_name_is_taken_apart(name: str, expected: Name) -> None:
    parsed = parse_name(name)
    assert parsed is not None
    assert (parsed.type, parsed.backend, parsed.id, parsed.encoded) == (
        expected.type,
        expected.backend,
        expected.id,
        expected.encoded,
    )
    assert parsed.plain == name.removesuffix(".enc.z")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "dmesg",
        "dmesg-newbackend",
        "dmesg-erst-18446744073709551616",
        "dmesg-erst--9223372036854775809",
        "dmesg-erst-1x",
        "dmesg-erst-1.enc.z.enc.z",
        "dmesg-erst-1\n",
        "dmesg/erst-1",
        "../dmesg-erst-1",
        "dmesg-erst-\N{ARABIC-INDIC DIGIT ONE}",
        "-erst-1",
        ".enc.z",
        "notes.txt",
        "a" * 255,
    ],
)
def test_what_no_kernel_writes_is_no_record(name: str) -> None:
    assert parse_name(name) is None


TIMES = [
    ("dmesg-erst-6495821019368914945", 1512426189, 1),  # 2017-12-04T22:23:09Z
    ("dmesg-erst-6495821019368914957", 1512426189, 13),
    (f"dmesg-erst-{0x7FFFFFFF << 32 | 9}", 0x7FFFFFFF, 9),
    (f"dmesg-erst-{1 << 63 | 0x80000000 << 24 | 3}", 0x80000000, 3),  # 2038-01-19T03:14:08Z
    (f"dmesg-erst-{1 << 63 | 4102444800 << 24 | 0xFFFFFF}", 4102444800, 0xFFFFFF),
    (f"dmesg-erst-{(1 << 63 | 0x80000000 << 24 | 3) - (1 << 64)}", 0x80000000, 3),
    ("dmesg-erst-5", None, 5),
    ("dmesg-erst-18446744073709551615", None, 0xFFFFFF),  # beyond the year 9999
    ("dmesg-efi-178679520401001", 1786795204, None),
    ("dmesg-efi_pstore-178679520401001", 1786795204, None),
    ("dmesg-efi-18446744073709551615", None, None),
    ("dmesg-ramoops-1", None, None),
    ("dmesg-pstore_blk-1512426189", None, None),
    ("console-ramoops", None, None),
]


@pytest.mark.parametrize(("name", "seconds", "number"), TIMES, ids=[row[0] for row in TIMES])
def test_ids_of_erst_and_efi_carry_times_and_numbers(
    name: str, seconds: int | None, number: int | None
) -> None:
    parsed = parse_name(name)
    assert parsed is not None
    assert (id_seconds(parsed), id_number(parsed)) == (seconds, number)


HEADERS = [
    (b"Panic#2 Part1\n<0>[    1.000000] x\n", Header("Panic", 2, 1, 14)),
    (b"Oops#1 Part12\n", Header("Oops", 1, 12, 14)),
    (b"Emergency#1 Part1\n", Header("Emergency", 1, 1, 18)),
    (b"Shutdown#1 Part1\n", Header("Shutdown", 1, 1, 17)),
    (b"Restart#1 Part1\n", Header("Restart", 1, 1, 16)),
    (b"Halt#1 Part1\n", Header("Halt", 1, 1, 13)),
    (b"Poweroff#1 Part1\n", Header("Poweroff", 1, 1, 17)),
    (b"Kexec#1 Part1\n", Header("Kexec", 1, 1, 14)),
    (b"Unknown#1 Part1\n", Header("Unknown", 1, 1, 16)),
    (b"Oops: Total 3 times\nOops#3 Part1\n", Header("Oops", 3, 1, 33)),
    (b"====1465474813.283404\nOops#1 Part1\n", Header("Oops", 1, 1, 35)),
    (b"====1465474813.283404-D\nPanic#1 Part1\n", Header("Panic", 1, 1, 38)),
    (b"Panic#1 Part1", None),
    (b"Panic#1 part1\n", None),
    (b" Panic#1 Part1\n", None),
    (b"Panic#-1 Part1\n", None),
    (b"Panic#11111111111 Part1\n", None),
    (b"", None),
]


@pytest.mark.parametrize(("text", "expected"), HEADERS)
def test_a_header_line_is_taken_apart_or_is_none(text: bytes, expected: Header | None) -> None:
    assert parse_header(text) == expected


NOTICES = [
    (b"\nECC: No errors detected\n", Ecc(0, 0)),
    (b"\nNo errors detected\n", Ecc(0, 0)),
    (b"\nECC: 3 Corrected bytes, 0 unrecoverable blocks\n", Ecc(3, 0)),
    (b"\n0 Corrected bytes, 12 unrecoverable blocks\n", Ecc(0, 12)),
]


@pytest.mark.parametrize(("notice", "expected"), NOTICES)
def test_ecc_notices_come_off_and_are_understood(notice: bytes, expected: Ecc) -> None:
    assert split_notice(b"payload" + notice) == (b"payload", notice)
    assert split_notice(notice) == (b"", notice)
    assert parse_notice(notice) == expected


@pytest.mark.parametrize(
    "data",
    [b"", b"text\n", b"ECC: No errors detected\n", b"\nECC: No errors detected\nmore"],
)
def test_what_is_no_notice_stays(data: bytes) -> None:
    assert split_notice(data) == (data, b"")


@given(st.text() | st.from_regex(r"[a-z-]{0,9}-[a-z_]{1,6}-[-0-9]{1,22}(\.enc\.z)?"))
def test_any_name_is_parsed_or_refused(name: str) -> None:
    parsed = parse_name(name)
    if parsed is not None:
        assert "/" not in name
        assert parsed.id is None or 0 <= parsed.id < 1 << 64
        id_seconds(parsed)
