"""The crashes of a fleet's store. What is counted comes of the keys: one LIST for a thousand.

Index entries are read for what no key says: the kernel, the whole title, what a dump replaces.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pstorefs.fleet import bundle, entry, keys
from pstorefs.fleet.store import StoreError
from pstorefs.report.picture.crashes import Crash, Facts
from pstorefs.report.picture.gather import Found, UnreadableError

if TYPE_CHECKING:
    from pstorefs.fleet.reading import Reader

#: Bytes of an index entry, and of a bundle, that are read.
_ENTRY_BYTES, _BUNDLE_BYTES = 100_000, 16 << 20
_MOST_DAYS = 20_000
_REPLACES = 16


class Fleet:
    """See `gather.Origin`. `crashes` raises `StoreError`."""

    is_fleet = True

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader = reader
        self.name = name
        #: One text for each that many crashes share: hosts, labels, machines.
        self._texts: dict[str, str] = {}
        self._unpacking = threading.Lock()

    def crashes(self, most: int) -> Found:
        """See `gather.Origin`. Whole days."""
        folders = [
            name for name in self._reader.folders(f"{keys.INDEX}/") if name.startswith("date=")
        ]
        days = sorted(folders, reverse=True)[:_MOST_DAYS]
        found: list[Crash] = []
        notes: list[str] = []
        strange = 0
        for number, day in enumerate(days):
            if len(found) >= most:
                oldest = days[number - 1].removeprefix("date=")
                words = (
                    f"Only the newest {len(found):,} crashes were looked at, those since {oldest}:"
                    " what is called new may have been seen before."
                )
                return Found(found, [*notes, words])
            prefix = f"{keys.INDEX}/{day}/"
            listed = self._reader.names(prefix)
            notes += listed.odd
            for name in listed.names:
                parsed = keys.parse_index(prefix + name)
                if parsed is None:
                    strange += 1
                else:
                    found.append(self._crash(parsed, prefix + name))
            if len(found) > 2 * most:  # one day alone has that many
                del found[2 * most :]
                notes.append(f"Not all crashes of {day.removeprefix('date=')} were looked at.")
        if strange:
            notes.append(f"{strange:,} objects in the index are not called as index entries are.")
        return Found(found, notes)

    def _crash(self, parsed: keys.Entry, key: str) -> Crash:
        share = self._texts.setdefault
        digits = parsed.time
        day = at = share(parsed.date, parsed.date)
        if digits != keys.UNDATED and digits[:8] == at.replace("-", ""):
            at = f"{at}T{digits[9:11]}:{digits[11:13]}:{digits[13:15]}Z"
        # What has no signature begins with a blank, as no label does.
        group = f" {parsed.slug}" if parsed.label == keys.NONE else parsed.label
        title = parsed.slug.replace("-", " ")
        host = "" if parsed.host == keys.NONE else parsed.host
        return Crash(
            day,
            at,
            share(group, group),
            share(title, title),
            share(host, host),
            share(parsed.machine, parsed.machine),
            parsed.id16,
            key,
        )

    def facts(self, crash: Crash) -> Facts | None:
        """See `gather.Origin`."""
        try:
            row = entry.parse(self._reader.get(crash.where, _ENTRY_BYTES))
        except (StoreError, OSError):
            return None
        if _text(row, "id")[: len(crash.id)] != crash.id:
            return None
        return Facts(
            title=_text(row, "title"),
            signature=_text(row, "signature"),
            kernel=_text(row, "kernel"),
            is_crash=row.get("crash") is not False,
            replaces=_text(row, "replaces")[:_REPLACES],
            dump=_text(row, "dump"),
        )

    def report(self, crash: Crash, most: int) -> bytes:
        """See `gather.Origin`."""
        facts = self.facts(crash)
        if facts is None:
            raise UnreadableError("its index entry is not readable")
        try:
            key = keys.bundle_key(crash.machine, facts.dump, crash.id)
            data = self._reader.get(key, _BUNDLE_BYTES)
        except (StoreError, OSError, ValueError) as error:
            raise UnreadableError(str(error)) from None
        with self._unpacking:  # a small bundle may be a hundred MiB of tar
            text = bundle.unpacked(data, bundle.REPORT, most)
        if text is None:
            raise UnreadableError(f"{key} holds no {bundle.REPORT}")
        return text


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value[:1000] if isinstance(value, str) else ""
