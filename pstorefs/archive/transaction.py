"""A batch of dumps on its way from the store into the archive.

A transaction holds what the command has open, what is to be done (`jobs`) and what happened so far.
All jobs take each step together: `save.save` writes, verifies and names; `erase.clear_saved` erases
what is verified. A job that fails keeps its error, and nothing of it is erased. For one thread,
under the archive's lock.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pstorefs.archive import durable, layout
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.source.stamp import ChangedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pstorefs.archive.layout import Fact
    from pstorefs.archive.plan import Job
    from pstorefs.archive.policy import Policy
    from pstorefs.archive.progress import Progress
    from pstorefs.archive.shelf import Shelf
    from pstorefs.record.record import Record


@dataclass(frozen=True, slots=True)
class Move:
    """A temporary file in the archive's root, and where it belongs."""

    temporary: str
    #: The dump's directory; of a record its raw/.
    folder: tuple[str, ...]
    name: str
    #: A record's SHA-256; for what can be composed again its size.
    expected: str | int

    @property
    def is_record(self) -> bool:
        """Whether it is a record as stored, and not made of records."""
        return len(self.folder) == 2


@dataclass(slots=True)
class Transaction:
    """What one batch needs, and what happened to it so far."""

    #: The archive: its path, for messages, and its descriptor.
    path: str
    archive: int
    #: Records of the store, and those of the archive.
    source: Shelf
    shelf: Shelf
    policy: Policy
    now: int
    boot: str
    jobs: Sequence[Job]
    progress: Progress
    #: What is known of records, by the directory that they are in.
    facts: dict[str, dict[tuple[str, str], Fact]] = field(default_factory=dict)
    #: What went wrong, by directory.
    errors: dict[str, OSError] = field(default_factory=dict)
    #: Files that were read back under their temporary names, by the paths that they get.
    read_back: dict[str, durable.Identity] = field(default_factory=dict)
    #: Paths in the archive of what is there, durable and right.
    checked: set[str] = field(default_factory=set)
    #: summary.json of dumps that are new, that grew, or that an earlier run did not finish.
    summaries: dict[str, bytes] = field(default_factory=dict)
    #: SHA-256 of each dmesg.txt that was composed, by the dump's directory.
    texts: dict[str, str] = field(default_factory=dict)
    #: Those of these directories whose text begins inside its report.
    cut: set[str] = field(default_factory=set)
    moves: dict[str, list[Move]] = field(default_factory=lambda: defaultdict(list))
    #: What new directories hold, by directory: paths in there to what is expected (see `Move`).
    trees: dict[str, dict[str, str | int]] = field(default_factory=dict)
    #: Why records of the store are not erased: keys of `never_erased.WHY`, by path.
    forbidden: dict[str, str] = field(default_factory=dict)
    #: Directories whose facts are not what the archive has.
    changed: set[str] = field(default_factory=set)

    @contextmanager
    def trying(self, directory: str) -> Iterator[None]:
        """Keep an error as that of a directory."""
        try:
            yield
        except ChangedError as error:
            self.errors.setdefault(directory, error)
        except FileNotFoundError:
            words = f"{self.path}/{directory}: somebody removed it meanwhile: repeat the command"
            self.errors.setdefault(directory, ArchiveError(errno.ENOENT, words))
        except OSError as error:
            self.errors.setdefault(directory, explain(f"{self.path}/{directory}", error))

    def alive(self) -> list[Job]:
        """Jobs without an error."""
        return [job for job in self.jobs if job.directory not in self.errors]

    def fact(self, path: str, record: Record) -> Fact | None:
        """What is known of a record that is at a path in the archive."""
        directory, _, name = path.split("/")
        return self.facts_of(directory).get((name, record.sha256))

    def facts_of(self, directory: str) -> dict[tuple[str, str], Fact]:
        """What is known of a directory's records; read once."""
        if directory not in self.facts:
            self.facts[directory] = {}
            with suppress(OSError):
                descriptor = durable.open_directory(self.archive, directory)
                try:
                    self.facts[directory] = layout.read_facts(descriptor)
                finally:
                    os.close(descriptor)
        return self.facts[directory]
