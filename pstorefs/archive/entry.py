"""What a list of dumps needs to know of an archived dump: one line of the archive's index.

A dump that is known by its entry is not read, not decoded and not grouped again. Only what can have
to do with a record that is not archived is: `tokens` and `tail` tell. Two dumps, or a dump and a
record, that share a token may be one dump, or copies:

======================= ===========================================================================
token                   of
======================= ===========================================================================
erst:TIME               a record of ERST: the time of the boot in its id
efi:MINUTES             a record of EFI: the time in its id, in steps of 3 minutes
FAMILY:MINUTES          any other record that may be one of several parts: its mtime, the same
FAMILY:TYPE:ID:s:SIZE   any other record: its slot and its size as stored
FAMILY:TYPE:ID:m:TIME   the same with its mtime, in steps of 2 ms
boot:SECONDS            when the boot began that a dump is of, in steps of 8 s
======================= ===========================================================================
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.archive import layout
from pstorefs.archive.shape import BOOT
from pstorefs.dump.grouping import SLOTS
from pstorefs.record.name import id_seconds, parse_name

if TYPE_CHECKING:
    from pstorefs.archive.stored import Stored, Sure
    from pstorefs.dump import Dump
    from pstorefs.record.name import Name
    from pstorefs.record.record import Record
    from pstorefs.source.stamp import Stamp

# Parts of one dump are written within a minute (grouping.py); clocks are set meanwhile.
_NEAR_SECONDS = 180
# What archivers round off mtimes by (copies.py).
_NEAR_NS = 2 * 10**6
_BOOT_SECONDS = 8
# A clock of a file system that goes in such steps does not tell every change: that of ext4 with
# inodes of 128 bytes does.
_COARSE_NS = 10**7
#: Bytes of a line, at most: a dump of more records than fit in is read each time.
LONGEST = 8 << 10
#: Lengths of the hashes behind a dump's name where that was taken: plan.py.
TAGS = (8, 64)
#: A boot's key that no other dump is known to share.
ALONE = "~"
_NUMBER = r"-?\d{1,20}"
_LINE = re.compile(
    rf"({layout.DUMP_NAME})\t({_NUMBER})\t({_NUMBER})\t({_NUMBER})\t([01]{{3}})"
    rf"\t([A-Za-z-]{{0,40}})\t((?:{_NUMBER})?)\t((?:~?{BOOT.pattern})?)\t({_NUMBER})"
    r"\t([0-9a-f]{0,16})\t([0-9a-f]{0,16})\t([A-Za-z0-9_:. -]*)"
    # What earlier versions did not write.
    r"(?:\t([0-9a-f]{0,16}))?(?:\t(\d{0,7})\t(\d{0,8}))?(?:\t(\d{0,20}))?",
    re.ASCII,
)


class Text(NamedTuple):
    """What is known of a dmesg.txt as it was saved; None: it is not known."""

    sha256: str | None = None
    #: Bytes.
    length: int | None = None
    #: Its st_ctim, in nanoseconds since 1970: nobody has written to it since, if it still is that.
    written: int | None = None

    @classmethod
    def of(cls, sha256: str, stamp: Stamp) -> Text:
        """Of what has just been written."""
        coarse = stamp.ctime_ns % _COARSE_NS == 0
        return cls(sha256, stamp.size, None if coarse else stamp.ctime_ns)


NO_TEXT = Text()


class Entry(NamedTuple):
    """One archived dump in a list. Times in nanoseconds since 1970."""

    name: str
    #: Of its directory: another one of this name is another dump.
    inode: int
    ctime_ns: int
    mtime_ns: int
    #: Whether that is the time of the crash; if not, the backend keeps none.
    dated: bool
    is_crash: bool
    #: As `complete` in its summary.json, where that is known; else whether no part is missing.
    is_complete: bool
    reason: str | None
    count: int | None  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    #: The key of its boot; with `ALONE` before it, a key that others may refer to.
    boot: str | None
    saved: int
    tail: int | None
    #: The first 16 digits of the SHA-256 of dmesg.txt; None: its records have to be read for it.
    text: int | None
    tokens: str
    #: See stored.Sure; None: its summary.json has to be read in full.
    mark: int | None = None
    #: The same; also None: an earlier version wrote the line.
    fixed: int | None = None
    #: Bytes of dmesg.txt; None as well.
    length: int | None = None
    #: See Text; None as well.
    written: int | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """Its records that are not in the archive: none."""
        return ()

    @property
    def time_ns(self) -> int | None:
        """When it was; None: not known."""
        return self.mtime_ns if self.dated else None

    @property
    def age(self) -> tuple[int, int, int, int, str]:
        """Sorts dumps by time, as `Dump.age` does."""
        time = self.mtime_ns if self.dated else 0
        copied = 0 if self.dated else self.mtime_ns
        return time // 10**9, copied // 10**9, self.count or 0, time, self.name

    def is_of(self, directory: Stamp) -> bool:
        """Whether it is of this directory, and that was not changed since."""
        return (self.inode, self.ctime_ns) == (directory.inode, directory.ctime_ns)

    def line(self) -> bytes:
        """The entry as one line of the index; the first field is a checksum of the others."""
        fields = (
            self.name,
            self.inode,
            self.ctime_ns,
            self.mtime_ns,
            f"{self.dated:d}{self.is_crash:d}{self.is_complete:d}",
            self.reason or "",
            "" if self.count is None else self.count,
            self.boot or "",
            self.saved,
            "" if self.tail is None else f"{self.tail:x}",
            "" if self.text is None else f"{self.text:x}",
            self.tokens,
            "" if self.mark is None else f"{self.mark:x}",
            "" if self.fixed is None else self.fixed,
            "" if self.length is None else self.length,
            "" if self.written is None else self.written,
        )
        text = "\t".join(map(str, fields)).encode()
        return b"%08x\t%s\n" % (zlib.crc32(text), text)


def parse(line: bytes) -> Entry | None:
    """An entry of a line without its newline; None if it is none: the index is hostile, too."""
    checksum, _, text = line.partition(b"\t")
    if len(line) > LONGEST or checksum != b"%08x" % zlib.crc32(text):
        return None
    match = _LINE.fullmatch(text.decode("ascii", "replace"))
    if match is None:
        return None
    name, inode, ctime, mtime, flags, reason, count, boot, *more = match.groups()
    saved, tail, digest, tokens, mark, fixed, length, written = more
    return Entry(
        name,
        int(inode),
        int(ctime),
        int(mtime),
        flags[0] == "1",
        flags[1] == "1",
        flags[2] == "1",
        reason or None,
        int(count) if count else None,
        boot or None,
        int(saved),
        int(tail, 16) if tail else None,
        int(digest, 16) if digest else None,
        tokens,
        int(mark, 16) if mark else None,
        int(fixed) if fixed else None,
        int(length) if length else None,
        int(written) if written else None,
    )


def is_current(line: bytes) -> bool:
    """Whether a line tells all that this version knows to tell."""
    return line.count(b"\t") == len(Entry._fields) - 2


def of_stored(stored: Stored) -> Entry:
    """The entry of a dump that is as its summary.json says."""
    keys = stored.keys
    records = [(record["name"], stored.raw[_file(record["path"])]) for record in stored.records]
    own = ALONE + stored.key if stored.key else None
    sure = stored.sure
    return Entry(
        name=stored.name,
        inode=stored.stamps[0].inode,
        ctime_ns=stored.stamps[0].ctime_ns,
        mtime_ns=stored.mtime_ns,
        dated=keys["time"] is not None,
        is_crash=keys["crash"],
        is_complete=keys["complete"],
        reason=keys["reason"],
        count=keys["count"],
        boot=keys["boot"] or own,
        saved=stored.saved,
        tail=stored.tail,
        text=digits(stored.texts.get(layout.TEXT)),
        tokens=_joined(records, stored.start),
        mark=sure and sure.mark,
        fixed=sure and sure.fixed,
        length=stored.length,
    )


def of_dump(
    dump: Dump,
    raw: dict[str, Stamp],
    directory: Stamp,
    saved: int,
    text: Text = NO_TEXT,
    sure: Sure | None = None,
    *,
    cut: bool = False,
) -> Entry:
    """The entry of a dump whose records were read. `cut`: whether its text is a report's rest."""
    from pstorefs.dump import boots

    facts = boots.facts_of(dump)
    tail = facts.tail()
    records = [(record.file, raw[_file(record.path)]) for record in dump.records]
    return Entry(
        name=dump.name,
        inode=directory.inode,
        ctime_ns=directory.ctime_ns,
        mtime_ns=dump.mtime_ns,
        dated=dump.time_ns is not None,
        is_crash=dump.is_crash,
        is_complete=dump.is_complete and not cut,
        reason=dump.reason,
        count=dump.count,
        boot=dump.boot or ALONE + boots.key_of(facts),
        saved=saved,
        tail=tail[-1] if tail and not facts.doubtful else None,
        text=digits(text.sha256),
        tokens=_joined(records, boots.start_of(facts)),
        mark=sure and sure.mark,
        fixed=sure and sure.fixed,
        length=text.length,
        written=text.written,
    )


def digits(sha256: str | None) -> int | None:
    """A SHA-256 as `Entry.text` has it."""
    return int(sha256[:16], 16) if sha256 else None


def _file(path: str) -> str:
    return path.rpartition("/")[2]


def _joined(records: Iterable[tuple[str, Stamp]], start: int | None) -> str:
    found: dict[str, None] = {}
    for file, stamp in records:
        name = parse_name(file)
        if name is not None:
            found.update(dict.fromkeys(tokens(name, stamp.size, stamp.mtime_ns)))
    if start is not None:
        found[f"boot:{start // _BOOT_SECONDS}"] = None
    return " ".join(found)


def tokens(name: Name, size: int, mtime_ns: int, around: tuple[int, ...] = (0,)) -> Iterator[str]:
    """The tokens of a record; with `around` of -1, 0 and 1 those of its neighbours in time, too."""
    family, seconds = name.family, id_seconds(name)
    if family == "erst" and seconds:
        yield f"erst:{seconds}"
        return
    if family == "efi" and seconds:
        yield from (f"efi:{seconds // _NEAR_SECONDS + step}" for step in around)
        return
    if family not in SLOTS:
        minutes = mtime_ns // 10**9 // _NEAR_SECONDS
        yield from (f"{family}:{minutes + step}" for step in around)
    slot = f"{family}:{name.type}:{'' if name.id is None else name.id}"
    yield f"{slot}:s:{size}"
    yield from (f"{slot}:m:{mtime_ns // _NEAR_NS + step}" for step in around)


def boot_tokens(start: int, around: tuple[int, ...] = (-1, 0, 1)) -> Iterator[str]:
    """The tokens of a boot that began so many seconds after 1970, and of its neighbours."""
    yield from (f"boot:{start // _BOOT_SECONDS + step}" for step in around)
