"""One call for each of many things, several at a time, in threads that the program's end ends.

The threads of concurrent.futures are waited for when a program ends; a store may not answer.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pstorefs.fleet.remote import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    _Word = TypeVar("_Word")
    _Made = TypeVar("_Made")

AT_ONCE = 8


def gather(
    call: Callable[[_Word], _Made], words: Iterable[_Word], at_once: int = AT_ONCE
) -> Iterator[tuple[_Word, _Made | RemoteError]]:
    """Each word with what the call gave for it, as they come. Other errors than these end it.

    Words are asked for by the thread that iterates: as many as calls run at a time, and as many
    that wait. Whoever breaks off waits for no call, and none begins after that.
    """
    #: One-tuples of words; None ends a thread.
    waiting: queue.SimpleQueue[tuple[_Word] | None] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[_Word, _Made | BaseException]] = queue.SimpleQueue()

    def work() -> None:
        while (waits := waiting.get()) is not None:
            (word,) = waits
            try:
                made.put((word, call(word)))
            except BaseException as error:  # noqa: BLE001 (raised by who asked)
                made.put((word, error))

    threads = under_way = 0
    try:
        for word in words:
            if under_way == 2 * at_once:
                yield _answer(*made.get())
                under_way -= 1
            waiting.put((word,))
            under_way += 1
            if threads < at_once and _has_started(work):
                threads += 1
            elif not threads:
                waiting.put(None)
                work()
        for _ in range(under_way):
            yield _answer(*made.get())
    finally:
        _empty(waiting)
        for _ in range(threads):
            waiting.put(None)


def _empty(waiting: queue.SimpleQueue[Any]) -> None:
    with suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def _has_started(work: Callable[[], None]) -> bool:
    """Whether there can be a further thread. If not, those that there are do it, or the caller."""
    try:
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError:
        return False
    return True


def _answer(word: _Word, result: _Made | BaseException) -> tuple[_Word, _Made | RemoteError]:
    if isinstance(result, BaseException) and not isinstance(result, RemoteError):
        raise result
    return word, result
