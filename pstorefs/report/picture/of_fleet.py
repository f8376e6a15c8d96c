"""The crashes of a fleet's store. What is counted comes of the keys: one LIST for a thousand.

Index entries are read for what no key says: the whole title, the whole signature, and whether a log
without a signature is that of a crash.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pstorefs.archive.layout import REPORT
from pstorefs.fleet import entry, keys, reboot
from pstorefs.fleet.remote import RemoteError
from pstorefs.fleet.replaced import Replaced
from pstorefs.fleet.unpack import UnfitError, unpack
from pstorefs.report.picture.crashes import Crash, Facts
from pstorefs.report.picture.gather import Found, UnreadableError

if TYPE_CHECKING:
    from pstorefs.fleet.remote import Remote

#: Bytes of an index entry, and of a bundle, that are read.
_ENTRY_BYTES, _BUNDLE_BYTES = 256 << 10, 16 << 20
_MOST_DAYS = 4000
# Days whose crashes are searched for others that they replace.
_RECENT_DAYS = 40
#: Without a signature, dumps of these kinds are crashes: the kernel says so.
_CRASHES = ("panic", "oops", "emergency", "dmesg", reboot.TITLE)


class Fleet:
    """See `gather.Origin`. `crashes` raises `RemoteError`."""

    is_fleet = True

    def __init__(self, remote: Remote, name: str) -> None:
        self._remote = remote
        self.name = name
        #: One text for each that many crashes share: hosts, labels, machines.
        self._texts: dict[str, str] = {}
        #: Of each label itself, and what stands for its title.
        self._labels: dict[str, tuple[str, str]] = {}
        self._unpacking = threading.Lock()

    def crashes(self, most: int) -> Found:
        """See `gather.Origin`. Whole days, the newest first."""
        names = (name.removeprefix("date=") for name in self._remote.folders(f"{keys.INDEX}/"))
        days = sorted(filter(keys.is_day, names), reverse=True)[:_MOST_DAYS]
        replaced = Replaced(self._remote)
        found: list[Crash] = []
        notes: list[str] = []
        for number, day in enumerate(days):
            if len(found) >= most:
                words = (
                    f"Only the newest {len(found):,} crashes were looked at, those since"
                    f" {days[number - 1]}: what is marked new may have been seen before."
                )
                return Found(found, [*notes, words])
            prefix = keys.day_prefix(day)
            listed = self._remote.names(prefix)
            notes += listed.odd
            good = [name[: -len(keys.SUFFIX)] for name in listed.names if _is_entry(name)]
            if len(good) < len(listed.names):
                strange = len(listed.names) - len(good)
                notes.append(f"{strange:,} objects of {day} do not have names of index entries.")
            hidden = replaced.among(prefix, good) if number < _RECENT_DAYS else ()
            for name in good[: 2 * most - len(found)]:
                if name not in hidden:
                    found.append(self._crash(day, name))
            if len(found) >= 2 * most:  # one day alone has that many
                notes.append(f"Not all crashes of {day} were looked at.")
        return Found(found, notes)

    def _crash(self, day: str, name: str) -> Crash:
        share = self._texts.setdefault
        dump, host, label, kernel, machine, id16 = keys.split_entry(name)
        if label == keys.NONE:
            title = _kind(dump)
            # A key without a signature begins with a blank, as no label does.
            group = f" {title}"
        else:
            group, title = self._labels.get(label) or self._labels.setdefault(
                label, (label, label.rpartition("-")[0])
            )
        return Crash(
            day,
            f"{day}{_clock(dump, day)}",
            group,
            title,
            share(host, "" if host == keys.NONE else host),
            share(machine, machine),
            share(kernel, "" if kernel == keys.NONE else kernel),
            id16,
            name,
        )

    def facts(self, crash: Crash) -> Facts | None:
        """See `gather.Origin`."""
        try:
            data = self._remote.get(self.place(crash), _ENTRY_BYTES)
        except RemoteError:
            return None
        row = entry.parse(data)
        if _text(row, "id")[: len(crash.id)] != crash.id:
            return None
        kind = _kind(crash.where.partition("_")[0])
        said = row.get("crash")
        # A machine that went down without a word is what somebody looks for after a bad night.
        unsure = kind == reboot.TITLE or not isinstance(said, bool)
        is_crash = kind in _CRASHES if unsure else bool(said)
        return Facts(_text(row, "title"), _text(row, "signature"), is_crash)

    def presumed(self, crash: Crash) -> bool:
        """See `gather.Origin`."""
        return crash.title in _CRASHES

    def place(self, crash: Crash) -> str:
        """See `gather.Origin`: the key of its index entry."""
        return f"{keys.day_prefix(crash.day)}{crash.where}{keys.SUFFIX}"

    def report(self, crash: Crash, most: int) -> bytes:
        """See `gather.Origin`."""
        names = keys.split_entry(crash.where)
        try:
            data = self._remote.get(names.bundle_key, _BUNDLE_BYTES)
            with self._unpacking:  # a small bundle may be a hundred MiB of tar
                files = unpack(data, names.dump, names.id16)
        except RemoteError as error:
            raise UnreadableError(error.strerror or str(error)) from None
        except UnfitError as error:
            raise UnreadableError(f"it is not a bundle: {error}") from None
        if REPORT not in files:
            raise UnreadableError(f"its bundle has no {REPORT}")
        return files[REPORT][:most]


def _is_entry(name: str) -> bool:
    return name.endswith(keys.SUFFIX) and keys.is_entry(name[: -len(keys.SUFFIX)])


def _kind(dump: str) -> str:
    """What comes behind the time in a dump's name: panic, oops, console, restart..."""
    if dump.startswith(keys.REBOOT):
        return reboot.TITLE
    return dump.split("-", 2)[1] if "-" in dump else dump


def _clock(dump: str, day: str) -> str:
    """The time of the day in a dump's name; empty if it has none, or that of another day."""
    digits = dump[9:15]
    same = dump[6:8] == day[8:] and dump[4:6] == day[5:7] and dump[:4] == day[:4]
    if same and dump[8:9] == "T" and dump[15:16] == "Z" and digits.isdigit():
        return f"T{digits[:2]}:{digits[2:4]}:{digits[4:]}Z"
    return ""


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value[:1000] if isinstance(value, str) else ""
