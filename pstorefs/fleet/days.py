"""Which crashes a store has, by LIST alone, and how fresh that is.

The rule. A day is *open* until it has been over for two days (UTC), and from two days before it
begins: machines whose clocks are wrong. Open days are listed again when somebody looks, if their
list is older than `FRESH_SECONDS`. A *closed* day may still get crashes: of a machine that was
switched off meanwhile. So its list is believed for an eighth of the time that has passed since the
day, six hours at least and a day at most. Lists of closed days are kept in a cache (daycache.py).

Somebody who looks waits for the days that were never listed and for the open ones; closed ones that
are due are listed afterwards, and the next look shows them. Nobody waits longer than `WAIT_SECONDS`
if there is an older list to show. If the store does not answer, what is known stays visible.
"""

from __future__ import annotations

import datetime
import errno
import logging
import threading
import time
from typing import TYPE_CHECKING

from pstorefs.fleet import keys
from pstorefs.fleet.daycache import Day, DayCache
from pstorefs.fleet.gather import gather
from pstorefs.fleet.grouped import Grouped
from pstorefs.fleet.remote import BadKeyError, RemoteError
from pstorefs.fleet.replaced import Replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pstorefs.fleet.remote import Remote

#: Seconds for which a list of an open day is believed.
FRESH_SECONDS = 15.0
#: Seconds that somebody waits for the store if there is an older list.
WAIT_SECONDS = 2.0
#: The same if there is none: all pages of all days.
FIRST_SECONDS = 600.0
#: Days that are listed, at most: those that are nearest to today.
MOST_DAYS = 4000
_GUESSED_DAYS = 400
_DAY = 86400.0
_OPEN_SECONDS = 2 * _DAY
# After a look that failed others get the same error for so long, if there is nothing to show.
_FAILED_SECONDS = 3.0
# So many looks that got some days and not all: then those are shown that could be had.
_MOST_FAILED_LOOKS = 3
_MOST_LOGGED = 100

_log = logging.getLogger("pstorefs")


def believed(date: str, now: float) -> float:
    """Seconds for which a list of a day is believed that is made now, Unix time."""
    return FRESH_SECONDS if is_open(date, now) else min(_distance(date, now) / 8, _DAY)


def is_open(date: str, now: float) -> bool:
    """Whether crashes of this day are likely to come still."""
    return _distance(date, now) <= _OPEN_SECONDS


def _distance(date: str, now: float) -> float:
    """Seconds between a day and a moment; 0 within the day."""
    try:
        begin = datetime.datetime.fromisoformat(f"{date}T00:00:00+00:00").timestamp()
    except (ValueError, OverflowError):
        return float("inf")  # 31 June
    return max(0.0, begin - now, now - begin - _DAY)


def _is_due(date: str, day: Day, now: float) -> bool:
    """Whether the list of a day is not believed any more."""
    # A list from the future is of a clock that was wrong.
    return not 0 <= now - day.listed < believed(date, day.listed)


def _guessed(now: float) -> set[str]:
    """The days that a store mostly has: the last ones, today and tomorrow."""
    today = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).date()
    return {(today + datetime.timedelta(1 - number)).isoformat() for number in range(_GUESSED_DAYS)}


class _Look:
    """One look at the store, which several may wait for."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.done = threading.Event()


class Days:
    """The crashes of one store. Safe from any thread.

    One thread at a time looks at the store; what it finds is replaced whole.
    """

    def __init__(
        self, remote: Remote, cache: DayCache, now: Callable[[], float] = time.time
    ) -> None:
        self._remote = remote
        self._cache = cache
        self._now = now
        self._replaced = Replaced(remote)
        self._lock = threading.Lock()

        # Of the thread that looks.
        #: Each day as it was listed last; of the cache, once that is loaded.
        self._days: dict[str, Day] = {}
        self._loaded = False
        #: Days whose lists may lack some.
        self._incomplete: set[str] = set()
        self._failed_looks = 0
        self._logged: set[str] = set()

        # The others read these.
        self._view: Grouped | None = None
        self._look: _Look | None = None
        #: By time.monotonic(): until when nobody has to look again; and until when nobody looks
        #: again, as the last look failed, by this error.
        self._holds_until = self._failed_until = float("-inf")
        self._error = RemoteError(errno.ETIMEDOUT, "no answer in time")
        #: When the store was listed last, Unix time; what could not be listed then, in a sentence.
        self.state: tuple[float, str] = (0.0, "")

    def at_hand(self) -> Grouped | None:
        """All crashes, if nobody has to wait for the store."""
        return self._view if time.monotonic() < self._holds_until else None

    def latest(self) -> Grouped | None:
        """All crashes as they were listed last, however long ago."""
        return self._view

    def view(self) -> Grouped:
        """All crashes. Asks the store if that is due; `RemoteError` if nothing is known."""
        with self._lock:
            view, now = self._view, time.monotonic()
            if view is not None and now < self._holds_until:
                return view
            if view is None and now < self._failed_until:
                raise self._last_error()
            look = self._look
            if look is None:
                look = _Look()
                try:
                    threading.Thread(target=self._run, args=(look,), daemon=True).start()
                except RuntimeError as error:  # no further thread; the next look may have one
                    if view is None:
                        raise RemoteError(errno.EBUSY, str(error)) from None
                    return view
                self._look = look
        longest = FIRST_SECONDS if view is None else WAIT_SECONDS
        look.done.wait(max(0.0, look.begun + longest - time.monotonic()))
        view = self._view
        if view is None:
            raise self._last_error()
        return view

    def _last_error(self) -> RemoteError:
        # A new one: several threads raise it.
        return RemoteError(self._error.errno or errno.EIO, str(self._error.strerror))

    # One look, in the order in which it goes

    def _run(self, look: _Look) -> None:
        """In a thread. Waiting threads go on when the first days are published; others follow."""
        try:
            later = self._list_first()
            self._let_go_on(look)
            if later:
                failed = self._list_days(later)
                self._publish()
                self._set_state(failed)
        except RemoteError as error:
            self._failed(error)
        except Exception:  # noqa: BLE001 (waiting threads must get an error)
            _log.exception("the fleet's index: please report this")
            self._failed(RemoteError(errno.EIO, "a bug in pstorefs: see its log"))
        finally:
            with self._lock:
                self._look = None  # who comes from now on begins another one, if that is due
                self._let_go_on(look)

    def _list_first(self) -> list[str]:
        """List and publish the days that are waited for. Returns the other days that are due."""
        days, now = self._days, self._now()
        dates = self._dates(now)
        gone = days.keys() - dates
        for date in gone:
            del days[date]
        self._cache.forget(gone)
        due = [date for date in dates if date not in days or _is_due(date, days[date], now)]
        soon = [date for date in due if date not in days or is_open(date, now)]
        failed = self._list_days(soon)
        if not self._may_be_shown(failed):
            raise failed[0][1]  # the next look asks for these only
        if self._view is None or soon or gone:
            self._publish()
        self._set_state(failed)
        return [date for date in due if date not in soon]

    def _dates(self, now: float) -> set[str]:
        """The days that the store has. If it does not say that at first, the cache is shown."""
        first = not self._loaded
        if first:
            self._days.update(self._cache.load())
            self._loaded = True
        try:
            return self._dates_there(now)
        except RemoteError:
            if first and self._days:
                self._publish()
            raise

    def _dates_there(self, now: float) -> set[str]:
        try:
            folders = self._remote.folders(f"{keys.INDEX}/")
            dates = {name.removeprefix("date=") for name in folders}
        except BadKeyError as error:
            # What days are called is known: each is asked for.
            self._log_once(f"{error.strerror}: delete it; listing is faster without it")
            dates = self._days.keys() | _guessed(now)
        found = sorted(filter(keys.is_day, dates), key=lambda date: _distance(date, now))
        if len(found) > MOST_DAYS:
            self._log_once(f"more than {MOST_DAYS} days: those far from today are ignored")
        return set(found[:MOST_DAYS])

    def _list_days(self, dates: Iterable[str]) -> list[tuple[str, RemoteError]]:
        """List days anew. Those that could not be, and why."""
        days = self._days
        failed, closed = [], []
        for date, found in gather(self._list_day, dates):
            if isinstance(found, RemoteError):
                failed.append((date, found))
                continue
            days[date] = found
            if not is_open(date, found.listed):
                closed.append((date, found))
        self._cache.store(closed)
        return failed

    def _list_day(self, date: str) -> Day:
        """List one day. In one of the threads that gather.py has."""
        prefix = keys.day_prefix(date)
        now = self._now()
        found = self._remote.names(prefix)
        names: list[str] = []
        odd: list[str] = []
        for key in found.names:
            name = key.removesuffix(keys.SUFFIX)
            (names if name != key and keys.is_entry(name) else odd).append(name)
        for words in found.odd:
            self._log_once(f"{prefix}: {words}")
        (self._incomplete.add if found.odd else self._incomplete.discard)(date)
        if odd:
            words = f"{len(odd)} keys that are not index entries are ignored"
            self._log_once(f"{prefix}: {words}, such as {odd[0]!r}")
        entries = tuple(sorted(set(names)))
        known = self._days.get(date)
        if known is not None and known.names == entries:
            return known._replace(listed=now)
        return Day(now, entries, self._replaced.among(prefix, entries))

    def _may_be_shown(self, failed: list[tuple[str, RemoteError]]) -> bool:
        """Whether what is known may be shown although these days could not be listed."""
        if self._view is not None or all(date in self._days for date, _ in failed):
            return True
        self._failed_looks += 1
        return self._failed_looks >= _MOST_FAILED_LOOKS

    def _publish(self) -> None:
        """Let others see what is known now."""
        days = {date: day.visible for date, day in self._days.items() if day.names}
        if self._view is None or self._view.days != days:
            self._view = Grouped(days)

    def _let_go_on(self, look: _Look) -> None:
        """Let those go on who wait. For a while nobody has to look again."""
        self._holds_until = time.monotonic() + FRESH_SECONDS
        look.done.set()

    def _set_state(self, failed: list[tuple[str, RemoteError]]) -> None:
        """Say when this was, and which days could not be listed."""
        words = []
        if failed:
            words.append(f"days that cannot be listed: {len(failed)}: {failed[0][1].strerror}")
            self._log_once(words[0])
        if self._incomplete:
            words.append(f"days that may be incomplete: {len(self._incomplete)}: see the log")
        self.state = self._now(), "; ".join(words)

    def _failed(self, error: RemoteError) -> None:
        self._error = error
        self._failed_until = time.monotonic() + _FAILED_SECONDS
        self.state = self.state[0], f"the store: {error.strerror}"

    def _log_once(self, words: str) -> None:
        if words not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(words)
            _log.warning("the fleet's index: %s", words)
