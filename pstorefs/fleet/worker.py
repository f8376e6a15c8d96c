"""The other side of apart.py: the keeper, and the worker, which alone uses obstore."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pstorefs.fleet.credentials import Given, Use
from pstorefs.fleet.objects import Objects, library
from pstorefs.fleet.remote import BadKeyError, RemoteError
from pstorefs.fleet.store import StoreError
from pstorefs.fleet.wire import AT_WORK, Wire
from pstorefs.settings.ship import Ship
from pstorefs.system import capabilities
from pstorefs.system.limits import bound

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes that a worker may take: a list of a million keys takes 530 MB, and eight days may be listed
#: at the same time.
MOST_BYTES = 2 << 30
_OOM_SCORE = "500"
# Until all workers have ended, when nobody asks any more. One that was stopped never would.
_END_SECONDS = 5


def keep(number: int) -> None:
    """The keeper: a worker for each descriptor that comes, until the other side is gone."""
    _limit(1 << capabilities.DAC_READ_SEARCH)  # for credentials of somebody else's
    with suppress(ImportError):  # the worker reports it
        library()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none stays as a zombie
    mine = socket.socket(fileno=number)
    _each(mine, lambda other: _begin(mine, other))
    # All workers end now. In a container nobody would ever ask for one that outlived this process.
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.alarm(_END_SECONDS)
    with suppress(ChildProcessError):
        os.wait()
    os._exit(0)


def _begin(mine: socket.socket, other: socket.socket) -> None:
    with other:
        try:
            child = os.fork()
        except OSError:  # too many processes, no memory: who asks hears the end of the socket
            return
        if child == 0:
            mine.close()
            try:
                with suppress(EOFError, OSError):
                    _work(other)
            finally:  # whatever it was: never into what the keeper does
                os._exit(0)


def _each(control: socket.socket, take: Callable[[socket.socket], None]) -> None:
    """Hand each descriptor that comes on."""
    while True:
        said, numbers, _, _ = socket.recv_fds(control, 1, 1)
        if not said:
            return
        for number in numbers:
            take(socket.socket(fileno=number))


def _work(control: socket.socket) -> None:
    """A worker: make the engine, and answer each connection in a thread of its own."""
    about, _ = Wire(control).receive()
    settings = Ship()
    for name, value in about["settings"].items():
        setattr(settings, name, value)
    use = Use(*about["use"])
    try:
        engine = Objects(settings, use, Given(*about["files"]))
    except StoreError as error:
        Wire(control).send((str(error), 0))
        return
    # The files with credentials are read. All further input comes from the store.
    bound(MOST_BYTES)
    # Where a machine's memory ends, this process goes, and not the one that serves the mount.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE)
    _limit(0)
    Wire(control).send(("", os.getpid()))

    def take(other: socket.socket) -> None:
        threading.Thread(target=_answer, args=(engine, Wire(other)), daemon=True).start()

    _each(control, take)


def _limit(privileges: int) -> None:
    with suppress(OSError, AttributeError):  # an old kernel, a container that forbids the calls
        capabilities.no_new_privs()
        capabilities.limit(privileges, privileges)


def _answer(engine: Objects, wire: Wire) -> None:
    """Answer what comes on a connection, until it ends."""
    with suppress(EOFError, OSError):
        while True:
            (name, *words), _ = wire.receive()
            try:
                said, answer = _called(engine, wire, name, words)
            except RemoteError as error:
                key = error.key if isinstance(error, BadKeyError) else None
                said, answer = (False, error.errno, error.strerror, error.again, key), b""
            except Exception as error:  # noqa: BLE001 (whoever waits must be told)
                said, answer = (False, errno.EIO, f"obstore: {error!r}"[:300], False, None), b""
            wire.send(said, answer)


def _called(engine: Objects, wire: Wire, name: str, words: list[Any]) -> tuple[object, bytes]:
    if name == "get":
        return (True, None), engine.get(*words)
    if name == "folders":
        return (True, engine.folders(*words)), b""
    (prefix,) = words
    return (True, engine.names(prefix, on_page=lambda: wire.send(AT_WORK))), b""
