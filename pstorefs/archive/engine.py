"""The commands: save dumps, verify them, clear records. One engine for control, rm and --archive.

`archive` and `clear` raise `ArchiveError` when a whole command cannot be done, and else tell what
became of each record. They may run in any thread, and be killed at any moment: at each of them a
record is whole in the store, or whole and verified in the archive, or both; the next run finishes
the work. An empty store is told in a few milliseconds: nothing that decodes is imported for it.
"""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pstorefs.archive import directory, layout, never_erased
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.archive.outcome import FAILED, KEPT, SKIPPED, Outcome, gone
from pstorefs.archive.policy import Policy
from pstorefs.source.directory import SNAPSHOT_LIMIT, ChangedError, Stamp, Store, has_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from pstorefs.archive.plan import Job, Shelf
    from pstorefs.record.record import Record

#: Directories below the source's root that are looked into.
_DEPTH = 8


def archive(
    store: Store, archive_dir: str, names: Sequence[str] | None, policy: Policy
) -> list[Outcome]:
    """Save the dumps of the named records (None: of all), then clear these records.

    A name is that of a record, as it stands in the store or without ``.enc.z``, or that of a dump.
    """
    store.refresh()
    files = list_source(store, policy.say)
    with directory.opened(
        archive_dir, store, volatile=policy.volatile, create=bool(files)
    ) as descriptor:
        if descriptor is None:
            return [_missing(name) for name in dict.fromkeys(names or ())]
        try:
            with directory.locked(descriptor, policy.wait_seconds):
                for words in directory.clean(descriptor):
                    policy.say(words)
                # What another command left, while this one waited for the lock.
                command = _Command(store, archive_dir, descriptor, policy, list_source(store))
                outcomes = command.archive(names) if command.files or names else []
                try:
                    command.keep()
                except OSError as error:
                    policy.say(f"keep= is given up: {explain(archive_dir, error).strerror}")
                return outcomes
        except ArchiveError:
            raise
        except OSError as error:
            raise explain(archive_dir, error) from error


def clear(store: Store, names: Sequence[str]) -> list[Outcome]:
    """Erase the named records without saving them, whatever they are."""
    from pstorefs.archive.erase import clear_unsaved

    store.refresh()
    files = list_source(store)
    outcomes = []
    for name in dict.fromkeys(names):
        path = _path_of(name, files)
        outcomes.append(clear_unsaved(store, path) if path else _missing(name))
    return outcomes


def list_source(store: Store, say: Callable[[str], None] = lambda _: None) -> dict[str, Stamp]:
    """All regular files of the source, by path. A folder that cannot be read is told of."""
    found: dict[str, Stamp] = {}
    folders: list[tuple[str, ...]] = [()]
    while folders:
        folder = folders.pop()
        try:
            entries = store.scan(folder)
        except OSError as error:
            if not folder:
                raise
            say(f"{'/'.join(folder)}: passed over: {error.strerror or error}")
            continue
        for name, stamp in entries.items():
            path = (*folder, name)
            if stamp.is_file:
                found["/".join(path)] = stamp
            elif stamp.is_directory and len(path) <= _DEPTH:
                folders.append(path)
    return found


def _path_of(name: str, files: Container[str]) -> str:
    """The path of a record in the store; empty if there is none."""
    return next((path for path in (name, name + ".enc.z") if path in files), "")


def _missing(name: str) -> Outcome:
    return Outcome(name, FAILED, "", errno.ENOENT, "", "no such record or dump")


class _Command:
    """One `archive`, under the lock."""

    def __init__(
        self, store: Store, path: str, descriptor: int, policy: Policy, files: dict[str, Stamp]
    ) -> None:
        self.store = store
        self.path = path
        self.descriptor = descriptor
        self.policy = policy
        self.files = files
        self.outcomes: list[Outcome] = []

    def archive(self, names: Sequence[str] | None) -> list[Outcome]:
        """Plan, save, clear."""
        from pstorefs.archive.erase import clear_saved
        from pstorefs.archive.plan import Shelf
        from pstorefs.archive.run import Run
        from pstorefs.archive.save import save
        from pstorefs.record.record import ARCHIVE, STORE

        source = Shelf(self.store, STORE, self.files)
        view = Store.at(self.descriptor, self.path)
        try:
            shelf = Shelf(view, ARCHIVE)
            jobs = self._plan(names, source, shelf)
            if jobs:
                self._check_room(jobs)
                now, boot = int(time.time()), never_erased.boot_id()
                run = Run(self.path, self.descriptor, source, shelf, self.policy, now, boot, jobs)
                try:
                    save(run)
                    self.outcomes += clear_saved(run)
                finally:
                    # Nothing half-done stays; if this fails, the next run does it.
                    with suppress(OSError):
                        directory.clean(self.descriptor)
        finally:
            view.close()
        return self.outcomes

    def _plan(self, names: Sequence[str] | None, source: Shelf, shelf: Shelf) -> list[Job]:
        from pstorefs.archive import plan
        from pstorefs.record.name import FIRMWARE

        known = {path for path in self.files if plan.name_of(path)}
        long = {path for path in known if self.files[path].size > SNAPSHOT_LIMIT}
        candidates = [path for path in self.files if path in known - long]
        clear: set[str] | None = None
        others: set[str] = set()
        if names is None:
            self._refuse(path for path in self.files if path not in set(candidates))
        else:
            paths = {name: _path_of(name, self.files) for name in names}
            others = {name for name, path in paths.items() if not path}
            clear = {path for path in paths.values() if path in known - long}
            self._refuse(path for path in paths.values() if path and path not in clear)
            if not others:
                candidates = plan.related_records(self.files, clear)
        listing = layout.read_archive(shelf.store)
        for sentence in listing.passed_over:
            self.policy.say(sentence)
        shelf.stamps.update(plan.list_archive(listing))
        records = self._read(source, candidates, clear)
        live = {record.sha256 for record in records}
        archived, damaged = [], set()
        for dump in plan.related_dumps(listing, source, candidates):
            found = self._whole(shelf, listing, dump, live)
            archived += found
            if not found:
                damaged.add(dump)
        planner = plan.Planner(archived, listing, clear, others, damaged)
        jobs, skipped = planner.jobs(records)
        for path, error in planner.refused:
            words = error.strerror or str(error)
            self.outcomes.append(Outcome(path, FAILED, "", error.errno or errno.EIO, "", words))
        for record in skipped:
            words = (
                "data of the firmware, not a log of the kernel: left alone"
                if record.name.type in FIRMWARE
                else "a log that belongs to no crash: name it to archive it"
            )
            self.outcomes.append(Outcome(record.path, SKIPPED, message=words))
        self.outcomes += [_missing(name) for name in sorted(planner.wanted)]
        return jobs

    def _whole(
        self, shelf: Shelf, listing: layout.Listing, dump: str, live: Container[str]
    ) -> list[Record]:
        """Records of a dump in the archive; none if it is damaged, as nothing may join it then."""
        from pstorefs.archive import damage, plan

        records: list[Record] = []
        sums = layout.sums_in(shelf.store, dump)
        why = damage.found(listing, shelf.store, dump, live, sums)
        for name in () if why else plan.records_of(listing, dump):
            path = f"{dump}/{layout.RAW}/{name}"
            try:
                record = self._again(shelf, path)
            except OSError as error:
                why = f"/{layout.RAW}/{name} cannot be read: {error.strerror or error}"
                break
            if (sums or {}).get(name, record.sha256) != record.sha256:
                why = f"/{layout.RAW}/{name} is not what {layout.SUMS} tells"
                break
            records.append(record)
        if not why:
            return records
        self.policy.say(
            f"{self.path}/{dump}{why}: it is left as it is; what belongs to it and is not saved yet"
            " goes to a directory of its own"
        )
        return []

    def _again(self, shelf: Shelf, path: str) -> Record:
        """Read a record of the archive; once more if just its links, owner or mode changed."""
        try:
            return shelf.record(path)
        except ChangedError:
            *folder, name = path.split("/")
            shelf.stamps[path] = shelf.store.stamp(tuple(folder), name)
            return shelf.record(path)

    def _read(
        self, shelf: Shelf, paths: Iterable[str], clear: Container[str] | None
    ) -> list[Record]:
        """Read records. What cannot be read is an outcome if it was to be cleared."""
        records = []
        for path in paths:
            try:
                records.append(shelf.record(path))
            except OSError as error:
                if clear is None or path in clear:
                    self._unreadable(path, error)
                elif not has_changed(error):
                    self.policy.say(f"{path}: cannot be read: {error.strerror or error}")
        return records

    def _unreadable(self, path: str, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            self.outcomes.append(gone(path))
        elif has_changed(error):
            words = never_erased.message("changed", path)
            self.outcomes.append(Outcome(path, KEPT, "", errno.EPERM, "changed", words))
        else:
            words = f"cannot be read: {error.strerror or error}"
            self.outcomes.append(Outcome(path, FAILED, "", error.errno or errno.EIO, "", words))

    def _refuse(self, paths: Iterable[str]) -> None:
        for path in paths:
            long = self.files[path].size > SNAPSHOT_LIMIT
            what = "longer than any record of a kernel" if long else "no record of a kernel"
            words = f"{what}, left alone; to erase it: clear {path}"
            self.outcomes.append(Outcome(path, KEPT, "", errno.EPERM, "name", words))

    def _check_room(self, jobs: list[Job]) -> None:
        sizes = [record.size for job in jobs for record, _ in job.new]
        if sizes:
            count = sum(bool(job.new) for job in jobs)
            directory.check_room(self.path, self.descriptor, sizes, count, self.policy)

    def keep(self) -> None:
        """Remove what is beyond the limits, if there are any."""
        if self.policy.keep.unlimited:
            return
        import hashlib

        from pstorefs.archive.prune import remove_old

        standing = set()
        for path, stamp in list_source(self.store).items():
            *folder, name = path.split("/")
            try:
                data = self.store.read(tuple(folder), name, stamp)
            except OSError as error:
                self.policy.say(f"keep= waits: {path} cannot be read: {error.strerror or error}")
                return
            standing.add(hashlib.sha256(data).hexdigest())
        view = Store.at(self.descriptor, self.path)
        try:
            keep, say = self.policy.keep, self.policy.say
            remove_old(view, self.descriptor, keep, int(time.time()), standing, say)
        finally:
            view.close()
