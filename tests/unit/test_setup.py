"""contrib/setup, with a stand-in for Python and other directories. It wants root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "contrib" / "setup"
# `python3 -m venv DIRECTORY` makes a pip, and that "installs" a file.
_PYTHON = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 0
mkdir -p "$3/bin"
cat >"$3/bin/pip" <<'END'
#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/obstore"
echo new >"$2/obstore/version"
END
chmod +x "$3/bin/pip"
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="contrib/setup wants root")


def setup(base: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    python = base / "python3"
    python.write_text(_PYTHON)
    python.chmod(0o755)
    (base / "fusermount3").symlink_to(python)  # nothing is to be installed
    text = SETUP.read_text().replace("/usr/local/lib/pstorefs", str(base / "lib"))
    program = base / "setup"
    program.write_text(text.replace("python=/usr/bin/python3", f"python={python}"))
    environment = {**os.environ, "TMPDIR": str(base), "PATH": f"{base}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


@pytest.mark.parametrize(
    "left", ["", "fleet", "fleet.new", "fleet.old", "fleet fleet.new fleet.old"]
)
def test_the_library_of_the_fleet_is_renewed_whatever_an_interrupted_run_left(
    left: str, tmp_path: Path
) -> None:
    for name in left.split():
        (tmp_path / "lib" / name / "obstore").mkdir(parents=True)
        (tmp_path / "lib" / name / "obstore" / "version").write_text("old\n")
    done = setup(tmp_path, "--fleet")
    assert done.returncode == 0, done.stderr
    found = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("version")
    }
    assert found == {"lib/fleet/obstore/version": "new\n"}


def test_a_mount_point_that_is_a_file_is_refused_with_nothing_left_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = set(os.listdir(tempfile.gettempdir()))
    done = setup(tmp_path, str(tmp_path / "file"))
    assert done.returncode == 2
    assert f"setup: {tmp_path}/file: give a directory to mount at" in done.stderr
    left = {*os.listdir(tmp_path), *(set(os.listdir(tempfile.gettempdir())) - before)}
    assert not [name for name in left if name.startswith("pstorefs-records")]
