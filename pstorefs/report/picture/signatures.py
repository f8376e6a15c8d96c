"""The signatures of a picture: a table with a row for each, and the report that a row leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.report.picture.chart import short
from pstorefs.report.picture.crashes import CRASH
from pstorefs.report.picture.markup import Html, element, joined, verbatim
from pstorefs.report.picture.style import COLOURED
from pstorefs.system.printable import noun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.report.picture.crashes import Bounds, Crash, Group, Picture

_KERNELS_IN_ROW = 2


def colours_of(picture: Picture) -> dict[str, str]:
    """The classes of those groups that have a colour: the most frequent."""
    ordered = sorted(picture.groups, key=lambda group: (-group.count, group.key))
    return {group.key: f"c{number}" for number, group in enumerate(ordered[:COLOURED])}


def table(picture: Picture) -> Html:
    """The table, and what is not in it."""
    colours, year = colours_of(picture), picture.days[-1][:4]
    # (heading, class) of each column.
    columns = [("Signature", "name"), ("Crashes", "num")]
    if picture.is_fleet:
        columns.append(("Machines", "num"))
    columns += [("Kernels", "wide"), ("First seen", "when"), ("Last seen", "when")]
    heads = [
        element("th", words, scope="col", class_=kind, role="columnheader")
        for words, kind in columns
    ]
    rows = [
        _row(number, group, colours.get(group.key, ""), year, fleet=picture.is_fleet)
        for number, group in enumerate(picture.groups)
    ]
    table = element(
        "table",
        element("thead", element("tr", *heads, role="row"), role="rowgroup"),
        element("tbody", *rows, role="rowgroup"),
        id="signatures",
        class_="cards",
        role="table",
        aria_label="Signatures",
    )
    parts = [element("h2", "Signatures", id="names"), table]
    if picture.others:
        count = sum(group.count for group in picture.others)
        rarer = f"{len(picture.others):,} rarer {noun(len(picture.others), 'signature')}"
        words = f"Not shown: {rarer} with {count:,} {noun(count, *CRASH)}."
        parts.append(element("p", words, class_="soft"))
    return element("section", *parts, aria_labelledby="names")


def _row(number: int, group: Group, colour: str, year: str, *, fleet: bool) -> Html:
    first, last = group.crashes[0].at, group.crashes[-1].at
    name = [
        element("span", class_=f"swatch {colour or 'rest'}"),
        *([element("span", "new", class_="new")] if group.is_new else []),
        element("a", group.title, href=f"#s{number}"),
        element("span", _identity(group), class_="sig mono"),
    ]
    cells = [
        element("th", *name, scope="row", role="rowheader", class_="name", data_value=group.title),
        _cell("Crashes", f"{group.count:,}", "num", group.count),
    ]
    if fleet:
        machines = group.machine_count
        cells.append(_cell("Machines", f"{machines:,}", "num", machines))
    cells += [
        _cell("Kernels", _kernels(group), "wide", max(group.kernels, default="")),
        _cell("First seen", moment(first, year), "when", first),
        _cell("Last seen", moment(last, year), "when", last),
    ]
    return element("tr", *cells, role="row")


def _cell(label: str, content: str, kind: str, value: str | float) -> Html:
    return element("td", content, class_=kind, role="cell", data_label=label, data_value=value)


def _identity(group: Group) -> str:
    return group.signature or (group.key if not group.key.startswith(" ") else "no signature")


def _kernels(group: Group) -> Html:
    common = group.kernels.most_common(_KERNELS_IN_ROW)
    rest = len(group.kernels) - len(common)
    names = [element("span", release, class_="kernel mono") for release, _ in common]
    return joined(*names, element("span", f"and {rest:,} more", class_="more") if rest else "")


def reports(picture: Picture, bounds: Bounds) -> Html:
    """A part for each row, closed until somebody opens it or follows a link into it."""
    return element(
        "section",
        element("h2", "Reports", id="reports"),
        element("p", "The newest crash of each signature.", class_="soft"),
        *(_report(number, group, picture, bounds) for number, group in enumerate(picture.groups)),
        aria_labelledby="reports",
    )


def _report(number: int, group: Group, picture: Picture, bounds: Bounds) -> Html:
    facts = [("Signature", element("span", _identity(group), class_="mono"))]
    facts.append(("Kernels", _named(group.kernels.most_common(), bounds.named)))
    if picture.is_fleet:
        facts.append(("Machines", _named(group.machines.most_common(), bounds.named)))
    facts.append(("Newest", _newest(group, picture, bounds.named)))
    if picture.is_fleet and group.shown:
        facts.append(("Index entry", element("span", group.shown, class_="mono")))
    inside = [
        element(
            "dl",
            *(
                part
                for name, value in facts
                for part in (element("dt", name), element("dd", value))
            ),
            class_="facts",
        )
    ]
    if group.report:
        label = f"Report of {group.shown}"[:200]
        inside.append(
            element("pre", verbatim(group.report), tabindex="0", role="region", aria_label=label)
        )
    if group.why:
        inside.append(element("p", group.why, class_="soft"))
    new = [element("span", "new", class_="new")] if group.is_new else []
    return element(
        "details",
        element("summary", *new, group.title),
        element("div", *inside, class_="inside", id=f"s{number}"),
    )


def _named(counted: Sequence[tuple[str, int]], most: int) -> Html:
    words = ", ".join(f"{name or 'not named'} ({count:,})" for name, count in counted[:most])
    rest = len(counted) - most
    return joined(words or "not known", f", and {rest:,} more" if rest > 0 else "")


def _newest(group: Group, picture: Picture, most: int) -> Html:
    year = picture.days[-1][:4]
    return joined(
        *(
            element("span", moment(crash.at, year), _who(crash, picture), class_="line")
            for crash in group.crashes[-most:][::-1]
        )
    )


def _who(crash: Crash, picture: Picture) -> str:
    return (crash.host or crash.machine) if picture.is_fleet else crash.where


def moment(at: str, year: str = "") -> Html:
    """A moment without its seconds, and without its year if it is that one."""
    words = at[:10]
    if year:
        words = short(words) if at[:4] == year else f"{short(words)} {at[:4]}"
    return element("time", f"{words} {at[11:16]}".rstrip() or "not known", datetime=at or None)
