"""Crashes per day as stacked bars: SVG. Pure.

There is no viewBox: widths are shares of whatever room there is, heights and letters are pixels. So
the labels are as legible on 400 pixels as on 1280.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.report.picture.markup import Html, element, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOP, _HEIGHT, _LABELS = 12, 190, 22
_LINES = 4
_BAR = 0.76
# On 320 pixels there is room for one label in so many of 30 days.
_EVERY = 7
_GAP_FROM = 3


class Series(NamedTuple):
    """The meaning of one colour: its name, CSS class and crashes by day."""

    name: str
    colour: str
    days: Mapping[str, int]

    @property
    def total(self) -> int:
        """Crashes on all days."""
        return sum(self.days.values())


def short(day: str) -> str:
    """28 Nov."""
    found = date.fromisoformat(day)
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{found.day} {months[found.month - 1]}"


def step_of(most: int) -> int:
    """The distance of lines, so that a few reach beyond `most`: 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * _LINES >= most:
                return factor * power
        power *= 10


def chart(days: Sequence[str], series: Sequence[Series], title: str, description: str) -> Html:
    """The chart. The first of the series is at the bottom."""
    totals = [sum(one.days.get(day, 0) for one in series) for day in days]
    step = step_of(max(totals, default=0))
    top = step * max(1, -(-max(totals, default=0) // step))
    parts = [_line(value, top) for value in range(step, top + 1, step)]
    for number, day in enumerate(days):
        parts += _bar(number, day, len(days), series, top)
        if (len(days) - 1 - number) % _EVERY == 0:
            parts.append(_label(number, day, len(days)))
    parts.append(_line(0, top))
    return element(
        "svg",
        element("title", title, id="chart-title"),
        element("desc", description, id="chart-desc"),
        *parts,
        class_="chart",
        role="img",
        aria_labelledby="chart-title",
        aria_describedby="chart-desc",
    )


def _line(value: int, top: int) -> Html:
    y = _y(value, top)
    kind = "base" if value == 0 else None
    return joined(
        element("line", x1="0", x2="100%", y1=y, y2=y, class_=kind),
        element("text", f"{value:,}", x=-8, y=y + 4, text_anchor="end"),
    )


def _label(number: int, day: str, count: int) -> Html:
    y = _TOP + _HEIGHT + _LABELS - 4
    if number == count - 1:  # on a narrow page there is nothing to the right
        return element("text", short(day), x="100%", y=y, text_anchor="end")
    middle = f"{100 * (number + 0.5) / count:.3f}%"
    return element("text", short(day), x=middle, y=y, text_anchor="middle")


def _y(value: int, top: int) -> float:
    return round(_TOP + _HEIGHT * (1 - value / top), 2)


def _bar(number: int, day: str, count: int, series: Sequence[Series], top: int) -> list[Html]:
    slot = 100 / count
    left, width = f"{slot * (number + (1 - _BAR) / 2):.3f}%", f"{slot * _BAR:.3f}%"
    below, found = 0, []
    for one in series:
        crashes = one.days.get(day, 0)
        if not crashes:
            continue
        y, bottom = _y(below + crashes, top), _y(below, top)
        words = element("title", f"{short(day)}: {crashes:,} of {one.name}")
        # A gap between parts, where they are high enough for one.
        height = round(bottom - y, 2)
        height = height - 1 if height > _GAP_FROM and below else max(0.5, height)
        found.append(
            element("rect", words, x=left, width=width, y=y, height=height, class_=one.colour)
        )
        below += crashes
    return found
