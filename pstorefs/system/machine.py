"""Facts about the machine that this program runs on: name, running kernel, when it was booted.

Every path lies below `root`, so that tests can show another machine.
"""

from __future__ import annotations

import os
import re
from functools import cached_property

_MACHINE_ID = re.compile(r"[0-9a-f]{32}")


class Machine:
    """The reading machine. A fact that cannot be found out is empty or None."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def read(self, path: str) -> str:
        """A small text file, stripped; empty if it cannot be read."""
        try:
            with open(os.path.join(self.root, path), errors="replace") as file:
                return file.read(1 << 16).strip()
        except OSError:
            return ""

    @cached_property
    def machine_id(self) -> str | None:
        """machine-id(5)."""
        text = self.read("etc/machine-id")
        return text if _MACHINE_ID.fullmatch(text) else None

    @property
    def hostname(self) -> str | None:
        """The name that the kernel has now."""
        if self.root == "/":
            return os.uname().nodename or None
        return self.read("proc/sys/kernel/hostname") or None

    @cached_property
    def kernel(self) -> str | None:
        """The running kernel's release, as uname -r prints it."""
        return self.read("proc/sys/kernel/osrelease") or None

    @property
    def boot_id(self) -> str:
        """The id of the running boot, random(4); empty: not known."""
        return self.read("proc/sys/kernel/random/boot_id")

    @cached_property
    def boot_seconds(self) -> int | None:
        """When this boot began, in Unix time."""
        match = re.search(r"^btime (\d{1,12})$", self.read("proc/stat"), re.MULTILINE)
        return int(match[1]) if match else None
