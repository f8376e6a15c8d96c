"""The language of `control`: bytes that are written to commands. Pure.

A command is a line. A line may come in several writes: the shell's echo and every stdio program cut
at 4096 bytes. So a name at the end of a write may be half a name, and half a name may be another
record's name. Hence: what ends in a newline is whole; what does not is whole only if it came in one
write too short to have been cut; all else waits for its newline, and is refused if that never
comes. A program may also write piece by piece: so `clear`, which cannot be undone, is refused at
once where such a write has no newline.

Threads: a `Lines` belongs to one open handle, whose writes come one after another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: The verbs, with what may follow.
VERBS = {
    "archive": "archive [NAME...]   save dumps to the archive, verify, then clear the records",
    "clear": "clear NAME...       erase records without saving them",
    "rescan": "rescan              look at the source again now",
}
_BLANKS = re.compile("[ \t]+")
_CLEAR = re.compile(rb"[ \t]*clear[ \t]")
# The smallest buffer that anything cuts at.
_CUT = 4096
#: A line may be so long: more names than a store can hold.
LONGEST_LINE = 4 << 20


class CommandError(Exception):
    """A line that is no command. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Command:
    """One line."""

    verb: str
    names: tuple[str, ...] = ()
    #: All names as they were written: it may be one with blanks in it.
    words: str = field(default="", compare=False)

    def __str__(self) -> str:
        return " ".join((self.verb, *self.names))


class Lines:
    """Cuts the writes of one open handle into whole lines."""

    def __init__(self) -> None:
        self._pending = b""
        self._refused = False

    @property
    def pending(self) -> bytes:
        """What came without its newline so far."""
        return self._pending

    def feed(self, data: bytes) -> list[bytes]:
        """One write's whole lines. `CommandError` if a line gets too long; it is then dropped."""
        whole = not self._pending and len(data) < _CUT
        *lines, rest = (self._pending + data).split(b"\n")
        self._pending = b""
        self._refused = whole and _CLEAR.match(rest) is not None
        if whole and rest and not self._refused:
            lines.append(rest)
        else:
            self._pending = rest
        if any(len(line) > LONGEST_LINE for line in (*lines, rest)):
            self._pending = b""
            raise CommandError(f"a line is longer than {LONGEST_LINE} bytes")
        return lines

    def check(self) -> None:
        """`CommandError` if what is left of the last write is refused; it is then dropped."""
        if self._refused:
            self._pending = b""
            raise CommandError(
                "clear wants its newline, without which the last name may be half a name:"
                " echo clear NAME > control"
            )


def parse(line: bytes) -> Command | None:
    """A line's command; None for an empty one. `CommandError` if it is none."""
    # At blanks alone: names may hold what else str.split takes for one.
    text = line.decode("utf-8", "surrogateescape").strip(" \t\r")
    if not text:
        return None
    verb, *rest = _BLANKS.split(text, maxsplit=1)
    words = "".join(rest)
    names = _BLANKS.split(words) if words else []
    if verb not in VERBS:
        raise CommandError(f"unknown command {verb}: the commands are {', '.join(VERBS)}")
    if verb == "rescan" and names:
        raise CommandError("rescan takes no names")
    if verb == "clear" and not names:
        raise CommandError("clear needs the names of records: it erases them without saving them")
    return Command(verb, tuple(map(_plain, names)), _plain(words))


def _plain(name: str) -> str:
    """A name as a shell may complete it."""
    return name.removeprefix("./").rstrip("/")
