"""What a process takes no more of, and that others of its programs are not held to that."""

from __future__ import annotations

import resource
import subprocess
import sys

_BOTH = resource.RLIMIT_DATA, resource.RLIMIT_CORE


def test_within_the_block_memory_and_core_dumps_are_bounded_and_after_it_not() -> None:
    words = """
from resource import RLIMIT_CORE, RLIMIT_DATA, getrlimit
from pstorefs.system.limits import bounded
before = getrlimit(RLIMIT_DATA), getrlimit(RLIMIT_CORE)
with bounded(64 << 20):
    assert getrlimit(RLIMIT_CORE)[0] == 0
    bytes(32 << 20)
    try:
        bytes(128 << 20)
    except MemoryError:
        print("bounded")
bytes(128 << 20)
assert (getrlimit(RLIMIT_DATA), getrlimit(RLIMIT_CORE)) == before
print("as before")
"""
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n") == ["bounded", "as before", ""], done


def test_a_run_that_ends_leaves_the_limits_of_the_process_as_they_were() -> None:
    from pstorefs.cli.ship import main

    before = [resource.getrlimit(which) for which in _BOTH]
    main(["--check", "-o", "archive=/nonexistent,credentials=/nonexistent", "s3://b/p"])
    assert [resource.getrlimit(which) for which in _BOTH] == before
