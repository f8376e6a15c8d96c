"""control: write a command, read the answer.

The write returns when the command's work is done and durable. The answer that is read says more
than an errno can: what became of each record.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

from pstorefs.control.executor import Result
from pstorefs.control.language import VERBS, Command, CommandError, Lines, parse
from pstorefs.system.printable import printable
from pstorefs.tree.node import QUICK, File, Lane, Opened, Snapshot, Writer
from pstorefs.tree.rights import Attributes, Owner

_log = logging.getLogger("pstorefs")

_USAGE = (
    "Write a command, such as: echo archive > control\n\n"
    + "".join(f"  {line}\n" for line in VERBS.values())
    + "\nNAME is a record as it is listed, or the name of a dump. What the last commands did:\n"
)
_ANSWERS_KEPT = 20
_LONGEST_ANSWER = 64 << 10


class Control(File):
    """The node. `run` carries a command out; it may take long, and is called once at a time."""

    __slots__ = ("_answers", "_lock", "_run")

    def __init__(self, run: Callable[[Command], Result], owner: Owner, mtime_ns: int) -> None:
        super().__init__(_attributes(owner, mtime_ns))
        self._run = run
        self._answers: deque[str] = deque(maxlen=_ANSWERS_KEPT)
        self._lock = threading.Lock()

    def hand_over(self, owner: Owner) -> None:
        """Take the rights that the source's root has now."""
        attributes = _attributes(owner, self.attributes.mtime_ns)
        if attributes != self.attributes:
            self.attributes = attributes

    @property
    def direct(self) -> bool:
        """See `File`."""
        return True

    def open(self) -> Opened:
        """See `File`."""
        return Snapshot(self._content())

    def open_writer(self) -> Writer:
        """See `File`."""
        return _Handle(self, self._content())

    def execute(self, line: bytes) -> None:
        """Carry out one line. OSError if it fails."""
        with self._lock:
            try:
                command = parse(line)
                if command is None:
                    return
                result = self._run(command)
                what = str(command)
            except CommandError as error:
                result = Result(errno.EINVAL, (str(error),))
                what = line.decode(errors="replace")
            except Exception:  # noqa: BLE001 (whatever it is, the writer must be told)
                _log.exception("a command failed: please report this")
                result = Result(errno.EIO, ("failed because of a bug in pstorefs: see its log",))
                what = line.decode(errors="replace")
            self.answer(what, result)
        result.check()

    def answer(self, what: str, result: Result) -> None:
        """Let the result of a command be read."""
        now = datetime.now(timezone.utc)
        said = os.strerror(result.error) if result.error else "done"
        short = printable(what if len(what) < 200 else what[:200] + " ...")
        lines = "".join(f"  {printable(line)}\n" for line in result.lines)
        if len(lines) > _LONGEST_ANSWER:
            lines = "  ...\n" + lines[-_LONGEST_ANSWER:].partition("\n")[2]
        self._answers.append(f"\n{now:%Y-%m-%dT%H:%M:%SZ} {short}: {said}\n{lines}")

    def _content(self) -> bytes:
        answers = "".join(list(self._answers)) or "\nNo command yet.\n"
        if len(answers) > _LONGEST_ANSWER:
            answers = "\n...\n" + answers[-_LONGEST_ANSWER:].partition("\n")[2]
        return (_USAGE + answers).encode(errors="replace")


class _Handle:
    """One open for writing. After a failure it takes nothing more: the first failure stops."""

    __slots__ = ("_content", "_control", "_failed", "_lines")
    lane: Lane = QUICK

    def __init__(self, control: Control, content: bytes) -> None:
        self._control = control
        self._content = content
        self._lines = Lines()
        self._failed = 0

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`."""
        return self._content[offset : offset + size]

    def write(self, data: bytes) -> None:
        """See `Writer`."""
        if self._failed:
            raise OSError(self._failed, os.strerror(self._failed))
        try:
            for line in self._lines.feed(data):
                self._control.execute(line)
            self._lines.check()
        except CommandError as error:
            self._failed = errno.EINVAL
            self._control.answer("a line", Result(errno.EINVAL, (str(error),)))
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from error
        except OSError as error:
            self._failed = error.errno or errno.EIO
            raise

    def close(self) -> None:
        """See `Opened`. Only the answer can still say it."""
        if self._lines.pending.strip():
            words = (
                "not run: the line has no newline at its end, so the last name may be incomplete"
            )
            line = self._lines.pending.decode(errors="replace")
            self._control.answer(line, Result(errno.EINVAL, (words,)))


def _attributes(owner: Owner, mtime_ns: int) -> Attributes:
    # Whoever owns the root may write. Answers name records, those in closed folders too.
    mode = owner.file_mode & 0o400 | 0o200
    return owner._replace(file_mode=mode).file(0, mtime_ns)
