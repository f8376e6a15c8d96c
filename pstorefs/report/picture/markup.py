"""HTML out of elements. Every text is escaped, unless it is HTML that was made here. Pure.

`element("p", "a < b")` is `<p>a &lt; b</p>`. What is not known to be HTML cannot get into a page.
"""

from __future__ import annotations

import html

from pstorefs.system.printable import printable

#: Elements that have no end.
_VOID = ("meta",)


class Html(str):
    """A text that is HTML."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float | None) -> Html:
    """An element. `class_` is class, `data_value` is data-value; None: without that attribute."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(printable(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Several texts or elements after each other."""
    return Html("".join(map(_escaped, children)))


def verbatim(text: str) -> Html:
    """A text of several lines, which are printable already."""
    return Html(html.escape(text, quote=False))


def _escaped(text: str) -> str:
    return text if isinstance(text, Html) else html.escape(printable(text), quote=False)
