"""A memory cgroup for the daemons or the clients of the soak; version 1 or 2, as there is.

It lies at the hierarchy's root. Where none can be made, memory is never scarce, and it is said.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

_ROOTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
_ROOM = 24 << 20
_LEAVE_SECONDS = 5


class Group:
    """One cgroup, or none: then everything here does nothing."""

    def __init__(self, name: str) -> None:
        self.place: Path | None = None
        for root in _ROOTS:
            place = root / name
            with suppress(OSError):
                place.mkdir()
                if any((place / file).exists() for file in ("memory.high", "memory.stat")):
                    self.place = place
                    break
                place.rmdir()
        if self._has("memory.oom_control"):
            # Who needs more than there is waits until there is more; nobody is killed.
            self._write("memory.oom_control", "1")

    def add(self, pid: int) -> None:
        """Count a process in."""
        if self.place is not None:
            self._write("cgroup.procs", str(pid))

    def squeeze(self) -> bool:
        """Leave little more room than what cannot be given back. Whether that was possible."""
        if self.place is None:
            return False
        words = dict(line.split() for line in self._read("memory.stat").splitlines())
        least = int(words.get("total_rss") or words.get("anon") or 0) + _ROOM
        if self._has("memory.high"):
            return self._write("memory.high", str(least))
        # It is refused where less cannot be reached at once.
        usage = int(self._read("memory.usage_in_bytes"))
        shares = (0.0, 0.2, 0.4, 0.6, 0.8)
        limits = (int(least + max(0, usage - least) * share) for share in shares)
        return any(self._write("memory.limit_in_bytes", str(limit)) for limit in limits)

    def release(self) -> None:
        """As much as there is."""
        if self.place is not None:
            if self._has("memory.high"):
                self._write("memory.high", "max")
            else:
                self._write("memory.limit_in_bytes", "-1")

    def evict(self) -> bool:
        """Drop the pages and the names that its processes brought into the kernel's caches."""
        if self.place is None:
            return False
        if self._has("memory.reclaim"):
            return self._write("memory.reclaim", "1G")
        return self._write("memory.force_empty", "0")

    def remove(self) -> None:
        """Its processes have ended."""
        if self.place is not None:
            self.release()
            end = time.monotonic() + _LEAVE_SECONDS
            while self.place.exists() and time.monotonic() < end:
                with suppress(OSError):
                    self.place.rmdir()
                time.sleep(0.05)

    def _has(self, file: str) -> bool:
        return self.place is not None and (self.place / file).exists()

    def _read(self, file: str) -> str:
        assert self.place is not None
        return (self.place / file).read_text()

    def _write(self, file: str, text: str) -> bool:
        assert self.place is not None
        try:
            (self.place / file).write_text(text)
        except OSError:
            return False
        return True
