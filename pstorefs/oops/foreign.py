"""Which lines of a log are no part of any report, which announce one, and which end one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pstorefs.oops.body_lines import STARTS, has_part_form
from pstorefs.oops.gaps import GAP
from pstorefs.oops.report_kinds import FIRST_LINES, PREFACES
from pstorefs.oops.starts import by_first

if TYPE_CHECKING:
    from pstorefs.oops.report import Report

END = "---[ end "
#: Reports that end with a row of =; to others it announces the next one.
_FRAMED = ("kasan", "kmsan", "kcsan", "kfence", "hung-task")
_ROW = re.compile(r"(?:={20,}|-{20,})$")
_PREFACES = by_first(PREFACES)
#: What any other line begins with than a foreign one.
_OURS = by_first((*STARTS, *FIRST_LINES, *PREFACES, GAP, END, "=", "-"))


def is_foreign(text: str) -> bool:
    """Whether no report can begin, go on or end with a line, as with most lines of a log."""
    ours = text.startswith(_OURS.get(text[0], ())) or "[#" in text or " from " in text
    return not (ours or has_part_form(text))


def is_announcement(text: str) -> bool:
    """Whether a line announces a report, or is one of the rows around it."""
    if text.startswith(_PREFACES.get(text[0], ())):
        return True
    return text[0] in "=-" and _ROW.match(text) is not None


def ends_with_row(report: Report) -> bool:
    """Whether a row of = is the end of this report, and does not announce another one."""
    if report.kind is None or report.kind.error_class not in _FRAMED:
        return False
    return report.traced or report.kind.error_class != "kasan"
