"""SECURITY.md says what is so: the tests that it names are there, and the privileges are those."""

from __future__ import annotations

import re
from pathlib import Path

from pstorefs.mount import privileges

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()


def test_all_tests_that_it_names_exist() -> None:
    folders = set(re.findall(r"\btests/[a-z]+(?:(?:/[a-z_]+)?\.(?:py|txt))?", TEXT))
    assert len(folders) > 15
    assert [name for name in folders if not (ROOT / name).exists()] == []
    files = set(re.findall(r"\btest_\w+\.py", TEXT))
    assert [name for name in files if not list((ROOT / "tests").glob(f"*/{name}"))] == []


def test_whatever_was_found_has_a_test_that_is_there() -> None:
    text = (ROOT / "tests/RESULTS.md").read_text().partition("## The figures")[0]
    named = re.findall(r"^\|.*\| (\w+/\S*) \|$", text, re.MULTILINE)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_the_privileges_that_it_states_are_those_that_are_kept() -> None:
    kept = {name for name in dir(privileges) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)}
    stated = set(re.findall(r"^\* CAP_(\w+):", TEXT, re.MULTILINE))
    assert stated == kept == {"SYS_ADMIN", "DAC_OVERRIDE", "DAC_READ_SEARCH"}
    unit = (ROOT / "contrib/systemd/pstorefs.service").read_text()
    (names,) = re.findall(r"^CapabilityBoundingSet=(.+)$", unit, re.MULTILINE)
    assert set(names.split()) == {f"CAP_{name}" for name in {*kept, "SETPCAP"}}
