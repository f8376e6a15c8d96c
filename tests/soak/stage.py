"""The stage: actors that take turns to pause, a watchdog, a log, and the first violation."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import random
import signal
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: No operation may take longer, in seconds of a processor that does nothing else, see `Stage`; and
#: one that is many requests, for a whole tree or for a new mount.
HANG_SECONDS = 30.0
LONG_SECONDS = 120.0
_TICK = 0.25
# What takes longer is noted.
_SLOW_SECONDS = 3.0


class Violation(Exception):  # noqa: N818 (it is no error of the harness)
    """Something that must not be, in a sentence."""


@dataclass(frozen=True)
class Actor:
    """Something done again and again, with a pause of that many seconds on average."""

    name: str
    act: Callable[[random.Random], None]
    pause: float


class Stage:
    """Where actors act. The first violation ends it."""

    def __init__(self, seed: int, log: Path) -> None:
        self.seed = seed
        self.began = time.monotonic()
        self.violation: str | None = None
        self.ended = threading.Event()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.slowest = 0.0
        self._log = log.open("w", buffering=1)
        # kill -USR2: what everybody is doing.
        faulthandler.register(signal.SIGUSR2, self._log)
        self._recent: deque[str] = deque(maxlen=400)
        self._paused = False
        self._turns = 0
        self._condition = threading.Condition()
        self._under_way: dict[int, tuple[float, float, str]] = {}
        # A clock that stands still while the whole machine, or the harness, does; and goes slower
        # the more there is to do for each processor: what has to wait for its turn does not hang.
        self._clock = 0.0
        self.hanging: Callable[[], None] = lambda: None
        #: Whether a daemon is stopped, by us or by somebody else on the machine.
        self.frozen: Callable[[], bool] = lambda: False
        self._threads: list[threading.Thread] = []

    # Words

    def note(self, words: str, *, quiet: bool = False) -> None:
        """Log what was done; with `quiet` it is shown only if there is a violation soon after."""
        line = f"{time.monotonic() - self.began:9.3f} {words}"
        self._recent.append(line)
        if not quiet:
            self._log.write(line + "\n")

    def fail(self, sentence: str) -> None:
        """The soak is over."""
        if self.violation is None:
            self.violation = sentence
            self._log.write("the last operations:\n")
            self._log.writelines(f"  {line}\n" for line in list(self._recent))
            self._log.write(f"VIOLATION {sentence}\n")
        self.ended.set()
        with self._condition:
            self._condition.notify_all()

    def error(self, kind: str, error: OSError) -> None:
        """An error that is allowed."""
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        self.refused[f"{kind}: {name}"] += 1

    # Operations and turns

    @contextlib.contextmanager
    def operation(
        self, kind: str, what: str, *, quiet: bool = True, limit: float = HANG_SECONDS
    ) -> Iterator[None]:
        """One operation, counted, logged, and watched over."""
        me = threading.get_ident()
        began, outer = self._clock, self._under_way.get(me)
        self._under_way[me] = began, limit, f"{kind} {what}"
        self.note(f"{kind} {what}", quiet=quiet)
        try:
            yield
        finally:
            self.done[kind] += 1
            took = self._clock - began
            self.slowest = max(self.slowest, took)
            if took > _SLOW_SECONDS:
                self.note(f"  {took:.1f} seconds: {kind} {what}")
            if outer is None:
                del self._under_way[me]
            else:
                self._under_way[me] = outer

    def run(self, actors: list[Actor]) -> None:
        """Start the watchdog and all actors."""
        self._threads = [threading.Thread(target=self._watch, daemon=True)]
        self._threads += [
            threading.Thread(target=self._play, args=(actor,), name=actor.name, daemon=True)
            for actor in actors
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """All actors leave."""
        self.ended.set()
        with self._condition:
            self._condition.notify_all()
        for thread in self._threads:
            thread.join(HANG_SECONDS)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """All actors wait, none is in the middle of something."""
        with self._condition:
            self._paused = True
            self._condition.wait_for(lambda: self._turns == 0 or self.ended.is_set())
        try:
            yield
        finally:
            with self._condition:
                self._paused = False
                self._condition.notify_all()

    def _play(self, actor: Actor) -> None:
        rng = random.Random(f"{self.seed} {actor.name}")
        while not self.ended.wait(rng.expovariate(1 / actor.pause)):
            with self._condition:
                self._condition.wait_for(lambda: not self._paused or self.ended.is_set())
                if self.ended.is_set():
                    return
                self._turns += 1
            try:
                actor.act(rng)
            except Violation as violation:
                self.fail(f"{actor.name}: {violation}")
            except Exception:  # noqa: BLE001 (a fault of the harness ends the soak as well)
                self.fail(f"{actor.name}: {traceback.format_exc()}")
            finally:
                with self._condition:
                    self._turns -= 1
                    self._condition.notify_all()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self.ended.wait(_TICK):
            now = time.monotonic()
            if not self.frozen():
                self._clock += min(now - before, 4 * _TICK) / _crowd()
            before = now
            for began, limit, what in list(self._under_way.values()):
                if self._clock - began > limit:
                    faulthandler.dump_traceback(self._log, all_threads=True)
                    self.fail(f"a hang: no end after {limit:.0f} seconds: {what}")
                    self.hanging()
                    return


def _crowd() -> float:
    """How many want a processor that this process may use; 1 if there is no crowd."""
    running = Path("/proc/loadavg").read_text().split()[3].partition("/")[0]
    return max(1.0, int(running) / len(os.sched_getaffinity(0)))
