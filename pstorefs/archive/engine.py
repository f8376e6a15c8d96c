"""The commands: save dumps, verify them, clear records. One engine for control, rm and --archive.

`archive` and `clear` raise `ArchiveError` when a whole command cannot be done, and else report what
became of each record. They may run in any thread, and be killed at any moment: at each of them a
record is whole in the store, or whole and verified in the archive, or both; the next run finishes
the work. An empty store takes a few milliseconds: nothing that decodes is imported for it.
"""

from __future__ import annotations

import errno
import time
from functools import partial
from typing import TYPE_CHECKING

from pstorefs.archive import directory
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.archive.outcome import missing
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pstorefs.archive.entry import Entry
    from pstorefs.archive.outcome import Outcome
    from pstorefs.archive.policy import Policy
    from pstorefs.source.stamp import Stamp


def archive(
    store: OpenDirectory, archive_dir: str, names: Sequence[str] | None, policy: Policy
) -> list[Outcome]:
    """Save the dumps of the named records (None: of all), then clear these records.

    A name is that of a record, as it is in the store or without ``.enc.z``, or that of a dump.
    """
    store.refresh()
    files = _files(store, policy.say)
    with directory.opened(
        archive_dir, store, volatile=policy.volatile, create=bool(files)
    ) as descriptor:
        if descriptor is None:
            return [missing(name) for name in dict.fromkeys(names or ())]
        try:
            with directory.locked(descriptor, policy.wait_seconds):
                return _locked(store, archive_dir, descriptor, names, policy)
        except ArchiveError:
            raise
        except OSError as error:
            raise explain(archive_dir, error) from error


def clear(store: OpenDirectory, names: Sequence[str]) -> list[Outcome]:
    """Erase the named records without saving them, whatever they are."""
    from pstorefs.archive.erase import clear_unsaved
    from pstorefs.record.shown import held

    store.refresh()
    files = _files(store)
    outcomes = []
    for name in dict.fromkeys(names):
        path = held(name, files.__contains__)
        outcomes.append(clear_unsaved(store, path) if path else missing(name))
    return outcomes


def _files(store: OpenDirectory, say: Callable[[str], None] = lambda _: None) -> dict[str, Stamp]:
    """All regular files of the source, by path. A folder that cannot be read is reported."""

    def unreadable(folder: tuple[str, ...], error: OSError) -> None:
        if not folder:
            raise error
        if isinstance(error, FileNotFoundError):
            return  # it vanished meanwhile, as files do
        say(f"{'/'.join(folder)}: ignored: {error.strerror or error}")

    return {found.path: found.stamp for found in walk(store, unreadable)}


def _locked(
    store: OpenDirectory, path: str, descriptor: int, names: Sequence[str] | None, policy: Policy
) -> list[Outcome]:
    """`archive`, by the one who holds the archive's lock."""
    for words in directory.clean(descriptor):
        policy.say(words)
    view = OpenDirectory.at(descriptor, path)
    try:
        try:
            outcomes, entries = _save(store, view, descriptor, names, policy)
        except ArchiveError as error:
            # Limits that are new, on a disk that is full: then the oldest dumps go first.
            if error.errno != errno.ENOSPC or not _keep(store, view, descriptor, policy):
                raise
            outcomes, entries = _save(store, view, descriptor, names, policy)
        _keep(store, view, descriptor, policy)
        if outcomes or not policy.keep.unlimited:
            _index(view, descriptor, entries, policy)
    finally:
        view.close()
    return outcomes


def _save(
    store: OpenDirectory,
    view: OpenDirectory,
    descriptor: int,
    names: Sequence[str] | None,
    policy: Policy,
) -> tuple[list[Outcome], dict[str, Entry]]:
    """What became of each record, and the index's entries of what was saved."""
    # Another command may have taken some while this one waited for the lock.
    files = _files(store)
    if not files and not names:
        return [], {}
    from pstorefs.archive.batches import Batches
    from pstorefs.archive.request import ask

    batches = Batches(store, files, view, descriptor, ask(files, names), policy)
    return batches.run(), batches.entries


def _index(
    view: OpenDirectory, descriptor: int, entries: Mapping[str, Entry], policy: Policy
) -> None:
    """Bring the archive's index up to date. What is saved is saved, whatever becomes of that."""
    from pstorefs.archive import index
    from pstorefs.archive.in_full import entry_of

    try:
        index.update(view, descriptor, lambda name: entries.get(name) or entry_of(view, name))
    except Exception as error:  # noqa: BLE001 - it is a cache: whoever reads does without
        why = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        policy.say(f"the archive's index could not be updated, so listing takes longer: {why}")


def _keep(store: OpenDirectory, view: OpenDirectory, descriptor: int, policy: Policy) -> bool:
    """Remove what is beyond the limits, if there are any; whether something was removed."""
    if policy.keep.unlimited:
        return False
    try:
        return bool(_remove_old(store, view, descriptor, policy))
    except OSError as error:
        policy.say(f"keep= was not applied: {explain(view.path, error).strerror}")
        return False


def _remove_old(
    store: OpenDirectory, view: OpenDirectory, descriptor: int, policy: Policy
) -> list[str]:
    import hashlib

    from pstorefs.archive.prune import may_exceed, remove_old

    now = int(time.time())
    if not may_exceed(view, descriptor, policy.keep, now):
        return []
    remaining = set()
    for path, stamp in _files(store).items():
        *folder, name = path.split("/")
        try:
            data = store.read(tuple(folder), name, stamp)
        except OSError as error:
            policy.say(f"keep= removes nothing: {path} cannot be read: {error.strerror or error}")
            return []
        remaining.add(hashlib.sha256(data).hexdigest())
    waiting = partial(policy.unshipped, view.path, descriptor)
    return remove_old(view, descriptor, policy.keep, now, remaining, policy.say, waiting)
