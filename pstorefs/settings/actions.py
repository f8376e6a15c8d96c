"""What `pstorefs` can be asked to do instead of a mount, and which of it goes together. Pure.

It imports nothing: see settings/ship.py.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Each is done by a program of its own.
ACTIONS = (
    *("--every", "--archive", "--ship", "--sentry", "--list", "--show", "--bundle", "--on-dump"),
    *("--check", "--report-html"),
)
_TOGETHER = ({"--ship", "--sentry"}, {"--ship", "--check"}, {"--sentry", "--check"})
#: What to do instead, where there is more to be said than to do one after the other.
_INSTEAD = {
    ("--every", "--archive"): "--every archives already, so leave --archive out",
    ("--every", "--ship"): "--every ships already, as ship.conf says, so leave --ship out",
    ("--every", "--sentry"): "write sentry = DSN into ship.conf instead",
}


def before_places(words: Sequence[str]) -> Sequence[str]:
    """The words before ``--``: those behind it are places, whatever they are called."""
    return words[: words.index("--")] if "--" in words else words


def clash(words: Sequence[str]) -> str:
    """Why a command line asks for more than one thing, in a sentence; empty: it does not."""
    asked = [word.partition("=")[0] for word in before_places(words)]
    found = [action for action in ACTIONS if action in asked]
    for action in found:
        if asked.count(action) > 1:
            return f"{action} is given twice: run pstorefs once for each"
    for number, first in enumerate(found):
        for second in found[number + 1 :]:
            if {first, second} not in _TOGETHER:
                instead = _INSTEAD.get((first, second), "run pstorefs once for each")
                return f"{first} does not go with {second}: {instead}"
    return ""
