"""pstorecat as one file, run by a Python that has no packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.records import capture, plain_name

ROOT = Path(__file__).parents[2]
# A module that stops the import of the packages, wherever they are installed.
WITHOUT = "import sys; sys.modules.update(dict.fromkeys(['lz4', 'zstandard', 'trio', 'pyfuse3']))\n"


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("zipapp") / "pstorecat.pyz"
    subprocess.run([ROOT / "contrib" / "build-zipapp", target], check=True, cwd="/")
    return target


def test_it_is_small_enough_for_a_mail(zipapp: Path) -> None:
    assert zipapp.stat().st_size < 200_000


@pytest.mark.parametrize("algorithm", ["deflate", "lzo", "lz4", "lz4hc", "842"])
def test_it_decodes_with_its_own_code_alone(algorithm: str, zipapp: Path) -> None:
    code = (
        f"{WITHOUT}sys.path[:] = [{str(zipapp)!r}] + [p for p in sys.path if 'packages' not in p]\n"
    )
    code += (
        "import runpy; sys.argv[0] = 'pstorecat'; runpy.run_path(sys.path[0], run_name='__main__')"
    )
    one = capture(f"erst-{algorithm}-6.1.192")
    name, stored = next((n, s) for n, s in sorted(one.enc.items()) if n.endswith(".enc.z"))
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], input=stored.data, capture_output=True, check=False
    )
    assert done.stderr == b""
    assert done.stdout == one.ref[plain_name(name)].data


def test_it_runs_as_a_program(zipapp: Path) -> None:
    done = subprocess.run([zipapp, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pstorecat ")


def test_a_python_without_packages_makes_reports_with_it(zipapp: Path, tmp_path: Path) -> None:
    """Each way to use it, as a Python that has nothing else runs it: no room is missing."""
    one = capture("erst-deflate-6.1.192")
    name, stored = next((n, s) for n, s in sorted(one.enc.items()) if n.endswith(".enc.z"))
    record = tmp_path / name
    record.write_bytes(stored.data)
    for words in (["--report"], ["--report", "--json"], ["--json"]):
        command = [sys.executable, "-I", "-S", zipapp, *words, record]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "6.1.192" in done.stdout or words == ["--json"]
    command = [sys.executable, "-I", "-S", zipapp, "--logcat", record]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    command = [sys.executable, "-I", "-S", zipapp, "--report", "--vmlinux", "/nonexistent", record]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "Traceback" not in done.stderr
