"""A source that is served by somebody who stops to answer, or never ends a file."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pstorefs.record.shown import RESERVED
from pstorefs.source.timeout import TIMEOUT_SECONDS
from pstorefs.system import mountinfo
from tests.figures import record
from tests.hostile.conftest import CALM, MOST_WAITING, elsewhere, note, put_calm_record
from tests.hostile.unreliable import ENDLESS, SLOW
from tests.mount.conftest import COMMAND, MountMaker
from tests.records import capture

# Each may hang once in opening, once in reading, before it is known that it hangs.
MOST_SECONDS = 3 * TIMEOUT_SECONDS
_Answer = TypeVar("_Answer")


class Server:
    """The file system, and what hangs in it."""

    def __init__(self, top: Path) -> None:
        self.flags, self.point = top / "flags", top / "served"
        self.files = self.flags / "files"
        self.files.mkdir(parents=True)
        self.point.mkdir()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.unreliable", str(self.flags), str(self.point)]
        )
        while mountinfo.at(str(self.point)) is None:
            assert self.process.poll() is None
            time.sleep(0.02)

    def hang(self, what: str) -> None:
        (self.flags / what).touch()

    def answer(self) -> None:
        for flag in self.flags.iterdir():
            if flag.is_file():
                flag.unlink()

    def end(self) -> None:
        self.answer()
        subprocess.run(["umount", "-l", self.point], check=False, stderr=subprocess.DEVNULL)
        self.process.terminate()
        self.process.wait(100)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.end()


def _outcome(call: Callable[[], object]) -> tuple[int, float]:
    """The errno of a call, and how long it took."""
    began = time.monotonic()
    try:
        call()
    except OSError as error:
        return error.errno or 0, time.monotonic() - began
    return 0, time.monotonic() - began


def _once_answered(call: Callable[[], _Answer]) -> _Answer:
    """The answer to a call, as soon as the source no longer hangs."""
    end = time.monotonic() + 100
    while True:
        try:
            return call()
        except TimeoutError:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.parametrize("what", ["lookup", "open", "read"])
@pytest.mark.parametrize("suffix", ["", ".enc.z"], ids=["plain record", "encoded record"])
def test_a_record_that_hangs_keeps_no_other_from_being_read(
    server: Server, mount: MountMaker, what: str, suffix: str
) -> None:
    calm = put_calm_record(server.files)
    text = b"Panic#1 Part1\n<4>[    1.000000] slow\n"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(text) + packer.flush() if suffix else text
    (server.files / (SLOW + suffix)).write_bytes(data)
    server.start()
    one = mount(server.point)
    assert (one.point / CALM).read_bytes() == calm
    assert os.listdir(one.point)
    # A listing keeps a text until its first reader takes it.
    assert (one.point / SLOW).read_bytes() == text
    server.hang(what)
    with elsewhere(one, one.point / CALM, calm) as watch:
        number, seconds = _outcome((one.point / SLOW).read_bytes)
        assert number == errno.ETIMEDOUT
        _, listed = _outcome(lambda: os.listdir(one.point))
        _, status = _outcome((one.point / "status").read_bytes)
    kind = "encoded" if suffix else "plain"
    for did, took in (("its own reader", seconds), ("a listing", listed), ("status", status)):
        words = f"a source that hangs ({what}, {kind} record): {did} is answered after"
        record("bounds", words, f"{took:.1f} s", f"<= {MOST_SECONDS} s", took <= MOST_SECONDS)
        assert took <= MOST_SECONDS
    note(f"a source that hangs ({what}, {kind} record)", one, watch, seconds=3 * MOST_SECONDS)
    server.answer()
    assert _once_answered((one.point / SLOW).read_bytes) == text
    assert one.end() == 0


def test_a_mount_whose_source_hangs_is_unmounted_and_ends(
    server: Server, mount: MountMaker
) -> None:
    put_calm_record(server.files)
    (server.files / SLOW).write_bytes(b"Panic#1 Part1\n<4>[    1.000000] slow\n")
    server.start()
    one = mount(server.point)
    server.hang("read")
    reader = subprocess.Popen(["cat", one.point / SLOW], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    began = time.monotonic()
    one.expect("unmounting")
    one.process.send_signal(signal.SIGTERM)
    while one.mounted():
        assert time.monotonic() < began + MOST_SECONDS
        time.sleep(0.05)
    assert reader.wait(MOST_SECONDS)
    seconds = time.monotonic() - began
    what = "a source that hangs: unmounted, and its readers free, after SIGTERM"
    record("bounds", what, f"{seconds:.1f} s", f"<= {MOST_SECONDS} s", seconds <= MOST_SECONDS)
    # A thread in a call of another FUSE program cannot be ended by anybody: the server answers.
    server.answer()
    assert one.process.wait(MOST_SECONDS) == 0


def test_a_listing_that_hangs_is_given_up(server: Server, mount: MountMaker) -> None:
    """Meanwhile the kernel lets nobody look anything up in that folder of the source."""
    calm = put_calm_record(server.files)
    server.start()
    one = mount(server.point)
    server.hang("readdir")
    number, listed = _outcome(lambda: os.listdir(one.point))
    assert number == errno.ETIMEDOUT
    _, looked = _outcome(lambda: os.stat(one.point / "nothing"))
    _, status = _outcome((one.point / "status").read_bytes)
    for did, took in (("listing", listed), ("look-up", looked), ("status", status)):
        words = f"a source that hangs (readdir): a {did} is answered after"
        record("bounds", words, f"{took:.1f} s", f"<= {MOST_SECONDS} s", took <= MOST_SECONDS)
        assert took <= MOST_SECONDS
    server.answer()
    assert CALM in _once_answered(lambda: os.listdir(one.point))
    assert (one.point / CALM).read_bytes() == calm


@pytest.mark.parametrize("suffix", ["", ".enc.z"], ids=["plain record", "encoded record"])
def test_a_file_that_never_ends_is_given_up(server: Server, mount: MountMaker, suffix: str) -> None:
    calm = put_calm_record(server.files)
    (server.files / (ENDLESS + suffix)).write_bytes(b"size 7\n")
    server.start()
    one = mount(server.point)
    with elsewhere(one, one.point / CALM, calm) as watch:
        number, _ = _outcome((one.point / ENDLESS).read_bytes)
        assert os.listdir(one.point)
        assert (one.point / "status").read_bytes()
    assert number in (errno.EFBIG, errno.ENOENT)
    note(f"a file without an end{suffix}", one, watch, seconds=60)


def test_what_hangs_before_the_start_is_given_up(server: Server, tmp_path: Path) -> None:
    put_calm_record(server.files)
    server.start()
    point = tmp_path / "point"
    point.mkdir()
    server.process.send_signal(signal.SIGSTOP)
    try:
        for what, arguments in (
            ("mount", [server.point, point]),
            ("--archive", ["--archive", "-o", f"archive={tmp_path / 'archive'}", server.point]),
        ):
            began = time.monotonic()
            done = subprocess.run(
                [*COMMAND, *map(str, arguments)],
                capture_output=True,
                text=True,
                check=False,
                timeout=6 * MOST_SECONDS,
            )
            took = time.monotonic() - began
            words = f"a source that hangs already: {what} ends after"
            record("bounds", words, f"{took:.1f} s", f"<= {MOST_SECONDS} s", took <= MOST_SECONDS)
            assert took <= MOST_SECONDS
            assert done.returncode in (2, 32), done
            assert f"{server.point}: it does not answer" in done.stderr
    finally:
        server.process.send_signal(signal.SIGCONT)


#: A record of another dump than `CALM`.
OTHER = "dmesg-erst-7647002443745591298"
ARCHIVED = "20260101T000000Z-panic-1"
#: More than all lanes of a mount have threads, and more than pyfuse3 would read requests at a time.
MANY = 120


class HungArchive:
    """A mount with an archive that is served by another program, which can be stopped."""

    def __init__(self, top: Path) -> None:
        self.source, self.archive, self.served = (
            top / name for name in ("source", "archive", "served")
        )
        raw = self.archive / ARCHIVED / "raw"
        raw.mkdir(parents=True)
        (raw / "dmesg-erst-1").write_bytes(b"Panic#1 Part1\n<4>[    1.000000] archived\n")
        self.source.mkdir()
        self.served.mkdir()
        self.calm = put_calm_record(self.source)
        self.server = subprocess.Popen(["bindfs", "-f", self.archive, self.served])
        while mountinfo.at(str(self.served)) is None:
            assert self.server.poll() is None
            time.sleep(0.02)

    def hang(self) -> None:
        self.server.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self.server.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "-l", self.served], check=False)
        self.server.terminate()
        self.server.wait(100)


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[HungArchive]:
    made = HungArchive(tmp_path)
    yield made
    made.end()


@contextmanager
def readers_of_dumps(point: Path, count: int) -> Iterator[list[threading.Thread]]:
    """So many readers of an archived dump, all of which hang."""

    def read() -> None:
        with suppress(OSError):
            (point / "dumps" / ARCHIVED / "dmesg.txt").read_bytes()

    time.sleep(1.5)  # names of a moment ago are shown without looking
    readers = [threading.Thread(target=read) for _ in range(count)]
    for reader in readers:
        reader.start()
    time.sleep(0.5)
    assert all(reader.is_alive() for reader in readers), "they hang"
    yield readers
    for reader in readers:
        reader.join(2 * MOST_SECONDS)
        assert not reader.is_alive()


def timed(what: str, most: float, call: Callable[[], Any]) -> Any:  # noqa: ANN401
    """The result of a call, which must come within so many seconds; its time is recorded."""
    began = time.monotonic()
    result = call()
    took = time.monotonic() - began
    words = f"an archive that hangs: {what} is answered after"
    record("bounds", words, f"{took:.1f} s", f"<= {most:.0f} s", took <= most)
    assert took <= most, what
    return result


def test_an_archive_that_hangs_keeps_nobody_from_the_records(
    mount: MountMaker, hung: HungArchive
) -> None:
    one = mount(hung.source, "-o", f"archive={hung.served}")
    before = set(os.listdir(one.point / "dumps"))
    assert len(before) == 3, "two dumps, and latest"
    time.sleep(1)
    hung.hang()
    calm = timed("cat of a record", MOST_SECONDS, (one.point / CALM).read_bytes)
    timed("ls", MOST_SECONDS, lambda: os.listdir(one.point))
    dumps = timed("ls dumps", MOST_SECONDS, lambda: os.listdir(one.point / "dumps"))
    status = timed("cat status", MOST_SECONDS, (one.point / "status").read_bytes)
    assert calm == hung.calm
    assert set(dumps) == before, "what was there is still listed"
    assert b"archive: it does not answer: what is known" in status or (
        b"archive: it did not answer a moment ago: what is known" in status
    )
    assert b"permission" not in status
    assert b"incomplete" not in status


@pytest.mark.parametrize("count", [5, MANY], ids=["one more than threads", "many"])
def test_however_many_readers_hang_in_dumps_the_records_are_shown_at_once(
    count: int, mount: MountMaker, hung: HungArchive
) -> None:
    one = mount(hung.source, "-o", f"archive={hung.served}")
    assert ARCHIVED in os.listdir(one.point / "dumps")
    # It was never listed, read or decoded.
    new = hung.source / f"{OTHER}.enc.z"
    new.write_bytes(capture("erst-mixed-upgrade").enc[new.name].data)
    hung.hang()
    with readers_of_dumps(one.point, count):
        who = f"{count} readers hang in dumps/"
        text = timed(
            f"{who}: cat of a record never decoded", MOST_WAITING, (one.point / OTHER).read_bytes
        )
        assert text == capture("erst-mixed-upgrade").ref[OTHER].data
        names = timed(f"{who}: ls", MOST_WAITING, lambda: os.listdir(one.point))
        assert {OTHER, CALM, *RESERVED} <= set(names)
        control = timed(f"{who}: cat control", MOST_WAITING, (one.point / "control").read_bytes)
        assert b"No command yet" in control
        status = timed(f"{who}: cat status", MOST_SECONDS, (one.point / "status").read_bytes)
        assert b"archive: it d" in status
        timed(
            f"{who}: echo rescan > control",
            MOST_SECONDS,
            lambda: (one.point / "control").write_text("rescan\n"),
        )


def test_a_mount_is_unmounted_while_all_its_readers_hang(
    mount: MountMaker, hung: HungArchive
) -> None:
    one = mount(hung.source, "-o", f"archive={hung.served}")
    assert ARCHIVED in os.listdir(one.point / "dumps")
    hung.hang()
    with readers_of_dumps(one.point, MANY):
        one.expect("unmounting")
        one.process.send_signal(signal.SIGTERM)
        what = f"SIGTERM while {MANY} readers hang in dumps/"
        assert timed(what, TIMEOUT_SECONDS / 2, lambda: one.process.wait(MOST_SECONDS)) == 0
    assert not one.mounted()
