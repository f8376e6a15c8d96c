"""python -m tests.soak: see the package's own words."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests import figures
from tests.soak import programs
from tests.soak.memory import Group
from tests.soak.quiet import TOLERANCE, History, hold
from tests.soak.readers import Readers
from tests.soak.site import CLOCK, Site, build_clock
from tests.soak.stage import Actor, Stage, Violation
from tests.soak.troubles import Scarcity, Troubles
from tests.soak.writers import Writers

_INSIDE = "SOAK_INSIDE"
_QUIET_SECONDS = 20.0
_BUILD = Path(__file__).resolve().parents[2] / "build"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--log", type=Path, default=_BUILD / "soak.log")
    parser.add_argument(
        "--everything",
        action="store_true",
        help="also drop the caches of the whole machine, which slows all others on it",
    )
    return parser.parse_args()


def main() -> int:
    if _INSIDE not in os.environ:
        # Mounts of its own: a namespace that somebody else makes meanwhile holds no copy of them.
        # Processes of its own: whatever ends this one ends all.
        own = ["unshare", "--mount", "--propagation", "private"]
        own += ["--pid", "--fork", "--kill-child", "--mount-proc"]
        program = [sys.executable, "-m", "tests.soak", *sys.argv[1:]]
        os.execvpe(own[0], [*own, *program], os.environ | {_INSIDE: "1"})  # noqa: S606
    arguments = _arguments()
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    stage = Stage(arguments.seed, arguments.log)
    _say(f"soak: {arguments.seconds:.0f} seconds, seed {arguments.seed}, log {arguments.log}")
    stage.note(f"seed {arguments.seed}, {arguments.seconds} seconds")
    soak = Soak(stage, everything=arguments.everything)
    try:
        soak.run(arguments.seconds)
    except Violation as violation:
        stage.fail(str(violation))
    except Exception:  # noqa: BLE001 (a fault of the harness is told as any other failure)
        stage.fail(traceback.format_exc())
    finally:
        soak.close()
    soak.report()
    if stage.violation is not None:
        _say(f"soak: failed with seed {arguments.seed}: {stage.violation}")
        return 1
    _say("soak: passed")
    return 0


class Soak:
    """All sites and all actors."""

    def __init__(self, stage: Stage, *, everything: bool) -> None:
        self.stage, self.everything = stage, everything
        self.base = Path(tempfile.mkdtemp(prefix="pstorefs-soak-", dir="/var/tmp"))
        self.daemons = Group(f"{self.base.name}-daemons")
        self.clients = Group(f"{self.base.name}-clients")
        self.sites: list[Site] = []
        self.readers: list[Readers] = []
        self.histories: dict[str, History] = {}
        self.peaks: dict[str, dict[str, int]] = {}
        self.seconds = 0.0

    def run(self, seconds: float) -> None:
        """Everything, for so long."""
        build_clock(self.base / CLOCK)
        actors = Scarcity(self.stage, self.daemons).actors()
        for name in ("steady", "tight", "shaken"):
            actors += self._site(name)
        self.stage.hanging = self._hanging
        self.stage.frozen = lambda: any(site.frozen() for site in self.sites)
        self._quiet()
        self.stage.run([*actors, Actor("watch", lambda _: self._watch(), 0.5)])
        end = self.stage.began + seconds
        while not self.stage.ended.wait(min(_QUIET_SECONDS, max(0.0, end - time.monotonic()))):
            with self.stage.quiet():
                if self.stage.ended.is_set():
                    break
                self._quiet()
            if time.monotonic() >= end:
                break
        self.stage.end()
        self.seconds = time.monotonic() - self.stage.began
        if self.stage.violation is None:
            self._last_checks()

    def _site(self, name: str) -> list[Actor]:
        site = Site(self.stage, name, self.base / name, self.daemons, roomless=name == "tight")
        self.sites.append(site)
        site.start()
        readers = Readers(self.stage, site, self.clients)
        self.readers.append(readers)
        writers = Writers(self.stage, site, self.clients)
        troubles = Troubles(self.stage, site, self.clients, everything=self.everything)
        return [*readers.actors(), *writers.actors(), *troubles.actors()]

    def _watch(self) -> None:
        for site in self.sites:
            site.watch()

    def _quiet(self) -> None:
        for site in self.sites:
            life = f"{site.name} {site.lives}" if site.name == "shaken" else site.name
            history = self.histories.setdefault(life, History())
            for name, value in hold(self.stage, site, history).items():
                peaks = self.peaks.setdefault(site.name, {})
                peaks[name] = max(value, peaks.get(name, 0))
        self.stage.done["quiet points"] += 1

    def _last_checks(self) -> None:
        for site in self.sites:
            site.finish()
        for name, history in self.histories.items():
            if len(history.times) > 2 and (grown := history.grown()):
                raise Violation(f"{name}: a leak: {'; '.join(grown)}")

    def _hanging(self) -> None:
        for site in self.sites:
            self.stage.note(site.explain())
        self._abandon()

    def _abandon(self) -> None:
        for site in self.sites:
            site.abandon()

    def close(self) -> None:
        """Leave nothing behind."""
        self.stage.ended.set()
        self._abandon()
        self.stage.end()
        for readers in self.readers:
            readers.close()
        for group in (self.daemons, self.clients):
            group.remove()
        for mounted in ("points", "disk"):
            for site in self.sites:
                point = str(site.base / mounted)
                programs.run(["umount", "-l", point], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.base, ignore_errors=True)

    def report(self) -> None:
        """The table, and the figures of the report."""
        stage = self.stage
        _say("\noperations")
        for kind, count in sorted(stage.done.items()):
            _say(f"  {kind:28} {count:12,}")
        _say("errors that had a reason")
        for kind, count in sorted(stage.refused.items()):
            _say(f"  {kind:44} {count:8,}")
        if self.daemons.place is None:
            _say("memory was never scarce: no memory cgroup can be made here")
        _say(f"slowest operation: {stage.slowest:.1f} s")
        for name in ("steady", "tight"):
            history = self.histories.get(name)
            if history is None or len(history.times) < 2:
                continue
            _say(f"{name}: quiet points {len(history.times)}")
            _say(f"  {'':10} {'first':>9} {'last':>9} {'peak':>9} {'growth':>9} {'allowed':>9}")
            for key in TOLERANCE:
                values = history.values[key]
                numbers = (values[0], values[-1], self.peaks[name][key], round(history.growth(key)))
                words = "".join(f" {number:9,}" for number in numbers)
                _say(f"  {key:10}{words} {history.allowed(key):9,.0f}")
        self._figures()

    def _figures(self) -> None:
        stage, passed = self.stage, self.stage.violation is None
        operations = sum(stage.done.values()) - stage.done["bytes read"]
        restarts = sum(n for kind, n in stage.done.items() if kind.startswith("ended by"))
        points = stage.done["quiet points"]
        figures.record(
            "soak",
            "a soak of three mounts",
            f"{self.seconds:.0f} s, {operations} operations, {stage.done['records put in']} records"
            f" put in, {restarts} restarts, {points} quiet points, seed {stage.seed}",
            "no wrong or cut text, nothing lost, no hang, no unannounced word",
            passed,
        )
        figures.record("soak", "slowest operation", f"{stage.slowest:.1f} s", "30 s", passed)
        for name in ("steady", "tight"):
            history = self.histories.get(name)
            for key in TOLERANCE if history and len(history.times) > 2 else ():
                grown, allowed = history.growth(key), history.allowed(key)
                first, last = history.values[key][0], history.values[key][-1]
                figures.record(
                    "soak",
                    f"{name}: {key}",
                    f"{first} at the first quiet point, {last} at the last, trend {grown:+.0f}",
                    f"trend at most {allowed:+.0f}",
                    grown <= allowed,
                )


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
