"""The plugin for sos, with sos itself (Debian: sosreport)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Debian's Python has Debian's sos.
PYTHON = "/usr/bin/python3"
RUN = """
import os
import sys
import sos.report.plugins
import sos.policies
sos.report.plugins.__path__.append(sys.argv.pop(1))
# sos looks for programs in directories of the distribution alone.
program = sys.argv.pop(1)
sos.policies.Policy._set_PATH = lambda _, path: os.environ.update(PATH=f"{program}:{path}")
from sos import SoS
SoS(sys.argv[1:]).execute()
"""


def has_sos() -> bool:
    command = [PYTHON, "-c", "import sos.report.plugins"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_sos() or os.geteuid() != 0, reason="needs sos, and root for it")
def test_sos_collects_the_list_and_the_checks(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "pstorefs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m pstorefs "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    words = ["report", "--batch", "-o", "pstorefs", "--tmp-dir", tmp_path, "-z", "gzip"]
    done = subprocess.run(
        [PYTHON, "-c", RUN, ROOT / "contrib" / "sos", program.parent, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = tmp_path.glob("sosreport-*.tar.gz")
    with tarfile.open(report) as tar:
        names = {member.name.partition("/")[2] for member in tar}
        check = next(name for name in tar.getnames() if name.endswith("/pstorefs_--check"))
        content = tar.extractfile(check)
        assert content is not None
        assert b"The next crash" in content.read()
    assert "sos_commands/pstorefs/pstorefs_--list" in names
