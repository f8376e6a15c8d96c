"""`pstorefs --on-dump`: run the hooks for each dump that was saved. For pstorefs-on-dump.service.

A hook is a program in /etc/pstorefs/on-dump.d. Its argument is the dump's directory in the archive;
its environment has PSTOREFS_DUMP, the name. It has a minute, and is then killed with all that it
has started. A dump is taken out before its hooks run: one that takes the machine down does so once.

Exit status: 0 all hooks ended with 0, or there was nothing to do; 2 one did not.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

from pstorefs.archive import spool
from pstorefs.cli.said import say

#: Seconds that a hook has, and that it has to end after it was told to.
LIMIT, GRACE = 60.0, 5.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_hooks(archive: str | None, directory: str = spool.HOOKS) -> int:
    """Run all hooks for all dumps that are noted in an archive."""
    if archive is None:
        return 0
    hooks, unsafe = spool.hooks(directory)
    for path in unsafe:
        say(
            f"{path}: not run, as users other than root may write to it:"
            " chown root and chmod go-w it"
        )
    failed = bool(unsafe)
    for name in spool.names(archive) if hooks else ():
        dump = os.path.join(archive, name)
        if not spool.take(archive, name) or not os.path.isdir(dump):
            continue
        for hook in hooks:
            why = run_hook(hook, dump, name)
            if why:
                failed = True
                say(f"{hook} {dump}: {why}")
    return 2 if failed else 0


def run_hook(hook: str, dump: str, name: str) -> str:
    """Run one program; what went wrong, or nothing."""
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", "PSTOREFS_DUMP": name}
    try:
        process = subprocess.Popen(
            [hook, dump],
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return f"not run: {error.strerror or error}"
    try:
        status = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"killed after {LIMIT:g} seconds"
    return f"exit status {status}" if status else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that is in its session's group, with a warning first."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
