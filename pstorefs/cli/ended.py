"""How a signal ends a run of `--ship`. Whatever it leaves, the next run goes on from."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_STOPS = (signal.SIGTERM, signal.SIGHUP)


class _EndedError(BaseException):
    """A signal has come that ends this process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _raise(number: int, _: FrameType | None) -> None:
    raise _EndedError(number)


@contextmanager
def by_signals(*, in_rust: bool) -> Iterator[None]:
    """Within the block signals end the process at once, and leave nothing that can be helped.

    ``in_rust``: the process waits for a store in obstore, which lets Python see no ^C before there
    is an answer, two minutes later. So ^C is what it is to other programs. Else it writes into a
    directory that all machines may share, and takes away what it has not finished.
    """
    changes = {signal.SIGINT: signal.SIG_DFL} if in_rust else dict.fromkeys(_STOPS, _raise)
    usual = (signal.default_int_handler, signal.SIG_DFL)  # what is ignored (nohup) stays so
    before = {
        number: signal.signal(number, handler)
        for number, handler in changes.items()
        if signal.getsignal(number) in usual
    }
    try:
        yield
    except _EndedError as error:
        signal.signal(error.number, signal.SIG_DFL)
        os.kill(os.getpid(), error.number)  # by that signal, as whoever waits for it expects
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
