"""What objects are called: pure functions of the machine and of what was archived.

::

    PREFIX/v1/dumps/<mm>/<machine>/<dump>~<id16>.tar.gz
    PREFIX/v1/index/date=YYYY-MM-DD/<time>_<label>_<slug>_<host>_<machine>_<id16>.json
    PREFIX/v1/check/<mm>/<machine>

======= ==========================================================================================
mm      two hex digits of the machine: so many prefixes share the load
machine 32 hex digits (machine.py), or the name that an option gives
dump    the dump's directory in the archive
id16    the first 16 digits of the SHA-256 over the sorted SHA-256 of all its records
time    as in the dump's name, 20171204T222309Z; or `undated`
label   <class>-<function>-<8 digits of the signature>; or `none`. The only one that may hold a `_`
slug    the title, in letters, digits, dots and dashes
host    the host's name at the time of archiving; or `none`
======= ==========================================================================================

Nothing in a key comes from now. So whoever sends a dump again names the same objects, whether the
store honours conditions or not. No name is longer than a file name may be (255 bytes).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = "v1"
DUMPS, INDEX, CHECK = f"{VERSION}/dumps", f"{VERSION}/index", f"{VERSION}/check"
#: What stands for a label or a host that is not known, or not to be named.
NONE, UNDATED = "none", "undated"

_TIME = re.compile(r"((\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z)-", re.ASCII)
_OTHER = re.compile(r"[^A-Za-z0-9.]+", re.ASCII)
_OTHER_BUT_UNDERSCORE = re.compile(r"[^A-Za-z0-9._]+", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32}")
_DUMP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", re.ASCII)
_MACHINE = re.compile(r"(?!\.+$)[A-Za-z0-9.-]{1,32}", re.ASCII)
_ID16 = re.compile(r"[0-9a-f]{16}")
_INDEX_KEY = re.compile(
    rf"{INDEX}/date=(\d{{4}}-\d\d-\d\d)/"
    rf"(\d{{8}}T\d{{6}}Z|{UNDATED})_([A-Za-z0-9._-]{{1,80}})_([A-Za-z0-9.-]{{1,48}})"
    r"_([A-Za-z0-9.-]{1,40})_([A-Za-z0-9.-]{1,32})_([0-9a-f]{16})\.json",
    re.ASCII,
)
_SLUG, _HOST = 48, 40
_CLASS, _FUNCTION, _SIGNATURE = 20, 40, 8


class Names(NamedTuple):
    """What keys are made of. Each is checked, and as long as it may be."""

    machine: str
    dump: str
    id16: str
    date: str
    time: str
    label: str
    slug: str
    host: str
    #: When it crashed, or was archived if that is not known; Unix time.
    moment: int

    @property
    def bundle_key(self) -> str:
        """The key of the dump's bundle, below the prefix."""
        return bundle_key(self.machine, self.dump, self.id16)

    @property
    def index_key(self) -> str:
        """The key of the dump's index entry, below the prefix."""
        parts = (self.time, self.label, self.slug, self.host, self.machine, self.id16)
        return f"{INDEX}/date={self.date}/{'_'.join(parts)}.json"


def names(
    machine: str, dump: str, dump_id: str, saved: int, label: str, title: str, host: str
) -> Names:
    """The names of one dump. `saved`: when it was archived, for one without a time; Unix time.

    Raises ValueError for a machine or a dump that no key can hold.
    """
    if not _MACHINE.fullmatch(machine) or not _DUMP.fullmatch(dump):
        raise ValueError(f"{dump} of {machine} cannot be part of a key")
    if not _ID16.match(dump_id):
        raise ValueError(f"{dump_id} is no id of a dump")
    time, moment = _moment(dump, saved)
    date = f"{moment.year:04}{moment:-%m-%d}"
    label, slug, host = label or NONE, word(title, _SLUG), word(host, _HOST)
    seconds = int(moment.timestamp())
    return Names(machine, dump, dump_id[:16], date, time, label, slug, host, seconds)


def bundle_key(machine: str, dump: str, id16: str) -> str:
    """The key of a bundle, below the prefix. Raises ValueError for what no key can hold."""
    if not (_MACHINE.fullmatch(machine) and _DUMP.fullmatch(dump) and _ID16.fullmatch(id16)):
        raise ValueError(f"{dump} of {machine} cannot be part of a key")
    return f"{DUMPS}/{shard(machine)}/{machine}/{dump}~{id16}.tar.gz"


def check_key(machine: str) -> str:
    """The key of a machine's canary, below the prefix."""
    return f"{CHECK}/{shard(machine)}/{machine}"


def shard(machine: str) -> str:
    """Two hex digits that share machines out evenly."""
    if _HEX.fullmatch(machine):
        return machine[:2]
    return hashlib.sha256(machine.encode()).hexdigest()[:2]


def id_of(hashes: Iterable[str]) -> str:
    """The id of a dump: SHA-256 over the sorted SHA-256 of its records, each once, in hex.

    As `Dump.id`, but of all records in raw/: a console log that joins them changes it as well.
    """
    return hashlib.sha256("".join(sorted(set(hashes))).encode()).hexdigest()


def label_of(error_class: str, function: str, signature: str) -> str:
    """What a signature is called among others, for people; empty without a signature."""
    digits = _OTHER.sub("", signature.rpartition(":")[2])[:_SIGNATURE]
    if not digits:
        return ""
    first = word(error_class, _CLASS)
    middle = _OTHER_BUT_UNDERSCORE.sub("-", function)[:_FUNCTION].strip("-.") or NONE
    return f"{first}-{middle}-{digits}"


def word(text: str, longest: int) -> str:
    """A text in letters, digits, dots and dashes; `NONE` if nothing is left of it."""
    # Cut first: the text is bounded by then, and so is what the pattern looks at.
    return _OTHER.sub("-", text[: 4 * longest])[:longest].strip("-.") or NONE


def _moment(dump: str, saved: int) -> tuple[str, datetime]:
    match = _TIME.match(dump)
    if match:
        try:
            year, month, day, hour, minute, second = map(int, match.groups()[1:])
            return match[1], datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        except ValueError:
            pass
    try:
        return UNDATED, datetime.fromtimestamp(saved, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return UNDATED, datetime.fromtimestamp(0, timezone.utc)


class Entry(NamedTuple):
    """What the key of an index entry says."""

    date: str
    time: str
    label: str
    slug: str
    host: str
    machine: str
    id16: str


def parse_index(key: str) -> Entry | None:
    """An index key taken apart; None if it is none. Keys are hostile: anybody can make them."""
    match = _INDEX_KEY.fullmatch(key)
    return Entry(*match.groups()) if match else None
