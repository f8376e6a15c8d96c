"""SECURITY.md says what is so: the tests that it names are there, and the privileges are those."""

from __future__ import annotations

import os
import re
import subprocess
import sys
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


# What `status` opens besides records, in a process in which every open is seen.
_OPENS = """
import sys
from pstorefs.catalog.catalog import Catalog
from pstorefs.report.status import Reporter
from pstorefs.system.machine import Machine
seen = set()
def hook(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and arguments and arguments[0]:
        seen.add(arguments[0])
sys.addaudithook(hook)
Reporter(Catalog([]), "", Machine(), own=True).text()
print("\\n".join(sorted(path for path in map(str, seen) if path.startswith("/"))))
"""


def test_whatever_the_reports_open_is_in_a_directory_that_it_names() -> None:
    command = [sys.executable, "-c", _OPENS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    imported = (sys.prefix, str(ROOT), os.path.dirname(os.__file__))
    opened = {path for path in done.stdout.split() if not path.startswith(imported)}
    stated = " ".join(
        TEXT.partition("These are opened by their path")[2].partition("Links")[0].split()
    )
    folders = tuple(f"{path}/" for path in re.findall(r"/[a-z][a-z/-]*[a-z]", stated))
    assert len(opened) > 10
    assert [path for path in opened if not f"{path}/".startswith(folders)] == []
