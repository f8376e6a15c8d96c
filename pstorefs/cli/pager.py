"""A text for people: through a pager on a terminal, written as it is elsewhere."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

from pstorefs.system.printable import printable_lines

_PAGER = "less"
# less: end at once where it fits on the screen, and leave the text there (git and systemd do so).
_LESS = "FX"


def show(data: bytes) -> None:
    """Write it to standard output. OSError if that fails, but not if the reader quits."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    command = pager()
    if not command or not _through(command, data):
        # A terminal obeys control characters, and the kernel's log may hold any.
        sys.stdout.write(printable_lines(data.decode(errors="replace").replace("\t", "    ")))
        sys.stdout.flush()


def pager() -> list[str]:
    """The user's pager; empty if there is to be none."""
    wanted = os.environ.get("PAGER", _PAGER)
    try:
        words = shlex.split(wanted)
    except ValueError:
        words = [_PAGER]
    return [] if words in ([], ["cat"]) else words


def _through(command: list[str], data: bytes) -> bool:
    """Whether a pager could be started; then it has shown the text."""
    environment = {"LESS": _LESS, **os.environ, "LESSSECURE": "1"}
    # Ctrl-C is for the pager, which stays.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # Never a shell, and no shell out of less: this often runs with sudo.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    else:
        process.communicate(data)  # that the pager is left before the end is no error here
        return True
    finally:
        signal.signal(signal.SIGINT, before)
