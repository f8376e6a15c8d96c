"""`pstorefs --every=TIME`: archive, ship, and again, for machines without systemd: in a container.

::

    pstorefs --every=15m [OPTIONS] [SOURCE]     options and source: those of --archive

Each step is a process of its own: what goes wrong in one ends neither the loop nor the next step.
Archiving never waits for shipping: a run of --ship that is still at work is left to it, and no
second one is begun. What to ship, and where to, is in ship.conf; without it nothing is shipped.

SIGTERM, SIGINT and SIGHUP end the loop: at once while it waits, after the archive has ended its
work if it is in the middle of that. A run of --ship is ended; what it has not sent is sent by the
next one. Exit status 0 then; 1 for wrong usage.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pstorefs.cli.said import say
from pstorefs.settings.options import UsageError, parse
from pstorefs.settings.ship import ShipError, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pstorefs.settings.options import Settings

OPTION = "--every"
USAGE, FAILURE = 1, 2
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(words: Sequence[str]) -> int:
    """Entry point of `pstorefs --every`. Returns the exit status."""
    try:
        seconds, settings = _parse(words)
    except (UsageError, ShipError) as error:
        say(str(error))
        return USAGE
    # Blocked, they are waited for; and the archive, which inherits that, is not disturbed.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    shipping = 0
    while True:
        os.waitpid(_begun(lambda: _archive(settings)), 0)
        if _is_stopped_within(0):
            break
        if not _is_at_work(shipping):
            _reap()
            shipping = _begun(_ship)
        if _is_stopped_within(seconds):
            break
    if _is_at_work(shipping):
        os.kill(shipping, signal.SIGKILL)  # as --ship may be, at any moment
        os.waitpid(shipping, 0)
    return 0


def _parse(words: Sequence[str]) -> tuple[int, Settings]:
    """Seconds between two runs, and the settings of the archive."""
    rest, given = [], ""
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == OPTION:
            given = queue.pop(0) if queue else ""
        elif word.startswith(f"{OPTION}="):
            given = word.partition("=")[2]
        else:
            rest.append(word)
    try:
        seconds = duration(given) if given else 0
    except ShipError as error:
        raise ShipError(f"{OPTION}: {given} {error}") from None
    if seconds < 1:
        raise ShipError(f"{OPTION} needs a time such as 15m")
    settings = parse(["--archive", *rest])
    if settings.help or settings.version:
        raise UsageError(f"{OPTION} goes with the options of --archive: see pstorefs --help")
    return seconds, settings


def _archive(settings: Settings) -> int:
    from pstorefs.cli.archive import run_archive

    return run_archive(settings)


def _ship() -> int:
    from pstorefs.cli.ship import main as ship
    from pstorefs.fleet.configured import configured

    # Unlike the archive, it may be ended by whoever asks for it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    try:
        if not configured().receivers():
            return 0
    except (OSError, ShipError):
        pass  # it says what is wrong with ship.conf
    return ship(["--ship"])


def _begun(step: Callable[[], int]) -> int:
    """Begin a step in a child process; its number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = FAILURE
    try:
        status = step()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 (the child ends here, whatever it is)
        import traceback

        traceback.print_exc()
    os._exit(status)


def _is_at_work(child: int) -> bool:
    """Whether a child was begun (0: none) and has not ended."""
    if not child:
        return False
    try:
        return os.waitpid(child, os.WNOHANG)[0] == 0
    except ChildProcessError:  # it has ended, and was asked about before
        return False


def _reap() -> None:
    """Reap every child that has ended: wait(2) for it.

    As a container's first process this is the parent of whatever a step that was killed has left.
    """
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _is_stopped_within(seconds: int) -> bool:
    """Wait; whether somebody asks to end meanwhile, or has asked."""
    return signal.sigtimedwait(_STOPS, seconds) is not None
