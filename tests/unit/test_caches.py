"""The bounded caches of texts: what stays, what goes, and that an idle one empties itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pstorefs.record import decoded
from pstorefs.record.decoded import Decoded
from pstorefs.record.reading import DECODED, Reading
from pstorefs.system.recent import Recent

STAMP = 1


def put(shelf: Decoded, key: str, text: bytes) -> None:
    shelf.put((key, STAMP), b"", Reading(text, DECODED, "deflate"))


def take(shelf: Decoded, key: str) -> bytes | None:
    return shelf.take((key, STAMP))


ROOT = Path(__file__).resolve().parents[2]


def test_a_cache_drops_what_was_not_asked_for_longest() -> None:
    cache = Recent(30, len)
    for key in "abc":
        cache.put(key, b"0123456789")
    assert cache.get("a")
    cache.put("d", b"0123456789")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_a_cache_keeps_no_text_that_would_push_out_all_others() -> None:
    cache = Recent(30, len)
    cache.put("a", b"0123456789")
    cache.put("b", b"0" * 16)
    assert cache.get("a")
    assert cache.get("b") is None


def test_a_cache_whose_last_value_stays_keeps_it_whatever_it_weighs() -> None:
    cache = Recent(30, len, last_stays=True)
    for key, size in (("a", 10), ("b", 16), ("c", 99), ("d", 40)):
        cache.put(key, b"0" * size)
        assert cache.get(key), key
    assert [key for key in "abcd" if cache.get(key)] == ["d"]
    cache.put("e", b"0")
    assert [key for key in "de" if cache.get(key)] == ["e"]


def test_a_shelf_gives_each_text_once() -> None:
    shelf = Decoded()
    put(shelf, "a", b"text")
    assert take(shelf, "a") == b"text"
    assert take(shelf, "a") is None


def test_a_full_shelf_keeps_the_older_texts_and_has_room_again_when_they_are_taken() -> None:
    shelf = Decoded(limit=20)
    for key in "abc":
        put(shelf, key, b"0123456789")
    assert take(shelf, "c") is None
    assert take(shelf, "a")
    put(shelf, "c", b"0123456789")
    assert take(shelf, "c")
    assert take(shelf, "b")


def test_a_key_that_is_put_again_is_counted_once() -> None:
    shelf = Decoded(limit=20)
    for _ in range(5):
        put(shelf, "a", b"0123456789")
    put(shelf, "b", b"0123456789")
    assert take(shelf, "a")
    assert take(shelf, "b")


def test_what_was_looked_at_stays_and_counts_what_was_stored_too() -> None:
    shelf = Decoded(limit=20)
    reading = Reading(b"0123456789", DECODED, "deflate")
    shelf.put(("a", STAMP), b"01234", reading)
    assert shelf.get(("a", STAMP)) == (b"01234", reading)
    assert shelf.get(("a", STAMP + 1)) is None
    put(shelf, "b", b"012345")
    assert take(shelf, "b") is None, "there was no room"
    assert take(shelf, "a")


def test_a_shelf_that_nobody_comes_to_empties_itself_and_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoded, "_SECONDS", -0.9)  # swept 0.1 s later
    before = set(threading.enumerate())  # timers of other tests end meanwhile
    shelf = Decoded(limit=20)
    with shelf._lock:  # nothing is swept meanwhile, however long this takes
        put(shelf, "a", b"0123456789")
        put(shelf, "b", b"0123456789")
        (sweeper,) = set(threading.enumerate()) - before
    sweeper.join(60)
    assert not set(threading.enumerate()) - before, "a thread that waits is a wake-up to come"
    assert take(shelf, "a") is None
    put(shelf, "c", b"0" * 20)
    assert take(shelf, "c"), "what was dropped still takes room"


# In a process of its own: what it tells malloc holds for all of a process.
_LARGE_LISTING = """
import os, time
from pathlib import Path
from pstorefs.record import decoded
from pstorefs.record.reading import Reading
from pstorefs.system import malloc

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

malloc.share()
decoded._SECONDS = -0.9
shelf = decoded.Decoded()
for turn in range(3):
    before = resident()
    with shelf._lock:  # nothing is swept meanwhile, however long this takes
        for key in range(900):
            shelf.put((str(key), 0), b"", Reading(os.urandom(17_000), "decoded", "deflate"))
        full = resident()
    end = time.monotonic() + 60
    while resident() - before > 3 << 20 and time.monotonic() < end:
        time.sleep(0.01)
    hinted = [line for line in Path("/proc/self/smaps").read_text().splitlines()
              if line.startswith("VmFlags") and "hg" in line.split()]
    print(full - before, resident() - before, len(hinted))
"""


def test_what_a_large_listing_took_is_given_back() -> None:
    command = [sys.executable, "-c", _LARGE_LISTING]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    for line in said.splitlines():
        taken, kept, hinted = map(int, line.split())
        assert taken > 14 << 20
        assert kept < 3 << 20
        assert not hinted, "khugepaged would take it again, see transhuge.rst (max_ptes_none)"


def test_without_a_thread_to_drop_it_nothing_is_kept(
    without_threads: AbstractContextManager[None],
) -> None:
    shelf = Decoded()
    with without_threads:
        put(shelf, "a", b"text")
        assert take(shelf, "a") is None
    put(shelf, "a", b"text")
    assert take(shelf, "a")


def test_what_no_further_sweep_could_drop_is_dropped_at_once(
    without_threads: AbstractContextManager[None],
) -> None:
    shelf = Decoded(limit=20)
    put(shelf, "a", b"0123456789")
    sweeper = shelf._sweeper
    assert sweeper
    sweeper.cancel()
    with without_threads:
        shelf._sweep()
    assert take(shelf, "a") is None
    put(shelf, "b", b"0" * 20)
    assert take(shelf, "b")
