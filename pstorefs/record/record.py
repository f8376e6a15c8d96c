"""What grouping knows of one record: its facts and the fingerprints of its lines, without its text.

A store may hold 100,000 records; their texts do not fit into memory, these facts do. The lines
of the log are kept as numbers (`Record.lines`): enough to prove that two records show the same
moment of the same boot, as no two boots print the same line in the same microsecond.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from array import array
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.record.name import FIRMWARE, id_seconds, parse_name
from pstorefs.record.reading import DAMAGED, DECODED, PLAIN, SALVAGED, SUSPECT, UNDECODABLE

if TYPE_CHECKING:
    from pstorefs.record.name import Ecc, Header, Name
    from pstorefs.record.reading import Reading

STORE = "store"
ARCHIVE = "archive"
SYSTEMD = "systemd"
#: Where records lie, the most trustworthy place first. systemd-pstore copies without times.
PLACES = (STORE, ARCHIVE, SYSTEMD)

#: Where a time comes from, the most trustworthy source first. `BOOT_ID`: an ERST id carries the
#: time of the first record of its boot, so that the record itself may be younger.
ID, MTIME, BOOT_ID, NO_TIME = "id", "mtime", "boot-id", "none"
TIME_SOURCES = (ID, MTIME, BOOT_ID, NO_TIME)

#: Types of records whose text is not a kernel's log.
NO_LOGS = (*FIRMWARE, "ftrace", "mce")

# Of several copies of a record the best is shown.
_QUALITY = {
    state: rank
    for rank, state in enumerate((PLAIN, DECODED, SALVAGED, DAMAGED, SUSPECT, UNDECODABLE))
}
_PLACE = {place: rank for rank, place in enumerate(PLACES)}

# A whole line with its time; the level before it is not part of it, as consoles do not show it.
_LINE = re.compile(rb"^(?:<\d{1,4}>)?(\[ *(\d{1,9})\.(\d{6})\][^\n]*)\n", re.MULTILINE)
# A SteamOS record, the largest of all (2 MiB of ramoops), has so many lines.
_MOST_LINES = 32768
_MOST_TEXT = 4 << 20
# Kernels print lines of 1 KiB at most: the last line with a time is among the last bytes.
_LAST_LINES = 64 << 10
# Between an ERST id's time and the record's own lies the time that the machine was up, at most; the
# clock may have been set in between. The kernel reads it for the record first, then for the id.
_CLOCK_SLACK_S = 60
_EARLY_S = 2
# A clock without a battery begins in 1970: times in that year are wrong.
_FIRST_S = 365 * 86400
_FIRST_NS = _FIRST_S * 10**9


@dataclass(frozen=True, slots=True)
class Record:
    """One stored record.

    ``file`` is its name as stored, ``path`` that name below the root of its place; ``size`` counts
    the bytes as stored, ``text_size`` those that are shown; ``sha256`` is of the stored bytes,
    ``text_hash`` of the log text alone, the same for all shapes of one record. ``first`` and
    ``last`` are the times of the first and last certain line, in microseconds since boot.
    """

    file: str
    name: Name
    place: str
    path: str
    mtime_ns: int
    size: int
    sha256: str
    text_hash: str
    text_size: int
    state: str
    compression: str
    broken: str
    ecc: Ecc | None
    header: Header | None
    notice_length: int
    first: int | None
    last: int | None
    #: 64-bit fingerprints of its lines in their order, packed; lines at time zero are left out, as
    #: they are the same in every boot. Of uncertain lines too: what is elsewhere was right.
    lines: bytes
    #: It has no header line, and its text ends in a crash: the log of a console, mostly.
    crashed: bool = False

    @classmethod
    def of(
        cls, file: str, place: str, mtime_ns: int, stored: bytes, reading: Reading, path: str = ""
    ) -> Record:
        """The `Record` of a file that was read. ValueError if `file` is not a record's name."""
        name = parse_name(file)
        if name is None:
            raise ValueError(f"{file!r} is not the name of a record")
        end = len(reading.text) - reading.notice_length
        header = reading.header
        body = reading.text[header.length if header else 0 : end]
        key = f"{header.reason}#{header.count} {header.part}\n" if header else ""
        first, last, lines = None, None, b""
        if reading.state not in (SUSPECT, UNDECODABLE):
            first, last = _times(reading.text[: min(end, reading.certain_length)])
            lines = _fingerprints(reading.text[:end])
        return cls(
            file=file,
            name=name,
            place=place,
            path=path or file,
            mtime_ns=mtime_ns,
            size=len(stored),
            sha256=hashlib.sha256(stored).hexdigest(),
            text_hash=hashlib.blake2b(key.encode() + body, digest_size=16).hexdigest(),
            text_size=len(reading.text),
            state=reading.state,
            compression=reading.compression,
            broken=reading.broken,
            ecc=reading.ecc,
            header=header,
            notice_length=reading.notice_length,
            first=first,
            last=last,
            lines=lines,
            crashed=_crashed(name, reading, end),
        )

    @property
    def is_dump(self) -> bool:
        """Whether this is a part of a dump. One vendor stores dumps under the name of consoles."""
        return self.name.type == "dmesg" or self.header is not None

    @property
    def family(self) -> str:
        """See `Name.family`."""
        return self.name.family

    @property
    def rank(self) -> tuple[int, int, str, str]:
        """Sorts copies of one record, the best first."""
        return _QUALITY[self.state], _PLACE.get(self.place, len(_PLACE)), self.path, self.sha256

    @property
    def dated(self) -> bool:
        """Whether the file's mtime is the time of the record.

        Only dumps have one: console, pmsg and ftrace of ramoops get the time of the mount.
        """
        return self.is_dump and self.place != SYSTEMD and self.mtime_ns >= _FIRST_NS

    def fingerprints(self) -> array[int]:
        """The lines as numbers."""
        numbers: array[int] = array("Q")
        numbers.frombytes(self.lines)
        return numbers


def _crashed(name: Name, reading: Reading, end: int) -> bool:
    if reading.header is not None or reading.state == UNDECODABLE or name.type in NO_LOGS:
        return False
    from pstorefs.oops import ends_in_crash  # at the moment of need: most stores hold dumps only

    return ends_in_crash(reading.text[:end])


def when(record: Record, uptime: int | None = None) -> tuple[int, str]:
    """A record's time in nanoseconds since 1970, and its source; (0, `NO_TIME`) if it has none.

    ``uptime``, in microseconds, is the time of the newest line of its whole dump, if known: a file
    whose mtime is later than its id by more than that was copied without its mtime.
    """
    seconds = id_seconds(record.name)
    if seconds is not None and seconds < _FIRST_S:
        seconds = None
    if record.family == "efi" and seconds:
        return efi_seconds(record, seconds) * 10**9, ID
    if record.family == "erst" and seconds:
        if record.dated:
            if uptime is None and record.header and record.header.part == 1:
                uptime = record.last
            late = record.mtime_ns // 10**9 - seconds
            latest = late if uptime is None else uptime // 10**6 + _CLOCK_SLACK_S
            if -_EARLY_S <= late <= latest:
                return record.mtime_ns, MTIME
        return seconds * 10**9, BOOT_ID
    return (record.mtime_ns, MTIME) if record.dated else (0, NO_TIME)


def efi_seconds(record: Record, fallback: int) -> int:
    """The time in an EFI id, (T * 100 + part) * 1000 + count, where part and count may carry."""
    if record.header is None or record.name.id is None:
        return fallback
    above, rest = divmod(record.name.id - record.header.count, 1000)
    seconds, fraction = divmod(above - record.header.part, 100)
    return seconds if rest == fraction == 0 and seconds > 0 else fallback


def _times(text: bytes) -> tuple[int | None, int | None]:
    """The times of the first and the last whole line."""
    first = _LINE.search(text)
    if first is None:
        return None, None
    last = deque(_LINE.finditer(text, max(first.start(), len(text) - _LAST_LINES)), 1)
    if not last:
        return None, None
    return _micros(first[2], first[3]), _micros(last[0][2], last[0][3])


def _fingerprints(text: bytes) -> bytes:
    found = _LINE.findall(text, max(0, len(text) - _MOST_TEXT))
    numbers = [
        (time & 0xFFFFFFFF) << 32 | zlib.crc32(line)
        for line, seconds, micros in found[-_MOST_LINES:]
        if (time := int(seconds + micros))
    ]
    return array("Q", numbers).tobytes()


def _micros(seconds: bytes, micros: bytes) -> int:
    return int(seconds + micros)  # there are six digits of microseconds
