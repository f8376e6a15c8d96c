"""Names in the source and in the mount: each source name is shown once, and found again."""

from __future__ import annotations

import pytest

from pstorefs.record.shown import RESERVED, encoded, held, record_path, shown, stored

RECORD = "dmesg-erst-7646229349632311297"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("notes", "notes"),
        ("dumps", "dumps~source"),
        ("dumps/inside", "dumps~source/inside"),
        ("status~source", "status~source~source"),
        ("folder/dumps", "folder/dumps"),
        ("notes~source", "notes~source"),
    ],
)
def test_a_source_name_that_is_reserved_gets_another_and_is_found_under_it(
    path: str, expected: str
) -> None:
    assert shown(path) == expected
    assert stored(expected) == path


@pytest.mark.parametrize("name", RESERVED)
def test_a_virtual_place_is_not_in_the_source(name: str) -> None:
    assert stored(name) is None
    assert stored(f"{name}/below") is None


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        (RECORD, {RECORD}, RECORD),
        (RECORD, {RECORD + ".enc.z"}, RECORD + ".enc.z"),
        (RECORD, {RECORD, RECORD + ".enc.z"}, RECORD),
        (f"a/{RECORD}", {f"a/{RECORD}.enc.z"}, f"a/{RECORD}.enc.z"),
        (RECORD + ".enc.z", {RECORD + ".enc.z"}, RECORD + ".enc.z"),
        ("notes", {"notes.enc.z"}, None),
        (RECORD, set(), None),
    ],
)
def test_a_name_means_the_file_of_that_name_or_else_the_compressed_record(
    path: str, files: set[str], expected: str | None
) -> None:
    assert held(path, files.__contains__) == expected


def test_only_a_kernels_name_is_that_of_a_compressed_record() -> None:
    assert encoded(f"folder/{RECORD}") == f"folder/{RECORD}.enc.z"
    assert encoded("notes") is None
    assert encoded(RECORD + ".enc.z") is None


@pytest.mark.parametrize(
    ("path", "legible", "taken", "expected"),
    [
        (RECORD + ".enc.z", True, (), RECORD),
        (RECORD + ".enc.z", False, (), RECORD + ".enc.z"),
        (RECORD + ".enc.z", True, (RECORD,), RECORD + ".enc.z"),
        (RECORD, False, (), RECORD),
        (f"meta/{RECORD}.enc.z", True, (), f"meta~source/{RECORD}"),
    ],
)
def test_a_record_with_a_text_is_shown_without_its_suffix_where_that_name_is_free(
    path: str, legible: bool, taken: tuple[str, ...], expected: str
) -> None:
    assert record_path(path, legible=legible, taken=taken) == expected
