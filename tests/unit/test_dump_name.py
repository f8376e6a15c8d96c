"""Which directories of an archive are called as pstorefs calls dumps."""

import pytest

from pstorefs.dump import group
from pstorefs.record.dump_name import is_given
from tests.made import items_of
from tests.records import capture, captures


@pytest.mark.parametrize("name", captures())
def test_each_name_that_a_dump_gets_is_known_as_one(name: str) -> None:
    dumps = group(items_of(capture(name).enc))
    assert [dump.name for dump in dumps if not is_given(dump.name)] == []


OTHERS = (
    "",
    "undated",
    "undated-",
    "see-bug-7",
    "20260608T081503Z",
    "20260608T081503-panic-1",
    "2026-06-08T081503Z-panic-1",
    "20260608T081503Z-panic-1.bak",
    "20260608T081503Z-panic-1~",
    "20260608T081503Z-panic-1 (copy)",
    "old-20260608T081503Z-panic-1",
    "2026060\N{ARABIC-INDIC DIGIT EIGHT}T081503Z-panic-1",
    "20260608T081503Z-panic-1\n",
    "undated-pmsg-\N{LATIN SMALL LETTER E WITH ACUTE}-1",
)


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_name_is_taken_for_a_dumps(name: str) -> None:
    assert not is_given(name)
