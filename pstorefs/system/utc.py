"""Times as this program writes them: UTC, to the second. The one place that knows how."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def calendar(nanoseconds: int | None) -> datetime | None:
    """A time since 1970 as calendars have it; None if not known, or not of the years 1 to 9999."""
    if nanoseconds is None:
        return None
    from datetime import datetime, timezone  # 2 ms of the start of pstorecat

    try:
        return datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def rfc3339(nanoseconds: int | None) -> str | None:
    """RFC 3339: 2026-06-01T01:15:01Z."""
    moment = calendar(nanoseconds)
    return None if moment is None else f"{moment.year:04}{moment:-%m-%dT%H:%M:%SZ}"
