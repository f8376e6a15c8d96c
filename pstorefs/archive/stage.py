"""The first step of saving: what a dump's directory is to hold, under temporary names.

A new dump is a directory ``.pstorefs-new-DUMP``, as it will be; what joins one that exists are
single files ``.pstorefs-new-DUMP~NUMBER``. Nothing here is durable, and nothing has its name yet:
that is `save`.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pstorefs.archive import durable, layout, never_erased, saved_summary
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.transaction import Move
from pstorefs.record.record import STORE
from pstorefs.source.stamp import ChangedError, has_changed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pstorefs.archive.plan import Job
    from pstorefs.archive.policy import Compose
    from pstorefs.archive.transaction import Transaction
    from pstorefs.record.record import Record


def note(work: Transaction, job: Job, *, oopsed: bool) -> None:
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


def stage(work: Transaction, job: Job) -> None:
    """Write all of a dump that is not there yet under temporary names. OSError if that fails."""
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
    if job.new or job.outdated or not finished:
        composed = _composed(work, job)
        for name, data in composed.items():
            _stage_file(work, job.directory, name, data)
    if job.new or not finished:
        _stage_file(work, job.directory, layout.SUMS, layout.sums_text(job.sums))
    else:  # what is only composed anew is not newly saved: so SHA256SUMS keeps its mtime
        work.summaries.pop(job.directory, None)


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
        return work.source.stored(record)


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
    """What is beside raw/. A dump of which nothing can be composed is saved all the same."""
    work.summaries[job.directory] = b""
    if work.policy.compose is None:
        return {}
    try:
        composed = _compose(work.policy.compose, work, job)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a record that trips it up must be saved first
        work.policy.say(f"{job.directory}: saved without a report: {type(error).__name__}: {error}")
        return {}
    work.summaries[job.directory] = composed.get(layout.SUMMARY, b"")
    if layout.TEXT in composed:
        work.texts[job.directory] = hashlib.sha256(composed[layout.TEXT]).hexdigest()
    if saved_summary.is_cut(work.summaries[job.directory]):
        work.cut.add(job.directory)
    return {name: data for name, data in composed.items() if name in layout.COMPOSED}


def _compose(compose: Compose, work: Transaction, job: Job) -> Mapping[str, bytes]:
    live = {
        job.places[record.path]: record
        for record in job.dump.records
        if record.place == STORE and record.path in job.places
    }

    def read(record: Record) -> bytes:
        source = record if record.place == STORE else live.get(record.path)
        if source is None:
            return work.shelf.text(record)
        with _reading(source):
            return work.source.text(source)

    dump = job.as_archived()
    try:
        return compose(dump, read, job.siblings)
    except OSError:
        if not job.siblings:
            raise
        # What they are called is not worth the dump.
        return compose(dump, read, ())
