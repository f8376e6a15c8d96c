"""One call for each of many things, several at a time, in threads that the program's end ends.

The threads of concurrent.futures are waited for when a program ends; a store may not answer.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

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
    """Each word with what the call gave for it, as they come. Other errors than these end it."""
    waiting: queue.SimpleQueue[_Word] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[_Word, _Made | BaseException]] = queue.SimpleQueue()
    count = 0
    for word in words:
        waiting.put(word)
        count += 1

    def work() -> None:
        while True:
            try:
                word = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                made.put((word, call(word)))
            except BaseException as error:  # noqa: BLE001 (raised by who asked)
                made.put((word, error))

    for number in range(min(at_once, count)):
        try:
            threading.Thread(target=work, daemon=True).start()
        except RuntimeError:  # no further thread: those that there are do it, or this one
            if number == 0:
                work()
            break
    for _ in range(count):
        word, result = made.get()
        if isinstance(result, BaseException) and not isinstance(result, RemoteError):
            raise result
        yield word, result
