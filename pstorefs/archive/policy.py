"""What a run of the archive may do, what it says, and what the callers provide."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pstorefs.settings.keep import UNLIMITED, Keep

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from pstorefs.dump import Dump
    from pstorefs.record.decoded import Decoded
    from pstorefs.record.record import Record


class Compose(Protocol):
    """What is beside raw/ in a dump's directory: names of `layout.COMPOSED` to contents.

    It may be called several times for one dump, and for dumps that then cannot be saved: it only
    reads.
    """

    def __call__(
        self, dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
    ) -> Mapping[str, bytes]:
        """`read` gives a text as its `Reading` has it; `siblings` are other dumps of its boot."""


def _ignore(dump: Dump, summary: bytes) -> None:
    """Nobody wants to know."""


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
    #: Given each dump that was saved, or that grew, with its summary.json (empty: there is none).
    #: It is called once, when the dump was read back from the archive and is right; never for one
    #: that could not be saved. If the program is killed before that, the next run calls it, unless
    #: only the call itself was still to be made: then nobody does.
    on_saved: Callable[[Dump, bytes], None] = _ignore
    #: Told how far a command is, see `progress.Progress`. It is called for each record.
    progress: Callable[[str, int, int], None] = lambda _step, _done, _total: None
    #: What others have decoded lately.
    decoded: Decoded | None = None
    #: The dumps of an archive that `keep` must leave, as they are still to be shipped. It is given
    #: the path, and the descriptor: by now another directory may have that path, or none.
    unshipped: Callable[[str, int], Container[str]] = lambda _path, _descriptor: ()
    #: Told of each dump that `keep` removed and of each thing passed over, in a sentence.
    say: Callable[[str], None] = lambda _: None
