"""The request to a store: keep bytes under a key, unless the key exists.

These engines keep this contract: objects.py (S3, Azure, Google, by the library obstore), spool.py
(a directory, by nothing but system calls), and sentry.py, for which a key is the id of an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pstorefs.settings.ship import Ship

#: It is there now; it was there before; try again; do not try again.
DONE, EXISTS, RETRY, REFUSED = "done", "exists", "retry", "refused"


class Answer(NamedTuple):
    """The answer of a store.

    ``why`` is one line for people, empty with DONE and EXISTS. ``store_wide``: what refuses this
    object refuses all others too.
    """

    result: str
    why: str = ""
    store_wide: bool = False

    @property
    def there(self) -> bool:
        """Whether the object is in the store."""
        return self.result in (DONE, EXISTS)


class StoreError(Exception):
    """A store cannot be used at all. One line for people, with what to do."""


class Store(Protocol):
    """A place for objects."""

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        """Keep the bytes under a key (below the prefix), if there is nothing yet. Never raises.

        One attempt, bounded in time. `kind`: the media type. When it answers DONE or EXISTS the
        bytes are durable, as far as the store promises.
        """


@runtime_checkable
class Credentialed(Protocol):
    """A store whose credentials somebody may steal, who keeps to no condition."""

    def put_over(self, key: str, data: bytes, kind: str) -> Answer:
        """As `Store.put`, but without a condition: DONE if what was there is replaced."""


def open_store(settings: Ship) -> Store:
    """The engine for an URL, or for a Sentry. Raises `StoreError`."""
    if settings.key:
        from pstorefs.fleet.sentry import Sentry

        return Sentry(settings)
    if settings.url.startswith("file://"):
        from pstorefs.fleet.spool import Spool

        return Spool(settings.url.removeprefix("file://"))
    from pstorefs.fleet.objects import Objects

    return Objects(settings)
