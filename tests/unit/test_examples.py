"""README.md: the lines of its examples that depend on the running kernel and on the day.

tests/mount/test_readme.py runs all examples, and leaves out these words.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.record.record import STORE
from pstorefs.report import files
from pstorefs.report.material import context_of, material
from pstorefs.report.status import Reporter
from pstorefs.system.machine import Machine
from tests.records import capture

README = Path(__file__).parents[2] / "README.md"
#: The machine of the example, and when somebody looked.
KERNEL, NOW = "6.12.107+deb13-amd64", datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def printed(command: str) -> list[str]:
    """What README.md says that a command prints."""
    text = README.read_text()
    block = text.partition(f"    $ {command}\n")[2]
    assert block, f"README.md has no example of {command}"
    end = re.search(r"\n(?=    \$ |[^ \n])", block)
    assert end is not None
    lines = block[: end.start()].rstrip("\n").split("\n")
    return [line.removeprefix("    ") for line in lines]


def head(text: bytes, count: int) -> list[str]:
    return "\n".join(text.decode().split("\n")[:count]).rstrip("\n").split("\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    kernel = tmp_path / "root" / "proc" / "sys" / "kernel"
    kernel.mkdir(parents=True)
    (kernel / "osrelease").write_text(f"{KERNEL}\n")
    return Machine(str(tmp_path / "root"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return capture("erst-mixed-upgrade").write("enc", tmp_path / "store")


def test_status(store: Path, machine: Machine) -> None:
    catalog = Catalog([Place(STORE, str(store))])
    text = Reporter(catalog, "", machine, own=False, clock=NOW.timestamp).text()
    assert printed("head -n 3 /mnt/crashes/status") == head(text, 3)


def test_report_txt(store: Path, machine: Machine) -> None:
    name = "20260601T011501Z-oops-1"
    catalog = Catalog([Place(STORE, str(store))])
    dump = catalog.dumps()[name]
    context = context_of(catalog, dump, machine, own=False)
    text = files.FILES["report.txt"](material(catalog, dump), context)
    assert text is not None
    assert printed(f"head -n 15 /mnt/crashes/dumps/{name}/report.txt") == head(text, 15)
