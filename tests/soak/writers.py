"""Who changes something: commands through the mount, and records that come and go beneath it."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import threading
import time
from contextlib import suppress

from tests.soak import programs
from tests.soak.ledger import Version
from tests.soak.memory import Group
from tests.soak.site import Site
from tests.soak.stage import HANG_SECONDS, Actor, Stage, Violation

#: The most records and dumps that there are to be. Else the work of a listing grows without end.
MOST_RECORDS = 30
MOST_DUMPS = 14
_MOST_FOLDERS = 4
_LEAVING = (errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT, errno.EROFS, errno.EIO)
#: What a command may answer. ENOENT and EPERM: named records that vanish or change meanwhile.
_ALLOWED = {
    "archive": (),
    "archive NAME": (errno.ENOENT, errno.EPERM),
    "archive DUMP": (errno.ENOENT, errno.EPERM),
    "clear NAME": (errno.ENOENT,),
    "rescan": (),
    "garbage": (errno.EINVAL,),
    "half a line": (errno.EINVAL, errno.ENOENT),
    "a line in pieces": (errno.ENOENT, errno.EPERM),
    "rm": (errno.ENOENT, errno.EPERM, errno.ESTALE),
}
# An answer where the disk is full now and then.
_FULL = (errno.ENOSPC,)


class Writers:
    """All who write into one mount and its source."""

    def __init__(self, stage: Stage, site: Site, group: Group) -> None:
        self.stage, self.site, self.group = stage, site, group
        # A folder that gets another name and a record that is taken from it, at once: the books
        # would not know which came first.
        self._moving = threading.Lock()

    def actors(self) -> list[Actor]:
        name = self.site.name
        return [
            Actor(f"{name} commands 1", self.command, 0.4),
            Actor(f"{name} commands 2", self.command, 0.6),
            Actor(f"{name} records", self.change, 0.12),
            Actor(f"{name} folders", self.folder, 0.5),
            Actor(f"{name} administrator", self.administrate, 2.0),
            Actor(f"{name} earlier version", self.age, 3.0),
        ]

    # Commands

    def command(self, rng: random.Random) -> None:
        rng.choices(
            (
                self.archive,
                self.archive_names,
                self.archive_dump,
                self.clear,
                self.rescan,
                self.garbage,
                self.half,
                self.pieces,
                self.remove,
                self.killed,
            ),
            (6, 10, 4, 8, 4, 4, 4, 3, 12, 4),
        )[0](rng)

    def archive(self, _: random.Random) -> None:
        self._write("archive", b"archive\n")

    def archive_names(self, rng: random.Random) -> None:
        names = [version.shown for version in self._some(rng, rng.randrange(1, 4))]
        self._write("archive NAME", f"archive {' '.join(names)}\n".encode() if names else b"\n")

    def archive_dump(self, rng: random.Random) -> None:
        names: list[str] = []
        with suppress(OSError):
            names = os.listdir(self.site.point / "dumps")
        if names:
            self._write("archive DUMP", f"archive {rng.choice(names)}\n".encode())

    def clear(self, rng: random.Random) -> None:
        # A name that is used again may be another record's when the command comes to it.
        found = self._some(rng, rng.randrange(1, 3))
        victims = [version for version in found if "-ramoops-" not in version.path]
        if victims:
            self.site.ledger.release(victims)
            names = " ".join(version.shown for version in victims)
            if self._write("clear NAME", f"clear {names}\n".encode()):
                for version in victims:
                    self._must_be_gone("clear", version)

    def rescan(self, _: random.Random) -> None:
        self._write("rescan", b"rescan\n")

    def garbage(self, rng: random.Random) -> None:
        junk = rng.choice(
            (
                rng.randbytes(rng.randrange(1, 300)).replace(b"clear", b"c"),
                b"archiv\n",
                b"clear\n",
                b"rescan now\n",
                b"clear dmesg-erst-1\0" + b"x" * 5000,
                b"x" * 4096,
            )
        )
        self._write("garbage", junk)

    def half(self, rng: random.Random) -> None:
        """Lines without an end: what has the name of one record in front may be another's."""
        text = b"clear ./dmesg-erst-1"
        cut = rng.randrange(1, len(text))
        if rng.random() < 0.5:
            # As the shells cut: the name of a record that is there stands before the cut.
            text = b"clear" + text[5:].rjust(4096 - 5)
            self._write("half a line", text)
        else:
            self._write("half a line", text[:cut] + b"\0", b"2")

    def pieces(self, rng: random.Random) -> None:
        """A command of more than 4096 bytes, cut at 4096, is carried out."""
        names = [version.shown for version in self._some(rng, 4)]
        if names:
            line = f"archive {' '.join(names)}".encode()
            line = line.replace(b" ", b" " * 4096, 1) + b"\n"
            self._write("a line in pieces", line[:4096], line[4096:])

    def remove(self, rng: random.Random) -> None:
        """A record is removed through the mount."""
        for version in self._some(rng, 1):
            epoch = self.site.epoch
            with self.stage.operation("rm", f"{self.site.name}/{version.shown}", quiet=False):
                try:
                    (self.site.point / version.shown).unlink()
                except OSError as error:
                    self._excuse("rm", error, epoch)
                else:
                    self._must_be_gone("rm", version)

    def killed(self, rng: random.Random) -> None:
        """A shell that is killed while it writes a command."""
        victims = self._some(rng, 3)
        line = f"archive {' '.join(version.shown for version in victims)}"
        with self.stage.operation("writer killed", f"{self.site.name} {line}", quiet=False):
            script = 'echo "$2" > "$1/control"'
            writer = programs.start(
                ["sh", "-c", script, "sh", str(self.site.point), line], stderr=subprocess.DEVNULL
            )
            self.group.add(writer.pid)
            time.sleep(rng.choice((0, 0.005, 0.02, 0.1)))
            writer.kill()
            writer.wait(HANG_SECONDS)

    def _must_be_gone(self, what: str, version: Version) -> None:
        if self.site.stands(version) and version.dead == float("inf"):
            raise Violation(f"{what} {version.path}: said to be done, but it is still there")

    def _write(self, kind: str, *pieces: bytes) -> bool:
        """Open control, write, close. Whether it was done."""
        epoch = self.site.epoch
        told = f"{self.site.name} {b''.join(pieces)[:200]!r}"
        with self.stage.operation(f"control: {kind}", told, quiet=False):
            try:
                control = os.open(self.site.point / "control", os.O_WRONLY | os.O_TRUNC)
                try:
                    for piece in pieces:
                        if os.write(control, piece) != len(piece):
                            raise Violation(f"control: {kind}: a short write")
                finally:
                    os.close(control)
            except OSError as error:
                self._excuse(kind, error, epoch)
                self.stage.note(f"  {self.site.name} {kind}: {error}")
                return False
            return True

    def _excuse(self, kind: str, error: OSError, epoch: int) -> None:
        self.stage.error(f"control: {kind}", error)
        if self.site.epoch != epoch or epoch % 2 == 1:
            if error.errno not in (*_LEAVING, *_ALLOWED[kind], *_FULL, errno.ESTALE):
                raise Violation(f"control: {kind}: {error} while it was mounted again")
        elif error.errno not in (*_ALLOWED[kind], *(_FULL if self.site.roomless else ())):
            raise Violation(f"control: {kind}: {error}: {self._answer()}")

    def _answer(self) -> str:
        with suppress(OSError):
            return (self.site.point / "control").read_text()[-900:]
        return ""

    def _some(self, rng: random.Random, count: int) -> list[Version]:
        """Records that may be there, but for those that stay."""
        found = [v for v in self.site.ledger.current() if v not in self.site.fixtures]
        return rng.sample(found, min(count, len(found)))

    # Records beneath it

    def change(self, rng: random.Random) -> None:
        """A record comes, is replaced, or goes."""
        site = self.site
        there = sum(len(files) for _, _, files in os.walk(site.source))
        with self._moving, self.stage.operation("change", site.name):
            if there > MOST_RECORDS or rng.random() < 0.15:
                for version in self._some(rng, 1 if there <= MOST_RECORDS else 5):
                    self.stage.note(f"{site.name}: taken: {version.path}")
                    site.take(version)
                return
            self.stage.done["records put in"] += 1
            kind = rng.random()
            if kind < 0.45:
                for content in site.supply.crash(rng):
                    site.put(content)
            elif kind < 0.65:
                site.put(site.supply.corpus(rng))
            elif kind < 0.9:
                site.put(site.supply.slot(rng, rng.randrange(4)))
            else:
                site.put(site.supply.broken(rng))
            if kind > 0.97:
                # As fast as it goes.
                for _ in range(20):
                    site.put(site.supply.slot(rng, 9))

    def folder(self, rng: random.Random) -> None:
        """A folder comes with its records, gets another name, or goes with all of them."""
        site = self.site
        with self._moving, self.stage.operation("folder", site.name):
            folders = sorted(path.name for path in site.source.iterdir() if path.is_dir())
            if len(folders) >= _MOST_FOLDERS or (folders and rng.random() < 0.3):
                self._remove_folder(rng.choice(folders))
            elif folders and rng.random() < 0.4:
                self._rename_folder(rng.choice(folders))
            else:
                name = f"folder-{site.supply.number()}"
                (site.source / name).mkdir()
                for content in site.supply.crash(rng):
                    site.put(content, name)

    def _inside(self, folder: str) -> list[Version]:
        return [v for v in self.site.ledger.current() if v.path.startswith(f"{folder}/")]

    def _remove_folder(self, name: str) -> None:
        """Taken out of the source at once, as by rename, then deleted."""
        inside = self._inside(name)
        self.site.ledger.release(inside)
        grave = self.site.staging / f"grave{self.site.supply.number()}"
        (self.site.source / name).rename(grave)
        self.site.ended(inside)
        programs.run(["rm", "-rf", str(grave)], check=True)

    def _rename_folder(self, name: str) -> None:
        new = f"folder-{self.site.supply.number()}"
        moved = [(v, self.site.ledger.open(v.content, f"{new}/{v.content.name}"))
                 for v in self._inside(name)]  # fmt: skip
        (self.site.source / name).rename(self.site.source / new)
        for old, version in moved:
            # What was archived by now moves nothing; the books know it by its content.
            version.required, old.required = old.required, False
            version.settled = time.monotonic()
        self.site.ended([old for old, _ in moved])

    # The archive

    def age(self, rng: random.Random) -> None:
        """The archive becomes one of an earlier version, in parts."""
        with self.stage.operation("aged", self.site.name, quiet=False):
            self.site.age(rng)

    def administrate(self, rng: random.Random) -> None:
        """Old dumps are deleted, and now and then all."""
        dumps = len(list(self.site.archive.glob("[!.]*")))
        most = 8 if self.site.roomless and rng.random() < 0.5 else MOST_DUMPS
        if dumps > most:
            with self.stage.operation("dumps deleted", f"{self.site.name} {dumps}", quiet=False):
                self.site.prune(rng.choice((most // 2, 0)))
