"""Save, verify, clear: the one place of this program that removes anything.

Ground floor to top: durable (files that survive), layout (what an archive looks like), place (which
directory, its lock, its room), rules (what is never erased), plan, run, save, erase, keep, and
engine with the commands. No FUSE and no trio; imports of what decodes wait until there is a record.
"""

from pstorefs.archive.engine import archive, clear, first_error
from pstorefs.archive.layout import facts_in
from pstorefs.archive.policy import (
    DEFAULT,
    ArchiveError,
    Compose,
    Fact,
    Keep,
    Outcome,
    Policy,
    parse_keep,
)

__all__ = [
    "DEFAULT",
    "ArchiveError",
    "Compose",
    "Fact",
    "Keep",
    "Outcome",
    "Policy",
    "archive",
    "clear",
    "facts_in",
    "first_error",
    "parse_keep",
]
