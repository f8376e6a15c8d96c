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


#: The rows of docs/comparison.md, and where tests/bench/RESULTS.md has their figures.
FIGURES = {
    "stat, again": ["warm stat"],
    "find, ls -l, again": ["warm find", "warm ls"],
    "cat, grep, tar, again": ["warm cat", "warm grep", "warm tar"],
    "the same with two CPUs": [f"warm {what}, both CPUs" for what in ("cat", "grep", "tar")],
    "the first find with sizes": ["cold find -printf %s"],
    "the first cat of everything": ["cold cat"],
    "the mount is ready": ["mount ready, 15 records"],
    "memory with 15 records": ["PSS at 15 records"],
    "grep over dumps/\\*/dmesg.txt": ["grep dumps/*/dmesg.txt, 500 records"],
    "pstorecat of one record": ["pstorecat"],
}


def latest_figures() -> dict[str, str]:
    """What the benchmarks measured last, by the name of the row."""
    latest = {}
    for line in (ROOT / "tests" / "bench" / "RESULTS.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7:
            latest[cells[0]] = cells[4]
    return latest


def test_what_the_readme_says_of_speed_is_what_was_measured_last() -> None:
    text, latest = " ".join((ROOT / "README.md").read_text().split()), latest_figures()
    assert "takes about twice as long" in text
    assert round(float(latest["cold cat"])) == 2
    assert "later ones are no slower" in text
    assert float(latest["warm cat"]) <= 1


def test_the_comparison_has_the_latest_figures() -> None:
    text = (ROOT / "docs" / "comparison.md").read_text()
    latest = latest_figures()
    rows = [line.strip("| ").split(" | ") for line in text.partition("## Speed")[2].splitlines()]
    shown = {row[0]: row[2] for row in rows if len(row) == 3 and row[2][0].isdigit()}
    assert shown == {what: ", ".join(latest[row] for row in of) for what, of in FIGURES.items()}
    assert latest["memory per record, 1,000 to 100,000"] in text
