"""obstore in a process of its own, which may die without anybody else.

The library holds an answer that is an error, or a list, in memory as a whole, however long it is
or claims to be; and where memory ends, Rust ends the process. So whoever runs a store, or a proxy
before it, could end a mount, or take all of a machine's memory. Here they can only end a worker. (A
run of --ship ends soon in any case: its own process has the bound, and no worker.) ::

    this process ── keeper, which imports obstore and never uses it
                      └── worker, which uses it, bounded in memory and without capabilities

When a worker dies the request fails, and the next one gets another worker. The keeper forks them: a
process that serves a mount must not be forked any more, has its privileges dropped, and may have
outlived its package. Each process ends when the one above it is gone: it waits on a socket.

A call is a message and its answer on a connection of its own (`Wire`); connections are kept.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.fleet.answers import LATE
from pstorefs.fleet.credentials import given
from pstorefs.fleet.remote import BadKeyError, Found, RemoteError
from pstorefs.fleet.store import StoreError
from pstorefs.fleet.wire import AT_WORK, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from pstorefs.fleet.credentials import Use
    from pstorefs.settings.ship import Ship

# Beyond the time that a request may take: nothing but a worker that was stopped takes longer.
_LATE_SECONDS = 30
DIED = (
    "obstore has ended, as it does on an endless answer: is a proxy before the store,"
    " and is endpoint= right?"
)
_NO_START = (
    "no process for obstore can be begun: is there memory, and may there be more processes"
    " (MemoryMax=, TasksMax=)?"
)
# Until a worker is there, on a machine that has just booted, or that has no memory left.
_START_SECONDS = 120
# Until all have ended, when nothing is asked any more.
_END_SECONDS = 10
_OPTIONS = ("url", "endpoint", "region", "ca", "credentials")
_START = (
    "import sys; sys.path[:] = sys.argv[2:];"
    " from pstorefs.fleet.worker import keep; keep(int(sys.argv[1]))"
)


class _NoWorkerError(Exception):
    """There is no worker, and none can be begun. One line for people."""


class _Worker(NamedTuple):
    """A worker, by the socket that gives it connections, and those that nobody uses now."""

    number: int
    control: socket.socket
    idle: list[Wire]

    @property
    def is_gone(self) -> bool:
        """Whether nobody is at the other end. A worker says nothing there of its own."""
        try:
            return not self.control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """End it, and who else waits for it hears of that.

        One that somebody has stopped would keep what it has of memory until the mount ends. While
        it holds its end of the socket nobody else has its number.
        """
        if not self.is_gone:
            with suppress(OSError):
                os.kill(self.number, signal.SIGKILL)
        self.control.close()
        for each in self.idle:
            each.close()


class _Processes:
    """The keeper and the worker. To be called under a lock."""

    def __init__(self, about: Callable[[], object]) -> None:
        #: What a worker is told. It is read here each time: a keeper that is begun when this
        #: process has given its privileges up cannot read what is somebody else's.
        self._about = about
        self._paths = [os.path.abspath(each) for each in sys.path]
        self._keeper: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._worker: _Worker | None = None

    def living(self) -> _Worker:
        """The worker, or a new one. `_NoWorkerError`, `StoreError`."""
        if self._worker is not None and self._worker.is_gone:
            self.lose(self._worker)
        if self._worker is None:
            try:
                if self._process is None or self._process.poll() is not None:
                    self.close()
                    self._keeper, self._process = self._kept()
                self._worker = self._begun()
            except TimeoutError:
                # A keeper that somebody has stopped would keep all others waiting as long.
                self._kill()
                raise _NoWorkerError(_NO_START) from None
            except EOFError:
                raise _NoWorkerError(_NO_START) from None
            except OSError as error:
                gone = isinstance(error, ConnectionError)
                raise _NoWorkerError(_NO_START if gone else error.strerror) from None
        return self._worker

    def lose(self, worker: _Worker) -> None:
        """Give a worker up, if that was not done."""
        if worker is self._worker:
            self._worker = None
            worker.close()

    def close(self) -> None:
        """End all. The keeper has nothing to do but to end."""
        if self._worker is not None:
            self.lose(self._worker)
        if self._keeper is not None:
            self._keeper.close()
        if self._process is not None:
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:  # somebody has stopped it
                self._kill()

    def _kill(self) -> None:
        """End the keeper and its workers, of which it makes a group, whatever they are doing."""
        if self._process is not None and self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _begun(self) -> _Worker:
        """A new worker. OSError, EOFError, `StoreError`."""
        if self._keeper is None:
            raise EOFError
        about = self._about()
        control, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._keeper, [b"\0"], [theirs.fileno()])
            wire = Wire(control)
            wire.patience(_START_SECONDS)
            wire.send(about)
            said, number = wire.receive()[0]
            if said:
                raise StoreError(said)
            control.settimeout(None)  # with one, Python would wait in `_Worker.is_gone`
        except BaseException:
            control.close()
            raise
        return _Worker(number, control, [])

    def _kept(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """A new keeper. OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno()), *self._paths],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # Rust prints each panic there, with its stack
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a ^C is this process's affair
                cwd="/",
            )
        return ours, process


class Apart:
    """See `remote.Remote`. Safe from any thread.

    Raises `StoreError` if there is no way to reach any store.
    """

    def __init__(self, settings: Ship, use: Use) -> None:
        about = {name: getattr(settings, name) for name in _OPTIONS}
        self._seconds = use.seconds
        self._lock = threading.Lock()
        self._processes = _Processes(
            lambda: {"settings": about, "use": use, "files": given(settings, use)}
        )
        weakref.finalize(self, self._processes.close)
        try:
            with self._lock:
                self._processes.living()
        except _NoWorkerError as error:
            raise StoreError(f"{settings.url}: {error}") from None

    def folders(self, prefix: str) -> list[str]:
        """See `remote.Remote`."""
        found: list[str] = self._call("folders", (prefix,))[0]
        return found

    def names(self, prefix: str) -> Found:
        """See `remote.Remote`."""
        names, odd = self._call("names", (prefix,))[0]
        return Found(names, tuple(odd))

    def get(self, key: str, limit: int) -> bytes:
        """See `remote.Remote`."""
        return self._call("get", (key, limit))[1]

    def _call(self, name: str, words: tuple[object, ...]) -> tuple[Any, bytes]:
        """An answer of the worker. `RemoteError`."""
        worker = wire = None
        try:
            worker, wire = self._connected()
            wire.patience(self._seconds + _LATE_SECONDS)
            wire.send((name, *words))
            while (message := wire.receive())[0] is AT_WORK:
                pass
            (good, *said), answer = message
        except TimeoutError:
            self._lost(worker, wire)
            raise RemoteError(errno.ETIMEDOUT, LATE) from None
        except (EOFError, ConnectionError):
            self._lost(worker, wire)
            # Other calls that were waiting meanwhile must not fail because of it.
            raise RemoteError(errno.EIO, DIED, again=True) from None
        except _NoWorkerError as error:
            raise RemoteError(errno.EBUSY, str(error), again=True) from None
        except OSError as error:  # no descriptor is left, no memory
            self._lost(worker, wire)
            raise RemoteError(errno.EBUSY, error.strerror or str(error), again=True) from None
        except StoreError as error:  # of all objects
            raise RemoteError(errno.EACCES, str(error)) from None
        with self._lock:
            worker.idle.append(wire)
        if good:
            return said[0], answer
        number, why, again, key = said
        raise BadKeyError(key) if key is not None else RemoteError(number, why, again=again)

    def _connected(self) -> tuple[_Worker, Wire]:
        """A connection to the worker that lives. OSError, `_NoWorkerError`, `StoreError`."""
        with self._lock:
            worker = self._processes.living()
            if worker.idle:
                return worker, worker.idle.pop()
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(worker.control, [b"\0"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
            return worker, Wire(ours)

    def _lost(self, worker: _Worker | None, wire: Wire | None) -> None:
        """A call got no answer: stop using its worker."""
        if wire is not None:
            wire.close()
        with self._lock:
            if worker is not None:
                self._processes.lose(worker)
