"""What goes wrong around a mount: memory, caches, clocks, disks, and its own end."""

from __future__ import annotations

import os
import random
import re
import time
from contextlib import suppress
from datetime import datetime, timezone

from tests.soak.memory import Group
from tests.soak.site import Site
from tests.soak.stage import LONG_SECONDS, Actor, Stage, Violation

#: A daemon is stopped for so long at most.
STOP_SECONDS = 2.0
_ENDS = ("umount", "lazy", "SIGTERM", "SIGINT", "SIGHUP", "SIGKILL")
_HOUR, _YEAR = 3600, 31_556_952
_JUMPS = (0, 1, -1, _HOUR, -_HOUR, 30 * _HOUR, -30 * _HOUR, _YEAR, -_YEAR, 9 * _YEAR, -30 * _YEAR)
_ANSWER = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ", re.MULTILINE)
_DROP_CACHES = "/proc/sys/vm/drop_caches"


class Troubles:
    """All that befalls one mount. ``everything``: the whole machine's caches are dropped, too."""

    def __init__(self, stage: Stage, site: Site, clients: Group, *, everything: bool) -> None:
        self.stage, self.site, self.clients = stage, site, clients
        self.everything = everything

    def actors(self) -> list[Actor]:
        name = self.site.name
        actors = [
            Actor(f"{name} stops", self.stop, 4.0),
            Actor(f"{name} caches", self.evict, 1.0),
            Actor(f"{name} clock", self.jump, 4.0),
        ]
        if self.site.roomless:
            actors.append(Actor(f"{name} disk", self.fill, 1.5))
        if self.site.name == "shaken":
            actors.append(Actor(f"{name} ends", self.end, 3.0))
        return actors

    def stop(self, rng: random.Random) -> None:
        """The daemon stands still for a while."""
        with self.stage.operation("daemon stopped", self.site.name, quiet=False), \
                self.site.stopped():  # fmt: skip
            time.sleep(rng.choice((0.02, 0.2, 1.0, STOP_SECONDS)))

    def evict(self, rng: random.Random) -> None:
        """Names, inodes and pages leave the kernel's caches."""
        if rng.random() < 0.4:
            with self.stage.operation("names dropped", self.site.name), self.site.handling:
                self.site.shrink()
        elif rng.random() < 0.4:
            with self.stage.operation("clients' caches dropped", self.site.name):
                self.clients.evict()
        elif self.everything:
            kind = rng.choice("123")
            with self.stage.operation(f"drop_caches {kind}", "", quiet=False), \
                    open(_DROP_CACHES, "w") as file:  # fmt: skip
                file.write(kind)

    def jump(self, rng: random.Random) -> None:
        """The daemon's wall clock goes by up to 30 years; the others stay."""
        seconds = rng.choice(_JUMPS)
        with self.stage.operation("clock", f"{self.site.name} {seconds:+d} s", quiet=False):
            epoch = self.site.epoch
            self.site.set_clock(seconds)
            try:
                self._see(seconds)
            except (OSError, Violation):
                if epoch % 2 == 0 and self.site.epoch == epoch:
                    raise

    def _see(self, seconds: int) -> None:
        """The answer to a command carries the daemon's time."""
        (self.site.point / "control").write_text("rescan\n")
        expected = time.time() + seconds
        said = _ANSWER.findall((self.site.point / "control").read_text())
        times = [
            datetime.strptime(word, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
            for word in said
        ]
        # Whoever was stopped meanwhile sees later times.
        if not any(-5 < expected - when < 60 for when in times):
            raise Violation(f"{self.site.name}: the clock should say {expected}, not {said[-1:]}")

    def fill(self, rng: random.Random) -> None:
        """The archive's disk gets full to the last bytes, and after a while there is room again."""
        ballast = self.site.disk / "ballast"
        with self.stage.operation("disk filled", self.site.name, quiet=False):
            left = rng.choice((0, 4096, 60_000, 300_000))
            room = os.statvfs(self.site.archive)
            with suppress(OSError), ballast.open("wb") as file:
                file.write(bytes(max(0, room.f_bavail * room.f_bsize - left)))
            time.sleep(rng.uniform(0.3, 2.0))
            ballast.unlink()

    def end(self, rng: random.Random) -> None:
        """It ends, and is mounted again."""
        how = rng.choice(_ENDS)
        with self.stage.operation(
            "restart", f"{self.site.name} {how}", quiet=False, limit=LONG_SECONDS
        ):
            self.site.leave(how)


class Scarcity:
    """Memory becomes scarce for all daemons together."""

    def __init__(self, stage: Stage, group: Group) -> None:
        self.stage, self.group = stage, group

    def actors(self) -> list[Actor]:
        return [Actor("memory", self.squeeze, 6.0)]

    def squeeze(self, rng: random.Random) -> None:
        with self.stage.operation("memory scarce", "", quiet=False):
            try:
                if not self.group.squeeze():
                    self.stage.refused["memory scarce: not possible at this moment"] += 1
                time.sleep(rng.uniform(0.3, 2.0))
            finally:
                self.group.release()
