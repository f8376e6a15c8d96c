"""Records that decode to gigabytes, or to all that is allowed, cost little memory and time."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from tests.hostile.bombs import HEADER, MAKERS
from tests.hostile.conftest import (
    CALM,
    elsewhere,
    note,
    note_program,
    put_calm_record,
    read_everything,
    run_measured,
)
from tests.mount.conftest import MountMaker

_NO_HEADER = b"A text without the line that dumps begin with\n"
_TYPES = ("dmesg-erst", "console-ramoops", "boot_log-efi_pstore", "mce-erst")
_SIZES = {"1 MiB": 1 << 20, "64 MiB": 64 << 20, "2 GiB": 2 << 30}


def plant(source: Path, further: int) -> int:
    """Bombs of all formats, under a type word each, with and without a header line."""
    source.mkdir()
    number = 0
    for maker in MAKERS.values():
        for begin in (HEADER, _NO_HEADER):
            for kind in _TYPES[: 2 if further > 1 << 26 else None]:
                number += 1
                file = source / f"{kind}-{number}.enc.z"
                file.write_bytes(maker(begin, further))
    return number


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("plain", [False, True], ids=["full", "plain"])
def test_a_bomb_of_every_format_is_read_within_the_bounds(
    tmp_path: Path, mount: MountMaker, size: str, plain: bool
) -> None:
    source = tmp_path / "bombs"
    count = plant(source, _SIZES[size])
    text = put_calm_record(source)
    one = mount(source, *(["-o", "plain"] if plain else []))
    kind = "plain" if plain else "full"
    assert (one.point / CALM).read_bytes() == text
    with elsewhere(one, one.point / CALM, text) as watch:
        found = read_everything(one.point)
    assert sum(1 for name in found if "/" not in name) >= count
    assert not [name for name, size in found.items() if isinstance(size, OSError)]
    note(f"{count} bombs of {size}, {kind} mount", one, watch, seconds=300)
    assert one.end() == 0


@pytest.mark.parametrize("size", _SIZES)
def test_pstorecat_reads_bombs_within_the_bounds(tmp_path: Path, size: str) -> None:
    source = tmp_path / "bombs"
    plant(source, _SIZES[size])
    files = sorted(str(path) for path in source.iterdir())
    if _SIZES[size] > 1 << 30:
        files = [file for file in files if "/dmesg" in file and os.stat(file).st_size <= 8 << 20]
    done, memory, seconds = run_measured("--json", *files, program="pstorecat")
    assert done.stdout.count(b"\n") == len(files)
    note_program(f"pstorecat, {len(files)} bombs of {size}", memory, seconds, 100)


@pytest.mark.parametrize("size", _SIZES)
def test_bombs_are_archived_as_they_are(tmp_path: Path, size: str) -> None:
    source = tmp_path / "bombs"
    plant(source, _SIZES[size])
    stored = {path.name: path.read_bytes() for path in source.iterdir()}
    archive = tmp_path / "archive"
    options = f"archive={archive},archive_volatile"
    done, memory, seconds = run_measured("--archive", "-o", options, str(source))
    assert done.returncode in (0, 3), done.stderr
    saved = {path.name: path.read_bytes() for path in archive.glob("*/raw/*")}
    left = {path.name for path in source.iterdir()}
    assert {name for name in stored if name not in left} <= set(saved)
    assert all(stored[name] == data for name, data in saved.items())
    note_program(f"--archive, {len(stored)} bombs of {size}", memory, seconds, 100)


def _lines(size: int) -> bytes:
    line = b"<6>[    2.000000] x\n"
    return HEADER + line * ((size - len(HEADER)) // len(line))


@pytest.mark.parametrize("content", ["newlines", "short lines", "log lines", "reports"])
def test_the_longest_text_that_is_allowed_is_read_within_the_bounds(
    tmp_path: Path, mount: MountMaker, content: str
) -> None:
    size = 24 << 20
    text = {
        "newlines": HEADER + b"\n" * (size - len(HEADER)),
        "short lines": HEADER + b"ab\n" * ((size - len(HEADER)) // 3),
        "log lines": _lines(size),
        "reports": HEADER + b"<4>[    2.0] BUG: x\n" * ((size - len(HEADER)) // 20),
    }[content]
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    data = packer.compress(text)
    data += packer.flush(zlib.Z_FULL_FLUSH)
    # Stored blocks without content make the input so long that so much text may come of it.
    data += b"\x00\x00\x00\xff\xff" * (((size >> 5) - len(data)) // 5 + 16)
    data += packer.flush()
    source = tmp_path / "source"
    source.mkdir()
    for number in range(1, 4):
        (source / f"dmesg-erst-{number}.enc.z").write_bytes(data)
    calm = put_calm_record(source)
    one = mount(source)
    assert (one.point / CALM).read_bytes() == calm
    with elsewhere(one, one.point / CALM, calm) as watch:
        found = read_everything(one.point)
    assert found["dmesg-erst-1"] == len(text)
    assert not [name for name, size in found.items() if isinstance(size, OSError)]
    note(f"3 records of 24 MiB text, {content}", one, watch, seconds=120)
    assert one.end() == 0
