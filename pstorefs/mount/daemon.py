"""Mount, go to the background, tell the starter when requests are answered, end cleanly.

The order matters (fuse.md of the project's founders, tried): check everything that can be checked;
mount; fork *before* trio runs and before any thread exists; the child tells the parent through a
pipe when the kernel has greeted it; the parent exits 0 on that byte. If the pipe ends without it,
the parent takes the mount away and says what the child wrote.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import pstorefs
from pstorefs.mount import privileges
from pstorefs.mount.preflight import (
    TYPE,
    MountError,
    check_fuse,
    check_hidden,
    detach,
    free_mountpoint,
    is_below,
    open_source,
)
from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.settings.options import Settings
from pstorefs.source.directory import Store
from pstorefs.system import malloc, mountinfo
from pstorefs.system.machine import Machine
from pstorefs.system.printable import clean_log_record
from pstorefs.tree.mirror import Mirror
from pstorefs.tree.node import Access, Directory

if TYPE_CHECKING:
    from pstorefs.control.executor import Executor

_SYSTEMD_ARCHIVE = "/var/lib/systemd/pstore"
# A thread that decodes in pure Python gives way to requests after so many seconds (Python's own
# default is 0.005): a stat waits for a few such slices at worst.
_SWITCH_SECONDS = 0.0005

# So long after the start nobody waits for it any more.
_LOAD_SECONDS = 2

_log = logging.getLogger("pstorefs")


def run(settings: Settings) -> None:
    """Mount and serve until unmounted. Raises `MountError`. In the background, returns at once.

    Whoever calls has switched garbage collection off, see `cli`: it is on again once it is mounted.
    """
    mountpoint = free_mountpoint(settings.mountpoint)
    store = open_source(settings, mountpoint)
    check_hidden(mountpoint, _target(settings))
    check_fuse(settings)
    if settings.check_only:
        store.close()
        return
    if settings.foreground or settings.debug:
        log_to_terminal()
        _mount_and_serve(settings, store, mountpoint, _notify_systemd)
    else:
        _serve_in_background(settings, store, mountpoint)


# Mount and serve


def _mount_and_serve(
    settings: Settings,
    store: Store,
    mountpoint: str,
    answering: Callable[[], None],
    mounted: Callable[[], None] = lambda: None,
) -> None:
    """Mount, and answer requests until somebody unmounts or a signal comes."""
    import pyfuse3
    import trio

    from pstorefs.mount import fastpath
    from pstorefs.mount.fuse import Adapter

    fastpath.shorten()
    # `python3 -m pstorefs` also looks for modules where it was started: in the mount, it would ask
    # itself, and wait for its own answer.
    sys.path[:] = [p for p in sys.path if not is_below(os.path.realpath(p), mountpoint)]
    _log.addFilter(clean_log_record)
    logging.getLogger("pyfuse3").addFilter(is_news)
    root = _tree(settings, store)
    adapter = Adapter(root, store.statvfs, answering)
    _initialise(pyfuse3.init, adapter, settings, mountpoint)
    mounted()
    privileges.drop(changes=_may_change(settings, store))
    sys.setswitchinterval(_SWITCH_SECONDS)
    malloc.share()
    gc.freeze()  # what was imported stays: else the first collection goes through all of it, 6 ms
    gc.enable()
    try:
        trio.run(_serve)
    finally:
        privileges.regain()
        pyfuse3.close()
        store.close()


def is_news(record: logging.LogRecord) -> bool:
    """Whether pyfuse3 tells something that somebody should know.

    An answer that finds its request gone (ENOENT) is none: who asked was killed, or the mount went.
    """
    gone = (os.strerror(errno.ENOENT),)
    return not ("fuse_reply_" in str(record.msg) and record.args == gone)


async def _serve() -> None:
    import pyfuse3
    import trio

    async def end_on_signal(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                _log.info("unmounting on %s", signal.Signals(number).name)
                pyfuse3.terminate()

    async def load_the_rest() -> None:
        await trio.sleep(_LOAD_SECONDS)
        await trio.to_thread.run_sync(_load_the_rest)

    async with trio.open_nursery() as nursery:
        await nursery.start(end_on_signal)
        nursery.start_soon(load_the_rest)
        await pyfuse3.main()
        nursery.cancel_scope.cancel()


def _load_the_rest() -> None:
    """Import what is otherwise imported at the moment of need.

    A mount outlives an upgrade or a removal of its package: by then other code would lie there.
    """
    import importlib
    import pkgutil

    for module in pkgutil.walk_packages(pstorefs.__path__, "pstorefs."):
        if not module.name.endswith("__main__"):
            # A library may be missing; whoever needs it will hear of it.
            with suppress(ImportError):
                importlib.import_module(module.name)


def _tree(settings: Settings, store: Store) -> Directory:
    """What the mount looks like."""
    machine = Machine()
    target = _target(settings)
    rm = _removal(settings, store, target)
    # What changes something and what knows dumps is 20 modules: a plain mount is there before them.
    executor = cache(lambda: _executor(settings, store, machine, target, rm))
    mirror = Mirror(store, _access(settings), remove=lambda path: executor().remove(path).check())
    if settings.plain or store.pinned:
        return mirror.root()
    from pstorefs.tree.places import places
    from pstorefs.tree.root import Root

    return Root(mirror, places(mirror, executor(), machine, own=settings.default_source))


def _executor(
    settings: Settings, store: Store, machine: Machine, target: str | None, rm: str
) -> Executor:
    """What carries out commands and rm."""
    from pstorefs.archive.policy import Policy
    from pstorefs.catalog.catalog import Catalog, Place
    from pstorefs.control.executor import Executor
    from pstorefs.record.record import ARCHIVE, STORE, SYSTEMD
    from pstorefs.report import files
    from pstorefs.report.journal import announcing

    own = settings.default_source
    known = [Place(STORE, store)]
    if target is not None:
        known.append(Place(ARCHIVE, target))
    if own:
        known.append(Place(SYSTEMD, _SYSTEMD_ARCHIVE))
    policy = Policy(
        volatile=settings.archive_volatile,
        keep=settings.keep,
        compose=announcing(files.composer(machine, own=own)),
        say=lambda sentence: _log.info("%s", sentence),
    )
    return Executor(store, Catalog(known), target, policy, rm)


def _target(settings: Settings) -> str | None:
    """Where dumps are saved. None: nowhere, unless `archive=` says so for foreign records."""
    return settings.archive or (DEFAULT_ARCHIVE if settings.default_source else None)


def _may_change(settings: Settings, store: Store) -> bool:
    """Whether any command or rm can save or erase something."""
    return (_target(settings) is not None or store.pinned) and not settings.read_only


def _removal(settings: Settings, store: Store, target: str | None) -> str:
    """What rm of a record does; over the source what it does there, unless asked otherwise."""
    rm = settings.rm or ("clear" if store.pinned else "archive")
    if store.pinned and rm == "archive" and target is None:
        raise MountError(f"{settings.source}: rm=archive wants archive=DIR for these records")
    return rm


def _access(settings: Settings) -> Access:
    return Access(
        settings.uid,
        settings.gid,
        settings.umask if settings.fmask is None else settings.fmask,
        settings.umask if settings.dmask is None else settings.dmask,
    )


def _initialise(
    init: Callable[..., None], adapter: object, settings: Settings, mountpoint: str
) -> None:
    """pyfuse3.init, with what libfuse prints on a failure turned into one message."""
    options = _libfuse_options(settings)
    if settings.debug:
        init(adapter, mountpoint, options)
        return
    with open(os.memfd_create("stderr"), "w+b") as captured:
        saved = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            init(adapter, mountpoint, options)
        except Exception as error:
            captured.seek(0)
            said = captured.read(4096).decode(errors="replace").strip().replace("\n", "; ")
            raise MountError(_explain(settings.mountpoint, said or str(error))) from error
        finally:
            os.dup2(saved, 2)
            os.close(saved)


class _Encoded(str):
    """A word that encodes itself as paths are: pyfuse3 asks for ASCII and knows no other names."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:  # noqa: ARG002
        return os.fsencode(str(self))


def _libfuse_options(settings: Settings) -> set[str]:
    name = settings.source_word.replace("\\", "\\\\").replace(",", "\\,")
    options = {f"fsname={name}", "subtype=pstorefs", "default_permissions"}
    options |= {"nosuid", "nodev", "noexec"}
    options |= {"ro"} if settings.read_only else set()
    options |= {"allow_other"} if settings.allow_other else set()
    options |= {"auto_unmount"} if settings.auto_unmount else set()
    options |= {"debug"} if settings.debug else set()
    return {_Encoded(option) for option in options}


def _explain(mountpoint: str, said: str) -> str:
    for words, advice in (
        ("user has no write access", "ordinary users need a mount point of their own"),
        ("Operation not permitted", "root, or a namespace of your own, is needed to mount"),
        ("Permission denied", "are you the owner of the mount point, and may you use /dev/fuse?"),
        ("too many FUSE", "see mount_max in /etc/fuse.conf"),
    ):
        if words in said:
            return f"{mountpoint}: cannot mount: {said}: {advice}"
    return f"{mountpoint}: cannot mount: {said}"


def _serve_in_background(settings: Settings, store: Store, mountpoint: str) -> None:
    """The parent returns when the mount answers, or raises what the child died of."""
    # Loaded here for both: nothing is imported twice, and errors of the import are the parent's.
    import pyfuse3  # noqa: F401

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 0
        try:
            # Only once it is mounted: in the process group that automount started, and in no other,
            # the mount point may be touched before it is. Elsewhere both would wait for each other.
            _mount_and_serve(
                settings, store, mountpoint, lambda: _ready(writer), mounted=_leave_terminal
            )
        except MountError as error:
            status = 32
            with suppress(OSError):
                os.write(writer, str(error).encode(errors="surrogateescape"))
        except BaseException as error:  # noqa: BLE001 (the child must not return into the parent's code)
            status = 32
            _log.exception("the mount ends")
            with suppress(OSError):
                os.write(writer, f"{mountpoint}: {error!r}".encode(errors="replace"))
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    if said == _READY:
        return
    reason = said.removeprefix(_READY).decode(errors="surrogateescape")
    mounted = mountinfo.at(mountpoint)
    if mounted is not None and mounted.kind == TYPE:
        detach(mountpoint)
    raise MountError(reason or f"{mountpoint}: the program died before the mount answered")


_READY = b"\0"


def _ready(writer: int) -> None:
    with suppress(OSError):
        os.write(writer, _READY)
        os.close(writer)


def _leave_terminal() -> None:
    """A session of its own, no terminal, no working directory that would keep a disk busy."""
    os.setsid()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    log_to_system()


def log_to_terminal() -> None:
    """Log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("pstorefs: %(message)s"))
    _log_to(handler)


def log_to_system() -> None:
    """Log to the journal or syslog; to nowhere, where neither listens."""
    import logging.handlers  # 4 ms, which only the background needs

    with suppress(OSError):
        handler = logging.handlers.SysLogHandler(
            "/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON
        )
        handler.ident = f"pstorefs[{os.getpid()}]: "
        _log_to(handler)
    _log.propagate = False


def _log_to(handler: logging.Handler) -> None:
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def _notify_systemd() -> None:
    """Tell a service manager that waits (Type=notify) that the mount answers: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
        messenger.connect(("\0" + address[1:]) if address.startswith("@") else address)
        messenger.send(b"READY=1")
