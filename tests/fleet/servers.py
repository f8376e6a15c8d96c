"""A real SeaweedFS on loopback, and a proxy before it that fails as networks and busy stores do.

rclone.py and ceph.py start other stores, for the same clients.
"""

from __future__ import annotations

import http.client
import json
import os
import pickle
import random
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pstorefs.fleet.store import Store

if TYPE_CHECKING:
    from typing_extensions import Self

    from pstorefs.fleet.objects import Objects

BUCKET = "crash"
#: May do everything; may only write.
ALL, DROP = ("AKIDTEST", "secrettest"), ("AKIDDROP", "secretdrop")
_IDENTITIES = {
    "identities": [
        {
            "name": "all",
            "credentials": [{"accessKey": ALL[0], "secretKey": ALL[1]}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "drop",
            "credentials": [{"accessKey": DROP[0], "secretKey": DROP[1]}],
            "actions": [f"Write:{BUCKET}"],
        },
    ]
}
_WEED = Path(sys.executable).parent / "weed"
_READY_SECONDS = 60
_ROOT = Path(__file__).parents[2]
# Held by whoever changes it for a moment: threads of one test make stores at the same time.
_ENVIRONMENT = threading.RLock()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; nor 10000 above, where SeaweedFS has its gRPC."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12000, 32000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10000))
            except OSError:
                continue
            found.append(port)
    return found


@contextmanager
def seaweedfs(base: Path) -> Iterator[str]:
    """The endpoint of a SeaweedFS that keeps its data in a directory."""
    (base / "data").mkdir(parents=True)
    (base / "s3.json").write_text(json.dumps(_IDENTITIES))
    s3, master, volume, filer = free_ports(4)
    words = [
        *(_WEED, "server", f"-dir={base / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
        *("-s3", f"-s3.port={s3}", f"-s3.config={base / 's3.json'}", "-volume.max=400"),
        *("-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s"),
        # Else it reports to its makers, and a second server finds these two ports taken.
        *("-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        "-master.heartbeatInterval=100ms",
    ]
    with served(words, s3, base, "/healthz"):
        endpoint = f"http://127.0.0.1:{s3}"
        # The bucket appears by the first object; a key that may only write cannot make it.
        elsewhere(f"store({endpoint!r}, ALL, 'made').put('bucket', b'x', 'text/plain')")
        yield endpoint


@contextmanager
def served(words: Sequence[str | Path], port: int, base: Path, healthy: str = "") -> Iterator[None]:
    """A server in the foreground, from when it answers until the end.

    `healthy`: a path that answers 200 when it is ready; empty: it is when it answers at all.
    """
    with (base / "log").open("w") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=base)
    try:
        _until_ready(server, port, healthy, base / "log")
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _until_ready(server: subprocess.Popen[Any], port: int, healthy: str, log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", healthy or "/")
            if connection.getresponse().status == 200 or not healthy:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError(f"{server.args!r} does not start: {log.read_text()[-2000:]}")


class Proxy:
    """Passes requests on to a server; some are answered 503, of some the answer is lost.

    ``seen`` are method, path, headers of the last requests, all of a short test; of the bodies
    nothing is kept. ``count`` is how many there were.
    """

    def __init__(self, endpoint: str, busy: float = 0.0, lost: float = 0.0, seed: int = 0) -> None:
        self.count = 0
        self._counting = threading.Lock()
        self.target = endpoint.removeprefix("http://")
        self.busy, self.lost = busy, lost
        self.chance = random.Random(seed)
        self.seen: deque[tuple[str, str, dict[str, str]]] = deque(maxlen=2000)
        #: Given to the next requests in the place of what the server would say.
        self.answers: list[int] = []
        #: Given to all requests: a status; seconds before each answer; a body that means nothing.
        self.always = 0
        self.delay = 0.0
        self.nonsense = b""
        #: Only new objects, as with the lines of nginx in docs/fleet.md.
        self.create_only = False
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def saw(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Note a request."""
        with self._counting:
            self.count += 1
            self.seen.append((method, path, headers))

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: object, client_address: object) -> None:
        """Senders are killed in the middle: no news."""


_PASSED_ON = ("etag", "content-type", "last-modified")


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.upstream = http.client.HTTPConnection(proxy.target, timeout=60)

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def log_message(self, *_: object) -> None:
            """Silent."""

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            proxy.saw(self.command, self.path, dict(self.headers))
            time.sleep(proxy.delay)
            if proxy.always or proxy.nonsense:
                self.answer(proxy.always or 200, proxy.nonsense, {})
                return
            wanted = (self.command, self.headers.get("If-None-Match")) == ("PUT", "*")
            if proxy.create_only and not wanted:
                self.answer(403, b"", {})
                return
            if proxy.answers or proxy.chance.random() < proxy.busy:
                self.answer(proxy.answers.pop(0) if proxy.answers else 503, b"", {})
                return
            try:
                self.upstream.request(self.command, self.path, body, dict(self.headers))
                said = self.upstream.getresponse()
                data, headers = said.read(), dict(said.getheaders())
            except (OSError, http.client.HTTPException):
                self.upstream.close()
                self.answer(502, b"", {})
                return
            if proxy.chance.random() < proxy.lost:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.answer(said.status, data, headers)

        def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(data)}"]
            lines += [f"{k}: {v}" for k, v in headers.items() if k.lower() in _PASSED_ON]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode() + data)

        do_PUT = do_GET = do_HEAD = do_POST = do_DELETE = pass_on  # noqa: N815 (http.server's)

    return Handler


def store(endpoint: str, key: tuple[str, str] = DROP, prefix: str = "fleet") -> Store:
    """The engine of --ship for that server."""
    named = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    return engine(f"s3://{BUCKET}/{prefix}", endpoint, named)


def engine(url: str, endpoint: str, named: Mapping[str, str], region: str = "") -> Objects:
    """The engine of --ship and of the mount for any store; `named`: credentials."""
    from pstorefs.fleet.objects import Objects
    from pstorefs.settings.ship import Ship

    settings = Ship()
    settings.url, settings.endpoint, settings.region = url, endpoint, region
    with environment(named):
        return Objects(settings)


@contextmanager
def environment(named: Mapping[str, str]) -> Iterator[None]:
    """These variables as well, within the block."""
    with _ENVIRONMENT:
        before = dict(os.environ)
        os.environ.update(named)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def elsewhere(expression: str) -> Any:  # noqa: ANN401 (whatever it gives)
    """What an expression of this module gives, in another process.

    Once a process has used obstore, its children hang in it: who forks must not use it.
    """
    words = f"import pickle, sys; from tests.fleet.servers import *; made = {expression};"
    words += "sys.stdout.buffer.write(pickle.dumps(made))"
    done = subprocess.run(
        [sys.executable, "-c", words], stdout=subprocess.PIPE, check=True, cwd=_ROOT, timeout=3600
    )
    return pickle.loads(done.stdout)  # noqa: S301 (our own)


def listed(endpoint: str, prefix: str = "fleet") -> dict[str, bytes]:
    """All objects below a prefix, by key."""
    import obstore
    from obstore.store import from_url

    there = from_url(
        f"s3://{BUCKET}/{prefix}",
        config={
            "endpoint": endpoint, "access_key_id": ALL[0], "secret_access_key": ALL[1],
        },
        client_options={"allow_http": True},
    )  # fmt: skip
    keys = [one["path"] for page in obstore.list(there) for one in page]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda key: bytes(obstore.get(there, key).bytes()), keys)
        return dict(zip(keys, found, strict=True))
