"""`status` of a fleet's mount: which crashes and machines it counts."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest

from pstorefs.fleet.grouped import Grouped
from pstorefs.report.fleet_status import status_text

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc).timestamp()


def name(dump: str, label: str = "oops-f-1", machine: str = "m", host: str = "web") -> str:
    return f"{dump}_{host}_{label}_6.1_{machine}_0123456789abcdef"


def status(days: dict[str, list[str]]) -> str:
    return status_text("s3://b", Grouped(days), NOW, "", NOW).decode()


def row(text: str, title: str) -> str:
    found = re.search(rf"^{title}: +(.*)$", text, re.MULTILINE)
    assert found
    return found[1]


def test_a_store_that_was_never_listed_has_no_time() -> None:
    text = status_text("s3://b", Grouped({}), 0.0, "no answer", NOW).decode()
    assert text.startswith(
        "Store:      s3://b, not listed since the mount\nTrouble:    no answer\n"
    )


@pytest.mark.parametrize(
    ("date", "dump", "day", "week"),
    [
        ("2026-11-28", "20261128T115900Z-oops-1", 1, 1),
        ("2026-11-27", "20261127T120000Z-oops-1", 1, 1),
        ("2026-11-27", "20261127T115959Z-oops-1", 0, 1),
        ("2026-11-29", "20261129T235959Z-oops-1", 1, 1),
        ("2026-11-30", "20261130T000000Z-oops-1", 0, 0),
        ("2026-11-21", "20261121T120000Z-oops-1", 0, 1),
        ("2026-11-21", "20261121T115959Z-oops-1", 0, 0),
        ("2026-11-28", "undated-oops-1", 1, 1),
        ("2026-11-27", "undated-oops-1", 1, 1),
        ("2026-11-26", "undated-oops-1", 0, 1),
        ("2026-11-21", "reboot-12345678", 0, 1),
        ("2026-11-20", "reboot-12345678", 0, 0),
    ],
)
def test_a_crash_counts_by_its_time_or_else_by_its_day(
    date: str, dump: str, day: int, week: int
) -> None:
    text = status({date: [name(dump)]})
    assert row(text, "Last day").startswith(f"{day} crash")
    assert row(text, "Last week").startswith(f"{week} crash")


def test_machines_of_one_host_name_are_several() -> None:
    dump = "20261128T110000Z-oops-1"
    text = status({"2026-11-28": [name(dump, machine="a"), name(dump, machine="b")]})
    assert row(text, "Machines") == "2 crashed"
    assert row(text, "Last day") == "2 crashes of 2 machines"


@pytest.mark.parametrize(
    ("days", "new"),
    [
        ({"2026-11-28": ["20261128T110000Z-oops-1"]}, True),
        ({"2026-11-28": ["undated-oops-1"]}, True),
        ({"2026-11-28": ["20261128T110000Z-oops-1"], "2026-11-01": ["undated-oops-2"]}, False),
        (
            {"2026-11-28": ["undated-oops-1"], "2026-11-01": ["20261101T110000Z-oops-1"]},
            False,
        ),
        ({"2026-11-28": ["undated-oops-1"], "2026-11-01": ["undated-oops-2"]}, False),
    ],
)
def test_a_signature_is_new_if_no_crash_before_the_week_has_it(
    days: dict[str, list[str]], new: bool
) -> None:
    text = status({date: list(map(name, dumps)) for date, dumps in days.items()})
    assert ("New signatures of the last week: none" not in text) == new


def test_what_has_no_signature_is_no_new_one() -> None:
    text = status({"2026-11-28": [name("reboot-12345678", label="none")]})
    assert row(text, "New signatures of the last week") == "none"
    assert row(text, "In all") == "1 crash, 0 signatures"


def test_first_and_last_are_of_those_that_have_a_time() -> None:
    dumps = ["20261126T110000Z-oops-1", "20261128T110000Z-oops-1", "undated-oops-1"]
    text = status({"2026-11-28": list(map(name, dumps))})
    assert "2026-11-26T11:00:00Z  2026-11-28T11:00:00Z  oops-f-1\n" in text
