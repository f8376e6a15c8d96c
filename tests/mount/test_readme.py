"""The README's examples are run, and what they print is what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.records import capture

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
INDENT = "    "


def examples() -> list[tuple[str, str]]:
    """(command, output) of each `$ ` in the indented blocks."""
    found: list[list[str]] = []
    inside = False
    for line in README.splitlines():
        if line.startswith(f"{INDENT}$ "):
            found.append([line[len(INDENT) + 2 :]])
            inside = True
        elif line and not line.startswith(INDENT):
            inside = False
        elif inside:
            found[-1].append(line[len(INDENT) :])
    return [(lines[0], "\n".join(lines[1:]).rstrip()) for lines in found]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine of the README: a store, a mount point, the two commands."""
    scratch = tmp_path_factory.mktemp("readme")
    capture("erst-mixed-upgrade").write("enc", scratch / "store")
    for folder in ("crashes", "bin", "work"):
        (scratch / folder).mkdir()
    for command in ("pstorefs", "pstorecat"):
        module = f"pstorefs.cli.{command}"
        script = scratch / "bin" / command
        source = f" {scratch}/store" if command == "pstorefs" else ""
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module}{source} "$@"\n')
        script.chmod(0o755)
    return scratch


def test_the_examples_print_what_the_readme_shows(place: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{place}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C",
        "TZ": "UTC",
    }
    assert len(examples()) > 4
    shown, printed = [], []
    try:
        for command, output in examples():
            real = command.replace("/sys/fs/pstore", f"{place}/store")
            real = real.replace("/mnt/crashes", f"{place}/crashes")
            done = subprocess.run(
                ["sh", "-c", real],
                cwd=place / "work",
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            out = done.stdout.replace(f"{place}/store", "/sys/fs/pstore")
            out = out.replace(f"{place}/crashes", "/mnt/crashes")
            # The day on which, and the machine on which, somebody looks.
            for now in (
                r"\d+ days ago",
                r"now running \S+|which runs now",
                r"(?<=now running: )[^)]+",
            ):
                seen = re.search(now, output)
                out = re.sub(now, seen[0] if seen else "", out) if output else out
            out = "\n".join(line.rstrip() for line in out.splitlines())
            printed.append(f"$ {command}\n{out.rstrip()}")
            shown.append(f"$ {command}\n{output.rstrip()}")
    finally:
        subprocess.run(["umount", place / "crashes"], check=False)
    if os.environ.get("README_UPDATE"):
        text = README
        for old, new in zip(shown, printed, strict=True):
            was, now = (
                "".join(f"{INDENT}{line}".rstrip() + "\n" for line in part.rstrip().splitlines())
                for part in (old, new)
            )
            text = text.replace(was, now)
        (ROOT / "README.md").write_text(text)
    assert printed == shown
