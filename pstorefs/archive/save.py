"""Dumps into the archive, so that each is whole on the disk before anybody counts on it.

All jobs of a command go through each step together, as one wait for the disk serves many files:

1. `stage`: everything is written under temporary names in the archive's root;
2. `settle`: it is synced and read back from the disk: what is not right gets no name;
3. `place`: a new dump gets its name by one rename onto nothing; parts that join a dump go into its
   raw/ first, then what is composed is replaced, then SHA256SUMS, each step synced;
4. `check`: the disk is read again and compared.

A job that fails at any step keeps its error, and nothing of it is cleared.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pstorefs.archive import durable, layout, never_erased
from pstorefs.archive.directory import sync_above
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.archive.plan import as_archived
from pstorefs.archive.transaction import Move
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.source.directory import ChangedError, has_changed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pstorefs.archive.plan import Job
    from pstorefs.archive.transaction import Transaction
    from pstorefs.record.record import Record


def save(work: Transaction) -> None:
    """All steps, for all jobs. What could not be done stands in ``work.errors`` then."""
    oopsed = never_erased.oopsed_since_boot(work.source.store)
    for job in work.jobs:
        _note(work, job, oopsed=oopsed)
    for job in work.alive():
        with work.trying(job.directory):
            _stage(work, job)
    _settle(work)
    _place(work)
    for job in work.alive():
        with work.trying(job.directory):
            _check(work, job)


# 1. stage


def _note(work: Transaction, job: Job, *, oopsed: bool) -> None:
    """Add to the facts what is about to be done."""
    clear = {record.path for record in job.clear}
    for record in job.dump.records:
        if record.place != STORE or record.path not in job.places:
            continue
        directory, _, name = job.places[record.path].split("/")
        facts = work.facts_of(directory)
        known = fact = facts.get((name, record.sha256))
        if fact is None:
            mtime = max(0, record.mtime_ns)
            fact = layout.Fact(name, record.sha256, record.size, mtime, work.now, work.boot)
        why = never_erased.forbids(record, known, oopsed=oopsed, boot=work.boot)
        if why:
            work.forbidden[record.path] = why
        elif record.path in clear:
            fact = fact.about_to_clear(work.now, work.boot)
        if fact != known:
            facts[name, record.sha256] = fact
            work.changed.add(directory)


def _stage(work: Transaction, job: Job) -> None:
    if not job.exists and job.new:
        _stage_new(work, job)
        return
    if job.exists:
        _stage_joining(work, job)
    for other in {path.partition("/")[0] for path in job.places.values()} & work.changed:
        _stage_facts(work, other)


def _stage_joining(work: Transaction, job: Job) -> None:
    directory = durable.open_directory(work.archive, job.directory)
    try:
        finished = layout.is_finished(directory, job.sums)
    finally:
        os.close(directory)
    for record, name in job.new:
        _stage_record(work, job, record, name)
    if job.new or not finished:
        for name, data in _composed(work, job).items():
            _stage_file(work, job.directory, name, data)
        _stage_file(work, job.directory, layout.SUMS, layout.sums_text(job.sums))


def _stage_new(work: Transaction, job: Job) -> None:
    tree = work.trees[job.directory] = {}
    tree.update((f"{layout.RAW}/{name}", digest) for name, digest in job.sums.items())
    root = durable.make_directory(work.archive, durable.NEW + job.directory)
    try:
        raw = durable.make_directory(root, layout.RAW)
        try:
            for record, name in job.new:
                durable.write(raw, name, _stored(work, record), record.mtime_ns)
        finally:
            os.close(raw)
        files = dict(_composed(work, job))
        files[layout.FACTS] = layout.facts_text(work.facts_of(job.directory).values())
        files[layout.SUMS] = layout.sums_text(job.sums)
        for name, data in files.items():
            durable.write(root, name, data)
            tree[name] = len(data)
    finally:
        os.close(root)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stage_record(work: Transaction, job: Job, record: Record, name: str) -> None:
    temporary = _temporary(work, job.directory)
    durable.write(work.archive, temporary, _stored(work, record), record.mtime_ns)
    move = Move(temporary, (job.directory, layout.RAW), name, record.sha256)
    work.moves[job.directory].append(move)


def _stage_file(work: Transaction, directory: str, name: str, data: bytes) -> None:
    temporary = _temporary(work, directory)
    durable.write(work.archive, temporary, data)
    work.moves[directory].append(Move(temporary, (directory,), name, len(data)))


def _temporary(work: Transaction, directory: str) -> str:
    return f"{durable.NEW}{directory}~{len(work.moves[directory])}"


def _stage_facts(work: Transaction, directory: str) -> None:
    text = layout.facts_text(work.facts_of(directory).values())
    if not any(move.name == layout.FACTS for move in work.moves[directory]):
        _stage_file(work, directory, layout.FACTS, text)


def _stored(work: Transaction, record: Record) -> bytes:
    with _reading(record):
        data = work.source.read(record.path)
    if _digest(data) != record.sha256:
        raise ChangedError(f"{record.path} changed while it was archived")
    return data


@contextmanager
def _reading(record: Record) -> Iterator[None]:
    """A record is read from the source: what goes wrong here is none of the archive's."""
    try:
        yield
    except OSError as error:
        if has_changed(error):
            raise ChangedError(f"{record.path} changed while it was archived") from error
        words = f"{record.path}: cannot be read: {error.strerror or error}"
        raise ArchiveError(error.errno or errno.EIO, words) from error


def _composed(work: Transaction, job: Job) -> Mapping[str, bytes]:
    """What stands beside raw/. A dump of which nothing can be composed is saved all the same."""
    if work.policy.compose is None:
        return {}
    source_of = {place: path for path, place in job.places.items()}
    records = {record.path: record for record in job.dump.records if record.place == STORE}

    def read(record: Record) -> bytes:
        live = records.get(source_of.get(record.path, ""))
        if live is None:
            return work.shelf.text(record)
        with _reading(live):
            return work.source.text(live)

    dump = as_archived(job)
    facts = {
        record.path: fact
        for record in dump.records
        if record.place == ARCHIVE and (fact := work.fact(record.path, record))
    }
    try:
        composed = work.policy.compose(dump, read, facts)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a record that trips it up must be saved first
        work.policy.say(f"{job.directory}: saved without a report: {type(error).__name__}: {error}")
        return {}
    return {name: data for name, data in composed.items() if name in layout.COMPOSED}


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
                compare(work.archive, move.temporary, move.expected, synced=synced)


def _settle_tree(
    work: Transaction, directory: str, tree: Mapping[str, str | int], *, synced: bool
) -> None:
    root, raw = layout.open_raw(work.archive, durable.NEW + directory)
    try:
        for path, expected in tree.items():
            folder, _, name = path.rpartition("/")
            compare(raw if folder else root, name, expected, synced=synced)
        if not synced:
            durable.sync(raw)
            durable.sync(root)
    finally:
        os.close(raw)
        os.close(root)


def compare(directory: int, name: str, expected: str | int, *, synced: bool = False) -> None:
    """Sync a file, if it is not yet; EIO if the disk does not hold what was written."""
    if isinstance(expected, int):
        durable.check_size(directory, name, expected, synced=synced)
        return
    data = durable.read_back(directory, name, layout.LONGEST_RECORD, synced=synced)
    if _digest(data) != expected:
        raise ArchiveError(errno.EIO, f"{name}: what was saved does not read back")


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
            if len(move.folder) == 2:
                durable.move_new(work.archive, move.temporary, raw, move.name)
        durable.sync(raw)
        for move in moves:
            if len(move.folder) == 1 and move.name != layout.SUMS:
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
    """Read records back. What an earlier run saved is synced first: it may have been cut off."""
    new = {f"{job.directory}/{layout.RAW}/{name}" for _, name in job.new}
    wanted = {
        job.places[record.path]: record
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
                name = path.rpartition("/")[2]
                compare(raw, name, wanted[path].sha256, synced=path in new)
            if not new.issuperset(paths):
                durable.sync(raw)
                durable.sync(root)
            work.checked.update(paths)
        finally:
            os.close(raw)
            os.close(root)
