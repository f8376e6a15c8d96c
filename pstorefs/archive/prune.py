"""What `-o keep=` removes from the archive. Nothing else in this program does.

Oldest first, by when they were saved: a machine whose clock was wrong has dumps of any date. Never
a dump whose records are still in the store or that is still to be shipped to a fleet's store (if
one is configured), and never the first and the newest of a signature: the one tells when a fault
began, the other what it looks like now. Where that one is damaged, the next one as well.
Nor a directory that is not called as this program calls dumps: somebody has put a copy there.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pstorefs.archive import damage, durable, index, layout
from pstorefs.record.dump_name import is_given
from pstorefs.system.printable import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from pstorefs.settings.keep import Keep
    from pstorefs.source.directory import OpenDirectory
    from pstorefs.source.stamp import Stamp

_SUMMARY_BYTES = 1 << 20
# The index tells when a dump was finished: so much later, at most, than its records were saved.
_FINISHED_SECONDS = 3600
# A dump's name without its time and its number.
_KIND = re.compile(r"(?:\d{8}T\d{6}Z|undated)-(.*?)(?:-\d+)?(?:-[0-9a-f]{8})?")


@dataclass(frozen=True, slots=True)
class _Kept:
    name: str
    saved: int
    size: int
    signature: str
    hashes: frozenset[str]


def may_exceed(archive: OpenDirectory, root: int, keep: Keep, now: int) -> bool:
    """Whether anything can be beyond the limits: on most boots nothing is.

    As far as names, sizes and the index tell: no file is read of a dump that the index knows. Where
    a backup was restored without its times, its dumps count as saved then.
    """
    names = list(filter(is_given, layout.dump_names(archive)[0]))
    if keep.count is not None and len(names) > keep.count:
        return True
    if keep.size is not None and _size(layout.read_raw(archive, name, []) for name in names) > (
        keep.size
    ):
        return True
    if keep.seconds is None:
        return False
    latest = now - keep.seconds + _FINISHED_SECONDS
    return any(saved < latest for saved in _saved(archive, root, names, now))


def _size(dumps: Iterable[Mapping[str, Stamp]]) -> int:
    """Bytes of the records of dumps, of which each is what its raw/ holds."""
    return sum(stamp.size for raw in dumps for stamp in raw.values())


def _saved(archive: OpenDirectory, root: int, names: Iterable[str], now: int) -> Iterator[int]:
    """When dumps were saved: by the index, or else by themselves."""
    known = index.known(archive, names)
    for name in names:
        if name in known:
            yield known[name].saved
        elif (dump := _dump(root, name, layout.read_raw(archive, name, []), now)) is not None:
            yield dump.saved


def remove_old(
    archive: OpenDirectory,
    root: int,
    keep: Keep,
    now: int,
    standing: Iterable[str],
    say: Callable[[str], None],
    unshipped: Callable[[], Container[str]] = tuple,
) -> list[str]:
    """Remove what is beyond the limits; the names. `standing`: SHA-256 of the store's records.

    `unshipped`: names of dumps that a fleet's store does not have yet; asked for if it matters.
    """
    if keep.unlimited:
        return []
    listed = layout.read_archive(archive).dumps.items()
    found = filter(None, (_dump(root, name, raw, now) for name, raw in listed if is_given(name)))
    dumps = sorted(found, key=lambda dump: (dump.saved, dump.name))
    in_store = set(standing)
    protected = {dump.name for dump in dumps if dump.hashes & in_store}
    ends: set[str] | None = None
    waiting: Container[str] = ()
    count, size = len(dumps), sum(dump.size for dump in dumps)
    removed = []
    for dump in dumps:
        reason = _beyond(keep, now - dump.saved, count, size)
        if not reason or dump.name in protected:
            continue
        if ends is None:  # read at the moment of need: on most boots nothing is to be removed
            ends = _ends(dumps, lambda name: damage.is_whole(archive, name))
            waiting = unshipped()
        if dump.name in ends:
            continue
        if dump.name in waiting:
            say(f"{dump.name}: keep= removes it only after pstorefs --ship has shipped it")
            continue
        if _removed(root, dump.name, reason, say):
            count, size = count - 1, size - dump.size
            removed.append(dump.name)
    return removed


def _removed(root: int, name: str, reason: str, say: Callable[[str], None]) -> bool:
    """Remove a dump, and say so; whether that could be done."""
    try:
        _remove(root, name)
    except OSError as error:
        say(f"{name}: keep= cannot remove it: {error.strerror or error}")
        return False
    say(f"{name}: removed from the archive because of keep=: {reason}")
    return True


def _beyond(keep: Keep, age: int, count: int, size: int) -> str:
    """Which limit the oldest dump is beyond: its age in seconds, or all dumps' count and bytes."""
    if keep.seconds is not None and age > keep.seconds:
        return f"it was saved {counted(age // 86400, 'day')} ago"
    if keep.count is not None and count > keep.count:
        return f"{count} dumps are more than {keep.count}"
    if keep.size is not None and size > keep.size:
        return f"{size} bytes are more than {keep.size}"
    return ""


def _dump(root: int, name: str, raw: Mapping[str, Stamp], now: int) -> _Kept | None:
    """A dump that this program finished. What it cannot read it does not remove.

    A board without a clock boots in 1970, and archives before it learns the time: nothing is saved
    before it was written, so that counts then, unless it is in the future.
    """
    try:
        directory = durable.open_directory(root, name)
    except OSError:
        return None
    try:
        facts = layout.read_facts(directory)
        signature = _signature(directory, name)
    finally:
        os.close(directory)
    hashes = frozenset(digest for file, digest in facts if file in raw)
    if not raw or not len(hashes) == len({file for file, _ in facts}) == len(raw):
        return None
    written = [fact.mtime_ns // 10**9 for fact in facts.values()]
    times = [fact.saved for fact in facts.values()] + [time for time in written if time <= now]
    return _Kept(name, max(times), _size([raw]), signature, hashes)


def _signature(directory: int, name: str) -> str:
    try:
        summary = json.loads(durable.read_small(directory, layout.SUMMARY, _SUMMARY_BYTES))
    except (OSError, ValueError, RecursionError):
        summary = None
    signature = summary.get("signature") if isinstance(summary, dict) else None
    if isinstance(signature, str) and signature:
        return "signature " + signature
    kind = _KIND.fullmatch(name)
    return "kind " + (kind[1] if kind else name)


def _ends(dumps: list[_Kept], is_whole: Callable[[str], bool]) -> set[str]:
    """The first and the newest of each signature, and all before and after that are damaged."""
    families: dict[str, list[str]] = defaultdict(list)
    for dump in dumps:
        families[dump.signature].append(dump.name)
    found = set()
    for names in families.values():
        for ordered in (names, names[::-1]):
            for name in ordered:
                found.add(name)
                if is_whole(name):
                    break
    return found


def _remove(root: int, name: str) -> None:
    """Take a dump out of sight at once, then to pieces. The next run finishes what is cut off."""
    durable.check_removable(root, name)
    old = durable.OLD + name
    durable.move_new(root, name, root, old)
    durable.remove(root, old)
    durable.sync(root)
