"""What a run of the archive may do, what it says, and what the callers provide."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.archive.layout import Fact
from pstorefs.settings.keep import UNLIMITED, Keep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pstorefs.dump import Dump
    from pstorefs.record.record import Record


class Compose(Protocol):
    """What stands beside raw/ in a dump's directory: names of `layout.COMPOSED` to contents."""

    def __call__(
        self, dump: Dump, read: Callable[[Record], bytes], facts: Mapping[str, Fact]
    ) -> Mapping[str, bytes]:
        """`read` gives a text as its `Reading` has it; `facts` what was done, by record.path."""


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
