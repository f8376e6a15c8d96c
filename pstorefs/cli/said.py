"""The lines that a command prints for people. That nobody reads them is no reason to stop.

Nothing is imported at the top: see settings/ship.py.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

#: Of a source that is a file.
NO_DIRECTORY = (
    "not a directory: give the one that holds records (to decode one file: pstorecat FILE)"
)


def out(message: str, to: TextIO | None = None) -> None:
    """Print a line; to standard output, unless said otherwise."""
    from contextlib import suppress

    from pstorefs.system.printable import printable

    with suppress(OSError):
        print(printable(message), file=to, flush=True)


def say(message: str, program: str = "pstorefs") -> None:
    """Print a line to standard error."""
    out(f"{program}: {message}", sys.stderr)
