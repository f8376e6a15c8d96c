"""What became of each record that a command was about."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What became of a record.
CLEARED, KEPT, SKIPPED, FAILED = "cleared", "kept", "skipped", "failed"


class Outcome(NamedTuple):
    """What became of one record that a command was about.

    ``result`` is cleared; kept (whole in the store on purpose; `why` is a key of
    `never_erased.WHY`); skipped (a log of no crash that was not named, or gone: somebody
    else removed it); failed. ``dump`` is where in the archive it is, verified, or empty. ``errno``
    is 0 where the record is cleared, or a log of no crash that was skipped.
    """

    record: str
    result: str
    dump: str = ""
    errno: int = 0
    why: str = ""
    message: str = ""

    def __str__(self) -> str:
        where = f"saved in {self.dump}, " if self.dump else ""
        reason = f": {self.message}" if self.message else ""
        return f"{self.record}: {where}{self.result}{reason}"


def gone(record: str) -> Outcome:
    """What became of a record that somebody else removed before it was saved."""
    return Outcome(record, SKIPPED, "", errno.ENOENT, "", "gone: somebody else removed it")


def missing(name: str) -> Outcome:
    """What became of a name that nothing has."""
    return Outcome(name, FAILED, "", errno.ENOENT, "", "no such record or dump")


def first_error(outcomes: Iterable[Outcome], *, named: bool) -> int:
    """The errno of a command: the first failure's, 0 if there is none.

    What is kept on purpose, or is gone, is a failure only where it was named.
    """
    return next((o.errno for o in outcomes if o.errno and (named or o.result == FAILED)), 0)
