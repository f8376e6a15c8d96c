"""Who reads: each text must be one that was there, whole; each error must have its reason."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pstorefs.record.shown import RESERVED
from tests.soak import programs
from tests.soak.ledger import FRESH_SECONDS, Version
from tests.soak.memory import Group
from tests.soak.site import Site
from tests.soak.stage import HANG_SECONDS, LONG_SECONDS, Actor, Stage, Violation
from tests.soak.troubles import STOP_SECONDS

_VANISHED = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)
#: What a mount answers that is being taken away, and the place below it.
_LEAVING = (*_VANISHED, errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
_TOOL_SECONDS = HANG_SECONDS


class Readers:
    """All readers of one mount."""

    def __init__(self, stage: Stage, site: Site, group: Group) -> None:
        self.stage, self.site, self.group = stage, site, group
        self._client: subprocess.Popen[str] | None = None
        self._client_lock = threading.Lock()

    def actors(self) -> list[Actor]:
        name = self.site.name
        return [
            Actor(f"{name} cat 1", self.cat, 0.03),
            Actor(f"{name} cat 2", self.cat, 0.03),
            Actor(f"{name} pread", self.pread, 0.05),
            Actor(f"{name} dumps", self.dumps, 0.2),
            Actor(f"{name} meta", self.meta, 0.2),
            Actor(f"{name} client", self.client, 0.1),
            Actor(f"{name} killer", self.kill_client, 2.0),
            Actor(f"{name} tools", self.tools, 0.7),
        ]

    # What is right

    @contextmanager
    def _reading(self, kind: str, shown: str) -> Iterator[None]:
        """One operation on a path of the mount; errors that have a reason are counted."""
        epoch, began = self.site.epoch, time.monotonic()
        with self.stage.operation(kind, f"{self.site.name}/{shown}"):
            try:
                yield
            except OSError as error:
                self.excuse(kind, shown, error, epoch, began)

    def excuse(self, kind: str, shown: str, error: OSError, epoch: int, began: float) -> None:
        """An error must have a reason."""
        self.stage.error(kind, error)
        if self.moved(epoch):
            if error.errno not in _LEAVING:
                raise Violation(f"{kind} {shown}: {error} while it was mounted again")
            return
        if error.errno not in _VANISHED:
            raise Violation(f"{kind} {shown}: {error}")
        for version in self.site.ledger.standing(shown):
            if version.settled < began - FRESH_SECONDS and self.site.stands(version):
                raise Violation(f"{kind} {shown}: {error}, but it was there all the time")

    def moved(self, epoch: int) -> bool:
        """Whether the mount was exchanged since."""
        return epoch % 2 == 1 or self.site.epoch != epoch

    def check(self, kind: str, shown: str, data: bytes, began: float) -> None:
        """A text read through the mount must be one that stood there meanwhile."""
        versions = self.site.ledger.between(shown, began, time.monotonic())
        if any(version.content.text == data for version in versions):
            return
        ever = [v for v in self.site.ledger.versions() if v.shown == shown]
        raise Violation(f"{kind} {shown}: {wrong(data, versions, ever)}")

    def _some(self, rng: random.Random) -> Version | None:
        versions = self.site.ledger.current() if rng.random() < 0.9 else []
        return rng.choice(versions or self.site.ledger.versions() or [None])

    # Threads of the harness

    def cat(self, rng: random.Random) -> None:
        version = self._some(rng)
        if version is None:
            return
        with self._reading("cat", version.shown):
            began = time.monotonic()
            data = (self.site.point / version.shown).read_bytes()
            self.check("cat", version.shown, data, began)
            self.stage.done["bytes read"] += len(data)

    def pread(self, rng: random.Random) -> None:
        """Pieces at random places, some of them after their pages were dropped."""
        version = self._some(rng)
        if version is None:
            return
        with self._reading("pread", version.shown):
            began = time.monotonic()
            file = os.open(self.site.point / version.shown, os.O_RDONLY)
            try:
                size = os.fstat(file).st_size
                found = self.site.ledger.between(version.shown, began, time.monotonic())
                texts = [v.content.text for v in found if len(v.content.text) == size]
                for _ in range(rng.randrange(1, 12)):
                    if rng.random() < 0.3:
                        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                    offset, length = rng.randrange(size + 100), rng.choice((1, 17, 4096, 70000))
                    piece = _piece(file, length, offset)
                    texts = [text for text in texts if text[offset : offset + length] == piece]
                    if not texts:
                        words = f"{len(piece)} of {length} bytes at {offset} of {size}"
                        words += f": {piece[:60]!r}; {[len(v.content.text) for v in found]}"
                        raise Violation(f"pread {version.shown}: {words}: no such text")
            finally:
                os.close(file)

    def dumps(self, rng: random.Random) -> None:
        """One dump: what is composed is whole, what is stored is what was put in."""
        with self._reading("dumps", "dumps"):
            top = self.site.point / "dumps"
            names = os.listdir(top)
            if not names:
                return
            name = rng.choice(names)
            with suppress(FileNotFoundError):
                self._dump(top / name, rng)
            for place in (self.site.point / "status", self.site.point / "meta" / "status.json"):
                text = _whole(place)
                if not text.endswith(b"\n"):
                    raise Violation(f"{place}: cut: {text[-60:]!r}")
            json.loads(text)

    def _dump(self, dump: Path, rng: random.Random) -> None:
        raws = os.listdir(dump / "raw")
        if raws:
            file = rng.choice(raws)
            stored = _whole(dump / "raw" / file)
            versions = self.site.ledger.of_file(file.partition("~")[0])
            if not any(version.content.stored == stored for version in versions):
                raise Violation(f"{dump.name}/raw/{file}: {len(stored)} bytes that nobody put in")
        text, report = _whole(dump / "dmesg.txt"), _whole(dump / "report.txt")
        if not text.endswith(b"\n") or not report.endswith(b"\n"):
            raise Violation(f"{dump.name}: cut: {text[-60:]!r}, {report[-60:]!r}")
        if not isinstance(json.loads(_whole(dump / "summary.json")), dict):
            raise Violation(f"{dump.name}/summary.json: no object")

    def meta(self, rng: random.Random) -> None:
        version = self._some(rng)
        if version is None or "dmesg" not in version.path:
            return
        shown = f"meta/{version.shown}/all.json"
        with self._reading("meta", shown):
            began = time.monotonic()
            found = json.loads(_whole(self.site.point / shown))
            # A catalog holds for half a second once it is made; its daemon may be stopped before.
            since = began - FRESH_SECONDS - STOP_SECONDS
            versions = self.site.ledger.between(version.shown, since, time.monotonic())
            facts = [(v.digest, len(v.content.text)) for v in versions]
            if (found["sha256"], found["size"]) not in facts:
                raise Violation(f"{shown}: {found['sha256']}, {found['size']}: no such record")

    # Processes

    def client(self, rng: random.Random) -> None:
        """mmap, and listings that are not read to their end, by a process that may be killed."""
        version = self._some(rng)
        if version is None:
            return
        kind = "mmap" if rng.random() < 0.6 else "half"
        folder = rng.choice(("", "dumps", "meta", os.path.dirname(version.shown)))
        shown = version.shown if kind == "mmap" else folder
        epoch, began = self.site.epoch, time.monotonic()
        with self.stage.operation(kind, f"{self.site.name}/{shown}"):
            client = self._its_client()
            assert client.stdin is not None
            assert client.stdout is not None
            answer = ""
            with suppress(BrokenPipeError):
                client.stdin.write(json.dumps([kind, str(self.site.point / shown)]) + "\n")
                client.stdin.flush()
                answer = client.stdout.readline()
            if not answer.endswith("\n"):
                self._lost_client(client, kind, shown, epoch)
                return
            number, data = json.loads(answer)
            if number:
                error = OSError(number, os.strerror(number))
                self.excuse(kind, shown, error, epoch, began)
            elif kind == "mmap":
                self.check(kind, shown, base64.b64decode(data), began)

    def _its_client(self) -> subprocess.Popen[str]:
        with self._client_lock:
            if self._client is None or self._client.poll() is not None:
                self._client = programs.start(
                    [sys.executable, "-m", "tests.soak.client"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                self.group.add(self._client.pid)
            return self._client

    def _lost_client(
        self, client: subprocess.Popen[str], kind: str, shown: str, epoch: int
    ) -> None:
        """A client died: we killed it, or its pages went with the mount."""
        status = client.wait(HANG_SECONDS)
        for pipe in (client.stdin, client.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        if status == -signal.SIGBUS and (self.moved(epoch) or kind == "mmap"):
            self.stage.refused[f"{kind}: SIGBUS"] += 1
            if not self.moved(epoch):
                raise Violation(f"mmap {shown}: SIGBUS, but nothing was unmounted")
        elif status != -signal.SIGKILL:
            raise Violation(f"{kind} {shown}: the client ended with {status}")

    def kill_client(self, rng: random.Random) -> None:
        """Stop the client for a while, or kill it, in the middle of whatever it does."""
        with self._client_lock:
            client = self._client
            if client is None or client.poll() is not None:
                return
            if rng.random() < 0.5:
                with self.stage.operation("client stopped", self.site.name, quiet=False):
                    client.send_signal(signal.SIGSTOP)
                    time.sleep(rng.uniform(0.05, 1.0))
                    client.send_signal(signal.SIGCONT)
            else:
                with self.stage.operation("client killed", self.site.name, quiet=False):
                    client.kill()

    def close(self) -> None:
        """End the client."""
        if self._client is not None:
            self._client.kill()
            self._client.wait()

    def tools(self, rng: random.Random) -> None:
        rng.choice((self._cat_process, self._grep, self._find, self._tar, self._killed))(rng)

    def _tool(self, *command: str) -> subprocess.Popen[bytes]:
        process = programs.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.group.add(process.pid)
        return process

    def _cat_process(self, rng: random.Random) -> None:
        version = self._some(rng)
        if version is None:
            return
        shown, epoch, began = version.shown, self.site.epoch, time.monotonic()
        with self.stage.operation("cat(1)", f"{self.site.name}/{shown}"):
            data, said = self._tool("cat", str(self.site.point / shown)).communicate()
            if said:
                self.excuse("cat(1)", shown, _said(said), epoch, began)
            else:
                self.check("cat(1)", shown, data, began)

    def _grep(self, rng: random.Random) -> None:
        """Counts of lines of all records."""
        epoch, began = self.site.epoch, time.monotonic()
        with self.stage.operation("grep -c", self.site.name, limit=LONG_SECONDS):
            shown = {version.shown for version in self.site.ledger.current()}
            if not shown:
                return
            files = rng.sample(sorted(shown), min(len(shown), 30))
            script = 'cd "$1" 2>/dev/null && shift && exec grep -s -a -c "" /dev/null "$@"'
            process = self._tool("sh", "-c", script, "sh", str(self.site.point), *files)
            for line in process.communicate()[0].decode().splitlines():
                name, _, count = line.rpartition(":")
                versions = self.site.ledger.between(name, began, time.monotonic())
                counts = {_lines(version.content.text) for version in versions}
                if name == "/dev/null" or int(count) in counts:
                    continue
                # What grep could not read any more counts for it like what has ended.
                if not self.moved(epoch):
                    raise Violation(f"grep -c {name}: {count} lines, not {counts}")

    def _find(self, rng: random.Random) -> None:
        """Sizes of all that is there."""
        epoch, began = self.site.epoch, time.monotonic()
        top = rng.choice(("", "dumps"))
        with self.stage.operation("find", f"{self.site.name}/{top}", limit=LONG_SECONDS):
            place = str(self.site.point / top)
            process = self._tool("find", place, "-type", "f", "-printf", r"%P\t%s\n")
            found, said = process.communicate()
            if process.returncode not in (0, 1):
                raise Violation(f"find: {process.returncode}: {said[:300]!r}")
            for line in found.decode().splitlines():
                name, _, size = line.partition("\t")
                if top or name.partition("/")[0] in RESERVED:
                    continue
                # Attributes may be a second old.
                since = began - FRESH_SECONDS
                versions = self.site.ledger.between(name, since, time.monotonic())
                sizes = {len(version.content.text) for version in versions}
                if int(size) not in sizes and not self.moved(epoch):
                    raise Violation(f"find {name}: {size} bytes, not {sizes}")

    def _tar(self, rng: random.Random) -> None:
        """An archive of the mirror, or of the dumps: every member whole."""
        epoch, began = self.site.epoch, time.monotonic()
        top = rng.choice(("", "dumps"))
        with self.stage.operation("tar", f"{self.site.name}/{top}", limit=LONG_SECONDS):
            exclude = [f"--exclude=./{name}" for name in RESERVED] if not top else []
            place = str(self.site.point / top)
            process = self._tool("tar", "-cf", "-", "-C", place, *exclude, ".")
            data, said = process.communicate()
            if process.returncode not in (0, 1, 2):
                raise Violation(f"tar: {process.returncode}: {said[:300]!r}")
            for line in said.decode(errors="replace").splitlines():
                # A folder does change; a file never, as long as it is open.
                name = line.removeprefix("tar: ./").partition(":")[0]
                changed = "shrank" in line or "changed as we read" in line
                if changed and self._steady(name, began) and not self.moved(epoch):
                    raise Violation(f"tar: {line}")
            self._members(data, top, epoch, began)

    def _steady(self, name: str, began: float) -> bool:
        """Whether a name stood for one and the same file: tar looks at it before it opens it."""
        if "/raw/" in name:
            versions = self.site.ledger.of_file(name.rpartition("/")[2].partition("~")[0])
        else:
            versions = [v for v in self.site.ledger.versions() if v.shown == name]
        return len(versions) == 1 and all(
            v.born < began - FRESH_SECONDS and v.dead == float("inf") for v in versions
        )

    def _members(self, data: bytes, top: str, epoch: int, began: float) -> None:
        if self.moved(epoch) and (not data or len(data) % 512):
            return
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                if not member.isfile():
                    continue
                content = archive.extractfile(member)
                assert content is not None
                name, text = member.name.removeprefix("./"), content.read()
                if not top:
                    self._member(name, text, epoch, began)
                elif "/raw/" in name:
                    file = name.rpartition("/")[2].partition("~")[0]
                    versions = self.site.ledger.of_file(file)
                    if not any(version.content.stored == text for version in versions):
                        raise Violation(f"tar dumps/{name}: bytes that nobody put in")

    def _member(self, name: str, text: bytes, epoch: int, began: float) -> None:
        # A file whose mount goes while it is read is filled up with zeros.
        if not (self.moved(epoch) and text.endswith(b"\0")):
            self.check("tar", name, text, began)

    def _killed(self, rng: random.Random) -> None:
        """Programs that are killed while they read."""
        command = rng.choice(("cat */* 2>&1", "ls -lR", "tar -cf- .", "grep -r soak ."))
        with self.stage.operation("tool killed", self.site.name):
            process = self._tool(
                "sh", "-c", f'cd "$1" 2>/dev/null && exec {command}', "sh", str(self.site.point)
            )
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
            process.communicate()


def _whole(path: Path) -> bytes:
    """A file read in pieces, which must be as long as it says it is."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read()
    if len(data) != size:
        raise Violation(f"{path}: {len(data)} bytes, but its size is {size}")
    return data


def _piece(file: int, length: int, offset: int) -> bytes:
    """As much as there is. Of a mount that goes a read may end at the last page that was kept."""
    piece = b""
    while more := os.pread(file, length - len(piece), offset + len(piece)):
        piece += more
    return piece


def _lines(text: bytes) -> int:
    return text.count(b"\n") + (not text.endswith(b"\n") and bool(text))


def _said(said: bytes) -> OSError:
    """The errno that a program tells of in words."""
    words = said.decode(errors="replace").strip().rpartition(": ")[2]
    number = next((n for n in errno.errorcode if os.strerror(n) == words), errno.EIO)
    return OSError(number, said.decode(errors="replace").strip())


def wrong(data: bytes, versions: list[Version], ever: list[Version]) -> str:
    """What is wrong with a text."""
    digest = hashlib.sha256(data).hexdigest()[:12]
    for version in ever:
        text = version.content.text
        if data == text:
            return f"stale: what stood there earlier ({digest})"
        if data and text.startswith(data):
            return f"cut: {len(data)} of {len(text)} bytes"
    lengths = [len(version.content.text) for version in versions]
    return f"wrong: {len(data)} bytes ({digest}), not one of {lengths}: {data[:80]!r}"
