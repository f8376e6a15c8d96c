"""A picture as one HTML page that needs nothing else: no network, no script. Pure.

The titles, hosts and reports in it may come from an attacker. So each text is escaped and
printable (markup.py), and the page's own policy lets the browser load nothing, and run nothing but
the script whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from pstorefs import __version__
from pstorefs.report.picture.chart import Series, chart, short
from pstorefs.report.picture.crashes import CRASH, NEW_DAYS
from pstorefs.report.picture.markup import Html, element
from pstorefs.report.picture.signatures import colours_of, moment, reports, table
from pstorefs.report.picture.style import SCRIPT, STYLE
from pstorefs.system.printable import noun

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pstorefs.report.picture.crashes import Bounds, Picture


def render(picture: Picture, bounds: Bounds) -> bytes:
    """The page. `bounds`: those that it was gathered with."""
    title = f"Crashes {'in' if picture.is_fleet else 'of'} {picture.name}"
    body = [
        element("a", "To the signatures", href="#names", class_="skip"),
        _head(picture, title),
    ]
    if picture.groups:
        body.append(
            element(
                "main",
                _chart(picture),
                table(picture),
                reports(picture, bounds),
            )
        )
    else:
        body.append(element("main", element("p", "No crash on record.")))
    body.append(_foot(picture))
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=policy()),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="referrer", content="no-referrer"),
            element("title", title),
            element("style", Html(STYLE)),
        ),
        element("body", *body, element("script", Html(SCRIPT))),
        lang="en",
    )
    return b"<!doctype html>\n" + page.encode(errors="replace") + b"\n"


def policy() -> str:
    """Nothing is loaded; this style and this script, and no other. CSP Level 3."""
    return (
        f"default-src 'none'; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _head(picture: Picture, title: str) -> Html:
    groups = [*picture.groups, *picture.others]
    recent = picture.days[-NEW_DAYS:]
    crashes = [crash for group in groups for crash in group.crashes if crash.day in recent]
    new = sum(group.is_new for group in groups)
    nights = f"{short(recent[0])} and {short(recent[-1])}"
    figures = [(f"{len(crashes):,}", f"{noun(len(crashes), *CRASH)} on {nights}", "")]
    if picture.is_fleet:
        machines = len({crash.machine or crash.host for crash in crashes})
        figures.append((f"{machines:,}", f"{noun(machines, 'machine')} that crashed then", ""))
    figures.append((f"{new:,}", f"new {noun(new, 'signature')}", "fresh" if new else ""))
    total = sum(group.count for group in groups)
    figures.append((f"{total:,}", f"{noun(total, *CRASH)} in {len(picture.days)} days", ""))
    return element(
        "header",
        element("h1", title),
        element(
            "p",
            f"{_long(picture.days[0])} to {_long(picture.days[-1])}, in UTC. Made ",
            moment(picture.made),
            ".",
            class_="soft",
        ),
        element(
            "dl",
            *(
                element("div", element("dt", what), element("dd", value), class_=kind or None)
                for value, what, kind in figures
            ),
            class_="figures",
        ),
    )


def _series(picture: Picture) -> list[Series]:
    colours = colours_of(picture)
    by_key = {group.key: group for group in picture.groups}
    found = [Series(by_key[key].title, colour, by_key[key].days) for key, colour in colours.items()]
    rest: Counter[str] = Counter()
    others = [g for g in [*picture.groups, *picture.others] if g.key not in colours]
    for group in others:
        rest += group.days
    if others:
        words = f"{len(others):,} other {noun(len(others), 'signature')}"
        found.append(Series(words, "rest", rest))
    return found


def _chart(picture: Picture) -> Html:
    series = _series(picture)
    totals = Counter({day: sum(one.days.get(day, 0) for one in series) for day in picture.days})
    worst = max(picture.days, key=lambda day: (totals[day], day))
    words = (
        f"Stacked bars, one for each day from {_long(picture.days[0])} to"
        f" {_long(picture.days[-1])}. The highest is {_long(worst)} with {totals[worst]:,}"
        f" {noun(totals[worst], *CRASH)}. The same numbers are in the table below."
    )
    legend = [
        element(
            "li",
            element("span", class_=f"swatch {one.colour}"),
            element("span", one.name, class_="name"),
            element("span", f"{one.total:,}", class_="n"),
        )
        for one in series
    ]
    return element(
        "section",
        element("h2", "Crashes per day", id="days"),
        element(
            "figure",
            chart(picture.days, series, "Crashes per day by signature", words),
            element("figcaption", element("ul", *legend, class_="legend")),
        ),
        _numbers(picture.days, series),
        aria_labelledby="days",
    )


def _numbers(days: Sequence[str], series: Sequence[Series]) -> Html:
    heads = [element("th", "Day", scope="col")]
    heads += [element("th", one.name, scope="col", class_="num") for one in series]
    rows = [
        element(
            "tr",
            element("th", day, scope="row", class_="when"),
            *(element("td", f"{one.days.get(day, 0):,}", class_="num") for one in series),
        )
        for day in reversed(days)
    ]
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    # Elements that scroll must be reachable by keyboard.
    scroll = element(
        "div",
        table,
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label="The numbers",
    )
    return element("details", element("summary", "The same as a table"), scroll, class_="data")


def _foot(picture: Picture) -> Html:
    parts: list[Html] = []
    if picture.notes:
        parts.append(element("h2", "What this page leaves out", id="left-out"))
        parts.append(element("ul", *_items(picture.notes)))
    words = (
        f"Made by pstorefs {__version__}. New: first seen on the last {NEW_DAYS} days. Crash logs"
        " contain names, addresses and pieces of memory: be careful who gets this file."
    )
    return element("footer", *parts, element("p", words))


def _items(sentences: Iterable[str]) -> list[Html]:
    return [element("li", sentence) for sentence in sentences]


def _long(day: str) -> str:
    return f"{short(day)} {day[:4]}"
