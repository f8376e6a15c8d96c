"""Shipping: each dump of the archive that has no receipt, its bundle first, its index entry last.

An index entry implies its bundle. Delivery is at least once: a receipt is written after both
answers, and whatever is interrupted before that is done again. Keys make it exactly once: the same
dump names the same objects (keys.py), so the set of keys has each dump once.

Order: the first dump of each signature that was never shipped, then all others; the oldest first.
A fleet that crashes all at once gets to know what is new before it gets to know how often.

Many dumps go several at a time, as a machine that was cut off for a week has them: what costs time
is to wait, for the store and for the disk of the receipts. One thread packs them, and others send:
to pack is work, not waiting, and dumps may be large. Few go one after the other, and so does what
is to be spread over time.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.fleet import dumps, keys, receipts, retry
from pstorefs.fleet.gather import gather
from pstorefs.fleet.machine import share
from pstorefs.fleet.parcel import JSON, Parcel, prepared
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, Answer, Credentialed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pstorefs.fleet.machine import Identity
    from pstorefs.fleet.parcel import Object
    from pstorefs.fleet.store import Store
    from pstorefs.settings.ship import Ship

#: So many dumps in a row that could not be shipped: the store is away, and the run ends.
_ENOUGH = 3
#: As many as `rclone copy` has transfers.
AT_ONCE = 4
#: So many go one at a time before others go side by side: it is known by then whether the store is
#: away, and most runs have no more.
_FIRST = 4
#: Bytes of a bundle that is sent beside others.
_SMALL = 1 << 20
_BUT = "shipped, but "
#: What became of a dump: it is there; it will be tried again; trying again does not mend it.
SHIPPED, REMAINS, FAILED = "shipped", "remains", "failed"


class Result(NamedTuple):
    """What became of one dump. ``why`` is empty if it was shipped; ``size``: of its bundle."""

    dump: str
    result: str
    key: str = ""
    size: int = 0
    why: str = ""
    #: Whether all other dumps would fare the same.
    store_wide: bool = False
    #: Of a dump that was shipped: its id, and entry.py's columns.
    id: str = ""
    row: Mapping[str, Any] = {}


class Sender(NamedTuple):
    """The sender: this machine, with its archive and its receipts, to one store.

    ``archive`` and ``receipts`` are descriptors of directories.
    """

    settings: Ship
    identity: Identity
    store: Store
    archive: int
    receipts: int
    clock: retry.Clock = retry.Clock()
    #: Told of each dump, and of how far the run is: number, of how many. By any thread, one call at
    #: a time.
    told: Callable[[Result], None] = lambda _: None
    progress: Callable[[int, int], None] = lambda _, __: None
    #: Makes what is sent of a dump; None: `prepared`. ValueError for one that cannot be sent.
    prepare: Callable[[Sender, dumps.Saved], Parcel] | None = None
    #: How many dumps may be on their way at a time, if the store bears calls from several threads.
    at_once: int = 1


def run(sender: Sender, pending: list[str]) -> list[Result]:
    """Ship these dumps of the archive, within the bounds of a run. One result for each."""
    pause = 0.0
    if _is_first_of_boot(sender):
        _wait_for_share(sender)
        # The others spread over two windows more: of 100,000 machines that boot within 5 minutes
        # 447 requests a second come at worst, instead of 585.
        pause = min(1.0, 2 / max(1, len(pending) - 1)) * sender.settings.window
    queue = ordered(sender, pending)
    results: list[Result] = []
    this_run, telling = _Run(sender), threading.Lock()

    def deliver(packed: _Packed | Result) -> None:
        result = this_run.send(packed)
        with telling:  # at once: the thread that packs may be busy for minutes
            results.append(result)
            sender.told(result)
            sender.progress(len(results), len(queue))

    alone = len(queue) if pause or sender.at_once == 1 else _FIRST
    sender.progress(0, len(queue))
    for number, name in enumerate(queue[:alone]):
        this_run.pause(pause if number else 0.0)
        deliver(this_run.pack(name))
    packed = map(this_run.pack, queue[alone:])
    for _ in gather(deliver, packed, sender.at_once):
        pass
    return results


class _Packed(NamedTuple):
    """A dump that is ready to be sent."""

    saved: dumps.Saved
    parcel: Parcel


class _Run:
    """The common state of one run: its bounds, and whether the store does not answer.

    `send` may be called by any thread, the rest by one.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._begun = sender.clock.now()
        self._counting = threading.Lock()
        self._sent = self._in_vain = 0
        #: What became of a dump, if all others would fare the same.
        self._hopeless: Result | None = None

    def pause(self, longest: float) -> None:
        """Wait a random time, unless the store is away. It does not count as work of the run."""
        self._begun += _pause(self._sender, 0.0 if self._in_vain else longest)

    def pack(self, name: str) -> _Packed | Result:
        """Read and pack a dump, unless that is in vain. A large one is sent before another is."""
        if vain := self._in_vain_for(name):
            return vain
        packed = _pack(self._sender, name)
        if isinstance(packed, _Packed) and _size(packed.parcel) > _SMALL:
            return self.send(packed)
        return packed

    def send(self, packed: _Packed | Result) -> Result:
        """Send what is packed, unless that is in vain. What became of it."""
        if isinstance(packed, Result):
            return packed
        if vain := self._in_vain_for(packed.saved.name):
            return vain
        result = _send(self._sender, packed, self._begun + self._sender.settings.run)
        with self._counting:
            self._sent += result.size
            self._in_vain = self._in_vain + 1 if result.store_wide else 0
            if result.store_wide and (result.result == FAILED or self._in_vain >= _ENOUGH):
                self._hopeless = result
        return result

    def _in_vain_for(self, name: str) -> Result | None:
        """What becomes of a dump now, if the run is over, or the store is away."""
        sender, settings = self._sender, self._sender.settings
        with self._counting:
            if self._sent >= settings.size or sender.clock.now() - self._begun > settings.run:
                return Result(name, REMAINS, why="left for the next run, because of size= or run=")
            if self._hopeless:
                why = self._hopeless.why.removeprefix(_BUT)
                return Result(name, self._hopeless.result, why=why, store_wide=True)
        return None


def ordered(sender: Sender, pending: list[str]) -> list[str]:
    """The dumps in the order in which they are to go."""
    if len(pending) == 1:  # as after most crashes: no receipt has to be read for it
        return pending
    known = receipts.signatures(sender.receipts)
    first, others = [], []
    for brief in sorted((dumps.brief(sender.archive, name) for name in pending), key=_age):
        if brief.signature and brief.signature not in known:
            known.add(brief.signature)
            first.append(brief.name)
        else:
            others.append(brief.name)
    return first + others


def _age(brief: dumps.Brief) -> tuple[str, str]:
    return brief.time, brief.name


def _is_first_of_boot(sender: Sender) -> bool:
    """Whether no run of this boot has waited yet, and one has to."""
    boot = sender.identity.boot
    return bool(boot and sender.settings.window and not receipts.has_waited(sender.receipts, boot))


def _wait_for_share(sender: Sender) -> None:
    """Wait until this machine's share of the window has passed. Once in each boot."""
    boot = sender.identity.boot
    sender.clock.sleep(share(sender.identity.machine, boot, sender.settings.window))
    with suppress(OSError):  # as no receipt can be written then, it is told of the first dump
        receipts.note_wait(sender.receipts, boot)


def _pause(sender: Sender, longest: float) -> float:
    """Wait for a random time up to so many seconds. It does not count as work of the run."""
    seconds = sender.clock.chance() * longest
    if seconds:
        sender.clock.sleep(seconds)
    return seconds


def _pack(sender: Sender, name: str) -> _Packed | Result:
    """Read and pack a dump; what became of it, if that cannot be done."""
    try:
        saved = dumps.read(sender.archive, name)
        parcel = (sender.prepare or prepared)(sender, saved)
    except dumps.NotNowError as error:
        return Result(name, REMAINS, why=str(error))
    except (dumps.UnfitError, ValueError) as error:
        return Result(name, FAILED, why=str(error))
    except OSError as error:
        return Result(name, FAILED, why=f"the archive: {error.strerror or error}")
    except MemoryError:  # others are smaller
        return Result(name, FAILED, why="to pack it takes more memory than a run may have")
    return _Packed(saved._replace(files={}), parcel)  # the parcel has them


def _size(parcel: Parcel) -> int:
    return sum(len(data) for _, data, _ in parcel.objects)


def _send(sender: Sender, packed: _Packed, end: float) -> Result:
    saved, parcel = packed
    name = saved.name
    receipt = receipts.Receipt(sender.receipts, name, parcel.head, saved.sums)
    if not receipt.has_begun():
        answer = put_all(sender, parcel.objects[:-1], end)
        if not answer.there:
            return not_there(name, answer)
        if parcel.objects[1:]:
            with suppress(OSError):  # it saves a request after a kill, no more than that
                receipt.begin()
    answer = put_all(sender, parcel.objects[-1:], end)
    if not answer.there:
        return not_there(name, answer)
    key, data, _ = parcel.objects[0] if parcel.objects else ("", b"", "")
    result = Result(name, SHIPPED, key, len(data), id=saved.id, row=parcel.row)
    try:
        receipt.write()
    except OSError as error:
        # It is in the store, and will be sent again, to the same keys.
        why = f"{_BUT}its receipt cannot be written (see state=): {error.strerror or error}"
        own = error.errno == errno.EISDIR  # in its place, and in no other's way
        why += ": remove the file or directory with its name there" if own else ""
        return result._replace(result=FAILED, why=why, store_wide=not own)
    return result


def not_there(name: str, answer: Answer) -> Result:
    """What became of what could not be put."""
    result = FAILED if answer.result == REFUSED else REMAINS
    return Result(name, result, "", 0, answer.why, answer.store_wide)


def put_all(sender: Sender, objects: tuple[Object, ...], end: float) -> Answer:
    """Put objects in their order; the first answer that is not well, or the last one."""
    answer = Answer(DONE)
    for key, data, kind in objects:
        answer = _put(sender, key, data, kind, end)
        if not answer.there:
            break
    return answer


def _put(sender: Sender, key: str, data: bytes, kind: str, end: float) -> Answer:
    return retry.repeat(lambda: sender.store.put(key, data, kind), sender.clock, end)


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the archive. It may be a mount point or a link: the administrator's word."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def status(results: list[Result]) -> int:
    """The exit status: 0 all shipped, 3 some remain, 2 trying again does not mend it."""
    found = {result.result for result in results}
    return 2 if FAILED in found else 3 if REMAINS in found else 0


class Checked(NamedTuple):
    """The answers to a canary that is put twice, and then once more without a condition.

    The second is None if the first failed. The third is what a thief of the credentials would get;
    None: the second failed or overwrote, or the store has no credentials.
    """

    first: Answer
    second: Answer | None = None
    over: Answer | None = None


def check(sender: Sender) -> Checked:
    """A canary: nobody reads it, so that it may be overwritten."""
    store, key = sender.store, keys.check_key(sender.identity.machine)
    data = b'{"schema":1,"check":"pstorefs --ship --check"}\n'

    def asked(put: Callable[[str, bytes, str], Answer]) -> Answer:
        end = sender.clock.now() + sender.settings.run
        return retry.repeat(lambda: put(key, data, JSON), sender.clock, end)

    first = asked(store.put)
    second = asked(store.put) if first.there else None
    if second is None or second.result != EXISTS or not isinstance(store, Credentialed):
        return Checked(first, second)
    return Checked(first, second, asked(store.put_over))
