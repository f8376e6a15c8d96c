"""obstore in a process of its own: whatever a store answers, only that one may end."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pstorefs.fleet import apart as apart_module
from pstorefs.fleet import worker
from pstorefs.fleet.apart import Apart
from pstorefs.fleet.credentials import Use
from pstorefs.fleet.remote import RemoteError
from pstorefs.fleet.store import DONE, StoreError
from pstorefs.settings.ship import Ship, apply
from tests.fleet import site
from tests.fleet.family import below, children, status
from tests.fleet.liar import Liar
from tests.mount.conftest import COMMAND

ROOT = Path(__file__).parents[2]
NOTHING = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
PIECE = b"<!-- " + b"a" * (1 << 20)


class Server(ThreadingHTTPServer):
    """A store with nothing in it; what `say` is, it answers instead."""

    daemon_threads = True
    say: Callable[[BaseHTTPRequestHandler], None] | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has died: no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.say:
            self.server.say(self)
            self.close_connection = True
            return
        nothing = b"" if self.command == "GET" and "list-type" not in self.path else NOTHING
        self.send_response(200 if nothing else 404)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", str(len(nothing)))
        self.end_headers()
        self.wfile.write(nothing)

    do_PUT = do_GET  # noqa: N815 (http.server's)

    def log_message(self, *_: object) -> None:
        """Silent."""


def long(handler: BaseHTTPRequestHandler) -> None:
    """An error that says to be 100 GB."""
    handler.send_response(403)
    handler.send_header("Content-Length", "99999999999")
    handler.end_headers()
    handler.wfile.write(b"<Error>")


def whole(handler: BaseHTTPRequestHandler) -> None:
    """One that comes as it says."""
    long(handler)
    _on_and_on(handler, PIECE)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A list that never ends."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    _on_and_on(handler, b"%x\r\n%s\r\n" % (len(PIECE), PIECE))


def _on_and_on(handler: BaseHTTPRequestHandler, piece: bytes) -> None:
    with suppress(OSError):
        while True:
            handler.wfile.write(piece)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-a-test")
    one = Server()
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def apart(server: Server, **options: str) -> Apart:
    settings = Ship()
    for name, value in {"url": "s3://b/p", "endpoint": server.endpoint, **options}.items():
        apply(settings, name, value)
    return Apart(settings, Use(30))


def shipping(server: Server, tmp_path: Path) -> list[str]:
    """A run that ships one dump."""
    archive = site.archived(tmp_path)
    words = [f"archive={archive}", f"state={tmp_path / 'state'}", f"endpoint={server.endpoint}"]
    return [*COMMAND, "--ship", "s3://b/p", "--now", "-o", ",".join(words)]


@pytest.mark.parametrize("answer", [long, endless])
def test_an_answer_without_end_is_an_error_of_the_request(
    answer: Callable[[BaseHTTPRequestHandler], None], server: Server
) -> None:
    store = apart(server)
    assert store.folders("v1/") == []
    server.say = answer
    with pytest.raises(RemoteError) as caught:
        store.folders("v1/")
    # What Rust makes of it differs: it refuses the one, and ends of the other.
    assert caught.value.errno in (errno.EIO, errno.EHOSTDOWN, errno.EACCES)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20
    server.say = None
    assert store.folders("v1/") == []


def test_what_ends_a_run_leaves_all_to_the_next(server: Server, tmp_path: Path) -> None:
    words = shipping(server, tmp_path)
    server.say = whole
    program = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    _, ended, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(ended)
    assert program.returncode in (-signal.SIGABRT, 3)
    assert used.ru_maxrss < 500 << 10
    server.say = None
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.count("shipped")) == (0, 1), done


def test_a_worker_that_is_killed_is_replaced_unnoticed(server: Server) -> None:
    store = apart(server)
    assert store.folders("v1/") == []
    for which in (1, 0):
        victim = of_this_process()[which]
        os.kill(victim, signal.SIGKILL)
        while not status(victim, "State") <= {"Z (zombie)"}:
            time.sleep(0.01)
        if which == 0:  # the keeper: its worker serves on
            assert store.folders("v1/") == []
            continue
        while True:  # who waits for nobody's end may still meet it
            with suppress(RemoteError):
                assert store.folders("v1/") == []
                break


def test_a_worker_that_is_stopped_is_replaced_and_gone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart_module, "_LATE_SECONDS", -29)
    store = apart(server)
    assert store.folders("v1/") == []
    _, victim = of_this_process()
    stop(victim)
    with pytest.raises(RemoteError) as caught:
        store.folders("v1/")
    assert caught.value.errno == errno.ETIMEDOUT
    until_gone(victim)
    assert store.folders("v1/") == []


def test_a_keeper_that_is_stopped_holds_nobody_up_for_good(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = apart(server)
    both = of_this_process()
    stop(both[0])
    os.kill(both[1], signal.SIGKILL)
    monkeypatch.setattr(apart_module, "_START_SECONDS", 1)
    end = time.monotonic() + 30
    while True:  # the worker, which has died, may be met once; then the keeper
        with pytest.raises(RemoteError) as caught:
            store.folders("v1/")
        if caught.value.errno == errno.EBUSY:
            break
        assert time.monotonic() < end
    assert "TasksMax=" in str(caught.value)
    assert caught.value.again
    monkeypatch.setattr(apart_module, "_START_SECONDS", 60)
    assert store.folders("v1/") == []
    assert not Path(f"/proc/{both[0]}").exists()


def stop(process: int) -> None:
    """Stop all threads of a process; they take their time."""
    os.kill(process, signal.SIGSTOP)
    while status(process, "State") != {"T (stopped)"}:
        time.sleep(0.01)


def until_gone(process: int) -> None:
    end = time.monotonic() + 30
    while Path(f"/proc/{process}/cwd").exists():
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.05)


def test_no_further_descriptor_is_no_fault_of_the_store(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    store = apart(server)
    victim = of_this_process()[1]
    with monkeypatch.context() as patched:
        patched.setattr(socket, "socketpair", none)
        with pytest.raises(RemoteError, match="Too many open files"):
            store.folders("v1/")
    assert store.folders("v1/") == []
    assert of_this_process()[1] == victim


def test_a_keeper_that_cannot_fork_serves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refused)
    mine, theirs = socket.socketpair()
    ours, other = socket.socketpair()
    with mine, theirs, ours:
        worker._begin(mine, other)
        assert ours.recv(1) == b""


def of_this_process() -> tuple[int, int]:
    """The newest keeper and worker of this one."""
    keepers = [one for one in children(os.getpid()) if children(one)]
    return keepers[-1], children(keepers[-1])[-1]


def test_the_largest_bundle_has_room(server: Server) -> None:
    words = f"""
import os
from pstorefs.cli.ship import _MOST_BYTES
from pstorefs.fleet.bundle import MOST_BYTES, pack
from pstorefs.fleet.objects import Objects
from pstorefs.settings.ship import Ship, apply
from pstorefs.system.limits import bound
bound(_MOST_BYTES)
settings = Ship()
apply(settings, "url", "s3://b/p")
apply(settings, "endpoint", {server.endpoint!r})
store = Objects(settings)
files = {{"raw/record": os.urandom(MOST_BYTES - (1 << 20))}}
print(store.put("key", pack("dump", files, 0).data, "application/gzip").result)
"""
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout == f"{DONE}\n", done


def test_settings_that_no_store_takes_are_said_at_once(server: Server) -> None:
    with pytest.raises(StoreError, match="no such file"):
        apart(server, credentials="/nonexistent/credentials")


def test_a_long_list_takes_its_time_and_a_worker_that_stops_in_it_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each page may take as long as a request."""

    def slowly(query: dict[str, list[str]]) -> bytes:
        pages.append(query)
        time.sleep(0.7)
        if len(pages) == 6:
            stop(of_this_process()[1])
        return listed(query)

    pages: list[dict[str, list[str]]] = []
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-a-test")
    monkeypatch.setattr(apart_module, "_LATE_SECONDS", -28)
    with Liar() as liar:
        liar.objects = {f"p/v1/{number:05}": b"" for number in range(4500)}
        listed, liar.listed = liar.listed, slowly  # type: ignore[method-assign]
        settings = Ship()
        apply(settings, "url", "s3://b/p")
        apply(settings, "endpoint", liar.endpoint)
        store = Apart(settings, Use(30))
        assert len(store.names("v1/").names) == 4500
        assert len(pages) == 5
        with pytest.raises(RemoteError) as caught:
            store.names("v1/")
        assert caught.value.errno == errno.ETIMEDOUT
        assert len(store.names("v1/").names) == 4500


@pytest.mark.parametrize("stopped", [False, True])
def test_they_end_with_who_began_them(server: Server, tmp_path: Path, *, stopped: bool) -> None:
    def waiting(_: BaseHTTPRequestHandler) -> None:
        asked.set()
        time.sleep(30)

    asked = threading.Event()
    server.say = waiting
    page = str(tmp_path / "page.html")
    looking = subprocess.Popen(
        [*COMMAND, "--report-html", "s3://b/p", page, "-o", f"endpoint={server.endpoint}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    assert asked.wait(60)
    both = below(looking.pid)
    assert len(both) == 2
    if stopped:
        stop(both[1])
    looking.send_signal(signal.SIGKILL)
    looking.wait()
    for one in both:
        until_gone(one)


def test_no_process_is_left_to_who_inherits_orphans(server: Server) -> None:
    """In a container that is the program itself, which asks for the end of none of them."""
    words = f"""
import os
from pstorefs.fleet.apart import Apart
from pstorefs.fleet.credentials import Use
from pstorefs.settings.ship import Ship, apply
from pstorefs.system import capabilities
capabilities.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
settings = Ship()
apply(settings, "url", "s3://b/p")
apply(settings, "endpoint", {server.endpoint!r})
for _ in range(5):
    store = Apart(settings, Use(30))
    store.folders("v1/")
    del store
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none")
"""
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("none\n", "")
