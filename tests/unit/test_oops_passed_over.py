"""Lines that are passed over unread: no text says anything else if each line is read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from pstorefs.oops import body_lines, parse_dump, report_kinds, reports, tasks, trace, trace_forms
from pstorefs.oops.lines import split
from tests.records import records

_REPORT = b"BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
#: What may follow one of the beginnings in the tables.
_RESTS = (
    *(b"", b"1 f+0x1/0x2", b"Oops: 0002 [#1] SMP"),
    b"pid: 7 Comm: init Not tainted 6.1.192 #1",
)
#: What is understood by what came before it.
_AFTER = b"\nProcess init (pid: 7, ti)\n h+0x1/0x2\nPID: 8 Comm: a\nCall Trace:\n i+0x1/0x2\n"


def beginnings() -> Iterator[bytes]:
    """How lines of reports begin, by the tables that say so."""
    tables = (
        *(body_lines.STARTS, report_kinds.FIRST_LINES, report_kinds.PREFACES, tasks.ABOUT_TASKS),
        *(trace_forms.HEADERS, trace_forms.HISTORY, trace_forms.REGISTERS),
        (
            trace.ASIDE,
            "=" * 20,
            "-" * 20,
            "---[ end trace",
            "[pstorefs: ",
            "Hardware name: ",
            "Modules linked",
        ),
        ("swapper pgtable: ", "x pgtable: ", "a0 : ", "R12: ", "[<c0008000>]", "CPU1: stopping"),
        ("schedule from io_schedule+0x20/0x40 ", "page dumped because: "),
        ("f (net/a.c:12 (discriminator 3)) ", "g from h (net/a.c:1)", "dead00000001Call Trace:"),
    )
    return (start.encode("latin-1") for start in itertools.chain(*tables))


def texts() -> Iterator[bytes]:
    yield from (record.reference for record in records()[::25] if record.reference is not None)
    for start in beginnings():
        yield _REPORT + start
        for rest in _RESTS:
            yield start + rest + b"\n" + _REPORT + _AFTER
            yield _REPORT + start + rest + _AFTER
        yield _REPORT + b"Modules linked in: a\n \v" + start + _AFTER


def test_a_text_says_the_same_if_no_line_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def facts() -> list[object]:
        return [(reports.split(split(text)), parse_dump(text, "Oops", 1)) for text in every]

    every = sorted(set(texts()))
    quick = facts()
    monkeypatch.setattr(reports, "is_foreign", lambda _: False)
    monkeypatch.setattr(trace, "_says_nothing", lambda _: False)
    assert quick == facts()
