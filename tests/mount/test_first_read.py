"""The kernel is given a file's content with its first open(2), and asks for what it let go."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import subprocess
from pathlib import Path

import pytest

from tests.mount.conftest import MountMaker

_LIBC = ctypes.CDLL(None, use_errno=True)
_PAGE = mmap.PAGESIZE
_GIVEN = 128 << 10


def pages_held(file: Path) -> list[bool]:
    """Of each page of a file, opened and not read: whether the kernel has it (mincore(2))."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        count = -(-size // _PAGE)
        with mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE) as pages:
            held = (ctypes.c_ubyte * count)()
            begin = ctypes.c_char.from_buffer(pages)
            try:
                where = ctypes.c_void_p(ctypes.addressof(begin))
                assert _LIBC.mincore(where, ctypes.c_size_t(size), held) == 0
            finally:
                del begin
            return [bool(each & 1) for each in held]
    finally:
        os.close(descriptor)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Plain records, from one byte to one that the kernel gets as it reads."""
    source = tmp_path / "plain"
    source.mkdir()
    for number, size in enumerate((1, _PAGE - 1, _PAGE, _PAGE + 1, _GIVEN, _GIVEN + 1)):
        line = b"<6>[    0.%06d] a line of this record\n" % number
        (source / f"dmesg-ramoops-{number}").write_bytes((line * (size // len(line) + 1))[:size])
    return source


def test_what_is_opened_need_not_be_asked_for(source: Path, plain: Path, mount: MountMaker) -> None:
    for point in (mount(source).point, mount(plain).point):
        for pattern in ("dmesg-*", "dumps/*/dmesg.txt", "status"):
            files = list(point.glob(pattern))
            assert files
            for file in files:
                held = pages_held(file)
                assert all(held) if file.stat().st_size <= _GIVEN else not any(held), file.name


def test_the_content_is_right_given_and_asked_for(plain: Path, mount: MountMaker) -> None:
    point = mount(plain).point
    for file in sorted(plain.iterdir()):
        descriptor = os.open(point / file.name, os.O_RDONLY)
        try:
            for _ in range(2):
                assert os.pread(descriptor, 1 << 20, 0) == file.read_bytes()
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
        assert not any(pages_held(point / file.name)), "only with the first open(2)"
        assert (point / file.name).read_bytes() == file.read_bytes()


def test_many_who_open_it_at_once_read_the_same(tmp_path: Path, mount: MountMaker) -> None:
    """A page that is asked for is locked: whoever gave it then would wait for himself."""
    source = tmp_path / "many"
    source.mkdir()
    for number in range(200):
        (source / f"dmesg-ramoops-{number}").write_bytes(b"<4>[    1.0] %d\n" % number * 3000)
    point = mount(source).point
    words = "find . -type f -name 'dmesg-*' | sed p | sed p | shuf | xargs -n 20 -P 8 sha256sum"
    found = subprocess.run(
        ["sh", "-c", words], cwd=point, capture_output=True, text=True, timeout=100, check=True
    )
    for line in found.stdout.splitlines():
        digest, _, file = line.partition("  ")
        assert digest == hashlib.sha256((source / Path(file).name).read_bytes()).hexdigest()
    assert found.stdout.count("\n") >= 4 * 200
