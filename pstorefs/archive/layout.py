"""What an archive looks like, and how it is read back. It can be read without this program.

::

    /var/lib/pstorefs/                     0700
    ├── .lock                              flock(2): one process at a time
    ├── .index                             a cache of what lists need of each dump; may be deleted
    ├── .pstorefs-new-…  .pstorefs-old-…   work that was interrupted; the next run removes it
    └── 20171204T222309Z-panic-1/          one directory per dump, in place at once by one rename
        ├── raw/                           the records as stored, under the kernel's names, with
        │   ├── dmesg-erst-64…45.enc.z     their mtimes. A second one of the same name but other
        │   └── dmesg-erst-64…45~1a2b3c4d  content gets `~` and 8 hex digits of its SHA-256
        ├── dmesg.txt report.txt summary.json      what was composed when it was saved
        ├── records.json                   per record: when saved, when cleared, how often
        └── SHA256SUMS                     of raw/; written last, so it tells a finished dump

Contents are hostile: whoever restores a backup or mounts a disk brings them along. Names are
checked, sizes bounded, only regular files and real directories are looked at.
"""

from __future__ import annotations

import errno
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from pstorefs.archive import durable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pstorefs.source.directory import OpenDirectory
    from pstorefs.source.stamp import Stamp

RAW, FACTS, SUMS = "raw", "records.json", "SHA256SUMS"
SUMMARY, REPORT = "summary.json", "report.txt"
#: The joined text of a dump.
TEXT = "dmesg.txt"
#: What may be composed beside them.
COMPOSED = (TEXT, REPORT, SUMMARY, "console.txt", "logcat.txt")
#: Bytes of one record, at most: as source/directory.py's own bound.
LONGEST_RECORD = 32 << 20

_FACTS_BYTES = 8 << 20
_DUMPS = 100_000
_RECORDS = 20_000
#: What a directory of an archive may be called: no dot in front, no slash.
DUMP_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"
_DUMP_NAME = re.compile(DUMP_NAME, re.ASCII)
_RAW_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,199})(?:~[0-9a-f]{8})?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUM = re.compile(rf"([0-9a-f]{{64}})  {RAW}/([^/]+)", re.ASCII)
SUMS_BYTES = _RECORDS * 300
_SCHEMA = 1
_LONGEST_TEXT = 300
_LARGEST_NUMBER = 1 << 63


class Fact(NamedTuple):
    """What the engine did with one record. Times are seconds since 1970, boots are boot_ids.

    Before a record is erased, `clearing` is written; afterwards `cleared`. A record that is in
    the store although it is cleared came back.
    """

    file: str
    sha256: str
    size: int
    mtime_ns: int
    saved: int
    saved_boot: str
    clearing: int = 0
    clearing_boot: str = ""
    cleared: int = 0
    cleared_boot: str = ""
    #: How often it was erased.
    times: int = 0
    #: The boot in which it was last erased although it had been erased before.
    again_boot: str = ""

    @property
    def returns(self) -> int:
        """How often it was erased again after it had come back."""
        return max(0, self.times - 1)

    def about_to_clear(self, now: int, boot: str) -> Fact:
        """The fact to write before the record is erased."""
        return self._replace(clearing=now, clearing_boot=boot)

    def after_clearing(self, now: int, boot: str) -> Fact:
        """The fact to write after the record was erased."""
        again = boot if self.times else ""
        return self._replace(cleared=now, cleared_boot=boot, times=self.times + 1, again_boot=again)


def is_dump_name(name: str) -> bool:
    """Whether a directory of the archive may be called so. No dot in front, no slash, no `..`."""
    return _DUMP_NAME.fullmatch(name) is not None


def raw_file(name: str) -> str | None:
    """The kernel's name of what is called `name` in raw/; None if that is no name of ours."""
    match = _RAW_NAME.fullmatch(name)
    return match[1] if match else None


def raw_name(file: str, sha256: str, taken: Iterable[str]) -> str:
    """What a record is called in raw/. OSError for a name that no kernel gives."""
    if _RAW_NAME.fullmatch(file) is None or "~" in file:
        raise durable.error(errno.EINVAL, f"{file!r} is not a name that a kernel gives a record")
    return f"{file}~{sha256[:8]}" if file in taken else file


class Listing(NamedTuple):
    """The dumps of an archive: each raw/ with its files."""

    dumps: dict[str, dict[str, Stamp]]
    #: All names that are taken in it.
    names: frozenset[str] = frozenset()


def read_archive(archive: OpenDirectory) -> Listing:
    """List an archive, opened as an `OpenDirectory`: all of it."""
    names, everything, odd = dump_names(archive)
    return Listing({name: read_raw(archive, name, odd) for name in names}, everything)


def dump_names(archive: OpenDirectory) -> tuple[list[str], frozenset[str], list[str]]:
    """Names of dumps in order, all names that are taken, and what was passed over in sentences."""
    names: list[str] = []
    odd: list[str] = []
    with archive.folder(()) as root, os.scandir(root) as entries:
        found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    for name, is_directory in sorted(found.items()):
        if name.startswith("."):
            continue
        if not is_directory or not is_dump_name(name):
            odd.append(f"{name!r} in the archive is not a dump of this program: ignored")
        elif len(names) >= _DUMPS:
            odd.append(f"the archive holds more than {_DUMPS} dumps: the rest is ignored")
            break
        else:
            names.append(name)
    return names, frozenset(found), odd


def read_raw(archive: OpenDirectory, dump: str, odd: list[str]) -> dict[str, Stamp]:
    """The records in a dump's raw/. What is passed over is added to `odd`, in sentences."""
    found: dict[str, Stamp] = {}
    try:
        entries = archive.scan((dump, RAW))
    except OSError as error:
        odd.append(f"{dump}/{RAW} in the archive: {error.strerror}: ignored")
        return found
    for name, stamp in sorted(entries.items()):
        fits = stamp.is_file and stamp.size <= LONGEST_RECORD and raw_file(name) is not None
        if fits and len(found) < _RECORDS:
            found[name] = stamp
        else:
            odd.append(f"{dump}/{RAW}/{name!r} in the archive is not a record: ignored")
    return found


def read_facts(directory: int) -> dict[tuple[str, str], Fact]:
    """The facts of a dump, by name in raw/ and SHA-256. Empty if they cannot be read."""
    import json

    try:
        data = json.loads(durable.read_small(directory, FACTS, _FACTS_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    rows = data.get("records") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        return {}
    facts = [fact for row in rows[:_RECORDS] if (fact := _fact(row))]
    return {(fact.file, fact.sha256): fact for fact in facts}


@cache
def _kinds() -> dict[str, Any]:
    """The fields of a `Fact`, with their types."""
    return get_type_hints(Fact)


def _fact(row: object) -> Fact | None:
    if not isinstance(row, dict):
        return None
    values: dict[str, Any] = {}
    for name, kind in _kinds().items():
        value = row.get(name, Fact._field_defaults.get(name))
        number = type(value) is int and 0 <= value < _LARGEST_NUMBER
        text = isinstance(value, str) and len(value) <= _LONGEST_TEXT
        if not (number if kind is int else text):
            return None
        values[name] = value
    fact = Fact(**values)
    return fact if raw_file(fact.file) and _SHA256.fullmatch(fact.sha256) else None


def facts_in(archive: OpenDirectory, dump: str) -> dict[tuple[str, str], Fact]:
    """The same, for an archive that is opened as an `OpenDirectory`."""
    try:
        with archive.folder((dump,)) as directory:
            return read_facts(directory)
    except OSError:
        return {}


def facts_text(facts: Iterable[Fact]) -> bytes:
    """records.json."""
    import json

    rows = [
        json.dumps(fact._asdict() | {"returns": fact.returns})
        for fact in sorted(facts, key=lambda fact: (fact.file, fact.sha256))
    ]
    lines = ",\n".join(rows)
    return f'{{"schema": {_SCHEMA}, "records": [\n{lines}\n]}}\n'.encode()


def sums_text(sums: Mapping[str, str]) -> bytes:
    """SHA256SUMS, as sha256sum(1) reads it, of names in raw/ to their SHA-256."""
    return "".join(f"{sums[name]}  {RAW}/{name}\n" for name in sorted(sums)).encode()


def sums_in(archive: OpenDirectory, dump: str) -> dict[str, str] | None:
    """What SHA256SUMS tells: names in raw/ to SHA-256. None if it is not as it was written."""
    try:
        with archive.folder((dump,)) as directory:
            return parse_sums(durable.read_small(directory, SUMS, SUMS_BYTES))
    except OSError:
        return None


def parse_sums(text: bytes) -> dict[str, str] | None:
    """A SHA256SUMS taken apart; None if it is not as this program writes it."""
    lines = text.decode("ascii", "replace").splitlines()
    found = [_SUM.fullmatch(line) for line in lines[:_RECORDS]]
    return {match[2]: match[1] for match in found if match} if found and all(found) else None


def is_finished(directory: int, sums: Mapping[str, str]) -> bool:
    """Whether SHA256SUMS tells of exactly these files, so that all beside them is up to date."""
    text = sums_text(sums)
    try:
        return durable.read_small(directory, SUMS, len(text)) == text
    except OSError:
        return False


def open_raw(archive: int, dump: str) -> tuple[int, int]:
    """Descriptors of a dump's directory and of its raw/."""
    directory = durable.open_directory(archive, dump)
    try:
        return directory, durable.open_directory(directory, RAW)
    except BaseException:
        os.close(directory)
        raise
