"""The program started as users start it, its daemon found, and a mount's whole life."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.mount.conftest import COMMAND, EVERYBODYS_PYTHON, everybodys_copy, until_mounted

ROOT = Path(__file__).parents[2]
#: 2 s after the start it loads what it has not needed yet: who has rested longer has done so.
LOADED_SECONDS = 3


def pstorefs(
    *arguments: str | Path, uid: int = 0, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    program = everybodys_copy() if uid else ROOT
    command = [EVERYBODYS_PYTHON, *COMMAND[1:]] if uid else COMMAND
    environment = {**os.environ, "PYTHONPATH": str(program), "PYTHONDONTWRITEBYTECODE": "1"}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        user=uid,
        group=uid or None,
        extra_groups=[] if uid else None,
        env=environment,
        cwd="/",
    )


def daemon_of(point: Path) -> int:
    """The process that serves a mount point."""
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            # In another root the same tests may run, with the same paths.
            if not os.path.samefile(process / "root", "/"):
                continue
        except OSError:
            continue
        if os.fsencode(point) in words and b"pstorefs" in words:
            return int(process.name)
    raise AssertionError(f"no process serves {point}")


def of_threads(pid: int) -> list[str]:
    """/proc/PID/task/TID/status of each of its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end before its file is opened, or before that is read.
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append((task / "status").read_text())
    return found


_SWITCHES = ("voluntary", "nonvoluntary")


def wake_ups(pid: int) -> dict[str, int]:
    """How often each of its threads was given a CPU, up to now."""
    found = {}
    for status in of_threads(pid):
        fields = dict(re.findall(r"^(\w+):\t(\d+)$", status, re.MULTILINE))
        found[fields["Pid"]] = sum(int(fields[f"{kind}_ctxt_switches"]) for kind in _SWITCHES)
    return found


def until_idle(pid: int, seconds: float = LOADED_SECONDS) -> None:
    """Wait until the process has not run for so long; fail if it never rests."""
    end = time.monotonic() + 100
    before, since = wake_ups(pid), time.monotonic()
    while time.monotonic() - since < seconds:
        assert time.monotonic() < end, f"it goes on running: {before} wake-ups"
        now = wake_ups(pid)
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.05)


def gone(pid: int, seconds: float = 100) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def live(command: list[str | Path], point: Path) -> None:
    """A mount by this command, until it is unmounted; in between all that a mount does."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        assert until_mounted(point, process)
        _use(point)
        subprocess.run(["umount", point], check=True)
        assert process.wait(100) == 0


def _use(point: Path) -> None:
    """Texts, reports, status, commands."""
    for where, _, files in os.walk(point):
        for name in files:
            Path(where, name).read_bytes()
    (point / "control").write_text("rescan\n")
    os.unlink(point / min(name for name in os.listdir(point) if name.startswith("dmesg-")))
    (point / "control").write_text("archive\n")
