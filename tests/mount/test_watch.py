"""What the kernel keeps of archived dumps, and how it is told that something changed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pstorefs.archive import index
from pstorefs.archive.engine import archive
from pstorefs.archive.entry import parse
from pstorefs.archive.policy import Policy
from pstorefs.mount.watch import LASTING_SECONDS
from pstorefs.report.files import composer
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.inotify import Inotify
from pstorefs.system.machine import Machine
from tests.mount.conftest import Mount, MountMaker
from tests.mount.test_dumps import FRESH_SECONDS
from tests.records import capture

# It takes one; what was kept and not recalled would stand for a minute.
_SOON = LASTING_SECONDS / 4
_COMPOSE = composer(Machine("/nonexistent"), own=False)
_POLICY = Policy(volatile=True, reserve_bytes=0, reserve_share=0, compose=_COMPOSE)


def save(source: Path, target: Path) -> None:
    """As another process would."""
    store = OpenDirectory(str(source))
    archive(store, str(target), None, _POLICY)
    store.close()


def comes_true(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + _SOON
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


class Kept:
    """A mount of an archive, of whose dumps the kernel keeps what it knows of one file each."""

    def __init__(
        self,
        base: Path,
        mount: MountMaker,
        held_back: int = 0,
        records: str = "erst-deflate-6.1.192",
        file: str = "dmesg.txt",
    ) -> None:
        self.file = file
        self.archive, self.source = base / "disk" / "archive", base / "source"
        (base / "disk").mkdir(exist_ok=True)
        self.source.mkdir()
        self.store = capture(records).write("enc", base / "store")
        self.back = sorted(self.store.iterdir())[:held_back]
        for path in self.back:
            path.rename(base / path.name)
        save(self.store, self.archive)
        for path in self.back:
            (base / path.name).rename(path)
        options = f"archive={self.archive},archive_volatile"
        self.mount: Mount = mount(self.source, "-o", options)
        self.dumps = self.mount.point / "dumps"
        self.names = sorted(os.listdir(self.dumps))
        self.names.remove("latest")
        self.keep()

    def path(self, name: str) -> Path:
        return self.dumps / name / self.file

    def keep(self) -> None:
        """Have the kernel keep it: once to have it watched, and once when that has settled."""
        for _ in range(2):
            for name in self.names:
                assert self.path(name).read_bytes()
            time.sleep(1.3)
        for name in self.names:
            assert self.path(name).stat().st_size

    def asks(self) -> bool:
        """Whether the kernel asks the daemon, which is stopped meanwhile, for what it may keep.

        It keeps dumps/ itself for a second only: on a busy machine that may be over too soon.
        """
        time.sleep(FRESH_SECONDS)
        directory = os.open(self.dumps, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return not any(self._silent(directory) for _ in range(5))
        finally:
            os.close(directory)

    def _silent(self, directory: int) -> bool:
        def look() -> None:
            for name in self.names:
                os.stat(f"{name}/{self.file}", dir_fd=directory)

        looks = threading.Thread(target=look, daemon=True)
        os.fstat(directory)
        self.mount.process.send_signal(signal.SIGSTOP)
        try:
            looks.start()
            looks.join(0.5)
            return not looks.is_alive()
        finally:
            self.mount.process.send_signal(signal.SIGCONT)
            looks.join()


# Of the second, each dump is alone in its boot: what its summary.json says depends on no other.
@pytest.fixture(
    params=[
        ("erst-deflate-6.1.192", "dmesg.txt"),
        ("erst-deflate-6.12.107-deb13", "summary.json"),
    ],
    ids=lambda param: param[1],
)
def kept(tmp_path: Path, mount: MountMaker, request: pytest.FixtureRequest) -> Kept:
    records, file = request.param
    return Kept(tmp_path, mount, records=records, file=file)


def test_nobody_is_asked_for_what_did_not_change(kept: Kept) -> None:
    assert not kept.asks()


def test_a_dump_that_somebody_removes_is_gone(kept: Kept) -> None:
    name = kept.names[0]
    shutil.rmtree(kept.archive / name)
    assert comes_true(lambda: not (kept.dumps / name).exists())
    assert comes_true(lambda: not kept.path(name).exists())
    assert kept.path(kept.names[1]).exists()


def test_a_dump_that_is_renamed_has_its_new_name_alone(kept: Kept) -> None:
    name, new = kept.names[0], "20010101T000000Z-oops-9"
    (kept.archive / name).rename(kept.archive / new)
    assert comes_true(lambda: kept.path(new).exists() and not kept.path(name).exists())
    (kept.archive / new).rename(kept.archive / name)
    assert comes_true(lambda: kept.path(name).exists() and not kept.path(new).exists())


def test_rights_of_the_source_are_followed(kept: Kept) -> None:
    path = kept.path(kept.names[0])
    before = stat.S_IMODE(path.stat().st_mode)
    kept.source.chmod(0o000 if before else 0o700)
    assert comes_true(lambda: stat.S_IMODE(path.stat().st_mode) != before)


def test_a_size_that_the_index_has_wrong_is_no_error_to_who_reads(
    tmp_path: Path, mount: MountMaker
) -> None:
    records = "erst-deflate-6.12.107-deb13"
    kept = Kept(tmp_path, mount, records=records, file="summary.json")
    said = {name: kept.path(name).read_bytes() for name in kept.names}
    head, *lines = (kept.archive / index.NAME).read_bytes().splitlines()
    entries = [entry for entry in map(parse, lines) if entry]
    wrong = [each._replace(fixed=(each.fixed or 0) + 1000).line() for each in entries]
    (kept.archive / index.NAME).write_bytes(head + b"\n" + b"".join(wrong))
    fresh = mount(kept.source, "-o", f"archive={kept.archive},archive_volatile")
    for name in kept.names:
        path = fresh.point / "dumps" / name / kept.file
        assert path.stat().st_size == len(said[name]) + 1000
        assert path.read_bytes() == said[name]
        assert path.stat().st_size == len(said[name])


def test_a_dump_that_grows_is_shown_as_it_is(tmp_path: Path, mount: MountMaker) -> None:
    kept = Kept(tmp_path, mount, held_back=1)
    sizes = {name: kept.path(name).stat().st_size for name in kept.names}
    save(kept.store, kept.archive)

    def grown() -> bool:
        return any(kept.path(name).stat().st_size > sizes[name] for name in kept.names)

    assert comes_true(grown)
    for name in kept.names:
        assert len(kept.path(name).read_bytes()) == kept.path(name).stat().st_size


def test_another_archive_in_its_place_is_seen(kept: Kept, tmp_path: Path) -> None:
    name = kept.names[0]
    kept.archive.rename(tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere" / kept.names[1], kept.archive / kept.names[1])
    assert comes_true(lambda: not (kept.dumps / name).exists())
    # Somebody may have looked before all of it was copied, and that holds for a moment.
    assert comes_true(kept.path(kept.names[1]).exists)
    assert kept.path(kept.names[1]).read_bytes()
    # What was there is not watched any more, and what is there now is.
    kept.names = [kept.names[1]]
    kept.keep()
    assert not kept.asks()
    shutil.rmtree(kept.archive / kept.names[0])
    assert comes_true(lambda: not kept.path(kept.names[0]).exists())


def _renamed_above(kept: Kept) -> None:
    kept.archive.parent.rename(kept.archive.parent.with_name("other"))


def _replaced_above(kept: Kept) -> None:
    _renamed_above(kept)
    shutil.copytree(kept.archive.parent.with_name("other"), kept.archive.parent)
    shutil.rmtree(kept.archive / kept.names[0])


def _covered(kept: Kept) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "disk", str(kept.archive)], check=True)


@pytest.mark.parametrize("change", [_renamed_above, _replaced_above, _covered])
def test_a_path_that_leads_elsewhere_is_followed(
    kept: Kept, change: Callable[[Kept], None]
) -> None:
    """Nothing happens in a directory that is watched."""
    change(kept)
    try:
        assert comes_true(lambda: not kept.path(kept.names[0]).exists())
    finally:
        subprocess.run(["umount", "-l", str(kept.archive)], check=False, stderr=subprocess.DEVNULL)


def test_who_works_in_a_dumps_directory_stays_there(kept: Kept) -> None:
    """Nothing is taken out of the kernel's tree of names: getcwd(2) would fail."""
    stay, go = kept.names[:2]
    words = "import os, sys; sys.stdin.read(1); print(os.getcwd(), os.listdir())"
    with subprocess.Popen(
        [sys.executable, "-c", words],
        cwd=kept.dumps / stay,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        shutil.rmtree(kept.archive / go)
        assert comes_true(lambda: not (kept.dumps / go).exists())
        found, _ = program.communicate("x")
    assert str(kept.dumps / stay) in found
    assert "dmesg.txt" in found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "disk", str(point)], check=True)
    yield point
    subprocess.run(["umount", "-l", str(point)], check=False, stderr=subprocess.DEVNULL)


def test_the_disk_of_the_archive_is_kept_from_nobody(
    disk: Path, tmp_path: Path, mount: MountMaker
) -> None:
    kept = Kept(tmp_path, mount)
    # What was looked at is open for half a second.
    assert comes_true(lambda: not subprocess.run(["umount", str(disk)], check=False).returncode)
    assert comes_true(lambda: not (kept.dumps / kept.names[0]).exists())


def test_more_changes_than_the_kernel_remembers_are_told_as_that(tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watch = Inotify()
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        watch.watch(directory)
        (tmp_path / "one").touch()
        assert watch.drain(), "it goes on"
        (tmp_path / "one").rename(tmp_path / "other")
        assert watch.drain()
        names = [b"a", b"b"]
        for number in range(limit + 10):
            os.mkfifo(b"%s%d" % (names[number % 2], number), dir_fd=directory)
        assert not watch.drain(), "what happened is not known"
    finally:
        os.close(directory)
        watch.close()


def test_a_record_that_joins_an_archived_dump_from_a_folder_is_read(
    tmp_path: Path, mount: MountMaker
) -> None:
    kept = Kept(tmp_path, mount, held_back=1)
    texts = {name: kept.path(name).read_bytes() for name in kept.names}
    (kept.source / "folder").mkdir()
    time.sleep(FRESH_SECONDS)
    kept.keep()
    shutil.copy2(kept.back[0], kept.source / "folder")
    assert comes_true(
        lambda: any(kept.path(name).read_bytes() != texts[name] for name in kept.names)
    )

    def as_long_as_read() -> bool:
        found = [kept.path(name) for name in kept.names]
        return all(path.stat().st_size == len(path.read_bytes()) for path in found)

    assert comes_true(as_long_as_read)
