"""Bundles are hostile: what is taken out of one is what `pstorefs --ship` packs, or nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pstorefs.fleet import bundle, keys, unpack
from pstorefs.fleet.unpack import UnfitError

DUMP = "20260602T021501Z-panic-1"
RAW = b"Panic#1 Part1\n" * 20
ID16 = keys.id_of([hashlib.sha256(RAW).hexdigest()])[:16]
FILES = {"raw/dmesg-erst-1": RAW, "report.txt": b"x" * 600, "dmesg.txt": b"", "summary.json": b"{}"}


def packed(files: dict[str, bytes], directory: str = DUMP, moment: int = 1_780_366_501) -> bytes:
    return bundle.pack(directory, files, moment).data


def test_a_bundle_comes_out_as_it_went_in() -> None:
    assert unpack.unpack(packed(FILES), DUMP, ID16) == FILES


LONG = {"raw/" + "d" * 200: RAW, "report.txt": b"y"}
NAMES = [
    (FILES, DUMP, 1 << 40),  # a year that only a PAX header can hold
    (FILES, DUMP, -62_135_596_800),
    (LONG, DUMP, 0),
    (LONG, "d" * 190, 0),
    ({"raw/dmesg-erst-1~0123abcd": RAW}, "undated-dmesg-ramoops_x-1", 0),
]


@pytest.mark.parametrize(("files", "directory", "moment"), NAMES)
def test_long_names_and_odd_times_come_out_as_well(
    files: dict[str, bytes], directory: str, moment: int
) -> None:
    data = packed(files, directory, moment)
    assert unpack.unpack(data, keys.dump_word(directory), ID16) == files


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(whole.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", link: str = "") -> bytes:
    """A bundle as it must be, with one member more."""
    extra = tarfile.TarInfo(name)
    extra.type, extra.linkname = kind, link
    good = [(tarfile.TarInfo(f"{DUMP}/{path}"), data) for path, data in FILES.items()]
    return tar_of([*good, (extra, content)])


def renamed(header: Callable[[bytearray], None]) -> bytes:
    """A bundle whose first header was changed, its sum made to fit."""
    tar = bytearray(gzip.decompress(packed(FILES)))
    header(tar)
    tar[148:156] = b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    return gzip.compress(bytes(tar))


def put(position: int, data: bytes) -> Callable[[bytearray], None]:
    def change(tar: bytearray) -> None:
        tar[position : position + len(data)] = data

    return change


BOMB = gzip.compress(gzip.decompress(packed(FILES)) + bytes(unpack.MOST_TAR), 9)
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no gzip": b"x" * 100,
    "cut off": packed(FILES)[:-9],
    "something behind": packed(FILES) + b"x",
    "two members of gzip": packed(FILES) + packed(FILES),
    "a bomb": BOMB,
    "no tar": gzip.compress(b"hello" * 300),
    "records of another dump": packed({"raw/dmesg-erst-1": b"other"}),
    "no records": packed({"report.txt": b"x"}),
    "another dump": packed(FILES, "20260602T021501Z-panic-2"),
    "up": member(f"{DUMP}/../../etc/passwd", content=b"x"),
    "up from raw": member(f"{DUMP}/raw/../x", content=b"x"),
    "absolute": member("/etc/passwd", content=b"x"),
    "absolute below": member(f"{DUMP}//etc/passwd", content=b"x"),
    "a slash more": member(f"{DUMP}/raw/a/b", content=b"x"),
    "a second directory": member("other/report.txt", content=b"x"),
    "a hidden name": member(f"{DUMP}/raw/.x", content=b"x"),
    "an unknown name": member(f"{DUMP}/setup.sh", content=b"x"),
    "a name with a newline": member(f"{DUMP}/raw/a\nb", content=b"x"),
    "a name that is no ASCII": member(f"{DUMP}/raw/\u00e4", content=b"x"),
    "a name twice": member(f"{DUMP}/report.txt", content=b"x"),
    "a symbolic link": member(f"{DUMP}/console.txt", tarfile.SYMTYPE, link="/etc/shadow"),
    "a hard link": member(f"{DUMP}/console.txt", tarfile.LNKTYPE, link=f"{DUMP}/report.txt"),
    "a device": member(f"{DUMP}/console.txt", tarfile.CHRTYPE),
    "a FIFO": member(f"{DUMP}/console.txt", tarfile.FIFOTYPE),
    "a directory": member(f"{DUMP}/console.txt", tarfile.DIRTYPE),
    "a sparse file": member(f"{DUMP}/console.txt", tarfile.GNUTYPE_SPARSE),
    "a long name of GNU's": member("././@LongLink", b"L", content=b"x" * 200),
    "a PAX header for all": member(f"{DUMP}/x", tarfile.XGLTYPE, content=b"11 path=/x\n"),
    "a PAX size": member(f"{DUMP}/x", tarfile.XHDTYPE, content=b"16 size=9999999\n"),
    "a PAX length of 0": member(f"{DUMP}/x", tarfile.XHDTYPE, content=b"0 path=x\n"),
    "a PAX length too long": member(f"{DUMP}/x", tarfile.XHDTYPE, content=b"99 path=x\n"),
    "no PAX header at all": member(f"{DUMP}/x", tarfile.XHDTYPE, content=b"x" * 5000),
    "a negative size": renamed(put(124, b"-0000000001")),
    "a size in base 256": renamed(put(124, b"\x80" + bytes(10) + b"\x01")),
    "a size beyond the end": renamed(put(124, b"77777777777")),
    "a wrong sum": gzip.compress(bytes(100) + gzip.decompress(packed(FILES))[100:]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused(name: str) -> None:
    with pytest.raises(UnfitError):
        unpack.unpack(HOSTILE[name], DUMP, ID16)


def test_more_files_than_a_dump_has_are_refused() -> None:
    files = {f"raw/dmesg-erst-{number}": b"" for number in range(unpack.MOST_FILES + 1)}
    data = packed(files)
    with pytest.raises(UnfitError, match="more than"):
        unpack.unpack(data, DUMP, keys.id_of([hashlib.sha256(b"").hexdigest()])[:16])


@given(some.binary(max_size=2000))
def test_any_bytes_are_a_bundle_or_refused(data: bytes) -> None:
    for each in (data, gzip.compress(data)):
        with pytest.raises(UnfitError):
            unpack.unpack(each, DUMP, ID16)


@given(some.integers(0, 5000), some.integers(0, 255))
def test_a_changed_byte_is_refused_or_changes_no_record(position: int, value: int) -> None:
    tar = bytearray(gzip.decompress(packed(FILES)))
    tar[position % len(tar)] = value
    try:
        found = unpack.unpack(gzip.compress(bytes(tar)), DUMP, ID16)
    except UnfitError:
        return
    assert [data for name, data in found.items() if name.startswith("raw/")] == [RAW]
