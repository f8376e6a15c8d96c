"""The fixtures of tests/mount serve here too, and three places that are shown to programs."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mount.conftest import Mount, mount, reference, source
from tests.records import capture

__all__ = ["mount", "reference", "source"]

RECORD = "dmesg-erst-7646229349632311297"
_DAY = 10**18  # ns since 1970: some day, so that times can be compared


@dataclass(frozen=True)
class Place:
    """A directory of a mount, and a plain one of the same content, attributes and times."""

    shown: Path
    plain: Path

    def files(self) -> list[str]:
        """All regular files, relative, sorted."""
        found = (path for path in self.plain.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(str(path.relative_to(self.plain)) for path in found)


PLACES = ("mirror", "dumps", "meta")
# In meta/ a record is 16 files: of the many records a few will do.
_FEW = 10


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """The mirror, beside the texts that real kernels made; dumps/ and meta/, beside copies.

    Where no kernel ever made the same, a copy by cp -a has to do: it is complete only if the sizes
    are true. status is not among them: it tells ages. Nor is control: it has no size.
    """
    scratch = tmp_path_factory.mktemp("places")
    upgrade = capture("erst-mixed-upgrade")
    source, few, reference = scratch / "source", scratch / "few", scratch / "reference"
    for folder, kind in ((source, "enc"), (reference, "ref")):
        upgrade.write(kind, folder)
        upgrade.write(kind, folder / "folder" / "deeper")
        further_files(folder)
    for path in sorted(upgrade.write("enc", few).iterdir())[_FEW:]:
        path.unlink()
    with contextlib.ExitStack() as stack:
        mirror = Mount(source, scratch / "mirror", "-o", "plain")
        stack.callback(mirror.abandon)
        full = Mount(few, scratch / "full")
        stack.callback(full.abandon)
        copies = scratch / "copies"
        copies.mkdir()
        subprocess.run(["cp", "-a", full.point / "dumps", full.point / "meta", copies], check=True)
        still = {
            folder: stack.enter_context(read_only(folder, scratch / f"{folder.name}-read-only"))
            for folder in (reference, copies)
        }
        yield {
            "mirror": Place(mirror.point, still[reference]),
            "dumps": Place(full.point / "dumps", still[copies] / "dumps"),
            "meta": Place(full.point / "meta", still[copies] / "meta"),
        }
        for one in (mirror, full):
            # Not by umount: a mount namespace that somebody made meanwhile would keep it alive.
            one.process.terminate()
            assert one.process.wait(100) == 0, one.errors()
            one.check()


@contextlib.contextmanager
def read_only(folder: Path, point: Path) -> Iterator[Path]:
    """A directory once more, as what a mount is compared with: a read-only bind mount."""
    point.mkdir()
    subprocess.run(["mount", "--bind", folder, point], check=True)
    try:
        flags = "remount,bind,ro,nosuid,nodev,noexec"
        subprocess.run(["mount", "-o", flags, point], check=True)
        yield point
    finally:
        subprocess.run(["umount", "-l", point], check=True)


def further_files(folder: Path) -> None:
    """What else may lie in a source: odd names, a large file, links, an empty file and folder."""
    (folder / "big.bin").write_bytes(random.Random(7).randbytes(2 << 20))
    (folder / "empty").touch()
    (folder / "with blank ü").write_text("no record\n")
    (folder / ".hidden").write_text("BUG: hidden\n")
    (folder / "hollow").mkdir()
    (folder / "link").symlink_to(RECORD)
    (folder / "dangling").symlink_to("nowhere")
    for path in (*folder.rglob("*"), folder):
        if not path.name.startswith("dmesg-"):
            os.utime(path, ns=(_DAY, _DAY), follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
