"""What a run of the archive may do, what it says, and what the callers provide."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.archive.layout import Fact
from pstorefs.archive.place import DEFAULT, ArchiveError
from pstorefs.limits import UNLIMITED, Keep, parse_keep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pstorefs.dump import Dump
    from pstorefs.dump.item import Item

__all__ = ["DEFAULT", "ArchiveError", "Compose", "Fact", "Keep", "Outcome", "Policy", "parse_keep"]


class Compose(Protocol):
    """What stands beside raw/ in a dump's directory: names of `layout.COMPOSED` to contents."""

    def __call__(
        self, dump: Dump, read: Callable[[Item], bytes], facts: Mapping[str, Fact]
    ) -> Mapping[str, bytes]:
        """`read` gives a text as its `Reading` has it; `facts` what was done, by item.path."""


class Policy(NamedTuple):
    """How a command is carried out."""

    #: The archive may lie where a reboot empties it.
    volatile: bool = False
    keep: Keep = UNLIMITED
    compose: Compose | None = None
    #: So much stays free: this share of the file system, but no less than so many bytes.
    reserve_share: float = 0.05
    reserve_bytes: int = 256 << 20
    #: How long to wait for another process that holds the archive's lock.
    wait_seconds: float = 60.0
    #: Told of each dump that `keep` removed and of each thing passed over, in a sentence.
    say: Callable[[str], None] = lambda _: None


#: What became of a record.
CLEARED, KEPT, SKIPPED, FAILED = "cleared", "kept", "skipped", "failed"


class Outcome(NamedTuple):
    """What became of one record that a command was about.

    ``result`` is cleared; kept (whole in the store on purpose; `why` is a key of `rules.WHY`);
    skipped (a log of no crash that was not named, or gone: somebody else removed it); failed.
    ``dump`` is where in the archive it stands, verified, or empty. ``errno`` is 0 where the record
    is cleared, or a log that was skipped.
    """

    record: str
    result: str
    dump: str = ""
    errno: int = 0
    why: str = ""
    message: str = ""

    def __str__(self) -> str:
        where = f"saved in {self.dump}, " if self.dump else ""
        reason = f": {self.message}" if self.message else ""
        return f"{self.record}: {where}{self.result}{reason}"


def gone(record: str) -> Outcome:
    """What became of a record that somebody else removed before it was saved."""
    return Outcome(record, SKIPPED, "", errno.ENOENT, "", "gone: somebody else removed it")
