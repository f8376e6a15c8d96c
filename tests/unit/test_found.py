"""What the fuzzer found once stays right: each input again, through its target (tests/fuzz)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.table import TARGETS

FOUND = Path(__file__).parents[1] / "fuzz" / "found"
INPUTS = sorted(path for path in FOUND.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_holds_now(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_holds_for_what_it_begins_with(name: str) -> None:
    target = TARGETS[name]
    inputs = [b"", b"\0", b"\xff\xfe\xff", *list(target.seeds())[:12]]
    assert len(inputs) > 3, "no seeds"
    for data in inputs:
        target(data[: target.longest])
