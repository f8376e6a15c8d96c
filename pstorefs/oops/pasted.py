"""What a log has gone through where somebody pasted it: blanks before all lines, quotes, HTML."""

from __future__ import annotations

import re

# A report that somebody pasted has more lines; one line with blanks before it is a quotation.
_LINES = 5
# What is left of an empty line then: mails quote with ">".
_BEFORE = " \t\r>"
#: How far into a line such a prefix may reach.
_PREFIX_MAX = 120

#: What pages write in place of characters; `&` last, as it begins the others. No kernel prints
#: these: in the names of locks, "(&lt->lock)", there is no semicolon.
_ENTITIES = (
    ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#34;", '"'), ("&#39;", "'"), ("&#x27;", "'"),
    ("&nbsp;", " "), ("&#160;", " "), ("&amp;", "&"),
)  # fmt: skip
_TAGS = r"(?:</?(?:pre|code|tt|p|div|span|br)\b[^<>]{0,80}>)"
_TAGGED = re.compile(rf"\A{_TAGS}{{1,4}}|{_TAGS}{{1,4}}\s?\Z", re.ASCII)


def is_html(text: bytes) -> bool:
    """Whether a text is part of a page: its signs for less and greater are those of HTML."""
    return b"&lt;" in text or b"&gt;" in text


def from_html(raw: str) -> str:
    """Return a line of a page as it was before it became one."""
    raw = _TAGGED.sub("", raw)
    if "&" in raw:
        for entity, character in _ENTITIES:
            raw = raw.replace(entity, character)
    return raw


def indent(raws: list[str]) -> int:
    """Return how many blanks all lines begin with: the log was pasted somewhere, or quoted."""
    full = [raw for raw in raws if raw.strip(_BEFORE)]
    if len(full) < _LINES:
        return 0
    first = full[0][:_PREFIX_MAX]
    found = first[: len(first) - len(first.lstrip(" \t>"))]
    for raw in full if found else ():
        while not raw.startswith(found):
            found = found[:-1]
        if not found:
            break
    return len(found)
