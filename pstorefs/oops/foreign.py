"""Lines that no report can begin, go on or end with, as most lines of a log: found at one look."""

from __future__ import annotations

from pstorefs.oops.body_lines import PART_FORM, STARTS
from pstorefs.oops.report_kinds import FIRST_LINES, PREFACES
from pstorefs.oops.starts import by_first

#: What this program puts where parts are missing; what a report ends with.
GAP, END = "[pstorefs: ", "---[ end "
#: What any but a foreign line begins with, unless it has a form that `is_foreign` asks for.
_OURS = by_first((*STARTS, *FIRST_LINES, *PREFACES, GAP, END, "=", "-"))


def is_foreign(text: str) -> bool:
    """Whether a line, which is not empty, is nothing to any report. In doubt it is not foreign."""
    ours = text.startswith(_OURS.get(text[0], ())) or "[#" in text or " from " in text
    return not (ours or " pgtable: " in text or PART_FORM.match(text))
