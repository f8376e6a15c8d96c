"""One mount, from pyfuse3's init to its end: mount, drop privileges, answer requests, unmount."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pstorefs
from pstorefs.mount import libfuse, privileges
from pstorefs.mount.assemble import Backing
from pstorefs.mount.logs import is_news
from pstorefs.mount.preflight import is_below
from pstorefs.mount.unmount import own_mount
from pstorefs.settings.options import Settings
from pstorefs.system import malloc
from pstorefs.system.printable import clean_log_record

# A thread that decodes in pure Python gives way to requests after so many seconds (Python's own
# default is 0.005): a stat waits for a few such slices at worst.
_SWITCH_SECONDS = 0.0005
# So many collections of the second generation make a full one; Python's own choice is 10.
_FULL_COLLECTION = 1000

#: Each of these unmounts and ends the program.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# Seconds after the start: by then whoever waited for the mount has had what it wanted.
_LOAD_SECONDS = 2
#: What only the programs import, by the beginning of the name: 2.5 MiB, with urllib and html.
PROGRAMS = (
    "pstorefs.__main__",
    "pstorefs.cli",
    "pstorefs.fleet.metrics",
    "pstorefs.fleet.sentry",
    "pstorefs.report.dump_list",
    "pstorefs.report.metrics",
    "pstorefs.report.picture",
    "pstorefs.report.redact",
    "pstorefs.report.source_lines",
)
# From the signal to end until requests that still wait are given up.
_GRACE_SECONDS = 2
# Requests that wait at a time. When all of these do, the next one is not even read: pyfuse3's own
# limit of 99 is what a hundred readers of an archive that hangs would need to stop the mount.
_MOST_REQUESTS = 1000

_log = logging.getLogger("pstorefs")


def mount_and_serve(
    settings: Settings,
    backing: Backing,
    mountpoint: str,
    answering: Callable[[], None],
    mounted: Callable[[], None] = lambda: None,
) -> None:
    """Mount, and answer requests until somebody unmounts or a signal comes."""
    import pyfuse3
    import trio

    from pstorefs.mount.fuse import Adapter
    from pstorefs.mount.lanes import Lanes

    _prepare(mountpoint)
    root, watch = backing.tree()
    adapter = Adapter(root, Lanes(may_hang=backing.may_hang), backing.statvfs, answering)
    # Until trio listens, a signal waits: it would end the program and leave a dead mount.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    libfuse.initialise(pyfuse3.init, adapter, settings, mountpoint)
    own = own_mount(mountpoint)
    try:
        mounted()
        privileges.drop(changes=backing.changes)
        sys.setswitchinterval(_SWITCH_SECONDS)
        malloc.share()
        gc.freeze()  # what was imported stays: else the first collection looks through it, 6 ms
        # A full collection looks through all that is known of 100,000 dumps: a tenth of the time
        # that their first list takes. Hardly anything here refers to itself: it may be rare.
        gc.set_threshold(*gc.get_threshold()[:2], _FULL_COLLECTION)
        gc.enable()
        trio.run(_answer_requests, backing, watch and partial(watch.keep, adapter.ask_again))
    finally:
        privileges.regain()
        pyfuse3.close(unmount=own is None or own.unmount())
        backing.close()


def _prepare(mountpoint: str) -> None:
    """Prepare this process for the mount."""
    from pstorefs.mount import fastpath

    fastpath.shorten()
    # `python3 -m pstorefs` also looks for modules where it was started: in the mount, it would ask
    # itself, and wait for its own answer.
    sys.path[:] = [p for p in sys.path if not is_below(os.path.realpath(p), mountpoint)]
    _log.addFilter(clean_log_record)
    logging.getLogger("pyfuse3").addFilter(is_news)


async def _answer_requests(backing: Backing, watch: Callable[[], Awaitable[None]] | None) -> None:
    """Answer until it is unmounted, or a signal comes; then until no request waits.

    A request that waits longer than `_GRACE_SECONDS` then, for a source or an archive that hangs,
    is given up; a command is not.
    """
    import pyfuse3
    import trio

    from pstorefs.mount.fastpath import pace
    from pstorefs.mount.lanes import GIVE_UP

    def end_soon() -> None:
        nursery.cancel_scope.deadline = trio.current_time() + _GRACE_SECONDS

    async def end_on_signal(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(*_ENDING) as signals:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            task_status.started()
            try:
                async for number in signals:
                    _log.info("unmounting on %s", signal.Signals(number).name)
                    pyfuse3.terminate()
                    end_soon()
            finally:  # a second signal must not end the program before it is unmounted
                signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)

    async def load_later() -> None:
        await trio.sleep(_LOAD_SECONDS)
        # On a busy machine it takes half a minute; if the mount ends meanwhile nobody waits for it.
        await trio.to_thread.run_sync(load_the_rest, backing.needs, **GIVE_UP)

    async with trio.open_nursery() as nursery:
        pace.gone = end_soon
        await nursery.start(end_on_signal)
        nursery.start_soon(load_later)
        if watch is not None:
            nursery.start_soon(watch)
        await _until_unmounted()
        nursery.cancel_scope.cancel()


async def _until_unmounted() -> None:
    import pyfuse3

    try:
        await pyfuse3.main(max_tasks=_MOST_REQUESTS)
    except Exception as error:
        if not _is_unmounted(error):
            raise


def _is_unmounted(error: BaseException) -> bool:
    """Whether all that went wrong is that a request was just read when the file system went.

    The kernel's answer to that read is ECONNABORTED (fs/fuse/dev.c); to the next one it would be
    ENODEV, which libfuse takes for the end. Newer versions of trio put errors into groups.
    """
    inner = getattr(error, "exceptions", ())
    if inner:
        return all(map(_is_unmounted, inner))
    return isinstance(error, OSError) and error.errno == errno.ECONNABORTED


def load_the_rest(needs: Callable[[str], bool]) -> None:
    """Import what is otherwise imported at the moment of need.

    A mount outlives an upgrade or a removal of its package: by then other code would lie there.
    """
    import importlib
    import pkgutil

    for module in pkgutil.walk_packages(pstorefs.__path__, "pstorefs."):
        if not module.name.startswith(PROGRAMS) and needs(module.name):
            # A library may be missing; whoever needs it will hear of it.
            with suppress(ImportError):
                importlib.import_module(module.name)
    malloc.trim()  # 0.3 MiB, of files that were read and unpacked
