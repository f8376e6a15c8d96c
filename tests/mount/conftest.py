"""Real mounts for tests. They need root or fusermount3, and a /dev/fuse that works."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pstorefs.system import mountinfo
from tests.records import capture

READY_SECONDS = 100
NOBODY = pwd.getpwnam("nobody").pw_uid
COMMAND = [sys.executable, "-m", "pstorefs"]
# The Python that .venv was made from: other users may not reach a checkout in somebody's home.
EVERYBODYS_PYTHON = os.path.realpath(sys.executable)


@cache
def everybodys_copy() -> Path:
    """The program where all users of the machine can read it; gone when the tests end."""
    place = Path(tempfile.mkdtemp(prefix="pstorefs-program-"))
    atexit.register(shutil.rmtree, place)
    place.chmod(0o755)
    shutil.copytree(Path(__file__).parents[2] / "pstorefs", place / "pstorefs")
    for path in place.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


def mounted(point: Path) -> bool:
    found = mountinfo.at(os.path.realpath(point))
    return found is not None and found.kind == "fuse.pstorefs"


def until_mounted(point: Path, process: subprocess.Popen[Any]) -> bool:
    """Wait for a mount by this process. Whether it came."""
    end = time.monotonic() + READY_SECONDS
    while not mounted(point):
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


#: What a mount in the foreground tells of its work.
NEWS = re.compile("pstorefs: (rm .+: |unmounting on SIG|saved |.+: removed from the archive)")


class Mount:
    """A foreground pstorefs. What it wrote to standard error must have been expected."""

    def __init__(self, source: Path, point: Path, *options: str) -> None:
        self.source, self.point = source, point
        self.expected_words: list[str] = []
        point.mkdir(exist_ok=True)
        self._errors = point.parent / f"{point.name}.stderr"
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "-f", *options, str(source), str(point)],
                stdin=subprocess.DEVNULL,
                stderr=errors,
            )
        if not until_mounted(point, self.process):
            self.process.kill()
            pytest.fail(f"no mount: {self.errors()}")

    def mounted(self) -> bool:
        return mounted(self.point)

    def errors(self) -> str:
        return self._errors.read_text()

    def expect(self, words: str) -> None:
        """These words may stand on standard error."""
        self.expected_words.append(words)

    def end(self) -> int:
        """Unmount; the exit status."""
        subprocess.run(["umount", str(self.point)], check=False, stderr=subprocess.DEVNULL)
        return self.process.wait(100)

    def abandon(self) -> None:
        """Whatever happened, leave nothing behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        subprocess.run(["umount", "-l", self.point], check=False, stderr=subprocess.DEVNULL)

    def check(self) -> None:
        lines = [
            line
            for line in self.errors().splitlines()
            if not NEWS.match(line) and not any(words in line for words in self.expected_words)
        ]
        assert not lines, "unexpected words on standard error"


MountMaker = Callable[..., Mount]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[MountMaker]:
    """Make mounts, called as ``mount(source, *options)``; at the end all are checked."""
    with contextlib.ExitStack() as stack:
        made: list[Mount] = []

        def make(source: Path, *options: str, point: Path | None = None) -> Mount:
            one = Mount(source, point or tmp_path / f"mnt{len(made)}", *options)
            stack.callback(one.abandon)
            made.append(one)
            return one

        yield make
        for one in made:
            if one.process.poll() is None:
                assert one.end() == 0, one.errors()
            one.check()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Records of several kernels and algorithms, as an upgrade leaves them."""
    return capture("erst-mixed-upgrade").write("enc", tmp_path / "source")


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A plain directory with the texts of `source`."""
    return capture("erst-mixed-upgrade").write("ref", tmp_path / "reference")


@pytest.fixture
def point(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "point"
    where.mkdir()
    yield where
    while mountinfo.at(str(where)) is not None:
        subprocess.run(["umount", "-l", where], check=True)


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A directory of the user nobody's, with copies of records and a mount point."""
    home = Path(tempfile.mkdtemp(prefix="pstorefs-test-"))
    capture("erst-zstd-6.1.192").write("enc", home / "records")
    (home / "point").mkdir()
    for path in [home, *home.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    yield home
    if mountinfo.at(str(home / "point")) is not None:
        subprocess.run(["umount", "-l", home / "point"], check=True)
    shutil.rmtree(home)
