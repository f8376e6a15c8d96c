"""`pstorefs --archive`: the engine once, for boot and cron. One line per dump, and an exit status.

====== ============================================================================================
status meaning
====== ============================================================================================
0      everything is archived and cleared, or there was nothing to do
2      something failed: the lines on standard error say what, and what to do
3      everything is archived, and records remain in the store on purpose: the lines say why
====== ============================================================================================

Logs that the kernel drops automatically (ramoops: console, pmsg, ftrace) do not count as remaining.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import defaultdict
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from pstorefs.archive.engine import archive
from pstorefs.archive.errors import ArchiveError
from pstorefs.archive.outcome import CLEARED, FAILED, KEPT, SKIPPED, Outcome
from pstorefs.archive.policy import Policy
from pstorefs.cli.meter import Meter
from pstorefs.cli.said import say
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from pstorefs.archive.policy import Compose
    from pstorefs.dump import Dump
    from pstorefs.record.record import Record
    from pstorefs.settings.options import Settings

DONE, FAILURE, REMAINS = 0, 2, 3


def run_archive(settings: Settings) -> int:
    """Archive everything once, and write the metrics, if any are asked for; the exit status."""
    status = _run_once(settings)
    if not settings.metrics:
        return status
    from pstorefs.cli.measure import measure

    try:
        measure(settings, status, failed=status == FAILURE)
    except OSError as error:
        return _fail(f"{settings.metrics}: {error.strerror or error}")
    return status


def _run_once(settings: Settings) -> int:
    try:
        store = _open(settings)
    except OSError as error:
        if settings.default_source and isinstance(error, FileNotFoundError):
            return DONE  # a kernel without pstore: nothing will ever be there
        from pstorefs.source.unopened import why_unopened

        return _fail(why_unopened(settings.source, error))
    target = settings.target
    if target is None:
        store.close()
        return _fail(
            f"{settings.source}: not this machine's own store, so nothing was done:"
            " to archive it, give -o archive=DIR"
        )
    try:
        return _run(store, target, settings)
    finally:
        store.close()


def _run(store: OpenDirectory, target: str, settings: Settings) -> int:
    meter = Meter()

    def erase_and_say(message: str) -> None:
        meter.erase()
        say(message)

    policy = Policy(
        volatile=settings.archive_volatile,
        keep=settings.keep,
        compose=_composing(own=settings.default_source),
        on_saved=_noting(target),
        unshipped=_unshipped,
        progress=meter.tell,
        say=erase_and_say,
    )
    # What is made here is freed without being looked for: that takes 10 % of many records.
    gc.disable()
    try:
        outcomes = archive(store, target, None, policy)
    except ArchiveError as error:
        return _fail(str(error.strerror), meter)
    except OSError as error:
        return _fail(f"{settings.source}: {error.strerror or error}", meter)
    meter.erase()
    try:
        status = _report(target, outcomes, settings.source)
        sys.stdout.flush()
    except OSError as error:
        # The work is done, and its exit status counts; that nobody can read of it is said if
        # possible.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            say(f"standard output: {error.strerror}")
        return _status(outcomes)
    return status


def _open(settings: Settings) -> OpenDirectory:
    if settings.default_source:
        return OpenDirectory(settings.source)
    from pstorefs.source.timeout import open_named

    return open_named(settings.source)


def _unshipped(target: str, archive: int) -> Container[str]:
    from pstorefs.fleet.configured import unshipped

    return unshipped(target, archive)


def _composing(*, own: bool) -> Compose:
    """The composer, imported when the first dump is composed: on most boots there is none."""

    @cache
    def load() -> Compose:
        from pstorefs.report.files import composer
        from pstorefs.system.machine import Machine

        return composer(Machine(), own=own)

    def compose(
        dump: Dump, read: Callable[[Record], bytes], siblings: Sequence[Dump]
    ) -> Mapping[str, bytes]:
        return load()(dump, read, siblings)

    return compose


def _noting(target: str) -> Callable[[Dump, bytes], None]:
    """What enters a saved dump in the journal, and notes it for hooks, where there are any."""

    def saved(dump: Dump, summary: bytes) -> None:
        from pstorefs.archive import spool
        from pstorefs.report.journal import announce

        announce(dump, summary)
        if spool.hooks()[0]:
            spool.note(target, dump.name)

    return saved


def _report(target: str, outcomes: Sequence[Outcome], source: str) -> int:
    dumps: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        dumps[outcome.dump].append(outcome)
    for dump, group in sorted(dumps.items()):
        if dump:
            cleared = sum(outcome.result == CLEARED for outcome in group)
            left = f", {len(group) - cleared} left in the store" if cleared < len(group) else ""
            saved = f"{counted(len(group), 'record')} saved{left}"
            print(f"{printable(os.path.join(target, dump))}: {saved}")
    remaining = [o for o in outcomes if o.result in (KEPT, FAILED) and o.why != "log"]
    for outcome in remaining:
        say(str(outcome))
    if any(": clear " in outcome.message for outcome in remaining):
        say(
            "clear NAME is a command of a mount: echo clear NAME > MOUNTPOINT/control;"
            f" without one: rm {source.rstrip('/')}/NAME"
        )
    return _status(outcomes)


def _status(outcomes: Sequence[Outcome]) -> int:
    if any(outcome.result == FAILED for outcome in outcomes):
        return FAILURE
    remains = [o for o in outcomes if o.result not in (CLEARED, SKIPPED) and o.why != "log"]
    return REMAINS if remains else DONE


def _fail(message: str, meter: Meter | None = None) -> int:
    if meter:
        meter.erase()
    say(message)
    return FAILURE
