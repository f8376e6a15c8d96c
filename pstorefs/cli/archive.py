"""`pstorefs --archive`: the engine once, for boot and cron. One line per dump, and an exit status.

====== ============================================================================================
status meaning
====== ============================================================================================
0      everything is archived and cleared, or there was nothing to do
2      something failed: the lines on standard error say what, and the way out
3      everything is archived, and records remain in the store on purpose: the lines say why
====== ============================================================================================

Logs that the kernel drops by itself (ramoops: console, pmsg, ftrace) do not count as remaining.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pstorefs.archive.engine import archive
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.outcome import CLEARED, FAILED, KEPT, SKIPPED, Outcome
from pstorefs.archive.policy import Policy
from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.settings.keep import Keep
from pstorefs.source.directory import Store
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pstorefs.archive.policy import Compose

DONE, FAILURE, REMAINS = 0, 2, 3


class ArchiveSettings(Protocol):
    """What is needed of the command line's settings."""

    @property
    def source(self) -> str:
        """The directory with records."""

    @property
    def default_source(self) -> bool:
        """Whether that is the machine's own store."""

    @property
    def archive(self) -> str | None:
        """The archive, if one was given."""

    @property
    def archive_volatile(self) -> bool:
        """Whether it may lie where a reboot empties it."""

    @property
    def keep(self) -> Keep:
        """What it may hold."""


def archive_of(settings: ArchiveSettings) -> str:
    """The directory to archive into. Raises `ArchiveError` (EROFS) if foreign records have none."""
    if settings.archive:
        return settings.archive
    if settings.default_source:
        return DEFAULT_ARCHIVE
    raise ArchiveError(
        errno.EROFS,
        f"{settings.source}: not this machine's own store, and left as it is:"
        " to archive it, give -o archive=DIR",
    )


def run_archive(settings: ArchiveSettings, compose: Callable[[], Compose] | None = None) -> int:
    """Archive everything once; the exit status. `compose` is called when there is something."""
    try:
        store = _open(settings)
    except FileNotFoundError as error:
        if settings.default_source:
            return DONE  # a kernel without pstore: nothing will ever be there
        return _fail(f"{settings.source}: {error.strerror}: give the directory that holds records")
    except OSError as error:
        return _fail(f"{settings.source}: {error.strerror}")
    try:
        target = archive_of(settings)
    except ArchiveError as error:
        store.close()
        return _fail(str(error.strerror))
    policy = Policy(
        volatile=settings.archive_volatile,
        keep=settings.keep,
        compose=_late(compose) if compose else None,
        say=_say,
    )
    try:
        outcomes = archive(store, target, None, policy)
    except ArchiveError as error:
        return _fail(str(error.strerror))
    except OSError as error:
        return _fail(f"{settings.source}: {error.strerror or error}")
    finally:
        store.close()
    try:
        status = _report(target, outcomes)
        sys.stdout.flush()
    except OSError as error:
        # The work is done, and its exit status counts; that nobody can read of it is said if
        # possible.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _say(f"standard output: {error.strerror}")
        return _status(outcomes)
    return status


def _open(settings: ArchiveSettings) -> Store:
    if settings.default_source:
        return Store(settings.source)
    from pstorefs.source.timeout import open_store

    return open_store(settings.source)


def _late(load: Callable[[], Compose]) -> Compose:
    """Import what composes when the first dump is composed."""

    def compose(dump, read, facts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        return load()(dump, read, facts)

    return compose


def _report(target: str, outcomes: Sequence[Outcome]) -> int:
    dumps: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        dumps[outcome.dump].append(outcome)
    for dump, group in sorted(dumps.items()):
        if dump:
            cleared = sum(outcome.result == CLEARED for outcome in group)
            left = f", {len(group) - cleared} left in the store" if cleared < len(group) else ""
            noun = "record" if len(group) == 1 else "records"
            print(f"{printable(os.path.join(target, dump))}: {len(group)} {noun} saved{left}")
    for outcome in outcomes:
        if outcome.result in (KEPT, FAILED) and outcome.why != "log":
            _say(str(outcome))
    return _status(outcomes)


def _status(outcomes: Sequence[Outcome]) -> int:
    if any(outcome.result == FAILED for outcome in outcomes):
        return FAILURE
    remains = [o for o in outcomes if o.result not in (CLEARED, SKIPPED) and o.why != "log"]
    return REMAINS if remains else DONE


def _fail(message: str) -> int:
    _say(message)
    return FAILURE


def _say(message: str) -> None:
    with suppress(OSError):
        print(f"pstorefs: {printable(message)}", file=sys.stderr)
