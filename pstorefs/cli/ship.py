"""`pstorefs --ship`: what the archive holds is handed to the fleet's store. For boot and a timer.

====== ============================================================================================
status meaning
====== ============================================================================================
0      everything is shipped, or there was nothing to do
1      wrong usage, or a ship.conf that cannot be meant
2      something is wrong that trying again does not mend: the lines on standard error say what
3      some dumps remain, and will be tried again by the next run
====== ============================================================================================

Most runs have nothing to do. They import what lists a directory, and nothing else.
"""

from __future__ import annotations

import os
import sys

from pstorefs.cli.said import out, say
from pstorefs.fleet import receipts
from pstorefs.fleet.configured import config_path, configured, overlap, pending
from pstorefs.settings import defaults
from pstorefs.settings.ship import Ship, ShipError, apply, apply_words
from pstorefs.system import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.fleet.ship import Result, Sender
    from pstorefs.fleet.store import Answer

#: Bytes of memory. A store may answer without end: that ends this run, and not the machine. The
#: largest bundle, of 64 MiB, takes two thirds of it.
_MOST_BYTES = 400 << 20
HELP = """\
usage: pstorefs --ship [URL] [--check] [--now] [-o OPTION[,...]]
       pstorefs --sentry DSN [--now] [-o OPTION[,...]]

Send each dump of the archive once to a store that all machines share: first its bundle, then
its index entry. URL: s3://BUCKET/PREFIX, az://..., gs://... (these need the Python package
obstore), or file:///DIRECTORY. Without URL: the one in /etc/pstorefs/ship.conf.
Manual: man pstorefs-ship

  --check    only check: can the store be reached, may this machine write there, does the store
             refuse to overwrite?
  --sentry DSN   send an event for each crash to Sentry, GlitchTip or Bugsink
  --now      do not wait after a boot (up to 15 minutes, so that not all machines send at once)
  -o OPTION  archive=DIR, state=DIR, machine=NAME, host=NAME, endpoint=URL, region=NAME, ca=FILE,
             credentials=FILE, sentry=DSN, metrics=FILE, unclean=yes, window=15m, run=10m,
             size=256M
  -h, --help this text

Exit status: 0 all shipped, or nothing to do; 1 wrong usage; 2 an error that trying again does not
fix; 3 some dumps remain, and the next run tries again.
"""

USAGE, FAILURE, REMAINS = 1, 2, 3


def parse(words: Sequence[str]) -> tuple[Ship, set[str]]:
    """A command line, and the flags that are on it. Raises `ShipError`."""
    flags, given, options = _split(words)
    if flags & {"--help", "-h"}:
        return Ship(), flags
    # Another receiver than the one that is configured: its options are not meant for it.
    settings = Ship() if given else configured()
    for name, value in given:
        try:
            apply(settings, name, value)
        except ShipError as error:  # it was not given by -o
            words = str(error).removeprefix(f"option {name}: ")
            raise ShipError(words if name == "url" else f"--{name}: {words}") from None
    for text in options:
        apply_words(settings, text)
    if not settings.receivers():
        raise ShipError(f"no URL is given, and {config_path()} has none: pstorefs --ship URL")
    if "--check" in flags and not settings.url:
        raise ShipError("--check needs a store: pstorefs --ship URL --check")
    if said := overlap(settings, state_of(settings)):
        raise ShipError(said)
    return settings, flags


def _split(words: Sequence[str]) -> tuple[set[str], list[tuple[str, str]], list[str]]:
    """A command line: flags; receivers, by the option that names them; arguments of -o."""
    flags: set[str] = set()
    given: list[tuple[str, str]] = []
    options: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word in ("--ship", "--check", "--now", "--help", "-h"):
            flags.add(word)
        elif word in ("-o", "--sentry"):
            if not queue:
                raise ShipError(f"{word} needs {'options' if word == '-o' else 'a DSN'} after it")
            value = queue.pop(0)
            options += [value] if word == "-o" else []
            given += [("sentry", value)] if word == "--sentry" else []
        elif word.startswith("--sentry="):
            given.append(("sentry", word.partition("=")[2]))
        elif word.startswith("-o"):
            options.append(word[2:])
        elif word.startswith("-"):
            # Never what follows: it may be a secret in the wrong place.
            name = word.partition("=")[0]
            raise ShipError(f"unknown option {name}: see pstorefs --ship --help")
        elif any(name == "url" for name, _ in given):
            raise ShipError("more than one URL: pstorefs --ship [URL]")
        else:
            given.insert(0, ("url", word))
    return flags, given, options


def state_of(settings: Ship) -> str:
    """The directory of the receipts."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return settings.state or given or defaults.DEFAULT_RECEIPTS


def main(words: Sequence[str]) -> int:
    """Entry point of `pstorefs --ship`. Returns the exit status."""
    try:
        settings, flags = parse(words)
    except ShipError as error:
        return _fail(USAGE, str(error))
    except OSError as error:
        return _fail(USAGE, f"{error.filename}: {error.strerror}")
    if flags & {"--help", "-h"}:
        unwritten = streams.write(HELP)
        return _fail(FAILURE, f"standard output: {unwritten.strerror}") if unwritten else 0
    if "--now" in flags or sys.stdout.isatty():
        settings.window = 0
    try:
        if "--check" in flags:
            return _check(settings)
        status = _ship_all(settings)
        return _measure(settings) or status if settings.metrics else status
    except OSError as error:
        return _fail(FAILURE, f"{error.filename or settings.archive}: {error.strerror or error}")
    except KeyboardInterrupt:
        return 130


def _ship_all(settings: Ship) -> int:
    """Ship to each receiver; the worst exit status."""
    worst, has_waited = 0, False
    for receiver in settings.receivers():
        waiting = pending(receiver, state_of(settings))
        if waiting or _reboot_due(receiver):
            receiver.window = 0 if has_waited else settings.window
            status = _ship(receiver, waiting)
            worst = max(worst, status, key=(0, REMAINS, FAILURE).index)
            # One that failed may have waited for nothing: all machines would come at once.
            has_waited = has_waited or status != FAILURE
    return worst


def _measure(settings: Ship) -> int:
    """Write the metrics, of what is there now; an exit status if that cannot be done."""
    from pstorefs.fleet import metrics
    from pstorefs.system import textfile

    state = state_of(settings)
    receivers = settings.receivers()
    waiting = {name for each in receivers for name in pending(each, state)}
    oldest = metrics.archived_at(settings.archive, waiting)
    shipped = sum(map(_shipped, receivers))
    try:
        text = metrics.text(len(waiting), shipped, oldest)
        textfile.write(settings.metrics, metrics.PROGRAM, text)
    except OSError as error:
        return _fail(FAILURE, f"{settings.metrics}: {error.strerror or error}")
    return 0


def _shipped(settings: Ship) -> int:
    folder = receipts.open_receipts(state_of(settings), settings.store_name)
    if folder is None:
        return 0
    try:
        return receipts.shipped(folder)
    finally:
        os.close(folder)


def _ship(settings: Ship, waiting: list[str]) -> int:
    from contextlib import contextmanager

    from pstorefs.cli.ended import by_signals
    from pstorefs.fleet import ship
    from pstorefs.system.limits import bounded

    state = state_of(settings)
    folder = receipts.make_receipts(state, settings.store_name)
    try:
        with contextmanager(receipts.lock)(state) as mine, ship.opened(settings.archive) as archive:
            if not mine:
                return _fail(REMAINS, f"{state}: another pstorefs --ship is at work")
            if settings.tells_reboots:
                _look(archive, folder)
            if waiting:  # another run may have ended since they were listed
                waiting = receipts.pending(archive, folder)
            if not waiting and not receipts.reboots(folder):
                return 0
            with bounded(_MOST_BYTES), by_signals(in_rust=_in_rust(settings)):
                sender = _sender(settings, archive, folder)
                if isinstance(sender, int):
                    return sender
                receipts.forget(folder, set(os.listdir(archive)))
                results = ship.run(sender, waiting)
                others = _reboots(sender, results) if settings.tells_reboots else []
    finally:
        os.close(folder)
    _sum_up(settings, results)
    return ship.status(results + others)


def _reboot_due(settings: Ship) -> bool:
    """Whether a boot is to be looked into, or to be shipped."""
    if not settings.tells_reboots:
        return False
    from pstorefs.system.machine import Machine

    folder = receipts.open_receipts(state_of(settings), settings.store_name)
    try:
        return receipts.reboot_due(folder, Machine().boot_id)
    finally:
        if folder is not None:
            os.close(folder)


def _look(archive: int, folder: int) -> None:
    """Look into this boot, if that was not done."""
    from pstorefs.cli import unclean
    from pstorefs.system.machine import Machine

    unclean.note(archive, folder, Machine(), say)


def _reboots(sender: Sender, results: list[Result]) -> list[Result]:
    """Ship the reboots without a record, unless the store is away."""
    from pstorefs.fleet import reboot

    if results and results[-1].store_wide:
        return []
    found = reboot.run(sender)
    for result in found:
        if not result.why and not sys.stdout.isatty():
            out(f"{sender.settings.url}: {result.dump}: shipped")
    return found


def _sender(settings: Ship, archive: int, folder: int) -> Sender | int:
    """What a run needs; an exit status if that cannot be had."""
    from pstorefs.fleet.machine import identify
    from pstorefs.fleet.ship import AT_ONCE, Sender
    from pstorefs.fleet.store import StoreError, open_store
    from pstorefs.system.machine import Machine

    try:
        identity = identify(settings, Machine())
        store = open_store(settings)
    except StoreError as error:
        return _fail(FAILURE, str(error))
    prepare = None
    if settings.key:
        from pstorefs.fleet import sentry

        prepare = sentry.prepared
    from pstorefs.cli.ship_progress import ShipProgress

    progress = ShipProgress(settings)
    return Sender(
        settings,
        identity,
        store,
        archive,
        folder,
        told=progress.tell,
        progress=progress.progress,
        prepare=prepare,
        at_once=AT_ONCE if _in_rust(settings) else 1,
    )


def _in_rust(settings: Ship) -> bool:
    """Whether the receiver is reached by obstore."""
    return not settings.key and not settings.url.startswith("file:")


def _check(settings: Ship) -> int:
    from pstorefs.cli.ended import by_signals
    from pstorefs.fleet import ship
    from pstorefs.fleet.store import REFUSED
    from pstorefs.system.limits import bounded

    with bounded(_MOST_BYTES), by_signals(in_rust=_in_rust(settings)):
        sender = _sender(settings, -1, -1)
        if isinstance(sender, int):
            return sender
        checked = ship.check(sender)
    answer = checked.second or checked.first
    if not answer.there:
        status = FAILURE if answer.result == REFUSED else REMAINS
        return _fail(status, f"{settings.url}: {answer.why}")
    out(f"{settings.url}: reached; this machine ({sender.identity.machine}) may write there")
    for line in _overwriting(answer, checked.over):
        out(line)
    if not os.path.isdir(settings.archive):
        out(
            f"warning: {settings.archive} does not exist: either nothing was archived yet, or"
            " archive= is not the one of pstorefs --archive"
        )
    return 0


def _overwriting(second: Answer, over: Answer | None) -> list[str]:
    """What became of the canary when it was put again, and what that means."""
    from pstorefs.fleet.store import EXISTS, REFUSED

    thief = "whoever has a machine's credentials can replace what others sent; see docs/fleet.md"
    if second.result != EXISTS:
        return [f"warning: the store overwrites existing objects: {thief}"]
    if over is None or over.result in (REFUSED, EXISTS):
        return ["existing objects are not overwritten"]
    kept = "existing objects are not overwritten by pstorefs"
    if over.there:
        return [kept, f"warning: the store overwrites them if it is not asked not to: {thief}"]
    return [f"{kept}; whether others could do that was not answered: {over.why}"]


def _sum_up(settings: Ship, results: list[Result]) -> None:
    shipped = [result for result in results if not result.why]
    if shipped and not sys.stdout.isatty():
        from pstorefs.system.printable import counted

        total, size = counted(len(results), "dump"), sum(result.size for result in shipped)
        out(f"{settings.url}: {len(shipped)} of {total} shipped, {size} bytes")


def _fail(status: int, message: str) -> int:
    say(message)
    return status
