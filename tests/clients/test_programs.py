"""Other people's programs: what they say of a mount is what they say of a plain directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.conftest import Mount
from tests.records import capture

# {out} is a fresh directory. The output and the exit status must be the same on both.
COMMANDS = [
    "cat *",
    "ls -lR --time-style=full-iso",
    "ls -U | sort",
    "find . -printf '%P %s %m %u %g %T@ %y %n %l\\n' | sort",
    # Inode numbers and blocks are a file system's own business.
    "find . -type f -ls | awk '{$1 = $2 = \"\"; print}' | sort",
    "find . -size +4k | sort",
    "find . -newermt 2026-06-05 | sort",
    "stat -c '%n %s %a %U %G %Y %F %h' *",
    "grep -r -c BUG: . | sort",
    "grep -rn 'Kernel panic' . | sort",
    "git grep --no-index -c Call | sort",
    "sha256sum *",
    "md5sum * | md5sum",
    "wc *",
    "file -b * | sort || true",
    "head -n 3 *",
    "tail -n 3 *",
    "tac * | md5sum",
    "od -c * | md5sum",
    "sort * | md5sum",
    "less -F * | md5sum",
    "tar cf - --sort=name --format=posix --pax-option=delete=atime,delete=ctime . | md5sum",
    "tar cf - . | tar tvf - | sort",
    "ls | cpio -o --quiet --reproducible -H newc | md5sum",
    "zip -q -X - * | md5sum",
    "rsync -a ./ {out}/ && rsync -nacv --itemize-changes ./ {out}/ | grep '^[<>c]'; ls -l {out}",
    "rsync -ac --inplace ./ {out}/ && cat {out}/* | md5sum",
    "cp -a . {out}/copy && diff -r . {out}/copy && ls -lR --time-style=full-iso {out}/copy",
    "cp * {out}/ && cat {out}/* | md5sum",
    "dd if=$(ls | head -n 1) bs=7 skip=3 2>/dev/null | md5sum",
    "split -b 1000 $(ls | head -n 1) {out}/x && cat {out}/* | md5sum",
    "du -b --apparent-size * ",
    "busybox ls -l",
    "busybox find . | sort",
    "busybox grep -r -c BUG . | sort",
    "busybox tar cf - . | busybox tar tvf - | sort",
    "busybox cat * | busybox md5sum",
    "busybox diff -r . .",
    'python3 -c \'import shutil; shutil.copytree(".", "{out}/t")\' && ls -l {out}/t',
    "test -w $(ls | head -n 1); test -r $(ls | head -n 1) && test ! -x $(ls | head -n 1)",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A mount, and a plain directory of the same content, attributes and times."""
    scratch = tmp_path_factory.mktemp("programs")
    one = capture("erst-mixed-upgrade")
    source = one.write("enc", scratch / "source")
    reference = one.write("ref", scratch / "reference")
    for folder in (source, reference):
        os.utime(folder, ns=(10**18, 10**18))
    mounted = Mount(source, scratch / "mnt", "-o", "plain")
    yield mounted.point, reference
    assert mounted.end() == 0
    mounted.check()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_program_sees_a_plain_directory(
    command: str, both: tuple[Path, Path], tmp_path: Path
) -> None:
    results = []
    for folder in both:
        out = tmp_path / "out"
        out.mkdir()
        done = subprocess.run(
            ["sh", "-c", command.replace("{out}", str(out))],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=60,
            env={**os.environ, "TZ": "UTC", "GIT_CEILING_DIRECTORIES": "/"},
        )
        # Dates of directories that the command made itself, totals of blocks.
        lines = [line for line in done.stdout.splitlines() if not line.startswith(b"total ")]
        results.append((done.returncode, lines, done.stderr.replace(bytes(folder), b"")))
        subprocess.run(["rm", "-rf", out], check=True)
    assert results[0] == results[1]
    assert results[0][1] or command.startswith(("test ", "busybox diff")), "no output: no test"
