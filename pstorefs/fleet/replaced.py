"""Dumps that were sent more than once: which index entry replaces which.

Parts that come later join a dump, which is shipped again under another id; its index entry says
which id it replaces. From the keys one sees only that a machine has sent a dump more than once, so
only the entries of such dumps are read: a small GET for each, once.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pstorefs.fleet import keys
from pstorefs.fleet.gather import gather
from pstorefs.fleet.remote import RemoteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.fleet.remote import Remote

#: Entries of one day that are read, at most: a machine that lies may send more.
MOST_READ = 500
_ENTRY_BYTES = 256 << 10
_MOST_KNOWN = 20_000
_ID = re.compile(r"[0-9a-f]{64}")


class Replaced:
    """Which entries others replace. Safe from any thread."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        #: Name of an entry to the first digits of the id that it replaces.
        self._known: dict[str, str] = {}

    def among(self, prefix: str, names: Sequence[str]) -> frozenset[str]:
        """Those of a day's entries that another one of them replaces.

        An entry that cannot be read replaces none: better twice than not at all.
        """
        several = _several(names)
        unknown = [name for name in several if name not in self._known][:MOST_READ]
        for name, found in gather(lambda name: self._read(prefix, name), unknown):
            if not isinstance(found, RemoteError) and len(self._known) < _MOST_KNOWN:
                self._known[name] = found
        dumps: dict[tuple[str, str], list[str]] = {}
        for name in several:
            dumps.setdefault(_dump(name), []).append(name)
        hidden: set[str] = set()
        for group in dumps.values():
            old = {self._known.get(name, "") for name in group}
            gone = {name for name in group if name[-16:] in old}
            # The same under two names: sent again by a program that gives other labels.
            last = {name[-16:]: name for name in group}
            gone |= set(group) - set(last.values())
            if len(gone) < len(group):  # else they lie: each says that it replaces another
                hidden |= gone
        return frozenset(hidden)

    def _read(self, prefix: str, name: str) -> str:
        data = self._remote.get(f"{prefix}{name}{keys.SUFFIX}", _ENTRY_BYTES)
        try:
            line = json.loads(data)
        except (ValueError, RecursionError):
            return ""
        old = line.get("replaces") if isinstance(line, dict) else None
        if isinstance(old, str) and _ID.fullmatch(old) and old[:16] != name[-16:]:
            return old[:16]
        return ""


def _several(names: Sequence[str]) -> list[str]:
    """The entries of dumps that a machine has sent more than once."""
    first: dict[tuple[str, str], str] = {}
    found: dict[str, None] = {}
    for name in names:
        other = first.setdefault(_dump(name), name)
        if other != name:
            found[other] = found[name] = None
    return list(found)


def _dump(name: str) -> tuple[str, str]:
    """Which dump of which machine an entry is about."""
    dump, _, rest = name.partition("_")
    return rest.rsplit("_", 2)[1], dump
