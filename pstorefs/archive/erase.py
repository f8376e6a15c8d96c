"""Records out of the store: the one place that erases anything on behalf of `archive` and `rm`.

A record is erased if the archive was read back and is right, no rule forbids it, and the store
still holds what was saved: read again, to the last byte, right before.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

from pstorefs.archive import durable, layout, never_erased
from pstorefs.archive.outcome import CLEARED, FAILED, KEPT, Outcome, gone
from pstorefs.archive.progress import ERASING
from pstorefs.source.stamp import ChangedError, has_changed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pstorefs.archive.plan import Job
    from pstorefs.archive.transaction import Transaction
    from pstorefs.record.record import Record
    from pstorefs.source.source import Erasable, Source


def clear_saved(work: Transaction) -> list[Outcome]:
    """Erase what all jobs want erased, and write down that it was."""
    outcomes = []
    done: dict[str, list[Record]] = defaultdict(list)
    with closing(_Folders(work.source.directory)) as folders:
        for job in work.jobs:
            for record in job.clear:
                outcome = _clear(work, job, record, folders)
                outcomes.append(outcome)
                work.progress.count(ERASING)
                if outcome.result == CLEARED:
                    done[job.places[record.path]].append(record)
    for path, records in done.items():
        directory, _, name = path.split("/")
        for record in records:
            facts = work.facts_of(directory)
            fact = facts[name, record.sha256]
            facts[name, record.sha256] = fact.after_clearing(work.now, work.boot)
    # The records are safe; that they were erased is known from `clearing`, too.
    with suppress(OSError):
        _write_facts(work, {path.partition("/")[0]: None for path in done})
    return outcomes


class _Folders:
    """Folders of the store; the last one is held open, as most records lie in one."""

    def __init__(self, store: Erasable) -> None:
        self._store = store
        self._open = ExitStack()
        self._held: tuple[tuple[str, ...], Erasable] | None = None

    def held(self, folder: tuple[str, ...]) -> Erasable:
        """The folder as a store of its own, by one descriptor. OSError if it is gone."""
        if self._held is None or self._held[0] != folder:
            self.close()
            self._held = folder, self._open.enter_context(self._store.held(folder))
        return self._held[1]

    def close(self) -> None:
        """Hold nothing."""
        self._held = None
        self._open.close()


def _clear(work: Transaction, job: Job, record: Record, folders: _Folders) -> Outcome:
    where = job.places[record.path]
    directory = where.partition("/")[0]
    error = work.errors.get(job.directory) or work.errors.get(directory)
    if isinstance(error, ChangedError):
        there = _is_there(work.source.directory, record)
        return _kept(record, "", "changed") if there else gone(record.path)
    if error is not None or where not in work.checked:
        words = error.strerror if error else "not saved"
        return Outcome(
            record.path, FAILED, "", (error and error.errno) or errno.EIO, "", str(words)
        )
    why = work.forbidden.get(record.path)
    if why:
        return _kept(record, directory, why)
    try:
        copy = os.stat(where, dir_fd=work.archive, follow_symlinks=False)
    except OSError as failure:
        words = f"its copy in the archive is gone: {failure.strerror}"
        return Outcome(record.path, FAILED, "", failure.errno or errno.EIO, "", words)
    try:
        _erase_same(folders, record, (copy.st_dev, copy.st_ino))
    except _SameFileError:
        return _kept(record, directory, "same")
    except FileNotFoundError:
        return Outcome(record.path, CLEARED, directory, message="it was gone already")
    except ChangedError:
        return _kept(record, directory, "changed")
    except OSError as failure:
        number, words = never_erased.refusal(record.file, failure)
        return Outcome(record.path, FAILED, directory, number, "", words)
    return Outcome(record.path, CLEARED, directory)


def _is_there(store: Source, record: Record) -> bool:
    *folder, name = record.path.split("/")
    try:
        store.stamp(tuple(folder), name)
    except OSError:
        return False
    return True


def _kept(record: Record, directory: str, why: str) -> Outcome:
    words = never_erased.message(why, record.path)
    return Outcome(record.path, KEPT, directory, errno.EPERM, why, words)


class _SameFileError(OSError):
    """Source and archive are one place: a bind mount shows the archive within the source."""


def _erase_same(folders: _Folders, record: Record, archived: tuple[int, int]) -> None:
    """Erase a record if it is, to the last byte, the one that was saved.

    ``archived``: device and inode of the copy, which must be another file. Both the reading and the
    erasing go through one descriptor.
    """
    *folder, name = record.path.split("/")
    here = folders.held(tuple(folder))
    stamp = here.stamp((), name)
    if (stamp.device, stamp.inode) == archived:
        raise _SameFileError(errno.EPERM, "this is the archived copy itself")
    try:
        data = here.read((), name, stamp)
    except OSError as error:
        if has_changed(error) and not isinstance(error, FileNotFoundError):
            raise ChangedError(f"{record.path} is another file now") from error
        raise
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise ChangedError(f"{record.path} changed")
    here.erase((), name)


def _write_facts(work: Transaction, directories: Iterable[str]) -> None:
    written = []
    for directory in directories:
        temporary = f"{durable.NEW}{directory}~{layout.FACTS}"
        text = layout.facts_text(work.facts_of(directory).values())
        durable.write(work.archive, temporary, text)
        written.append((directory, temporary, len(text)))
    synced = durable.sync_filesystem(work.archive, len(written))
    for directory, temporary, size in written:
        durable.check_size(work.archive, temporary, size, synced=synced)
        target = durable.open_directory(work.archive, directory)
        try:
            durable.replace(work.archive, temporary, target, layout.FACTS)
        finally:
            os.close(target)


def clear_unsaved(store: Erasable, path: str) -> Outcome:
    """Erase a file of the source, whatever it is, without a copy: `clear NAME`."""
    *folder, name = path.split("/")
    try:
        with store.held(tuple(folder)) as here:
            if not here.stamp((), name).is_file:
                words = "not a record: only files are erased"
                return Outcome(path, FAILED, "", errno.EPERM, "", words)
            here.erase((), name)
    except FileNotFoundError:
        return Outcome(path, CLEARED, message="it was gone already")
    except OSError as error:
        number, words = never_erased.refusal(name, error)
        return Outcome(path, FAILED, "", number, "", words)
    return Outcome(path, CLEARED)
