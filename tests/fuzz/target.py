"""What a target of the fuzzer is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# Longest pieces that inputs are made of; records of kernels are mostly shorter.
LONGEST = 4096


def no_seeds() -> Iterable[bytes]:
    """For a target that begins with nothing."""
    return ()


@dataclass(frozen=True)
class Target:
    """One function under the fuzzer.

    ``check`` takes any bytes and raises (AssertionError or whatever the code lets out) if something
    does not hold. ``seconds`` and ``seconds_per_byte`` say how much CPU time one input may take:
    generous, as instrumented code is several times slower.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]] = no_seeds
    #: Words that stand in inputs, for the mutator.
    words: tuple[bytes, ...] = ()
    longest: int = LONGEST
    seconds: float = 1.0
    seconds_per_byte: float = 0.0002
    #: Rounds of a fair division of time that this one takes part in: its share.
    share: int = 1

    def __call__(self, data: bytes) -> None:
        """Run the check, and hold it to its time."""
        allowed = self.seconds + self.seconds_per_byte * len(data)
        started = time.process_time()
        self.check(data)
        used = time.process_time() - started
        assert used <= allowed, f"{used:.2f} s of CPU for {len(data)} bytes, {allowed:.2f} allowed"
