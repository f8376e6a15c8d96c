"""Whether numbers grow: a straight line through the quiet points."""

from __future__ import annotations

from collections.abc import Sequence

#: The first quiet points are left out: caches fill, modules are imported, arenas are made.
_WARM_UP = 0.25


def growth(times: Sequence[float], values: Sequence[float]) -> float:
    """What a line of least squares through the points gains from the first to the last."""
    skip = max(1, int(len(values) * _WARM_UP))
    times, values = times[skip:], values[skip:]
    if len(values) < 2:
        return 0.0
    middle, level = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - middle) ** 2 for time in times)
    slope = sum((t - middle) * (v - level) for t, v in zip(times, values, strict=True)) / spread
    return slope * (times[-1] - times[0])
