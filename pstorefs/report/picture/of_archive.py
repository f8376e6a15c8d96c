"""The crashes in the archive of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.report.picture.crashes import Crash, Facts
from pstorefs.report.picture.gather import Found, UnreadableError
from pstorefs.system.utc import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from pstorefs.catalog.catalog import Catalog
    from pstorefs.catalog.view import Listed

_NS = 10**9


class Archive:
    """See `gather.Origin`. `compose` gives the report of a dump, and raises OSError."""

    is_fleet = False

    def __init__(self, catalog: Catalog, name: str, compose: Callable[[Listed], bytes]) -> None:
        self.name = name
        self._catalog = catalog
        self._compose = compose
        self._dumps: dict[str, Listed] = {}
        self._facts: dict[str, Facts] = {}

    def crashes(self, most: int) -> Found:
        """See `gather.Origin`."""
        dumps = [dump for dump in self._catalog.dumps().values() if dump.is_crash]
        found = []
        for dump in dumps[-most:]:
            brief = self._catalog.brief(dump)
            self._dumps[dump.name] = dump
            self._facts[dump.name] = Facts(brief.title, brief.signature)
            moment = rfc3339(dump.time_ns) or (rfc3339(self._archived(dump)) or "")[:10]
            group = brief.signature or f" {brief.title}"
            kernel, name = brief.kernel or "", dump.name
            found.append(Crash(moment[:10], moment, group, brief.title, "", "", kernel, name, name))
        notes = [f"Only the newest {most:,} crashes were looked at."] if len(dumps) > most else []
        notes += [f"{path} was not read: {why}" for path, why in self._unreadable()]
        return Found(found, notes)

    def _archived(self, dump: Listed) -> int | None:
        """When a dump without a time was archived, or its records written."""
        saved = getattr(dump, "saved", None)
        return saved * _NS if saved else max((r.mtime_ns for r in dump.records), default=None)

    def _unreadable(self) -> list[tuple[str, str]]:
        return sorted(self._catalog.unreadable.items())[:10]

    def facts(self, crash: Crash) -> Facts | None:
        """See `gather.Origin`."""
        return self._facts.get(crash.where)

    def presumed(self, _: Crash) -> bool:
        """See `gather.Origin`: only crashes are listed."""
        return True

    def place(self, crash: Crash) -> str:
        """See `gather.Origin`."""
        return crash.where

    def report(self, crash: Crash, most: int) -> bytes:
        """See `gather.Origin`."""
        try:
            return self._compose(self._dumps[crash.where])[:most]
        except OSError as error:
            raise UnreadableError(error.strerror or str(error)) from None
