"""The mirror through a real mount: content, attributes, freshness, refusals."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pstorefs.record.shown import RESERVED
from tests.mount.conftest import MountMaker
from tests.records import capture, captures

VIRTUAL = set(RESERVED)
FRESH_SECONDS = 1.2  # the contract's second, and a little for the clock


def listing(point: Path) -> list[str]:
    """What the mount mirrors."""
    return [name for name in os.listdir(point) if name not in VIRTUAL]


@pytest.mark.parametrize("name", captures())
def test_every_reference_equals_its_record_in_the_mount(
    name: str, tmp_path: Path, mount: MountMaker
) -> None:
    one = capture(name)
    point = mount(one.write("enc", tmp_path / "source")).point
    expected = {}
    for file, stored in one.enc.items():
        plain = file.removesuffix(".enc.z")
        reference = one.ref.get(plain) or one.ref.get(plain.replace("-efi-", "-efi_pstore-"))
        if reference is None:
            plain = plain.replace("-efi_pstore-", "-efi-")
            reference = one.ref.get(plain)
        if not file.endswith(".enc.z"):
            expected[file] = stored.data
        elif reference is not None:
            expected[file.removesuffix(".enc.z")] = reference.data
    for file, data in expected.items():
        assert (point / file).read_bytes() == data, file
        assert (point / file).stat().st_size == len(data)
    assert len(listing(point)) == len(one.enc)


def test_attributes_are_the_records_own(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    for path in source.iterdir():
        shown = (point / path.name.removesuffix(".enc.z")).stat()
        own = path.stat()
        assert shown.st_mtime_ns == own.st_mtime_ns
        assert shown.st_mode == own.st_mode == stat.S_IFREG | 0o444
        assert (shown.st_uid, shown.st_gid) == (own.st_uid, own.st_gid)
        assert shown.st_blocks * 512 >= shown.st_size > 0
    root, own_root = point.stat(), source.stat()
    assert (root.st_mode, root.st_uid, root.st_gid) == (
        own_root.st_mode,
        own_root.st_uid,
        own_root.st_gid,
    )


def test_a_file_can_be_mapped(source: Path, reference: Path, mount: MountMaker) -> None:
    point = mount(source).point
    for path in reference.iterdir():
        with (
            (point / path.name).open("rb") as file,
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped,
        ):
            assert mapped[:] == path.read_bytes()


def test_a_record_that_appears_is_seen(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    before = set(listing(point))
    blk = capture("blk-lz4-6.1.192")
    name = next(name for name in blk.enc if name.endswith(".enc.z"))
    (source / name).write_bytes(blk.enc[name].data)
    plain = name.removesuffix(".enc.z")
    assert (point / plain).read_bytes() == blk.ref[plain].data
    time.sleep(FRESH_SECONDS)
    assert set(listing(point)) == before | {plain}


def test_a_record_that_is_removed_vanishes(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    gone = min(source.iterdir())
    plain = point / gone.name.removesuffix(".enc.z")
    assert plain.read_bytes()
    gone.unlink()
    with pytest.raises(FileNotFoundError):
        plain.read_bytes()
    time.sleep(FRESH_SECONDS)
    assert not plain.exists()
    assert plain.name not in listing(point)


def test_content_replaced_in_place_is_read_fresh(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    record = source / "console-ramoops-0"
    record.write_text("first\n")
    point = mount(source).point
    shown = point / record.name
    for text in ("second\n", "thirds\n", "a longer text than all before\n", ""):
        assert shown.exists()  # the kernel now holds the old attributes
        record.write_text(text)
        assert shown.read_text() == text


def test_a_reader_keeps_what_it_opened(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "console-ramoops-0").write_text("old\n" * 1000)
    point = mount(source).point
    with (point / "console-ramoops-0").open() as file:
        (source / "console-ramoops-0").write_text("new\n")
        assert file.read() == "old\n" * 1000
    assert (point / "console-ramoops-0").read_text() == "new\n"


def test_a_replaced_source_directory_is_followed(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("a")
    point = mount(source).point
    assert listing(point) == ["a"]
    source.rename(tmp_path / "old")
    source.mkdir()
    (source / "b").write_text("b")
    time.sleep(FRESH_SECONDS)
    assert listing(point) == ["b"]
    shutil.rmtree(source)
    time.sleep(FRESH_SECONDS)
    assert listing(point) == []


def test_an_empty_store_is_an_empty_directory(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    assert listing(mount(source).point) == []


def test_a_compressed_record_keeps_its_stored_name_beside_a_plain_one(
    tmp_path: Path, mount: MountMaker
) -> None:
    """Plain X keeps its name, and X.enc.z beside it keeps its own, with stored bytes."""
    source = tmp_path / "source"
    source.mkdir()
    erst = capture("erst-lzo-6.1.192")
    name, stored = next(iter(erst.enc.items()))
    plain = name.removesuffix(".enc.z")
    (source / name).write_bytes(stored.data)
    (source / plain).write_bytes(b"Oops#1 Part1\nother\n")
    point = mount(source).point
    assert sorted(listing(point)) == [plain, name]
    assert (point / name).read_bytes() == stored.data
    assert (point / plain).read_bytes() == b"Oops#1 Part1\nother\n"
    (source / plain).unlink()
    time.sleep(FRESH_SECONDS)
    assert listing(point) == [plain]
    assert (point / plain).read_bytes() == erst.ref[plain].data
    assert not (point / name).exists()


def test_what_cannot_be_decoded_keeps_name_and_bytes(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "dmesg-erst-1.enc.z").write_bytes(b"\xff" * 99)
    point = mount(source).point
    assert listing(point) == ["dmesg-erst-1.enc.z"]
    assert (point / "dmesg-erst-1.enc.z").read_bytes() == b"\xff" * 99
    assert not (point / "dmesg-erst-1").exists()


def test_folders_links_and_special_files_are_mirrored(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    erst = capture("erst-zstd-6.1.192")
    erst.write("enc", source / "1512426189" / "001")
    (source / "link").symlink_to("1512426189/001")
    (source / "dangling").symlink_to("../nowhere")
    os.mkfifo(source / "pipe")
    (source / "with\nnewline").write_text("x")
    os.close(os.open(os.fsencode(source) + b"/\xff\xfe", os.O_CREAT))
    point = mount(source).point
    folder = point / "1512426189" / "001"
    assert sorted(os.listdir(folder)) == sorted(erst.ref)
    for name, stored in erst.ref.items():
        assert (point / "link" / name).read_bytes() == stored.data
    assert os.readlink(point / "dangling") == "../nowhere"
    assert stat.S_ISFIFO((point / "pipe").stat().st_mode)
    assert (point / "with\nnewline").read_text() == "x"
    assert os.fsdecode(b"\xff\xfe") in listing(point)


def test_a_large_plain_file_is_not_held_in_memory(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "vmcore").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(700 << 20)
        file.write(b"here")
    one = mount(source)
    with (one.point / "vmcore").open("rb") as file:
        file.seek(700 << 20)
        assert file.read(5) == b"here\0"
    status = Path(f"/proc/{one.process.pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
    assert peak < 150_000, "KiB"


CHANGES: list[tuple[str, Callable[[Path], object], int]] = [
    ("unlink", lambda p: os.unlink(p / "file"), errno.EROFS),
    ("mkdir", lambda p: os.mkdir(p / "new"), errno.EROFS),
    ("rmdir", lambda p: os.rmdir(p / "folder"), errno.EROFS),
    ("create", lambda p: os.open(p / "new", os.O_CREAT | os.O_WRONLY), errno.EROFS),
    ("write", lambda p: os.open(p / "file", os.O_WRONLY), errno.EROFS),
    ("append", lambda p: os.open(p / "file", os.O_RDWR | os.O_APPEND), errno.EROFS),
    ("truncate", lambda p: os.truncate(p / "file", 0), errno.EROFS),
    ("open with truncate", lambda p: os.open(p / "file", os.O_TRUNC), errno.EROFS),
    ("chmod", lambda p: os.chmod(p / "file", 0o600), errno.EROFS),
    ("chown", lambda p: os.chown(p / "file", 1, 1), errno.EROFS),
    ("utime", lambda p: os.utime(p / "file"), errno.EROFS),
    ("rename", lambda p: os.rename(p / "file", p / "new"), errno.EROFS),
    ("link", lambda p: os.link(p / "file", p / "new"), errno.EROFS),
    ("symlink", lambda p: os.symlink("file", p / "new"), errno.EROFS),
    ("mknod", lambda p: os.mkfifo(p / "new"), errno.EROFS),
    ("setxattr", lambda p: os.setxattr(p / "file", "user.x", b"y"), errno.EROFS),
    ("removexattr", lambda p: os.removexattr(p / "file", "user.x"), errno.EROFS),
]


@pytest.mark.parametrize(
    ("change", "code"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_nothing_can_be_changed(
    change: Callable[[Path], object], code: int, tmp_path: Path, mount: MountMaker
) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "file").write_text("content")
    point = mount(source).point
    with pytest.raises(OSError, match=os.strerror(code)):
        change(point)
    assert (source / "file").read_text() == "content"
    assert sorted(listing(point)) == ["file", "folder"]


def test_statfs_is_that_of_the_source(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    shown, own = os.statvfs(point), os.statvfs(source)
    assert (shown.f_blocks, shown.f_frsize, shown.f_namemax) == (
        own.f_blocks,
        own.f_frsize,
        own.f_namemax,
    )


def test_a_mount_over_the_source_itself(source: Path, reference: Path, mount: MountMaker) -> None:
    names = sorted(path.name for path in reference.iterdir())
    texts = {name: (reference / name).read_bytes() for name in names}
    mount(source, point=source)
    assert sorted(os.listdir(source)) == names
    for name, text in texts.items():
        assert (source / name).read_bytes() == text


def test_uid_gid_and_umask_hold_for_everything(source: Path, mount: MountMaker) -> None:
    point = mount(source, "-o", "uid=12,gid=34,umask=027").point
    for path in [point, *(point / name for name in listing(point))]:
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (12, 34)
        assert stat.S_IMODE(status.st_mode) == (0o750 if path == point else 0o440)


def test_a_record_of_no_kernel_costs_nothing_but_its_text(source: Path, mount: MountMaker) -> None:
    """A file too long for a record is listed as it is, and all others are there."""
    too_long = source / "dmesg-erst-1.enc.z"
    with too_long.open("wb") as file:
        file.truncate(9 << 20)
    point = mount(source).point
    assert len(listing(point)) == len(os.listdir(source))
    assert (point / too_long.name).stat().st_size == 9 << 20


def test_a_slow_listing_holds_nobody_up(tmp_path: Path, mount: MountMaker) -> None:
    """While hundreds of records are decoded in pure Python, others are answered."""
    import threading

    source = tmp_path / "source"
    lzo = capture("erst-842-6.1.192")
    (source / "slow").mkdir(parents=True)
    for number in range(20):
        for name, stored in lzo.enc.items():
            base = int(name.split("-")[2].removesuffix(".enc.z"))
            (source / "slow" / f"dmesg-erst-{base + 1000 * number}.enc.z").write_bytes(stored.data)
    (source / "quick").write_text("quick")
    point = mount(source).point
    assert (point / "quick").read_text() == "quick"
    listing = threading.Thread(target=os.listdir, args=(point / "slow",))
    began = time.monotonic()
    listing.start()
    answered = 0
    while listing.is_alive():
        with (point / "quick").open() as file:
            file.read()
        answered += 1
    took = time.monotonic() - began
    listing.join()
    # No time is promised here (tests/bench measures); but many answers came during the listing.
    assert answered > 20, f"{answered} answers in {took:.2f} s"


SWAPS: list[tuple[str, Callable[[Path], object], str]] = [
    ("file", lambda path: path.write_text("a file"), "a file"),
    ("link", lambda path: path.symlink_to("target"), "the target"),
    ("other", lambda path: path.write_text("another file, and longer"), "another file, and longer"),
]


@pytest.mark.parametrize("first", SWAPS, ids=[row[0] for row in SWAPS])
@pytest.mark.parametrize("then", SWAPS, ids=[row[0] for row in SWAPS])
def test_a_name_that_becomes_something_else_is_read_fresh(
    first: tuple[str, Callable[[Path], object], str],
    then: tuple[str, Callable[[Path], object], str],
    tmp_path: Path,
    mount: MountMaker,
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "target").write_text("the target")
    name = source / "name"
    first[1](name)
    shown = mount(source).point / "name"
    assert shown.read_text() == first[2]
    name.unlink()
    then[1](name)
    if first[0] != "link":
        assert shown.read_text() == then[2], "at once"
    time.sleep(FRESH_SECONDS)
    assert shown.read_text() == then[2]


def test_a_folder_that_becomes_a_file(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    (source / "name").mkdir(parents=True)
    shown = mount(source).point / "name"
    assert os.listdir(shown) == []
    (source / "name").rmdir()
    (source / "name").write_text("a file now")
    time.sleep(FRESH_SECONDS)
    assert shown.read_text() == "a file now"


def test_times_beyond_all_calendars(tmp_path: Path, mount: MountMaker) -> None:
    """A file system may hold them; nothing that is composed may fail for it."""
    source = capture("erst-none-6.1.192-deb12").write("enc", tmp_path / "source")
    tmpfs = tmp_path / "tmpfs"
    tmpfs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmpfs], check=True)
    try:
        for number, path in enumerate(sorted(source.iterdir())):
            shutil.copy(path, tmpfs)
            os.utime(tmpfs / path.name, (0, 253402300800 * (1 - 2 * number)))
        one = mount(tmpfs)
        for path in one.point.rglob("*"):
            if path.is_file():
                path.read_bytes()
        one.end()
    finally:
        subprocess.run(["umount", tmpfs], check=True)
