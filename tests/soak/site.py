"""One mount of the soak: its directories, its books, its daemon."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pstorefs.system import mountinfo
from tests import aged
from tests.mount.conftest import NEWS
from tests.soak import programs
from tests.soak.ledger import Ledger, Version
from tests.soak.memory import Group
from tests.soak.stage import HANG_SECONDS, Stage, Violation
from tests.soak.supply import Content, Supply

READY_SECONDS = 60
CLOCK = "clock.so"
DEAD = "removed a dead mount of an earlier run"
# Somebody deletes a dump while another command looks at it.
_AS_IT_IS = ": it is not changed; its records that are"
# libfuse's words for a request that was just read when a lazy umount ended.
_JUST_READ = "fuse: reading device: Software caused connection abort"
# The index was taken away, and there is no room for a new one.
_NO_INDEX = "index could not be updated, so listing takes longer: No space left on device"
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 2, 4, 8, 32  # mount(2)
_libc = ctypes.CDLL(None, use_errno=True)

# What no `archive` removes: foreign files, a running log, dmesg records without a header line; and
# names of which one is the beginning of another.
_FIXTURES = {
    "notes.txt": "notes.txt",
    "status": "status~source",
    "console-ramoops-0": "console-ramoops-0",
    "dmesg-erst-1": "dmesg-erst-1",
    "dmesg-erst-12": "dmesg-erst-12",
}


def build_clock(where: Path) -> None:
    """What sets a program's wall clock: clock.c."""
    source = str(Path(__file__).with_name("clock.c"))
    run("gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(where), source, "-ldl")


class Site:
    """A source, an archive, and a mount of them. ``roomless``: the archive's disk may fill up."""

    def __init__(
        self, stage: Stage, name: str, base: Path, group: Group, *, roomless: bool = False
    ) -> None:
        self.stage, self.name, self.base, self.group = stage, name, base, group
        self.roomless = roomless
        self.source, self.staging = base / "source", base / "staging"
        #: Where the archive lies, and what may fill it.
        self.disk = base / "disk"
        self.archive, self.point = self.disk / "archive", base / "points" / name
        self.clock, self._counts = base / "clock", base / "counts"
        self.ledger, self.supply = Ledger(), Supply()
        self.daemon: subprocess.Popen[bytes] | None = None
        #: Held by whoever ends, starts or stops the daemon.
        self.handling = threading.RLock()
        #: Two numbers that are the same before and after an operation, and even: nothing was
        #: mounted or unmounted meanwhile.
        self.epoch = 1
        self.lives = 0
        #: Nodes that the daemon held when it was measured last.
        self.held: object = ""
        self._errors: Path = base / "stderr"
        self.fixtures: list[Version] = []
        for folder in (self.source, self.staging, self.disk, self.point.parent):
            folder.mkdir(parents=True)
        # What is written to it while nothing is mounted must fail, and leave nothing.
        run("mount", "-t", "tmpfs", "-o", "size=64k", "points", str(self.point.parent))
        self.point.mkdir()
        run("mount", "-o", "remount,ro", str(self.point.parent))
        if roomless:
            run("mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "disk", str(self.disk))
        self.archive.mkdir(mode=0o700)
        self.set_clock(0)
        for name, shown in _FIXTURES.items():
            data = f"{name} of {self.name}: stays\n".encode() * 50
            self.fixtures.append(self.put(Content(name, shown, data, data)))
        os.mkfifo(self.source / "pipe")
        os.symlink("notes.txt", self.source / "link")

    # The source

    def put(self, content: Content, folder: str = "") -> Version:
        """A record appears, whole, or takes the place of another."""
        path = f"{folder}/{content.name}" if folder else content.name
        new = self.staging / f"{self.supply.number()}"
        new.write_bytes(content.stored)
        version = self.ledger.open(content, path)
        old = [v for v in self.ledger.standing(version.shown) if v is not version]
        self.ledger.release(old)
        try:
            new.rename(self.source / path)
        except FileNotFoundError:
            version.dead = time.monotonic()  # its folder is gone
            new.unlink()
            return version
        version.settled = time.monotonic()
        version.required = True
        self.ended(old)
        return version

    def take(self, version: Version) -> None:
        """Somebody else removes a record."""
        self.ledger.release([version])
        with suppress(FileNotFoundError):
            (self.source / version.path).unlink()
        self.ended([version])

    @staticmethod
    def ended(versions: list[Version]) -> None:
        """These are certainly gone, by now."""
        for version in versions:
            version.dead = min(version.dead, time.monotonic())

    def stands(self, version: Version) -> bool:
        """Whether the source holds it now."""
        try:
            return (self.source / version.path).read_bytes() == version.content.stored
        except OSError:
            return False

    # The archive

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Whether the archive's lock could be had."""
        lock = os.open(self.archive / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + HANG_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        yield False
                        return
                    time.sleep(0.02)
            yield True
        finally:
            os.close(lock)

    def _dumps(self) -> list[Path]:
        return sorted(self.archive.glob("[!.]*"), key=lambda path: path.stat().st_ctime)

    def prune(self, keep: int) -> None:
        """Delete old dumps, as an administrator does.

        Under the lock: else a command might have counted on one.
        """
        with self._locked() as mine:
            dumps = self._dumps() if mine else []
            for dump in dumps[: max(0, len(dumps) - keep)]:
                for path in (dump / "raw").glob("*"):
                    versions = self.ledger.of_file(path.name.partition("~")[0])
                    self.ledger.release([v for v in versions if not self.stands(v)])
                shutil.rmtree(dump)

    def age(self, rng: random.Random) -> None:
        """Some of the archive is as an earlier version left it, or has no index."""
        with self._locked() as mine, suppress(OSError, ValueError):  # the disk may be full
            for dump in self._dumps() if mine else []:
                if rng.random() < 0.5:
                    aged.age_summary(dump)
            if mine and rng.random() < 0.5:
                aged.age_index(self.archive)
            elif mine:
                (self.archive / ".index").unlink(missing_ok=True)

    def check_lost(self) -> None:
        """The one thing that must never be."""
        lost = self.ledger.lost(self.source, self.archive)
        if lost:
            raise Violation(
                f"{self.name}: neither in the source nor in the archive: {' '.join(lost[:5])}"
            )

    # The daemon

    def start(self, *, over_dead: bool = False) -> None:
        """Mount."""
        options = f"archive={self.archive}" + (",archive_volatile" if self.roomless else "")
        driver = [sys.executable, "-m", "tests.soak.driver", str(self._counts)]
        program = ["-f", "-o", options, str(self.source), str(self.point)]
        surroundings = os.environ | {
            "LD_PRELOAD": str(self.base.parent / CLOCK),
            "SOAK_CLOCK": str(self.clock),
        }
        if self.roomless:
            surroundings["SOAK_NO_RESERVE"] = "1"
        with self.handling, self._errors.open("w") as errors:
            self.daemon = programs.start(
                [*driver, *program], stdin=subprocess.DEVNULL, stderr=errors, env=surroundings
            )
            self.group.add(self.daemon.pid)
            self.lives += 1
            self.stage.note(f"{self.name}: mounted by {self.daemon.pid}")
            end = time.monotonic() + READY_SECONDS
            while not self._answers():
                if self.daemon.poll() is not None or time.monotonic() > end:
                    raise Violation(f"{self.name}: cannot be mounted: {self._errors.read_text()}")
                time.sleep(0.01)
            said = self._errors.read_text()
            if (DEAD in said) != over_dead:
                raise Violation(
                    f"{self.name}: mounted over a dead mount: {over_dead}, said: {said}"
                )
            self.epoch += 1

    def _answers(self) -> bool:
        found = mountinfo.at(str(self.point))
        if found is None or found.kind != "fuse.pstorefs":
            return False
        try:
            os.statvfs(self.point)  # of a dead mount the kernel knows names and sizes for a second
            return (self.point / "control").exists()
        except OSError:
            return False

    def leave(self, how: str) -> None:
        """End the daemon: umount, lazy, or the name of a signal. Mounts again at once."""
        with self.handling:
            daemon = self.daemon
            assert daemon is not None
            errors = self._errors
            self._errors = self.base / f"stderr{self.lives}"
            self.epoch += 1
            if how == "umount" and not self._umount():
                how = "lazy"
            if how == "lazy":
                run("umount", "-l", str(self.point))
            elif how != "umount":
                daemon.send_signal(signal.Signals[how])
            if how != "lazy":
                self._ended(daemon, how, errors)
            if how == "SIGKILL":
                self.check_lost()
            self.start(over_dead=how == "SIGKILL")
            if how == "lazy":
                # Whoever reads at the old one may go on; then it ends.
                self._ended(daemon, how, errors)
            self.stage.done[f"ended by {how}"] += 1

    def _umount(self) -> bool:
        for _ in range(20):
            result = programs.run(["umount", str(self.point)], capture_output=True, check=False)
            if result.returncode == 0:
                return True
            self.stage.refused["umount: EBUSY"] += 1
            time.sleep(0.05)
        return False

    def _ended(self, daemon: subprocess.Popen[bytes], how: str, errors: Path) -> None:
        try:
            status = daemon.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            raise Violation(f"{self.name}: the daemon lives on after {how}") from None
        if status != (-signal.SIGKILL if how == "SIGKILL" else 0):
            raise Violation(f"{self.name}: exit status {status} after {how}: {errors.read_text()}")
        if how not in ("lazy", "SIGKILL") and mountinfo.at(str(self.point)):
            found = mountinfo.at(str(self.point))
            if found is not None and found.kind == "fuse.pstorefs":
                raise Violation(f"{self.name}: a mount is left after {how}")
        self._read_errors(errors)
        if errors != self._errors:
            errors.unlink()

    def _read_errors(self, errors: Path) -> None:
        said = (line for line in errors.read_text().splitlines() if DEAD not in line)
        expected = (_AS_IT_IS, _JUST_READ, *((_NO_INDEX,) if self.roomless else ()))
        lines = [
            line
            for line in said
            if not NEWS.match(line) and not any(words in line for words in expected)
        ]
        if lines:
            raise Violation(f"{self.name}: unannounced on standard error: {' / '.join(lines[:9])}")

    def finish(self) -> None:
        """The last umount."""
        with self.handling:
            assert self.daemon is not None
            self.epoch += 1
            if not self._umount():
                raise Violation(f"{self.name}: busy at the end, although nobody is there")
            self._ended(self.daemon, "umount", self._errors)

    def abandon(self) -> None:
        """Whatever happened, leave nothing behind; what the daemon said of it is in the log."""
        for file in sorted(self.base.glob("stderr*")):
            if said := file.read_text().strip():
                self.stage.note(f"{self.name}, {file.name}: {said}")
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        programs.run(["umount", "-l", self.point], stderr=subprocess.DEVNULL, check=False)

    def frozen(self) -> bool:
        """Whether the daemon is stopped."""
        try:
            status = Path(f"/proc/{self.daemon.pid}/stat").read_text() if self.daemon else ""
        except OSError:
            return False
        return ") T " in status

    def explain(self) -> str:
        """What the daemon is doing, for the log of a hang."""
        if self.daemon is None or self.daemon.poll() is not None:
            return f"{self.name}: no daemon\n"
        self.daemon.send_signal(signal.SIGUSR2)
        time.sleep(1)
        words = [self._counts.with_suffix(".stacks").read_text()]
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (process / "stat").read_text().rpartition(")")[2].split()
                channel = (process / "stack").read_text().splitlines()[:3]
                words.append(f"{process.name} {state[0]} {state[11:13]} {command[:90]} {channel}")
        return f"{self.name}: daemon {self.daemon.pid}\n" + "\n".join(words) + "\n"

    def watch(self) -> None:
        """Nobody but this harness ends it."""
        epoch, daemon = self.epoch, self.daemon
        if epoch % 2 == 0 and daemon is not None and daemon.poll() is not None:
            time.sleep(0.1)
            if self.epoch == epoch:
                self.stage.fail(
                    f"{self.name}: the daemon ended by itself, {daemon.returncode}:"
                    f" {self._errors.read_text()}"
                )

    @contextmanager
    def stopped(self):  # noqa: ANN201 (an iterator of nothing)
        """The daemon does not run."""
        with self.handling:
            assert self.daemon is not None
            self.daemon.send_signal(signal.SIGSTOP)
            try:
                yield
            finally:
                self.daemon.send_signal(signal.SIGCONT)

    def set_clock(self, seconds: int) -> None:
        """So far from the machine's clock is the daemon's, at once."""
        with self.clock.open("r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))

    # What it holds

    def shrink(self) -> None:
        """See `shrink`."""
        shrink(self.point)

    def measure(self) -> dict[str, int]:
        """Counts from inside, and what the kernel says: rss and pss in KiB, fds, threads."""
        assert self.daemon is not None
        self._counts.unlink(missing_ok=True)
        self.daemon.send_signal(signal.SIGUSR1)
        end = time.monotonic() + HANG_SECONDS
        while not self._counts.exists():
            if time.monotonic() > end:
                raise Violation(f"{self.name}: the daemon does not answer a signal")
            time.sleep(0.01)
        found: dict[str, int] = json.loads(self._counts.read_text())
        self.held = found.pop("held", "")
        process = Path(f"/proc/{self.daemon.pid}")
        words = (process / "smaps_rollup").read_text().split()
        found["rss"] = int(words[words.index("Rss:") + 1])
        found["pss"] = int(words[words.index("Pss:") + 1])
        found["fds"] = len(os.listdir(process / "fd"))
        return found


def shrink(point: Path) -> None:
    """Have the kernel drop all names and inodes of a mount that nobody uses.

    That is what a remount does first; what a FUSE mount is told to become, it ignores.
    """
    flags = _MS_REMOUNT | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _libc.mount(b"none", os.fsencode(point), None, flags, None)


def run(*command: str) -> None:
    """A command that must succeed."""
    programs.run(command, check=True)
