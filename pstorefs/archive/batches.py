"""All records of a command, a batch at a time: each is planned, saved, verified and erased.

So a store of any size takes bounded memory, each record is read for planning and decoded once, and
what one batch has done is durable before the next begins. A batch is a `Transaction`.
"""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pstorefs.archive import (
    directory,
    durable,
    entry,
    layout,
    never_erased,
    relatives,
    saved_summary,
    stored,
)
from pstorefs.archive.candidates import Candidates
from pstorefs.archive.erase import clear_saved
from pstorefs.archive.errors import explain
from pstorefs.archive.outcome import FAILED, Outcome, missing
from pstorefs.archive.plan import Planner
from pstorefs.archive.progress import Progress
from pstorefs.archive.save import save
from pstorefs.archive.shelf import Shelf
from pstorefs.archive.transaction import Transaction
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.source.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.archive.entry import Entry
    from pstorefs.archive.plan import Job
    from pstorefs.archive.policy import Policy
    from pstorefs.archive.request import Request
    from pstorefs.source.directory import OpenDirectory

# Bytes of records and texts that a batch has in memory, about: less than a shelf keeps.
_BATCH_BYTES = 24 << 20
# The slowest clock of a kernel goes in such steps: whoever writes to a file later than that gives
# it another ctime.
_TICK_SECONDS = 0.01


class Batches:
    """The records of one command, under the archive's lock. ``view`` is the archive."""

    def __init__(
        self,
        store: OpenDirectory,
        files: Mapping[str, Stamp],
        view: OpenDirectory,
        descriptor: int,
        request: Request,
        policy: Policy,
    ) -> None:
        self._descriptor = descriptor
        self._request = request
        self._policy = policy
        everything = request.clear is None or request.wanted
        named = None if everything else request.clear
        self._paths = relatives.related_records(request.names, files, named)
        self._source = Shelf(store, STORE, dict(files), policy.decoded)
        records = [(request.names[path], files[path]) for path in self._paths]
        self._candidates = Candidates(view, records, policy.say)
        self._progress = Progress(policy.progress, len(self._paths))
        self._planner = Planner(self._source, self._candidates, request, policy.say)
        self._is_ctime_known = durable.tells_writers(descriptor)
        #: What the archive's index is to say of dumps that were saved.
        self.entries: dict[str, Entry] = {}

    def run(self) -> list[Outcome]:
        """What became of each record. `ArchiveError` if not even the first batch can be done."""
        source = self._source
        batches = list(
            relatives.batches(self._request.names, source.stamps, self._paths, _BATCH_BYTES)
        )
        if len(batches) > 1:
            self._check_room_for_all()
        done: list[Outcome] = []
        for number, paths in enumerate(batches):
            try:
                done += self._batch(paths, last=number + 1 == len(batches))
            except OSError as error:
                if number == 0:
                    raise
                rest = [path for batch in batches[number:] for path in batch]
                done += self._give_up(rest, explain(self._candidates.shelf.directory.path, error))
                break
        unmet = map(missing, self._planner.unmet)
        return [*self._request.refused, *self._planner.outcomes, *unmet, *done]

    def _batch(self, paths: list[str], *, last: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        jobs = self._planner.plan(paths, self._progress)
        if jobs:
            self._check_room(jobs)
            transaction = self._transaction(jobs)
            outcomes = self._carry_out(transaction)
            self._note(transaction)
        self._source.forget()
        self._candidates.shelf.forget()
        if not last:
            for job in jobs:
                self._candidates.saved(job.directory)
        return outcomes

    def _transaction(self, jobs: list[Job]) -> Transaction:
        return Transaction(
            path=self._candidates.shelf.directory.path,
            archive=self._descriptor,
            source=self._source,
            shelf=self._candidates.shelf,
            policy=self._policy,
            now=int(time.time()),
            boot=never_erased.boot_id(),
            jobs=jobs,
            progress=self._progress,
        )

    def _carry_out(self, transaction: Transaction) -> list[Outcome]:
        try:
            save(transaction)
            return clear_saved(transaction)
        finally:
            # Nothing half-done stays; if this fails, the next run does it.
            with suppress(OSError):
                directory.clean(self._descriptor)

    def _check_room(self, jobs: list[Job]) -> None:
        sizes = [record.size for job in jobs for record, _ in job.new]
        if sizes:
            path, count = self._candidates.shelf.directory.path, sum(bool(job.new) for job in jobs)
            directory.check_room(path, self._descriptor, sizes, count, self._policy)

    def _check_room_for_all(self) -> None:
        """Where there is no room for all batches, none is begun. What is there is not counted."""
        there = {
            (name, stamp.size)
            for raw in self._candidates.listing.dumps.values()
            for name, stamp in raw.items()
        }
        stamps = self._source.stamps
        sizes = [
            stamps[path].size
            for path in self._paths
            if (path.rpartition("/")[2], stamps[path].size) not in there
        ]
        path = self._candidates.shelf.directory.path
        directory.check_room(path, self._descriptor, sizes, len(sizes), self._policy)

    def _note(self, transaction: Transaction) -> None:
        """What the index is to say of dumps whose records are all in their own directories."""
        if self._is_ctime_known and transaction.texts:
            time.sleep(_TICK_SECONDS)
        archive = self._candidates.shelf.directory
        for job in transaction.alive():
            dump, begin = job.as_archived(), job.directory + "/"
            text = transaction.texts.get(job.directory)
            elsewhere = (r.place != ARCHIVE or not r.path.startswith(begin) for r in dump.records)
            if text is None or any(elsewhere):
                continue
            stamps = {r.path.rpartition("/")[2]: _stamp(r.size, r.mtime_ns) for r in dump.records}
            if stamps.keys() == job.sums.keys():
                with suppress(OSError):
                    folder = archive.stamp((), job.directory)
                    saved = archive.stamp((job.directory,), layout.SUMS).mtime_ns // 10**9
                    sure = stored.sure_of(archive, job.directory)
                    cut = job.directory in transaction.cut
                    known = self._text_of(job.directory, text)
                    made = entry.of_dump(dump, stamps, folder, saved, known, sure, cut=cut)
                    self.entries[job.directory] = made

    def _text_of(self, directory: str, sha256: str) -> entry.Text:
        """What is known of a dmesg.txt: of its ctime nothing, unless it is what was composed now.

        It is not read back, as records are, and somebody may have written to it meanwhile.
        """
        archive = self._candidates.shelf.directory
        stamp = archive.stamp((directory,), layout.TEXT)
        if self._is_ctime_known and stamp.size <= layout.LONGEST_RECORD:
            data = archive.read((directory,), layout.TEXT, stamp)
            if saved_summary.digest(data) == sha256:
                return entry.Text.of(sha256, stamp)
        return entry.Text(sha256, stamp.size)

    def _give_up(self, paths: list[str], error: OSError) -> list[Outcome]:
        """What became of the records of batches that could not be done."""
        number, words = error.errno or errno.EIO, error.strerror or str(error)
        known = {outcome.record for outcome in self._planner.outcomes}
        return [
            Outcome(path, FAILED, "", number, "", words)
            for path in paths
            if self._planner.is_cleared(path) and path not in known
        ]


def _stamp(size: int, mtime_ns: int) -> Stamp:
    return Stamp(0, 0, 0, size, 0, mtime_ns, None)
