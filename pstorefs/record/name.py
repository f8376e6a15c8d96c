"""Names, ids, times, header lines and ECC notices: pure functions on what the kernel writes.

A file in /sys/fs/pstore has the name ``<type>-<backend>-<id>``; ``.enc.z`` follows if the running
kernel could not decompress it. A backend's name has no ``-``, a type's may have one; the only
exception is pstore-blk, as in the kernel's documentation. In efivarfs the same records have names
``dump-type0-<part>-<count>-<time>-<C or D>-<GUID>``: C is compressed, D is not.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pstorefs.codecs.text import HEADER, REASONS

ENCODED = ".enc.z"
BACKENDS = ("erst", "efi", "efi_pstore", "ramoops", "nvram", "pstore_blk", "pstore-blk")
#: Other names of one backend: before Linux 6.2; in the kernel's documentation and vendors' kernels.
_FAMILIES = {"efi_pstore": "efi", "pstore-blk": "pstore_blk"}
#: Types of records that are binary data of powerpc's firmware: no logs, and no dumps.
FIRMWARE = ("rtas", "powerpc-ofw", "powerpc-common", "powerpc-opal")
#: Reasons for a dump that are crashes. The others are orderly ends of a boot.
CRASHES = ("Panic", "Oops", "Emergency")

_NAME = re.compile(
    r"(?P<type>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*?)-(?P<backend>pstore-blk|[A-Za-z0-9_]+)-"
    r"(?P<id>-?\d{1,20})",
    re.ASCII,
)
# Before 3.19, console-ramoops and ftrace-ramoops had no id. Without one a backend must be known.
_NAME_WITHOUT_ID = re.compile(
    rf"(?P<type>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*?)-(?P<backend>{'|'.join(BACKENDS)})", re.ASCII
)
# drivers/firmware/efi/efi-pstore.c; without C or D before 3.12, without the count before 3.7
_EFIVAR = re.compile(
    r"dump-type0-(?P<part>\d{1,9})-(?:(?P<count>\d{1,9})-)?(?P<time>\d{1,12})(?:-[CD])?"
    r"-cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0",
    re.ASCII,
)
#: efivarfs shows the variable's attributes before its content, in so many bytes.
_EFIVAR_ATTRIBUTES = 4
# pstore_blk, uncompressed records only: a count before the header line.
_BLK_LINE = re.compile(
    rb"(?:" + "|".join(REASONS).encode() + rb"): Total (?P<total>\d{1,10}) times\n"
)
# ramoops before 3.15 left its own header in the file; C or D says whether the text is compressed.
_RAMOOPS_LINE = re.compile(rb"====(?P<sec>\d{1,20})\.(?P<usec>\d{1,9})(?:-[CD])?\n")
_NOTICE = re.compile(
    rb"\n(?:ECC: )?(?:No errors detected"
    rb"|(?P<corrected>\d{1,10}) Corrected bytes,"
    rb" (?P<unrecoverable>\d{1,10}) unrecoverable blocks)\n\Z"
)
_LONGEST_NOTICE = 80
_BIT_63 = 1 << 63
_YEAR_9999 = 253_402_300_799  # the last second that calendars here know


class Name(NamedTuple):
    """A record's file name, taken apart.

    ``id`` is an unsigned 64-bit number, or None where the name has none; ``encoded`` says that the
    name ended in ``.enc.z``; ``plain`` is the name without that.
    """

    type: str
    backend: str
    id: int | None
    encoded: bool
    plain: str
    #: Bytes that the file system puts before the record's own.
    before: int = 0

    @property
    def family(self) -> str:
        """The backend, whichever of its names this kernel uses."""
        return _FAMILIES.get(self.backend, self.backend)


class Header(NamedTuple):
    """A dump's header line, ``Panic#2 Part1``, and where it is in the text."""

    reason: str
    #: Oopses since boot, this one included.
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    #: 1 is the newest part.
    part: int
    #: Bytes of the text before the log: the header line and what a backend puts before it.
    length: int


class Ecc(NamedTuple):
    """What ramoops says about its error correction, at the end of a file."""

    corrected: int
    unrecoverable: int


def parse_name(name: str) -> Name | None:
    """Take a file name apart; None if no kernel would give it to a record."""
    plain = name.removesuffix(ENCODED)
    match = _NAME.fullmatch(plain)
    if match is None and plain == name and name.startswith("dump-type0-"):
        return _parse_efivar(name)
    if match is None:
        match = _NAME_WITHOUT_ID.fullmatch(plain)
        if match is None:
            return None
        return Name(match["type"], match["backend"], None, plain != name, plain)
    # Old kernels printed ids with a sign.
    number = int(match["id"])
    if not -_BIT_63 <= number < 1 << 64:
        return None
    return Name(match["type"], match["backend"], number % (1 << 64), plain != name, plain)


def _parse_efivar(name: str) -> Name | None:
    """The same for a variable in efivarfs; its id is the one that pstore would give it."""
    match = _EFIVAR.fullmatch(name)
    if match is None:
        return None
    number = (int(match["time"]) * 100 + int(match["part"])) * 1000 + int(match["count"] or 0)
    return Name("dmesg", "efi", number, True, name, _EFIVAR_ATTRIBUTES)  # below 2**64


def id_seconds(name: Name) -> int | None:
    """The Unix time that the id of a record carries, in seconds, where the backend's ids carry one.

    erst: the time of the first record written in that boot (cper_next_record_id);
    efi: the time of that part.
    """
    seconds = 0
    if name.id is not None and name.backend == "erst":
        late = name.id & _BIT_63  # written in 2038 or later
        seconds = (name.id ^ _BIT_63) >> 24 if late else name.id >> 32
    elif name.id is not None and name.family == "efi":
        seconds = name.id // 100_000
    return seconds if 0 < seconds <= _YEAR_9999 else None


def id_number(name: Name) -> int | None:
    """The running number within one boot that an ERST id carries."""
    if name.backend != "erst" or name.id is None:
        return None
    return name.id & 0xFFFFFF if name.id & _BIT_63 else name.id & 0xFFFFFFFF


def parse_header(text: bytes) -> Header | None:
    """The header line of a dump's text; None if it does not begin with one."""
    start = 0
    for line in (_BLK_LINE, _RAMOOPS_LINE):
        match = line.match(text)
        if match:
            start = match.end()
    match = HEADER.match(text, start)
    if match is None:
        return None
    return Header(match["reason"].decode(), int(match["count"]), int(match["part"]), match.end())


def split_notice(data: bytes) -> tuple[bytes, bytes]:
    """Divide a file's bytes into the payload and the ECC notice after it (empty if none)."""
    match = _NOTICE.search(data, max(0, len(data) - _LONGEST_NOTICE))
    if match is None:
        return data, b""
    return data[: match.start()], data[match.start() :]


def parse_notice(notice: bytes) -> Ecc | None:
    """The numbers of an ECC notice; None for an empty one."""
    match = _NOTICE.fullmatch(notice)
    if match is None:
        return None
    return Ecc(int(match["corrected"] or 0), int(match["unrecoverable"] or 0))
