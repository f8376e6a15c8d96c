"""python -m tests.soak.client: a reader in a process of its own, which may be stopped and killed.

Takes lines of JSON on standard input, ["mmap", PATH] or ["half", PATH], and answers each by one:
the errno, the size, and in base64 what was read. "half" lists a directory but not to its end.
"""

from __future__ import annotations

import base64
import ctypes
import json
import mmap
import os
import platform
import sys

_GETDENTS64 = {"x86_64": 217}.get(platform.machine(), 61)
_libc = ctypes.CDLL(None, use_errno=True)


def _mapped(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        if not size:
            return b""
        with mmap.mmap(file, size, prot=mmap.PROT_READ) as pages:
            # From the end: no page was read ahead.
            steps = range(-(-size // mmap.PAGESIZE) - 1, -1, -1)
            for step in steps:
                pages[step * mmap.PAGESIZE]
            return pages[:]
    finally:
        os.close(file)


def half(path: str) -> bytes:
    """List a directory, but only what two small buffers hold."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        buffer = ctypes.create_string_buffer(400)
        for _ in range(2):
            if _libc.syscall(_GETDENTS64, folder, buffer, 400) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return b""
    finally:
        os.close(folder)


def main() -> None:
    for line in sys.stdin:
        kind, path = json.loads(line)
        try:
            data = {"mmap": _mapped, "half": half}[kind](path)
            answer = [0, base64.b64encode(data).decode()]
        except OSError as error:
            answer = [error.errno, ""]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
