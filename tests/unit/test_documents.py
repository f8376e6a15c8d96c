"""The documents: lines that fit a terminal, and names of files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/**/*.md")])
_WIDTH = 120


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_is_wider_than_a_terminal(path: Path) -> None:
    """A row of a table is one line: Markdown has no other way."""
    lines = path.read_text().splitlines()
    assert [line for line in lines if len(line) > _WIDTH and not line.startswith("|")] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_it_names_are_there(path: Path) -> None:
    named = set(
        re.findall(r"(?<![/\w])(?:pstorefs|contrib|docs)/[\w./-]*\w\.\w+", path.read_text())
    )
    gone = {"CHANGELOG.md": "what a release had"}
    assert path.name in gone or [name for name in named if not (ROOT / name).exists()] == []
