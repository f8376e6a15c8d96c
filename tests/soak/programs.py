"""Programs started by the soak."""

from __future__ import annotations

import functools
import subprocess

# All of Python's descriptors close themselves at exec. If the child had to close them before, it
# would wait for a daemon that is stopped, this process for the child with Python's lock in its
# hands, and so the thread that would let the daemon go on.
start = functools.partial(subprocess.Popen, close_fds=False)
run = functools.partial(subprocess.run, close_fds=False)
