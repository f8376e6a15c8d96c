"""Quiet points: everything holds still, is complete, and is no more than it was at the first."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pstorefs.record.shown import RESERVED
from tests.soak import programs
from tests.soak.ledger import FRESH_SECONDS
from tests.soak.site import Site
from tests.soak.stage import HANG_SECONDS, LONG_SECONDS, Stage, Violation
from tests.soak.trend import growth

#: The root. When nobody uses anything, the kernel forgets all the others.
_ROOT = 1
#: What may come over the whole soak, by the line through the quiet points: shares of the first
#: value, and so much in any case. Memory in KiB. Threads come and go: idle ones end after 10 s.
TOLERANCE = {
    "rss": (0.05, 4096),
    "pss": (0.05, 4096),
    "objects": (0.02, 1000),
    "fds": (0.0, 0),
    "threads": (0.0, 9),
    "inodes": (0.0, 0),
    "lookups": (0.0, 0),
    "opens": (0.0, 0),
    "handles": (0.0, 0),
    "listings": (0.0, 0),
}
# So many quiet points tell what memory does: five minutes.
_MANY = 8
#: What is the same at each quiet point.
EXACT = {"inodes": _ROOT, "lookups": 0, "opens": 0, "handles": 0, "listings": 0}


@dataclass
class History:
    """The quiet points of one daemon's life."""

    times: list[float] = field(default_factory=list)
    values: dict[str, list[int]] = field(default_factory=dict)

    def add(self, when: float, found: dict[str, int]) -> None:
        self.times.append(when)
        for name, value in found.items():
            self.values.setdefault(name, []).append(value)

    def growth(self, name: str) -> float:
        """See `trend.growth`."""
        return growth(self.times, self.values[name])

    def allowed(self, name: str) -> float:
        """How much that may be."""
        share, least = TOLERANCE[name]
        return max(self.values[name][0] * share, least)

    def grown(self) -> list[str]:
        """What grew by more than that. Memory counts once the caches are full."""
        few = len(self.times) < _MANY
        return [
            f"{name} by {self.growth(name):.0f}, not {self.allowed(name):.0f}: {values}"
            for name, values in self.values.items()
            if self.growth(name) > self.allowed(name) and not (few and TOLERANCE[name][0])
        ]


def hold(stage: Stage, site: Site, history: History) -> dict[str, int]:
    """Look at one mount at a quiet point, and make it as it was at the start. Returns the peaks."""
    with stage.operation("quiet point", site.name, quiet=False, limit=LONG_SECONDS):
        peak = site.measure()
        site.check_lost()
        _archive_all(site)
        site.check_lost()
        _check_archive(site)
        _compare(site)
        _reset(site)
        _compare(site)
        found = _settle(site)
        history.add(time.monotonic() - stage.began, found)
        stage.note(f"{site.name}: peak {peak}, now {found}")
        wrong = [f"{name}: {found[name]}" for name, value in EXACT.items() if found[name] != value]
        if wrong:
            raise Violation(f"{site.name}: held although nobody uses it: {wrong}: {site.held}")
        return peak


def _archive_all(site: Site) -> None:
    """With room, `archive` goes on where it was stopped, whatever that was."""
    site.prune(0)
    try:
        (site.point / "control").write_text("archive\n")
    except OSError as error:
        answer = (site.point / "control").read_text()[-900:]
        raise Violation(f"{site.name}: archive at a quiet point: {error}: {answer}") from error
    left = [v for v in site.ledger.current() if v not in site.fixtures and site.stands(v)]
    if left:
        answer = (site.point / "control").read_text()[-900:]
        raise Violation(f"{site.name}: not cleared by archive: {left[0].path}: {answer}")


def _check_archive(site: Site) -> None:
    for path in site.archive.iterdir():
        if path.name.startswith(".") and path.name not in (".lock", ".index"):
            raise Violation(f"{site.name}: left over in the archive: {path.name}")
        if not path.name.startswith("."):
            check = ["sha256sum", "--status", "-c", "SHA256SUMS"]
            if programs.run(check, cwd=path, check=False).returncode:
                raise Violation(f"{site.name}: sums of {path.name} are wrong")
            empty = [f.name for f in path.iterdir() if f.is_file() and not f.stat().st_size]
            if empty:
                raise Violation(f"{site.name}: {path.name} holds empty files: {empty}")


def _reset(site: Site) -> None:
    """The source holds what it held at the start, and a few records; the archive holds nothing."""
    site.ledger.release(site.ledger.current())
    for path in site.source.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in {v.path for v in site.fixtures} | {"pipe", "link"}:
            path.unlink()
    for version in site.fixtures:
        version.required = True
    site.prune(0)
    site.ledger.forget(site.fixtures)
    site.check_lost()


def _compare(site: Site) -> None:
    """The mount shows what is in the source: these names, these texts, and no others."""
    time.sleep(FRESH_SECONDS)
    there = {version.shown: version for version in site.ledger.current() if site.stands(version)}
    found = {}
    for folder, folders, files in os.walk(site.point):
        if folder == str(site.point):
            folders[:] = [name for name in folders if name not in RESERVED]
        for name in files:
            path = Path(folder) / name
            shown = str(path.relative_to(site.point))
            if shown not in RESERVED and shown not in ("pipe", "link"):
                found[shown] = path.read_bytes()
    if found.keys() != there.keys():
        differing = sorted(found.keys() ^ there.keys())
        raise Violation(f"{site.name}: the mount shows other names than there are: {differing[:5]}")
    wrong = [shown for shown, text in found.items() if there[shown].content.text != text]
    if wrong:
        raise Violation(f"{site.name}: another text than there is: {wrong[:5]}")


def _settle(site: Site) -> dict[str, int]:
    """Have the kernel forget everything; what the daemon holds then."""
    end = time.monotonic() + HANG_SECONDS
    while True:
        site.shrink()
        found = site.measure()
        if found["inodes"] == _ROOT or time.monotonic() > end:
            return found
        with suppress(OSError):
            os.stat(site.point)
        time.sleep(0.1)
