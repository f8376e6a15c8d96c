"""What `tests/run everywhere` writes of its runs, and that it names no host of anybody's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.everywhere import RELEASES, STAGES, outcome, table, with_section

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("log", "status", "said"),
    [
        ("All checks passed!\n", 0, "ok"),
        ("== unit\n....\n1234 passed in 60.05s (0:01:00)\n", 0, "1234 passed"),
        ("9 passed in 60.05s\n....\n15 passed in 8.00s\n", 0, "9 passed; 15 passed"),
        ("5 passed, 1 skipped, 3 deselected in 9.1s\n", 0, "5 passed, 1 skipped, 3 deselected"),
        ("===== 1 failed, 9 passed in 2.00s =====\n", 1, "**fails** 1 failed, 9 passed"),
        ("E501 Line too long\n", 1, "**fails**"),
        ("", 124, "**fails**"),
    ],
)
def test_a_stage_is_said_in_its_own_last_words(log: str, status: int, said: str) -> None:
    assert outcome(log, status) == said


def test_the_section_is_put_in_place_of_the_former_one_and_nothing_else_changes() -> None:
    rows = {release: dict.fromkeys(STAGES, "ok") for release in RELEASES.values()}
    page = "# Page\n\n## Before\n\ntext\n"
    first = with_section(page, table("1234567", rows))
    assert first.startswith(page)
    assert "| Debian 12 | ok | ok | ok | ok | ok | ok |" in first
    longer = f"{first}\n## After\n\nmore\n"
    second = with_section(longer, table("89abcde", rows))
    assert second == longer.replace("1234567", "89abcde")


def test_a_run_says_the_releases_that_it_is_known_to_pass_on() -> None:
    said = (ROOT / ".ci/run").read_text()
    for name in RELEASES.values():
        number = name.removeprefix("Debian ")
        assert re.search(rf"known to pass on Debian .*\b{number}\b", said)
