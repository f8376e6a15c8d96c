"""What is installed from PyPI is pinned, and its hash is checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    "contrib/requirements.txt",
    "contrib/build-requirements.txt",
    "contrib/fleet-requirements.txt",
    "tests/requirements.txt",
    "tests/browser/requirements.txt",
    "tests/fleet/requirements.txt",
    "tests/fleet/sql-requirements.txt",
    "tests/fuzz/requirements.txt",
]
PINNED = re.compile(r"([a-z0-9-]+)==([0-9a-z.]+)(?: ; python_version < \"3\.11\")?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pinned(file: str) -> dict[str, str]:
    """Packages and versions. Fails for anything that is not pinned with a hash."""
    text = "".join(
        line for line in (ROOT / file).read_text().splitlines(True) if not line.startswith("#")
    )
    found = {}
    for requirement in text.replace("\\\n", " ").splitlines():
        first, *hashes = re.split(r"\s+(?=--)", requirement.strip())
        match = PINNED.fullmatch(first)
        assert match, f"{file}: not an exact version: {first}"
        assert hashes, f"{file}: no hash: {first}"
        assert all(HASH.fullmatch(each) for each in hashes), f"{file}: {first}"
        found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_package_is_pinned_with_its_hashes(file: str) -> None:
    assert pinned(file)


def test_what_compiles_is_pinned() -> None:
    # Of pyfuse3: setuptools, setuptools-scm, Cython; of pstorefs: setuptools.
    assert {"setuptools", "setuptools-scm", "cython"} <= set(
        pinned("contrib/build-requirements.txt")
    )


def test_all_that_the_package_depends_on_is_pinned() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*)\]$", text, re.MULTILINE)
    assert listed
    wanted = dict(re.findall(r'"(\w+)>=([0-9.]+)"', listed[1]))
    assert len(wanted) == 4
    found = pinned("contrib/requirements.txt")

    def number(version: str) -> list[int]:
        return [int(each) for each in version.split(".")]

    for name, lowest in wanted.items():
        assert number(found[name]) >= number(lowest), name
