"""Where a mount's log goes, and which lines of pyfuse3 are left out of it."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress

_log = logging.getLogger("pstorefs")


def log_to_terminal() -> None:
    """Log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("pstorefs: %(message)s"))
    _log_to(handler)


def log_to_system() -> None:
    """Log to the journal or syslog; to nowhere, where neither listens."""
    import logging.handlers  # 4 ms, which only the background needs

    with suppress(OSError):
        handler = logging.handlers.SysLogHandler(
            "/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON
        )
        handler.ident = f"pstorefs[{os.getpid()}]: "
        _log_to(handler)
    _log.propagate = False


def _log_to(handler: logging.Handler) -> None:
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def is_news(record: logging.LogRecord) -> bool:
    """Whether pyfuse3 reports something that somebody should know.

    That an answer found its request gone (ENOENT) is no news: whoever asked was killed, or it was
    unmounted.
    """
    gone = (os.strerror(errno.ENOENT),)
    return not ("fuse_reply_" in str(record.msg) and record.args == gone)
