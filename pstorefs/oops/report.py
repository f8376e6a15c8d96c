"""A report in the lines of a text: where it is, what is known of it, and what its lines say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pstorefs.oops.trace import Body, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.oops.lines import Line
    from pstorefs.oops.report_kinds import Kind


@dataclass(slots=True)
class Report:
    """A report in the lines of a text: indexes of lines, the last one included."""

    first: int
    kind: Kind | None  # None: only announced; LOST or a guess where its beginning is lost
    head: int = 0  # the line that says what happened
    last: int = 0
    groups: dict[str, str] = field(default_factory=dict)
    die: int | None = None  # the kernel's count of oopses, "[#2]"
    trap: str = ""  # the text of the line with [#2]
    body: bool = False
    lost_head: bool = False
    traced: bool = False  # has a call trace, which registers printed again have not
    ended: bool = False
    stopping: bool = False  # other processors are printing what they did as they were stopped
    placed: bool = False  # another one is open at the same time: mixed.py
    place: int = 0  # how far it has come
    pid: str = ""
    programs: int = 0  # lines since the last of its own that programs printed
    lines: list[int] = field(default_factory=list)  # those of its caller
    #: Lines on the instruction pointer that were printed again after the end trace.
    again: list[int] = field(default_factory=list)

    def is_complete(self) -> bool:
        """Whether a first line is that of another report."""
        return self.body and (self.traced or self.kind is None or not self.kind.warns)


def read_body(report: Report, lines: Sequence[Line], more: Sequence[int] = ()) -> Body:
    """Return what a report's lines say, and `more` lines after them."""
    own = [lines[number] for number in (*report.lines, *more)]
    body = read(own)
    if body.pointer is None and report.again:
        body = read([*own, *(lines[number] for number in report.again)])
    return body
