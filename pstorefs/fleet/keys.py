"""What objects are called: pure functions of the machine and of what was archived.

::

    PREFIX/v1/dumps/<mm>/<machine>/<dump>~<id16>.tar.gz
    PREFIX/v1/index/date=YYYY-MM-DD/<dump>_<host>_<label>_<kernel>_<machine>_<id16>.json
    PREFIX/v1/check/<mm>/<machine>

======= ==========================================================================================
mm      two hex digits of the machine: so many prefixes share the load
machine 32 hex digits (machine.py), or the name that an option gives
dump    the dump's directory in the archive, 20171204T222309Z-panic-1; a longer or odder name: its
        begin, and a hash of it
id16    the first 16 digits of the SHA-256 over the sorted SHA-256 of all its records
label   <class>-<function>-<8 digits of the signature>; or `none`. The only one that may hold a `_`
kernel  the release of the kernel that crashed, with `~` for `+`, `~~` for `_`; or
        `none`
host    the host's name at the time of archiving; or `none`
======= ==========================================================================================

All that a list of crashes shows is in the keys of index/, and so is the key of the bundle: whoever
mounts a fleet reads nothing but keys until somebody opens a file.

Nothing in a key comes from now. So whoever sends a dump again names the same objects, whether the
store honours conditions or not. No name is longer than a file name may be (255 bytes).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.archive import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = "v1"
DUMPS, INDEX, CHECK = f"{VERSION}/dumps", f"{VERSION}/index", f"{VERSION}/check"
#: The placeholder for a label or a host that is not known, or must not be named.
NONE = "none"
SUFFIX = ".json"
#: The name of an entry for a reboot, in the place of a dump's.
REBOOT = "reboot-"

_TIME = re.compile(r"((\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z)-", re.ASCII)
_OTHER = re.compile(r"[^A-Za-z0-9.]+", re.ASCII)
_OTHER_BUT_TILDE = re.compile(r"[^A-Za-z0-9.~]+", re.ASCII)
_OTHER_BUT_UNDERSCORE = re.compile(r"[^A-Za-z0-9._]+", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32}")
_MACHINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}", re.ASCII)
_ID16 = re.compile(r"[0-9a-f]{16}")
_SHORT_DUMP = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,47}", re.ASCII)
_WORD = "[A-Za-z0-9][A-Za-z0-9.-]"
# The name of an index entry without its suffix: all that is known of a dump from a list.
_ENTRY = re.compile(
    rf"{_WORD}{{0,47}}_{_WORD}{{0,39}}_[A-Za-z0-9][A-Za-z0-9._-]{{0,79}}"
    r"_[A-Za-z0-9][A-Za-z0-9.~-]{0,35}_[A-Za-z0-9][A-Za-z0-9.-]{0,31}_[0-9a-f]{16}",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_KERNEL, _HOST = 36, 40
_CLASS, _FUNCTION, _SIGNATURE = 20, 40, 8


class Names(NamedTuple):
    """What keys are made of. Each is checked, and as long as it may be."""

    machine: str
    dump: str
    id16: str
    date: str
    label: str
    kernel: str
    host: str
    #: When it crashed, or was archived if that is not known; Unix time.
    moment: int

    @property
    def bundle_key(self) -> str:
        """The key of the dump's bundle, below the prefix."""
        return bundle_key(self.machine, dump_word(self.dump), self.id16)

    @property
    def index_key(self) -> str:
        """The key of the dump's index entry, below the prefix."""
        dump = dump_word(self.dump)
        parts = (dump, self.host, self.label, self.kernel, self.machine, self.id16)
        return f"{day_prefix(self.date)}{'_'.join(parts)}{SUFFIX}"


def names(
    machine: str, dump: str, dump_id: str, saved: int, label: str, kernel: str, host: str
) -> Names:
    """The names of one dump. `saved`: when it was archived, for one without a time; Unix time.

    Raises ValueError for a machine or a dump that no key can hold.
    """
    if not _MACHINE.fullmatch(machine) or not layout.is_dump_name(dump):
        raise ValueError(f"{dump} of {machine} cannot be part of a key")
    if not _ID16.match(dump_id):
        raise ValueError(f"{dump_id} is no id of a dump")
    moment = time_of(dump) or _archived(saved)
    date = f"{moment.year:04}{moment:-%m-%d}"
    label, kernel, host = label or NONE, kernel_word(kernel), word(host, _HOST)
    seconds = int(moment.timestamp())
    return Names(machine, dump, dump_id[:16], date, label, kernel, host, seconds)


def bundle_key(machine: str, dump: str, id16: str) -> str:
    """The key of a bundle, below the prefix, of what an index key says."""
    return f"{DUMPS}/{shard(machine)}/{machine}/{dump}~{id16}.tar.gz"


def day_prefix(date: str) -> str:
    """What all index keys of a day begin with, below the prefix."""
    return f"{INDEX}/date={date}/"


def is_day(date: str) -> bool:
    """Whether a date is written as keys have it. It may be a 31 June."""
    return _DAY.fullmatch(date) is not None


def dump_word(name: str) -> str:
    """The name of a dump in keys: its own name, if that fits."""
    if _SHORT_DUMP.fullmatch(name):
        return name
    digits = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{word(name, 31)}-{digits}"


def kernel_word(release: str) -> str:
    """A kernel's release in a key, whose `_` and `+` come back: see `Entry.kernel`."""
    text = release[: 4 * _KERNEL].replace("~", "-")
    text = _OTHER_BUT_TILDE.sub("-", text.replace("_", "~~").replace("+", "~"))
    return text[:_KERNEL].lstrip("-.~").rstrip("-.") or NONE


def _release(in_key: str) -> str:
    return in_key.replace("~~", "_").replace("~", "+")


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


def reboot_id(machine: str, boot: str) -> str:
    """The id of an entry for a reboot without a record, made from the boot."""
    return hashlib.sha256(f"pstorefs reboot {machine} {boot}".encode()).hexdigest()


def label_of(error_class: str, function: str, signature: str) -> str:
    """The label of a signature, for people; empty without a signature."""
    digits = _OTHER.sub("", signature.rpartition(":")[2])[:_SIGNATURE]
    if not digits:
        return ""
    first = word(error_class, _CLASS)
    middle = _OTHER_BUT_UNDERSCORE.sub("-", function)[:_FUNCTION].strip("-.") or NONE
    return f"{first}-{middle}-{digits}"


def word(text: str, longest: int) -> str:
    """A text in letters, digits, dots and dashes; `NONE` if nothing is left of it."""
    # Cut first, to bound the work of the pattern.
    return _OTHER.sub("-", text[: 4 * longest])[:longest].strip("-.") or NONE


def time_of(dump: str) -> datetime | None:
    """When a dump crashed, by its name; None if that does not say it."""
    match = _TIME.match(dump)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, match.groups()[1:])
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None


def _archived(saved: int) -> datetime:
    try:
        return datetime.fromtimestamp(saved, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, timezone.utc)


class Entry(NamedTuple):
    """The parts of an index entry's name. `kernel` as in uname(2), except odd characters."""

    dump: str
    host: str
    label: str
    kernel: str
    machine: str
    id16: str

    @property
    def bundle_key(self) -> str:
        """The key of the dump's bundle, below the prefix."""
        return bundle_key(self.machine, self.dump, self.id16)


def is_entry(name: str) -> bool:
    """Whether this is the name of an index entry, without its suffix."""
    return _ENTRY.fullmatch(name) is not None


def split_entry(name: str) -> Entry:
    """The name of an index entry taken apart; `is_entry` holds for it."""
    dump, host, rest = name.split("_", 2)
    label, kernel, machine, id16 = rest.rsplit("_", 3)
    return Entry(dump, host, label, _release(kernel), machine, id16)
