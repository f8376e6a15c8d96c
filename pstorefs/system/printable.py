"""Text from outside, made fit for the lines that this program writes; and plurals. Pure.

File names, comm and hardware names, kernel versions, option values: any of them may have a newline
that would begin a forged line, an escape code, or a mark that turns the rest of a line round.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `pstorefs --archive` at each boot needs neither this nor traceback
    import logging

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str, instead: str = _REPLACEMENT) -> str:
    """One line without what could move a terminal's cursor, turn its text or end the line.

    That is everything that Unicode calls control, format, surrogate, private or unassigned, and all
    separators but the blank.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else instead for c in text)


def printable_lines(text: str) -> str:
    """The same of several lines of our own, such as a traceback: newlines stay."""
    return "\n".join(map(printable, text.split("\n")))


def clean_log_record(record: logging.LogRecord) -> bool:
    """A logging filter that makes messages printable. Only tracebacks keep their newlines."""
    record.msg, record.args = printable(record.getMessage()), ()
    if record.exc_info and not record.exc_text:
        import traceback

        words = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_text = printable_lines(words)
    return True


def noun(number: int, word: str, words: str = "") -> str:
    """A noun as it follows a number. `words`: its plural, where that is not made with s."""
    return word if number == 1 else words or f"{word}s"


def counted(number: int, word: str, words: str = "") -> str:
    """A number and its noun."""
    return f"{number} {noun(number, word, words)}"


def whole(text: str) -> str:
    """A file name for JSON, which escapes controls but knows no bytes that are not UTF-8."""
    return os.fsencode(text).decode(errors="replace")
