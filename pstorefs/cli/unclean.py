"""`unclean = yes`: what `pstorefs --ship` reports of a boot before which nothing was shut down.

Nor did the machine leave a record then. The cause is looked for once in each boot, after the
archive has run; report/last_reboot.py judges, as for `status`. What would prevent a record now is
not looked at, as the service must not see the store.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pstorefs.archive import durable, layout
from pstorefs.fleet import entry, reboot, receipts
from pstorefs.report.last_reboot import NOT_KNOWN, UNCLEAN, Cause, Crash, judge
from pstorefs.system.last_boot import LastBoot, read_last_boot
from pstorefs.system.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SUMMARY_BYTES = 1 << 20
#: So many dumps are looked at, the newest of those whose names have a time, and of all others.
_LOOKED_AT = 50


def note(archive: int, folder: int, machine: Machine, say: Callable[[str], None]) -> None:
    """Look into this boot, if that was not done, and note what is to be shipped of it.

    `archive`, `folder`: descriptors of the archive and of a store's receipts.
    """
    boot = machine.boot_id
    if not boot or receipts.reboot_noted(folder, boot):
        return
    last = read_last_boot(machine)
    cause = judge(last, _newest(archive))
    data = b""
    if cause.answer == NOT_KNOWN:
        say(f"unclean=yes: {cause.details}: see docs/fleet.md")
    elif cause.answer in UNCLEAN and not _undated(archive, last):
        data = reboot.frozen(_frozen(boot, cause, machine))
    receipts.note_reboot(folder, boot, data)
    receipts.forget_reboots(folder, boot)


def _frozen(boot: str, cause: Cause, machine: Machine) -> reboot.Reboot:
    now = int(time.time())
    first = f"{reboot.TITLE}: no archived crash says why this machine was booted"
    text = "\n".join([first, "", *cause.lines(), ""])
    return reboot.Reboot(
        boot=boot,
        booted=int(now if cause.booted is None else cause.booted),
        noted=now,
        host=machine.hostname or "",
        kernel=machine.kernel or "",
        answer=cause.answer,
        text=text,
        cause=cause.as_dict(),
    )


def _newest(archive: int) -> Crash | None:
    """The newest archived crash of which the time is known."""
    names = sorted((name for name in os.listdir(archive) if name[:1].isdigit()), reverse=True)
    crashes = [
        Crash(at, name, str(summary.get("title")))
        for name, summary in _summaries(archive, names[:_LOOKED_AT])
        if (at := _seconds(summary)) is not None
    ]
    return max(crashes, key=lambda crash: crash.time or 0.0, default=None)


def _undated(archive: int, last: LastBoot) -> bool:
    """Whether a crash of an unknown time was archived since the boot."""
    if last.booted is None:
        return False
    names = sorted(name for name in os.listdir(archive) if name[:1].isalpha())
    undated = [n for n, s in _summaries(archive, names[:_LOOKED_AT]) if _seconds(s) is None]
    try:
        return any(_archived(archive, name) >= last.booted for name in undated)
    except OSError:
        return True  # it is just changing: rather none than one too many


def _archived(archive: int, name: str) -> float:
    return os.stat(f"{name}/{receipts.SUMS}", dir_fd=archive, follow_symlinks=False).st_mtime


def _summaries(archive: int, names: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """Of those that are crashes: what their summary.json says."""
    found = []
    for name in names:
        try:
            directory = durable.open_directory(archive, name)
            try:
                data = durable.read_small(directory, layout.SUMMARY, _SUMMARY_BYTES)
            finally:
                os.close(directory)
        except OSError:
            continue
        summary = entry.parse(data)
        if entry.column(summary, "crash"):
            found.append((name, summary))
    return found


def _seconds(summary: dict[str, Any]) -> float | None:
    """When it crashed, Unix time."""
    from datetime import datetime

    try:
        text = entry.column(summary, "time") or ""
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
