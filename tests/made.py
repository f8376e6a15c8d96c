"""Items for tests: of the corpus's records, and of records made up to the kernel's formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.record.name import parse_name
from pstorefs.record.reading import UNDECODABLE, Reading, read
from pstorefs.record.record import STORE, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pstorefs.dump import Dump
    from tests.records import StoredFile


class Texts(dict[str, bytes]):
    """Texts by the hash of the stored bytes, as `dump.join` asks for them."""

    def __call__(self, record: Record) -> bytes:
        return self[record.sha256]


def record_of(
    file: str,
    data: bytes,
    mtime_ns: int = 0,
    *,
    place: str = STORE,
    path: str = "",
    texts: Texts | None = None,
) -> Record:
    """The item of a file as a kernel shows it."""
    name = parse_name(file)
    assert name is not None, file
    reading = read(name, data)
    record = Record.of(file, place, mtime_ns, data, reading, path)
    if texts is not None:
        texts[record.sha256] = reading.text
    return record


def undecodable(file: str, mtime_ns: int = 0, place: str = STORE) -> Record:
    """A record that no decoder takes."""
    data = b"\xff" * 20 + file.encode()
    reading = Reading(data, UNDECODABLE, "unknown", None, "no known compression format fits")
    return Record.of(f"{file}.enc.z", place, mtime_ns, data, reading)


def items_of(files: dict[str, StoredFile], texts: Texts | None = None) -> list[Record]:
    """The items of one folder of a capture."""
    return [record_of(name, f.data, f.mtime_ns, texts=texts) for name, f in files.items()]


def text(reason: str, count: int, part: int, times: Iterable[float], note: str = "") -> bytes:
    """A part's text: a header, and a line at each time (seconds since boot)."""
    lines = [f"<6>[{time:12.6f}] {note}line of part {part}\n" for time in times]
    return f"{reason}#{count} Part{part}\n{''.join(lines)}".encode()


def efi_name(time: int, part: int, count: int, backend: str = "efi_pstore") -> str:
    return f"dmesg-{backend}-{(time * 100 + part) * 1000 + count}"


def erst_name(boot: int, number: int) -> str:
    return f"dmesg-erst-{(boot << 32) + number}"


def efi_dump(
    reason: str, count: int, times: list[int], uptime: float, *, note: str = ""
) -> list[Record]:
    """An EFI dump whose part n was written at times[n - 1]; the crash came at `uptime`."""
    return [
        record_of(
            efi_name(time, part, count),
            text(reason, count, part, _span(uptime, part, len(times)), note),
            time * 10**9,
        )
        for part, time in enumerate(times, 1)
    ]


def erst_dump(
    reason: str, count: int, parts: int, uptime: float, *, boot: int, first: int, mtime: int = 0
) -> list[Record]:
    """An ERST dump whose part 1 has the running number `first`."""
    return [
        record_of(
            erst_name(boot, first + part - 1),
            text(reason, count, part, _span(uptime, part, parts)),
            (mtime or boot) * 10**9,
        )
        for part in range(1, parts + 1)
    ]


def _span(uptime: float, part: int, parts: int) -> list[float]:
    """Times of the lines of a part: the parts divide the time since boot."""
    step = uptime / parts
    begin = uptime - part * step
    return [begin + step * tenth / 10 for tenth in range(1, 11)]


def members(dumps: Iterable[Dump]) -> list[list[str]]:
    """The records of each dump, oldest text first."""
    return [[part.record.file for part in dump.parts] for dump in dumps]


def heads(dumps: Iterable[Dump]) -> list[tuple[str | None, int | None, list[int | None]]]:
    """Reason, count and part numbers of each dump, oldest dump first."""
    return [
        (dump.reason, dump.count, [part.number for part in reversed(dump.parts)]) for dump in dumps
    ]
