"""The standard streams: what to do where one is closed, or cannot be written to.

It imports next to nothing: see settings/ship.py.
"""

from __future__ import annotations

import os
import sys

#: What stands in for a closed one. Reading and writing fail as they would there (EBADF); what is
#: said on standard error is heard by nobody, and fails nowhere.
_STAND_INS = (os.O_WRONLY, os.O_RDONLY, os.O_RDWR)


def complete() -> None:
    """Put something in the place of what is closed, before anything else can get its number.

    A file of the archive that is opened as descriptor 2 would get what Python says there. And of a
    closed stream Python makes None, which nobody expects to write to.
    """
    for descriptor, flags in enumerate(_STAND_INS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def flushed() -> OSError | None:
    """Write out what is left for standard output; why that cannot be done.

    Then it is dropped: Python would try once more at its end, complain, and exit with 120.
    """
    found = None
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            void = os.open(os.devnull, os.O_WRONLY)
            os.dup2(void, stream.fileno())
            os.close(void)
            found = error if stream is sys.stdout else found
    return found


def write(text: str) -> OSError | None:
    """Write a text to standard output, now; why that cannot be done."""
    try:
        sys.stdout.write(text)
    except OSError as error:
        flushed()
        return error
    return flushed()
