"""CONTRIBUTING.md names files and functions: they exist, in the place that it gives."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
FILES = sorted(set(re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:py|md|rules))`", TEXT)))
PLACES = sorted(set(re.findall(r"`([a-z_0-9/]+\.py)`,? `([A-Za-z_]+(?:\.[A-Za-z_]+)?)`", TEXT)))


def found(name: str) -> Path:
    return next((p for p in (ROOT / "pstorefs" / name, ROOT / name) if p.exists()), ROOT / "none")


@pytest.mark.parametrize("file", FILES)
def test_each_file_that_it_names_exists(file: str) -> None:
    assert found(file).exists()


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_each_function_that_it_names_is_in_the_file(file: str, name: str) -> None:
    body: list[ast.stmt] = ast.parse(found(file).read_text()).body
    for word in name.split("."):
        inner = [node for node in body if getattr(node, "name", "") == word]
        variables = {
            target.id
            for node in body
            for target in getattr(node, "targets", [getattr(node, "target", None)])
            if isinstance(target, ast.Name)
        }
        assert inner or word in variables, f"{file} has no {word}"
        body = inner[0].body if inner and hasattr(inner[0], "body") else []
