"""Lines of this program in a dump's text, and whether a report goes on behind a gap.

dump/joining.py and record/reading.py write them. Most say that text is lost there; some only say
how far the text around them can be trusted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pstorefs.oops.skip_functions import is_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pstorefs.oops.lines import Line
    from pstorefs.oops.report import Report
    from pstorefs.oops.trace import Body

GAP = "[pstorefs: "
_NOTHING_LOST = re.compile(
    r"\[pstorefs: (?:end of part \d{1,9} \("
    r"|part \d{1,9} \([^()]{1,255}\) (?:is damaged\]|may be wrong: ))",
    re.ASCII,
)
#: Microseconds between two lines of one report that a gap lies between: a serial console prints the
#: registers and a trace in less, and two oopses of one processor are rarely so close.
_ONE_REPORT_US = 200_000
#: Lines after a report's last one, in which it is looked for anything else.
_LINES_AFTER = 64


def loses_text(text: str) -> bool:
    """Whether text is lost where a line of this program is."""
    return _NOTHING_LOST.match(text) is None


def breaks_off(report: Report, more: Sequence[int], body: Body, lines: Sequence[Line]) -> bool:
    """Whether a text ends, or has a gap, within a report's first trace or before it.

    A trace is over where it has come to the kernel's entry, or something else follows it. `more`
    are further lines on the same bug.
    """
    if report.ended or any(is_entry(function) for function, _ in body.places):
        return False
    end = max((report.last, *more))
    last = lines[end].text
    within = body.inside or last.startswith((" ", "\t", "[")) or "+0x" in last
    if body.frames and not within:
        return False
    timed = lines[end].time is not None  # programs' lines have no time: they end nothing
    after = [
        line.text
        for line in lines[end + 1 : end + 1 + _LINES_AFTER]
        if line.text and (not timed or line.time is not None or line.text.startswith(GAP))
    ]
    # Of the text's last line only the beginning may be there.
    return len(after) <= 1 or any(text.startswith(GAP) for text in after[:2])


def oops_open(reports: Iterable[Report]) -> Report | None:
    """Return the report that a gap cuts and that may go on behind it: an oops without its end."""
    found = [one for one in reports if one.die is not None and not one.ended]
    return found[0] if len(found) == 1 else None


def goes_on(report: Report, number: int, lines: Sequence[Line]) -> bool:
    """Whether the line `number`, of a report whose beginning is lost, is one of `report`."""
    then, now = lines[report.last], lines[number]
    if then.time is None or now.time is None or then.caller != now.caller:
        return False
    return 0 <= now.time - then.time <= _ONE_REPORT_US
