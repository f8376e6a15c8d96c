"""Sources made to hurt by what lies in them: names, kinds of files, sizes, depth, number."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from pstorefs.record.shown import RESERVED
from tests.hostile.conftest import (
    CALM,
    MOST_MEMORY,
    elsewhere,
    note,
    note_program,
    put_calm_record,
    read_everything,
    run_measured,
)
from tests.mount.conftest import MountMaker

GIB = 1 << 30
ODD_NAMES = [
    b"x" * 255,
    b"\xff\xfe\x80" * 85,
    b"dmesg-erst-" + b"1" * 244,
    b"x" * 120 + b"-erst-77.enc.z",
    b"line\nbreak",
    b"\x1b[2J",
    b"..a",
    b"...",
    b"-rf",
    b"--help",
    b".hidden",
    b" ",
    b"*",
    b"dumps",
    b"meta",
    b"control",
    b"status",
    b"dumps~source",
    b"dmesg-erst-18446744073709551616",
    b"dmesg-erst--9223372036854775808.enc.z",
    b"dmesg-erst-5.enc.z.enc.z",
    b".enc.z",
    b"-.enc.z",
]
MODES = pytest.mark.parametrize("options", [(), ("-o", "plain")], ids=["full", "plain"])


def _name(options: tuple[str, ...]) -> str:
    return "plain mount" if options else "full mount"


@MODES
def test_any_name_is_shown_and_read(
    tmp_path: Path, mount: MountMaker, options: tuple[str, ...]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    calm = put_calm_record(source)
    top = os.fsencode(source)
    for name in ODD_NAMES:
        with open(os.path.join(top, name), "wb") as file:
            file.write(name)
        os.mkdir(os.path.join(top, b"d" + name[:200]))
        with open(os.path.join(top, b"d" + name[:200], name), "wb") as file:
            file.write(name)
    one = mount(source, *options)
    reserved = () if options else (*map(str.encode, RESERVED), b"dumps~source")
    with elsewhere(one, one.point / CALM, calm) as watch:
        found = read_everything(one.point)
        shown = os.fsencode(one.point)
        for name in ODD_NAMES:
            here = name + b"~source" if name in reserved else name
            with open(os.path.join(shown, here), "rb") as file:
                assert file.read() == name
            with open(os.path.join(shown, b"d" + name[:200], name), "rb") as file:
                assert file.read() == name
    assert not [name for name, size in found.items() if isinstance(size, OSError)]
    note(f"{2 * len(ODD_NAMES)} odd names, {_name(options)}", one, watch, seconds=60)
    assert one.end() == 0


def test_a_folder_of_a_virtual_files_name_in_meta_does_not_hide_it(
    tmp_path: Path, mount: MountMaker
) -> None:
    source = tmp_path / "source"
    (source / "status.json").mkdir(parents=True)
    put_calm_record(source / "status.json")
    one = mount(source)
    assert b'"schema"' in (one.point / "meta/status.json").read_bytes()
    assert "status.json" in os.listdir(one.point / "meta")


@MODES
def test_what_is_no_file_is_shown_for_what_it_is_and_never_opened(
    tmp_path: Path, mount: MountMaker, options: tuple[str, ...]
) -> None:
    source, outside = tmp_path / "source", tmp_path / "outside"
    source.mkdir()
    outside.mkdir()
    (outside / "dmesg-erst-666").write_bytes(b"Panic#1 Part1\nsecret\n")
    calm = put_calm_record(source)
    names = ["dmesg-erst-{}", "dmesg-erst-{}.enc.z"]
    kinds: dict[str, int] = {}
    number = 0
    for name in names:
        for kind in ("fifo", "socket", "device"):
            number += 1
            place = source / name.format(number)
            if kind == "fifo":
                os.mkfifo(place)
                kinds[place.name] = stat.S_IFIFO
            elif kind == "socket":
                # Not by bind(2): its paths end at 108 bytes.
                os.mknod(place, stat.S_IFSOCK | 0o666)
                kinds[place.name] = stat.S_IFSOCK
            else:
                os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
                kinds[place.name] = stat.S_IFCHR
        for target in ("/dev/zero", str(outside / "dmesg-erst-666"), "nowhere", ".", "loop"):
            number += 1
            place = source / name.format(number)
            place.symlink_to(place.name if target == "loop" else target)
            kinds[place.name] = stat.S_IFLNK
    (source / "out").symlink_to(outside)
    (source / "up").symlink_to("..")
    one = mount(source, *options)
    with elsewhere(one, one.point / CALM, calm) as watch:
        for name, kind in kinds.items():
            assert stat.S_IFMT(os.lstat(one.point / name).st_mode) == kind
        found = read_everything(one.point)
        texts = [
            path.read_bytes()
            for top in ("dumps", "meta")
            for path in (one.point / top).rglob("*")
            if path.is_file()
        ]
    assert not any(b"secret" in text for text in texts)
    assert not [name for name, size in found.items() if isinstance(size, OSError)]
    note(f"special files and links, {_name(options)}", one, watch, seconds=60)
    if not options:
        assert len([path for path in (one.point / "dumps").iterdir() if path.is_dir()]) == 2
    assert one.end() == 0
    archive = tmp_path / "archive"
    done, memory, seconds = run_measured(
        "--archive", "-o", f"archive={archive},archive_volatile", str(source)
    )
    assert b"Traceback" not in done.stderr
    assert [path.name for path in archive.glob("*/raw/*")] == [f"{CALM}.enc.z"]
    note_program("--archive, special files and links", memory, seconds, 60)


@MODES
def test_a_record_of_a_gibibyte_costs_no_memory(
    tmp_path: Path, mount: MountMaker, options: tuple[str, ...]
) -> None:
    source, archive = tmp_path / "source", tmp_path / "archive"
    source.mkdir()
    calm = put_calm_record(source)
    raw = archive / "20260101T000000Z-panic-1" / "raw"
    raw.mkdir(parents=True)
    long = ["dmesg-erst-1", "dmesg-erst-2.enc.z", "console-ramoops-0"]
    for place in (source, raw):
        for name in long:
            with open(place / name, "wb") as file:
                file.truncate(GIB)
    one = mount(source, *(options or ("-o", f"archive={archive},archive_volatile")))
    with elsewhere(one, one.point / CALM, calm) as watch:
        found = read_everything(one.point)
    assert [found[name] for name in long] == [GIB] * 3
    if not options:
        assert b"longer than any kernel record" in (one.point / "status").read_bytes()
        one.expect("is not a record: ignored")
        one.expect("more than any record has")
        (one.point / "control").write_bytes(b"archive " + CALM.encode() + b"\n")
    note(f"records of 1 GiB, {_name(options)}", one, watch, seconds=100)
    assert one.end() == 0
    done, memory, seconds = run_measured(
        "--archive", "-o", f"archive={archive},archive_volatile,keep=1", str(source)
    )
    assert done.returncode == 3, done.stderr
    assert {path.name for path in source.iterdir()} >= set(long)
    note_program("--archive, records of 1 GiB", memory, seconds, 60)
    done, memory, seconds = run_measured(
        *(str(source / name) for name in long), program="pstorecat"
    )
    assert done.returncode == 1
    assert done.stdout == b""
    note_program("pstorecat, records of 1 GiB", memory, seconds, 60)


def _nest(top: Path, depth: int) -> None:
    """A folder in a folder in a folder: paths are limited to 4096 bytes, depth is not."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("dmesg-erst-9", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, b"Panic#1 Part1\ndeep\n")
    os.close(file)
    os.close(here)


@MODES
def test_folders_nested_thousands_deep_end_nothing(
    tmp_path: Path, mount: MountMaker, options: tuple[str, ...]
) -> None:
    depth = 3000
    source = tmp_path / "source"
    source.mkdir()
    calm = put_calm_record(source)
    _nest(source, depth)
    one = mount(source, *options)
    try:
        with elsewhere(one, one.point / CALM, calm) as watch:
            here = os.open(one.point, os.O_RDONLY)
            reached = 0
            for _ in range(depth):
                below = os.open("d", os.O_RDONLY, dir_fd=here)
                os.close(here)
                here, reached = below, reached + 1
            assert os.listdir(here) == ["dmesg-erst-9"]
            os.close(here)
            if not options:
                read_everything(one.point / "dumps")
                assert (one.point / "status").read_bytes()
        assert reached == depth
        note(f"folders {depth} deep, {_name(options)}", one, watch, seconds=60)
        assert one.end() == 0
        archive = f"archive={tmp_path}/archive,archive_volatile"
        done, memory, seconds = run_measured("--archive", "-o", archive, str(source))
        assert done.returncode == 0, done.stderr
        note_program(f"--archive, folders {depth} deep", memory, seconds, 60)
    finally:
        subprocess.run(["rm", "-rf", source], check=True)


@MODES
def test_very_many_folders_are_walked_within_the_bounds(
    tmp_path: Path, mount: MountMaker, options: tuple[str, ...]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    calm = put_calm_record(source)
    for number in range(100):
        for inner in range(30):
            (source / f"a{number}/b{inner}").mkdir(parents=True)
    one = mount(source, *options)
    with elsewhere(one, one.point / CALM, calm) as watch:
        found = read_everything(one.point)
    assert not [name for name, size in found.items() if isinstance(size, OSError)]
    note(f"3100 folders, {_name(options)}", one, watch, seconds=100)


@pytest.mark.slow
@MODES
@pytest.mark.timeout(900)
def test_a_hundred_thousand_names_are_listed_within_the_bounds(
    tmp_path: Path, mount: MountMaker, options: tuple[str, ...]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    calm = put_calm_record(source)
    for number in range(50_000):
        (source / f"dmesg-erst-{1_000_000 + number}.enc.z").write_bytes(b"\x01")
        (source / f"other{number}").touch()
    one = mount(source, *options)
    with elsewhere(one, one.point / CALM, calm) as watch:
        assert len(os.listdir(one.point)) >= 100_001
        if not options:
            assert len(os.listdir(one.point / "dumps")) >= 1
            assert (one.point / "status").read_bytes()
    # Each name is a node here and an entry in the kernel: 1.3 KiB, 2 KiB with what dumps/ knows.
    most = MOST_MEMORY + 160
    note(f"100,000 names, {_name(options)}", one, watch, seconds=600, most=most)
    assert one.end() == 0


def test_files_of_proc_that_lie_about_sizes_are_read_or_refused(mount: MountMaker) -> None:
    """Sizes 0 that are none, files without an end (pagemap), files that fail, links to anywhere."""
    helper = subprocess.Popen(["sleep", "100"])
    source = Path(f"/proc/{helper.pid}")
    try:
        one = mount(source)
        names = os.listdir(one.point)
        assert {"maps", "pagemap", "fd", "root"} <= set(names)
        for name in ("comm", "cmdline", "maps", "status~source", "pagemap", "mem", "environ"):
            try:
                with open(one.point / name, "rb") as file:
                    file.read()
            except OSError:
                continue
        assert (one.point / "status").read_bytes()
        with elsewhere(one, one.point / "status", (one.point / "status").read_bytes()) as watch:
            os.listdir(one.point)
        note("source is /proc/PID", one, watch, seconds=60)
        assert one.end() == 0
    finally:
        helper.kill()
        helper.wait()
