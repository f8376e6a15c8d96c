"""Words of report.txt and names of records, where kernels and file systems differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pstorefs.archive import shape
from pstorefs.dump import group
from pstorefs.record.name import parse_name
from pstorefs.record.reading import read
from pstorefs.report import report_txt, summary_json
from pstorefs.report.context import Context
from pstorefs.report.material import DecodedMaterial
from tests.made import Texts, record_of, text

PLACE = {"function": "f", "offset": 4, "size": 8, "module": "mod"}
NOWHERE = dict.fromkeys(PLACE)
TASK = {"cpu": 1, "pid": 58, "comm": "init"}

WHERE = [
    ({"ip": PLACE, "task": TASK}, "f+0x4 [mod], CPU 1, PID 58 (init)"),
    ({"ip": None, "task": TASK}, "CPU 1, PID 58 (init)"),
    (
        {"ip": NOWHERE, "caller": PLACE, "task": TASK},
        "an address outside any function, called by f+0x4 [mod], CPU 1, PID 58 (init)",
    ),
    ({"ip": NOWHERE, "task": TASK}, "an address outside any function, CPU 1, PID 58 (init)"),
    (
        {"ip": PLACE, "interrupted": True, "task": TASK},
        "CPU 1, interrupted: f+0x4 [mod], PID 58 (init)",
    ),
]


def report_of(**said: object) -> str:
    """report.txt of a dump about which the keys `said` are known."""
    texts = Texts()
    (dump,) = group(
        [record_of("dmesg-erst-6495821019368914945", text("Oops", 1, 1, [1.0]), texts=texts)]
    )
    keys = {**DecodedMaterial(dump, texts).keys(), **said}
    return report_txt.report(summary_json.completed(keys, Context()), None, Context()).decode()


@pytest.mark.parametrize(("said", "where"), WHERE)
def test_where_says_what_is_known_and_no_more(said: dict[str, Any], where: str) -> None:
    assert f"\nWhere:      {where}\n" in report_of(**said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"made_by": "sysrq"}, "made on purpose, by SysRq"),
        ({"made_by": "lkdtm"}, "made on purpose, by the kernel's crash test, lkdtm"),
        ({"cut": True}, "the first lines of the report: the text begins inside it"),
        ({"missing_parts": [[1, 2]]}, "parts 1 to 2, the newest: the last messages are lost"),
        ({"missing_parts": [[3, 3]]}, "part 3\n"),
    ],
)
def test_report_txt_says_what_the_keys_say(said: dict[str, Any], words: str) -> None:
    assert words in report_of(**said)
    assert words not in report_of()


def test_what_begins_inside_a_report_is_not_complete() -> None:
    body = b"<4>[    1.000000] RIP: 0010:f+0x1/0x2\n<4>[    1.000000] ---[ end trace 0 ]---\n"
    texts = Texts()
    (dump,) = group([record_of("dmesg-ramoops-0", b"Oops#1 Part1\n" + body, 10**18, texts=texts)])
    keys = json.loads(summary_json.summary(DecodedMaterial(dump, texts).keys()))
    assert (keys["title"], keys["cut"], keys["complete"]) == ("Oops in f", True, False)


def test_a_dump_that_was_archived_by_an_earlier_version_has_all_keys() -> None:
    assert set(shape.ADDED) <= set(DecodedMaterial(*_dump()).keys())


def _dump() -> tuple[Any, Texts]:
    texts = Texts()
    (dump,) = group([record_of("dmesg-ramoops-0", text("Oops", 1, 1, [1.0]), texts=texts)])
    return dump, texts


GUID = "cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0"


@pytest.mark.parametrize(
    ("file", "number"),
    [
        (f"dump-type0-2-1-1592500000-C-{GUID}", 159250000002001),
        (f"dump-type0-2-1-1592500000-D-{GUID}", 159250000002001),
        (f"dump-type0-2-1-1592500000-{GUID}", 159250000002001),
        (f"dump-type0-2-1592500000-{GUID}", 159250000002000),
    ],
)
def test_a_variable_of_efivarfs_is_the_record_that_pstore_would_show(
    file: str, number: int
) -> None:
    name = parse_name(file)
    assert name is not None
    assert (name.type, name.family, name.id, name.plain) == ("dmesg", "efi", number, file)


@pytest.mark.parametrize(
    "file", ["dump-type0-1-1-1-C", f"dump-type0-x-1-1-C-{GUID}", f"dump-type1-1-1-1-C-{GUID}"]
)
def test_other_variables_are_no_records(file: str) -> None:
    assert parse_name(file) is None


def test_attributes_of_a_variable_are_no_part_of_the_text() -> None:
    name = parse_name(f"dump-type0-1-1-1592500000-D-{GUID}")
    assert name is not None
    shown = read(name, b"\x07\x00\x00\x00" + text("Oops", 1, 1, [1.0]))
    assert (shown.text, shown.state) == (text("Oops", 1, 1, [1.0]), "plain")
    nothing = read(name, b"\x07\x00\x00\x00\xff\xff\xff")
    assert (nothing.text, nothing.state) == (b"\x07\x00\x00\x00\xff\xff\xff", "undecodable")


def test_pstore_blk_is_one_backend_under_both_of_its_names() -> None:
    for file in ("dmesg-pstore-blk-2", "dmesg-pstore_blk-2"):
        name = parse_name(file)
        assert name is not None
        assert (name.type, name.family, name.id) == ("dmesg", "pstore_blk", 2)


@pytest.mark.parametrize(
    ("seconds", "dated"), [(5, False), (300 * 86400, False), (400 * 86400, True)]
)
def test_the_year_1970_is_no_time(seconds: int, dated: bool) -> None:
    (dump,) = group([record_of("dmesg-ramoops-0", text("Oops", 1, 1, [1.0]), seconds * 10**9)])
    assert (dump.time_ns is not None) == dated
    assert dump.name.startswith("undated-") != dated
