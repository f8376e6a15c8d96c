"""Lists of days that are over, in SQLite: a cache, which may be deleted at any time.

One file for each store, in the user's cache directory. Whatever is wrong with it (garbage, another
program's file, a disk that is full or read-only, another mount that uses it) costs the cache and
one line in the log, and never the mount. It is not synced: no program ends before its disk has done
that, and a busy disk takes its time. Names were checked when they were listed, and each row has a
sum: what this program did not write is not believed.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import sqlite3
import threading
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    _Result = TypeVar("_Result")

#: Of root; of others it is $XDG_CACHE_HOME/pstorefs, or ~/.cache/pstorefs.
ROOTS_DIRECTORY = "/var/cache/pstorefs"
_TABLE = """
    CREATE TABLE IF NOT EXISTS day_1 (
        date TEXT PRIMARY KEY, listed REAL NOT NULL, names BLOB NOT NULL, hidden BLOB NOT NULL,
        sum BLOB NOT NULL)
"""
_BUSY_SECONDS = 1.0
_NOT_KEPT = "the list of days is not kept, and is asked of the store again"
_ANEW = "the list of days is begun anew, and is asked of the store again"
# Bytes of a day's names, at most: `remote.MOST_KEYS` of the longest.
_MOST_BYTES = 256 << 20

_log = logging.getLogger("pstorefs")


class Day(NamedTuple):
    """The crashes of one day, as they were listed."""

    #: When, Unix time.
    listed: float
    #: Names of index entries, sorted, each once.
    names: tuple[str, ...]
    #: Those of them that another one replaces: dumps that have grown.
    hidden: frozenset[str] = frozenset()

    @property
    def visible(self) -> tuple[str, ...]:
        """The names without those that are replaced."""
        if not self.hidden:
            return self.names
        return tuple(name for name in self.names if name not in self.hidden)


def path_of(store: str) -> str:
    """The file for a store, by what it is called with its endpoint; empty: there is no place.

    Nothing goes by the directory in which somebody happens to be: a mount leaves that.
    """
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    homes = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"))
    places = [given, *(os.path.join(home, "pstorefs") for home in homes)]
    if os.geteuid() == 0:
        places[1:] = [ROOTS_DIRECTORY]
    directory = next((place for place in places if place.startswith("/")), "")
    if not directory:
        return ""
    digits = hashlib.sha256(store.encode(errors="surrogateescape")).hexdigest()[:16]
    return os.path.join(directory, f"fleet-{digits}.sqlite")


class DayCache:
    """The cache of one store. Safe from any thread; one uses it at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def load(self) -> dict[str, Day]:
        """All days in it."""
        if not os.path.lexists(self._path):
            return {}
        found = self._use(_load)
        return {} if found is None else found

    def store(self, days: Iterable[tuple[str, Day]]) -> None:
        """Keep days."""
        rows = [_row(date, day) for date, day in days]
        if rows:
            words = "INSERT OR REPLACE INTO day_1 VALUES (?, ?, ?, ?, ?)"
            self._use(lambda database: database.executemany(words, rows))

    def forget(self, dates: Iterable[str]) -> None:
        """Drop days that the store no longer has."""
        rows = [(date,) for date in dates]
        if rows:
            words = "DELETE FROM day_1 WHERE date = ?"
            self._use(lambda database: database.executemany(words, rows))

    def _use(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        with self._lock:
            try:
                return self._used(work)
            except (sqlite3.OperationalError, OSError) as error:
                self._tell(error, _NOT_KEPT)  # locked, full, read-only: as it is
            except (sqlite3.Error, zlib.error, ValueError, TypeError) as error:
                self._tell(error, _ANEW)
                return self._anew(work)
            return None

    def _anew(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """It is not such a file, or damaged: begin a new one."""
        try:
            os.unlink(self._path)
            return self._used(work)
        except (sqlite3.Error, OSError) as error:
            self._tell(error, _NOT_KEPT)
            return None

    def _used(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        if not self._path:
            raise OSError(errno.ENOENT, "neither CACHE_DIRECTORY nor HOME is set")
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        # Nobody else may read which machines crash.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            database.execute("PRAGMA synchronous = OFF")
            with database:
                database.execute(_TABLE)
                return work(database)
        finally:
            database.close()

    def _tell(self, error: Exception, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            why = error.strerror if isinstance(error, OSError) else error
            _log.warning("%s: %s: %s", self._path or "no cache", why, words)


def _load(database: sqlite3.Connection) -> dict[str, Day]:
    found = {}
    for date, listed, names, hidden, said in database.execute(
        "SELECT date, listed, names, hidden, sum FROM day_1"
    ):
        if said != _sum(date, listed, names, hidden):
            raise ValueError("it contains something that pstorefs did not write")
        found[date] = Day(listed, _unpacked(names), frozenset(_unpacked(hidden)))
    return found


def _row(date: str, day: Day) -> tuple[str, float, bytes, bytes, bytes]:
    names, hidden = (zlib.compress("\n".join(each).encode(), 1) for each in (day.names, day.hidden))
    return date, day.listed, names, hidden, _sum(date, day.listed, names, hidden)


def _sum(date: str, listed: float, names: bytes, hidden: bytes) -> bytes:
    head = f"pstorefs {date} {listed!r} {len(names)} ".encode()
    return hashlib.sha256(head + names + hidden).digest()


def _unpacked(data: bytes) -> tuple[str, ...]:
    engine = zlib.decompressobj()
    text = engine.decompress(data, _MOST_BYTES)
    if not engine.eof:
        raise ValueError("it contains a day that is too long")
    return tuple(text.decode("ascii").split("\n")) if text else ()
