"""Dumps into the archive, so that each is whole on the disk before anybody counts on it.

All jobs of a batch go through each step together, as one wait for the disk serves many files:

1. `stage` (stage.py): everything is written under temporary names in the archive's root;
2. `settle`: it is synced and read back from the disk: what is not right gets no name;
3. `place`: a new dump gets its name by one rename onto nothing; parts that join a dump go into its
   raw/ first, then what is composed is replaced, then SHA256SUMS, each step synced;
4. `check`: each name leads to the very file that was read back; what an earlier run saved is synced
   and read back now.

A job that fails at any step keeps its error, and nothing of it is cleared. A dump that passed all
of them is announced (`Policy.on_saved`).
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from typing import TYPE_CHECKING

from pstorefs.archive import durable, layout, never_erased
from pstorefs.archive.directory import sync_above
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.archive.progress import SAVING
from pstorefs.archive.stage import note, stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.archive.plan import Job
    from pstorefs.archive.transaction import Move, Transaction


def save(work: Transaction) -> None:
    """All steps, for all jobs. What could not be done is in ``work.errors`` then."""
    oopsed = never_erased.oopsed_since_boot(work.source.directory)
    for job in work.jobs:
        note(work, job, oopsed=oopsed)
    for job in work.alive():
        with work.trying(job.directory):
            stage(work, job)
        work.progress.count(SAVING, len(job.new))
    _settle(work)
    _place(work)
    for job in work.alive():
        with work.trying(job.directory):
            _check(work, job)
    for job in work.alive():
        _announce(work, job)


# 2. settle


def _settle(work: Transaction) -> None:
    files = sum(map(len, work.trees.values())) + sum(map(len, work.moves.values()))
    synced = durable.sync_filesystem(work.archive, files)
    for directory, tree in work.trees.items():
        if directory not in work.errors:
            with work.trying(directory):
                _settle_tree(work, directory, tree, synced=synced)
    for directory, moves in work.moves.items():
        with work.trying(directory):
            for move in moves:
                path = "/".join((*move.folder, move.name))
                _settle_file(work, work.archive, move.temporary, path, move.expected, synced)


def _settle_tree(
    work: Transaction, directory: str, tree: Mapping[str, str | int], *, synced: bool
) -> None:
    root, raw = layout.open_raw(work.archive, durable.NEW + directory)
    try:
        for path, expected in tree.items():
            folder, _, name = path.rpartition("/")
            _settle_file(
                work, raw if folder else root, name, f"{directory}/{path}", expected, synced
            )
        if not synced:
            durable.sync(raw)
            durable.sync(root)
    finally:
        os.close(raw)
        os.close(root)


def _settle_file(
    work: Transaction, folder: int, name: str, path: str, expected: str | int, synced: bool
) -> None:
    """Sync a file, if it is not yet, and read a record back. `path`: what it will be called."""
    if isinstance(expected, int):
        durable.check_size(folder, name, expected, synced=synced)
    else:
        work.read_back[path] = _compare(folder, name, expected, synced=synced)


def _compare(folder: int, name: str, sha256: str, *, synced: bool = False) -> durable.Identity:
    """Sync a record, if it is not yet; EIO if the disk does not hold what was written."""
    data, identity = durable.read_back(folder, name, layout.LONGEST_RECORD, synced=synced)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArchiveError(errno.EIO, f"{name}: what was saved does not read back")
    return identity


# 3. place


def _place(work: Transaction) -> None:
    for job in work.alive():
        if job.new and not job.exists:
            with work.trying(job.directory):
                temporary = durable.NEW + job.directory
                durable.move_new(work.archive, temporary, work.archive, job.directory)
    for directory, moves in work.moves.items():
        if directory not in work.errors and moves:
            with work.trying(directory):
                _join(work, directory, moves)
    try:
        durable.sync(work.archive)
        sync_above(work.archive)
    except OSError as error:
        for job in work.jobs:
            work.errors.setdefault(job.directory, explain(work.path, error))


def _join(work: Transaction, directory: str, moves: list[Move]) -> None:
    root, raw = layout.open_raw(work.archive, directory)
    try:
        for move in moves:
            if move.is_record:
                durable.move_new(work.archive, move.temporary, raw, move.name)
        durable.sync(raw)
        for move in moves:
            if not move.is_record and move.name != layout.SUMS:
                durable.replace(work.archive, move.temporary, root, move.name)
        durable.sync(root)
        for move in moves:
            if move.name == layout.SUMS:
                durable.replace(work.archive, move.temporary, root, move.name)
                durable.sync(root)
    finally:
        os.close(raw)
        os.close(root)


# 4. check


def _check(work: Transaction, job: Job) -> None:
    """See that records are there. What an earlier run saved may never have reached the disk."""
    wanted = {
        job.places[record.path]: record.sha256
        for record in [*job.clear, *(record for record, _ in job.new)]
    }
    by_directory: dict[str, list[str]] = defaultdict(list)
    for path in wanted:
        by_directory[path.partition("/")[0]].append(path)
    for directory, paths in by_directory.items():
        if directory in work.errors:
            raise work.errors[directory]
        root, raw = layout.open_raw(work.archive, directory)
        try:
            for path in paths:
                _check_record(work, raw, path, wanted[path])
            if not work.read_back.keys() >= set(paths):
                durable.sync(raw)
                durable.sync(root)
            work.checked.update(paths)
        finally:
            os.close(raw)
            os.close(root)


def _check_record(work: Transaction, raw: int, path: str, sha256: str) -> None:
    name = path.rpartition("/")[2]
    known = work.read_back.get(path)
    if known is not None:
        status = os.stat(name, dir_fd=raw, follow_symlinks=False)
        if durable.identity(status) == known:
            return
    _compare(raw, name, sha256, synced=known is not None)


def _announce(work: Transaction, job: Job) -> None:
    """Report a dump that is new or grew; one that an interrupted run began, as well."""
    summary = work.summaries.get(job.directory)
    if summary is None:
        return
    try:
        work.policy.on_saved(job.as_archived(), summary)
    except Exception as error:  # noqa: BLE001 - it is saved, and is to be cleared
        work.policy.say(f"{job.directory}: saved, but without a journal entry: {error!r}")
