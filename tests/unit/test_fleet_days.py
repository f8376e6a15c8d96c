"""Which crashes a store holds: what is listed when, what is cached, and what is passed over."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pstorefs.fleet import days as module
from pstorefs.fleet import grouped, keys
from pstorefs.fleet.daycache import Day, DayCache, path_of
from pstorefs.fleet.days import FRESH_SECONDS, Days, believed, is_open
from pstorefs.fleet.gather import gather
from pstorefs.fleet.objects import behind
from pstorefs.fleet.remote import REQUEST_SECONDS, Found, RemoteError
from pstorefs.fleet.retry import Clock
from pstorefs.fleet.spool import Spool
from pstorefs.fleet.tried import TRIES, Tried
from tests.fleet.crashes import Crash, crash, crashes, write

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
HOUR, DAY = 3600.0, 86400.0


class Store(Spool):
    """A store that is a directory, and what was asked of it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory))
        self.listed: list[str] = []
        self.fails: RemoteError | None = None
        self.waits: threading.Event | None = None

    def names(self, prefix: str) -> Found:
        self.listed.append(prefix.removeprefix("v1/index/date=").rstrip("/"))
        if self.waits:
            self.waits.wait(30)
        if self.fails:
            raise self.fails
        return super().names(prefix)

    def folders(self, prefix: str) -> list[str]:
        if self.fails:
            raise self.fails
        return super().folders(prefix)


class Site:
    """A store, a cache, and a clock."""

    def __init__(self, base: Path) -> None:
        self.directory = base / "store"
        self.directory.mkdir()
        self.store = Store(self.directory)
        self.cache = base / "cache" / "days.sqlite"
        self.time = NOW.timestamp()
        self.days = self.anew()

    def anew(self) -> Days:
        """As after a new start."""
        return Days(self.store, DayCache(str(self.cache)), lambda: self.time)

    def add(self, *found: Crash) -> None:
        write(self.directory, list(found), whole=False)

    def look(self) -> set[str]:
        """The names of all dumps after a look that nobody has to wait for again."""
        self.days._holds_until = float("-inf")
        view = self.days.view()
        end = time.monotonic() + 20
        while self.days._look is not None and time.monotonic() < end:
            time.sleep(0.001)
        return {name for names in (self.days._view or view).days.values() for name in names}

    def asked(self) -> list[str]:
        found, self.store.listed = sorted(self.store.listed), []
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def at(days: float, number: int = 1) -> Crash:
    return crash(number, NOW - timedelta(days=days))


RULE = [
    # date, hours from noon of the 28th, seconds
    ("2026-11-28", 0, FRESH_SECONDS),
    ("2026-11-27", 0, FRESH_SECONDS),
    ("2026-11-26", 0, FRESH_SECONDS),
    ("2026-11-26", 12, FRESH_SECONDS),
    ("2026-11-26", 12.01, 6 * HOUR),
    ("2026-11-25", 0, 7.5 * HOUR),
    ("2026-11-22", 0, 16.5 * HOUR),
    ("2026-01-01", 0, DAY),
    ("0001-01-01", 0, DAY),
    ("2026-11-30", 0, FRESH_SECONDS),
    ("2026-12-02", 0, 10.5 * HOUR),
    ("9999-12-31", 0, DAY),
    ("2026-06-31", 0, DAY),
]


@pytest.mark.parametrize(("date", "hours", "seconds"), RULE)
def test_how_long_a_list_of_a_day_is_believed(date: str, hours: float, seconds: float) -> None:
    now = NOW.timestamp() + hours * HOUR
    assert believed(date, now) == pytest.approx(seconds, rel=0.01)
    assert is_open(date, now) == (seconds == FRESH_SECONDS)


def test_an_open_day_is_listed_again_and_a_closed_one_is_not(site: Site) -> None:
    site.add(at(0), at(10, 2))
    first = site.look()
    assert len(first) == 2
    assert site.asked() == ["2026-11-18", "2026-11-28"]
    site.add(at(0.01, 3), at(10.01, 4))
    site.time += FRESH_SECONDS + 1
    assert len(site.look()) == 3
    assert site.asked() == ["2026-11-28"]
    site.time += DAY
    assert len(site.look()) == 4
    assert site.asked() == ["2026-11-18", "2026-11-28"]


def test_closed_days_come_out_of_the_cache_after_a_new_start(site: Site) -> None:
    site.add(at(0), at(10, 2), at(20, 3))
    before = site.look()
    site.asked()
    site.days = site.anew()
    assert site.look() == before
    assert site.asked() == ["2026-11-28"]
    assert site.cache.stat().st_mode & 0o077 == 0
    assert site.cache.parent.stat().st_mode & 0o077 == 0
    site.cache.unlink()
    site.days = site.anew()
    assert site.look() == before
    assert len(site.asked()) == 3


def test_a_day_that_is_gone_from_the_store_is_forgotten(site: Site) -> None:
    site.add(at(0), at(10, 2))
    site.look()
    for path in (site.directory / "v1/index/date=2026-11-18").iterdir():
        path.unlink()
    (site.directory / "v1/index/date=2026-11-18").rmdir()
    assert len(site.look()) == 1
    site.days = site.anew()
    assert len(site.look()) == 1


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def another(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE day_1 (a, b)")
    database.close()


def hostile(path: Path) -> None:
    with sqlite3.connect(path) as database:
        import zlib

        row = ("2026-11-18", 1.7e9, zlib.compress(b"../../etc/passwd"), zlib.compress(b""), b"x")
        database.execute("INSERT OR REPLACE INTO day_1 VALUES (?, ?, ?, ?, ?)", row)
    database.close()


def no_blob(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("INSERT OR REPLACE INTO day_1 VALUES ('2026-11-18', 'x', 5, '', 7)")
    database.close()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("spoil", [garbage, another, hostile, no_blob, directory, link, cut])
def test_a_cache_that_is_none_costs_the_cache_and_no_more(
    spoil: Callable[[Path], None], site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add(at(0), at(10, 2))
    before = site.look()
    with_passwords = Path("/etc/passwd").read_bytes()
    spoil(site.cache)
    site.days = site.anew()
    assert site.look() == before
    assert (
        len([each for each in caplog.records if "asked of the store again" in each.getMessage()])
        == 1
    )
    assert Path("/etc/passwd").read_bytes() == with_passwords


def test_a_cache_that_somebody_else_holds_is_done_without(site: Site) -> None:
    site.add(at(0), at(10, 2))
    before = site.look()
    holder = sqlite3.connect(site.cache)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        site.days = site.anew()
        assert site.look() == before
    finally:
        holder.close()


def test_keys_that_are_no_entries_are_passed_over_and_told_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add(at(0))
    day = site.directory / "v1/index/date=2026-11-28"
    for name in ("x.json", "..json", "a\nb.json", "evil\x1b[2J.json", "x" * 250 + ".json", "x"):
        (day / name).touch()
    (day / "sub").mkdir()
    (day / "link.json").symlink_to("/etc/passwd")
    for name in ("date=../..", "date=", "date=2026-11-2x", "hour=1"):
        (site.directory / "v1/index" / name.replace("/", "%")).mkdir()
    assert len(site.look()) == 1
    site.look()
    told = [each.getMessage() for each in caplog.records]
    assert len([words for words in told if "ignored" in words]) == 1


def test_days_without_number_cost_no_more_than_the_bound(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_DAYS", 5)
    site.add(*(at(number, number) for number in range(-4, 9)))
    site.look()
    assert site.asked() == [f"2026-11-{number}" for number in (26, 27, 28, 29, 30)]


def test_clocks_that_are_wrong_make_days_of_their_own(site: Site) -> None:
    future = datetime(2099, 1, 1, tzinfo=timezone.utc)
    site.add(at(0), crash(2, future), crash(3, datetime(1970, 1, 1, tzinfo=timezone.utc)))
    assert len(site.look()) == 3
    site.asked()
    site.time += FRESH_SECONDS + 1
    site.look()
    assert site.asked() == ["2026-11-28"], "what is far in the future is as closed as the past"


def test_a_store_that_is_away_shows_what_is_known(site: Site) -> None:
    site.add(at(0), at(10, 2))
    before = site.look()
    site.store.fails = RemoteError(errno.EHOSTDOWN, "connection refused")
    assert site.look() == before
    assert "connection refused" in site.days.state[1]
    site.days = site.anew()  # what was open is not in the cache
    assert len(site.look()) == 1
    site.store.fails = None
    assert site.look() == before
    assert site.days.state[1] == ""


def test_a_store_that_was_never_reached_is_an_error_for_who_asks(site: Site) -> None:
    site.add(at(0))
    site.store.fails = RemoteError(errno.EACCES, "403")
    with pytest.raises(RemoteError, match="403") as raised:
        site.look()
    assert raised.value.errno == errno.EACCES
    site.store.fails = None
    site.days._failed_until = float("-inf")
    assert len(site.look()) == 1


def test_a_slow_store_holds_up_nobody_who_has_an_older_list(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add(at(0))
    before = site.look()
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    site.store.waits = threading.Event()
    site.add(at(0.01, 2))
    site.days._holds_until = float("-inf")
    site.time += FRESH_SECONDS + 1
    views = [site.days.view() for _ in range(3)]
    assert all(view.total == len(before) for view in views)
    assert site.asked().count("2026-11-28") == 2, "one look at a time"
    site.store.waits.set()
    while site.days._look is not None:
        time.sleep(0.001)
    assert site.days.view().total == 2


def test_several_who_look_first_wait_for_one_look(site: Site) -> None:
    site.add(at(0))
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(site.days.view().total)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
    assert site.asked() == ["2026-11-28"]


def grown(number: int, times: int, machine: str = "m" * 32) -> list[Crash]:
    """A dump as it was sent again and again while it grew."""
    made: list[Crash] = []
    for step in range(times):
        old = made[-1].id if made else None
        raw = b"%d %d" % (number, step)
        made.append(
            crash(
                1, NOW - timedelta(days=number), raw=raw, machine=machine, label="a-b-1",
                host="h", replaces=old,
            )
        )  # fmt: skip
    return made


def test_of_a_dump_that_grew_the_newest_is_shown(site: Site) -> None:
    sent = grown(0, 4)
    site.add(*sent, *grown(10, 2, "n" * 32), at(0.5, 7))
    shown = site.look()
    assert len(shown) == 3
    assert sent[-1].names.index_key.rpartition("/")[2].removesuffix(".json") in shown
    site.days = site.anew()
    assert site.look() == shown


def test_who_lies_about_what_it_replaces_hides_nothing_of_others(site: Site) -> None:
    first, second = grown(0, 2)
    cycle = first._replace(replaces=second.id)
    site.add(cycle, second)
    assert len(site.look()) == 2, "each says that it replaces the other"
    other = crash(9, NOW, machine="x" * 32, replaces=second.id)
    site.add(other)
    site.time += FRESH_SECONDS + 1
    assert len(site.look()) == 3


def test_an_entry_that_cannot_be_read_replaces_nothing(site: Site) -> None:
    first, second = grown(0, 2)
    site.add(first, second)
    path = site.directory / second.names.index_key
    for content in (b"", b"{", b"[" * 100_000, b'{"replaces": 5}', b"x" * (1 << 20)):
        path.write_bytes(content)
        site.days = site.anew()
        assert len(site.look()) == 2


# Groups


def test_a_dump_is_found_by_what_it_is_called() -> None:
    found = [each.names for each in crashes(300, NOW)]
    names = sorted(key.index_key.rpartition("/")[2].removesuffix(".json") for key in found)
    crashed = grouped.Grouped({"2026-11-28": names})
    assert crashed.total == 300
    for label, members in crashed.labels.items():
        listed = dict(grouped.listed(members))
        assert sorted(listed.values()) == list(members)
        for called, name in listed.items():
            assert grouped.find(members, called) == name
            assert grouped.shown(members, name) == called
            assert keys.split_entry(name).label == label
    assert sum(map(len, crashed.hosts.values())) == 300


def test_two_machines_that_sent_the_same_are_told_apart() -> None:
    same = {"raw": b"x", "host": "h", "label": "a-b-1"}
    both = [crash(1, NOW, machine=each * 32, **same) for each in "ab"]  # type: ignore[arg-type]
    names = sorted(each.names.index_key.rpartition("/")[2].removesuffix(".json") for each in both)
    listed = dict(grouped.listed(names))
    assert len(listed) == 2
    assert all(grouped.find(names, called) == name for called, name in listed.items())
    assert [grouped.shown(names, name) for name in names] == list(listed)


def test_an_entry_in_two_days_is_one_dump() -> None:
    names = [crash(1, NOW).names.index_key.rpartition("/")[2].removesuffix(".json")]
    crashed = grouped.Grouped(dict.fromkeys(("2026-11-27", "2026-11-28", "2026-11-29"), names))
    (members,) = crashed.labels.values()
    listed = list(grouped.listed(members))
    assert len({called for called, _ in listed}) == len(listed)


@pytest.mark.parametrize("called", ["", "x", "_", "__", "a_b_c", "a_b_c_d_e", "..", "summary.json"])
def test_what_is_called_otherwise_is_not_found(called: str) -> None:
    names = sorted(
        each.names.index_key.rpartition("/")[2].removesuffix(".json") for each in crashes(9, NOW)
    )
    assert grouped.find(names, called) is None
    assert grouped.find((), called) is None


# Keys that obstore cannot name

BEHIND = [
    ("2026\nx", "2026!"), ("../x", "0"), ("/x", "0"), ("a/b", "a0"), ("\x01", "!"),
    ("a\x7f", "a\U0010fffd"), ("a\u00fc\n", "a\U0010fffd"), ("plain", "plain~"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), BEHIND)
def test_a_list_goes_on_behind_a_key_that_cannot_be_named(name: str, expected: str) -> None:
    assert behind(name) == expected > name


# Trying again


class Failing:
    """A store that answers by a list."""

    def __init__(self, *answers: RemoteError | bytes) -> None:
        self.answers = list(answers)

    def folders(self, prefix: str) -> list[str]:
        raise AssertionError(prefix)

    def names(self, prefix: str) -> Found:
        raise AssertionError(prefix)

    def get(self, key: str, limit: int) -> bytes:
        del key, limit
        answer = self.answers.pop(0)
        if isinstance(answer, RemoteError):
            raise answer
        return answer


BUSY, GONE, DENIED = (RemoteError.answered(status, "x") for status in (503, 0, 403))
ANSWERS = [
    ([BUSY, BUSY, b"x"], None),
    ([GONE, b"x"], None),
    ([BUSY] * TRIES, errno.EBUSY),
    ([GONE] * TRIES, errno.EHOSTDOWN),
    ([DENIED], errno.EACCES),
    ([RemoteError.answered(404, "x")], errno.EIO),
    ([RemoteError.answered(408, "x")], errno.ETIMEDOUT),
]


@pytest.mark.parametrize(("answers", "number"), ANSWERS)
def test_what_may_help_is_tried_again(
    answers: list[RemoteError | bytes], number: int | None
) -> None:
    remote = Failing(*answers)
    tried = Tried(remote, "s3://x", Clock(lambda: 0.0, lambda _: None, lambda: 0.0))
    if number is None:
        assert tried.get("k", 5) == b"x"
    else:
        with pytest.raises(RemoteError) as raised:
            tried.get("k", 5)
        assert raised.value.errno == number
    assert remote.answers == []


def test_nobody_waits_longer_than_a_request_may_take() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds + REQUEST_SECONDS

    remote = Failing(BUSY, BUSY, b"x")
    tried = Tried(remote, "s3://x", Clock(lambda: now[0], sleep, lambda: 1.0))
    with pytest.raises(RemoteError):
        tried.get("k", 5)


def test_the_log_says_once_that_a_store_is_away_and_once_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock(lambda: 0.0, lambda _: None, lambda: 0.0)
    tried = Tried(Failing(*[DENIED] * 3, b"x", b"x"), "s3://x", clock)
    for _ in range(3):
        with pytest.raises(RemoteError):
            tried.get("k", 5)
    for _ in range(2):
        tried.get("k", 5)
    words = [each.getMessage() for each in caplog.records]
    assert [each.partition(":")[0] for each in words] == ["s3", "s3"]
    assert "answers again" in words[1]


# Where the cache is

PLACES = [
    ({"CACHE_DIRECTORY": "/c"}, 0, "/c"),
    ({}, 0, "/var/cache/pstorefs"),
    ({"XDG_CACHE_HOME": "/x"}, 0, "/var/cache/pstorefs"),
    ({"XDG_CACHE_HOME": "/x"}, 1000, "/x/pstorefs"),
    ({"XDG_CACHE_HOME": "x", "HOME": "/h"}, 1000, "/h/.cache/pstorefs"),
    ({"CACHE_DIRECTORY": "c"}, 0, "/var/cache/pstorefs"),
    ({"CACHE_DIRECTORY": "c", "HOME": "/h"}, 1000, "/h/.cache/pstorefs"),
    ({"HOME": "h"}, 1000, ""),
    ({"HOME": "/h"}, 1000, "/h/.cache/pstorefs"),
]


@pytest.mark.parametrize(("environment", "user", "place"), PLACES)
def test_where_the_cache_is(
    environment: dict[str, str], user: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    path = path_of("s3://crashes/fleet")
    assert os.path.dirname(path) == place
    assert not place or path != path_of("s3://crashes/other")


def test_without_a_place_there_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a user whom nobody knows, in a container: nothing is made where somebody happens to be."""
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.chdir(tmp_path)
    cache = DayCache(path_of("s3://crashes/fleet"))
    for _ in range(2):
        assert cache.load() == {}
        cache.store([("2026-11-01", Day(1.0, ("a",)))])
    assert os.listdir(tmp_path) == []
    assert len(caplog.records) == 1
    assert "HOME" in caplog.text


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    names = tuple(sorted(each.names.index_key.rpartition("/")[2][:-5] for each in crashes(50, NOW)))
    day = Day(5.0, names, frozenset(names[:2]))
    DayCache(str(tmp_path / "a" / "b")).store([("2026-11-28", day)])
    assert DayCache(str(tmp_path / "a" / "b")).load() == {"2026-11-28": day}


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_look_that_gets_no_thread_is_made_by_the_next_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add(at(0))
    for known in (0, 1):
        site.days._holds_until = float("-inf")
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            if known:
                assert len(site.days.view().days) == known
            else:
                with pytest.raises(RemoteError, match="can't start new thread") as caught:
                    site.days.view()
                assert caught.value.errno == errno.EBUSY
        assert len(site.look()) == known + 1
        site.add(at(0.1, 2))
        site.time += 60


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_what_is_gathered_does_not_need_a_thread(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    begun = []
    start = threading.Thread.start

    def few(thread: threading.Thread) -> None:
        if len(begun) == threads:
            no_thread(thread)
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    words = [str(number) for number in range(20)]
    assert sorted(gather(int, words)) == sorted((word, int(word)) for word in words)
