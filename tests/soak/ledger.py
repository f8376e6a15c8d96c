"""What was put into a source, and until when: what may be read, and what must not be lost."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.archive.judge import saved
from tests.soak.supply import Content

#: Names and attributes are at most so old, by the contract; half a second for a busy machine.
FRESH_SECONDS = 1.5
_LOOKS = 3


@dataclass(eq=False)
class Version:
    """A content under a path of the source, between two moments; the end is that of its removal.

    ``required``: it must stand in the source or in the archive.
    """

    content: Content
    path: str
    born: float
    required: bool = False
    #: When it was certainly there, and when it was certainly gone.
    settled: float = float("inf")
    dead: float = float("inf")
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256(self.content.stored).hexdigest()

    @property
    def shown(self) -> str:
        """Its path in the mount."""
        folder, _, _ = self.path.rpartition("/")
        return f"{folder}/{self.content.shown}" if folder else self.content.shown

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by wherever it stands."""
        return self.content.name, self.digest


class Ledger:
    """The books of one source. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_shown: dict[str, list[Version]] = defaultdict(list)
        self._by_file: dict[str, list[Version]] = defaultdict(list)

    def open(self, content: Content, path: str) -> Version:
        """A content is about to appear under a path."""
        version = Version(content, path, time.monotonic())
        with self._lock:
            self._by_shown[version.shown].append(version)
            self._by_file[content.name].append(version)
        return version

    def versions(self) -> list[Version]:
        """All that the books hold."""
        with self._lock:
            return [version for each in self._by_shown.values() for version in each]

    def current(self) -> list[Version]:
        """What may stand in the source now."""
        return [version for version in self.versions() if version.dead == float("inf")]

    def standing(self, shown: str) -> list[Version]:
        """What may stand under a path of the mount now."""
        with self._lock:
            return [v for v in self._by_shown.get(shown, ()) if v.dead == float("inf")]

    def between(self, shown: str, began: float, ended: float) -> list[Version]:
        """What somebody may read who opened a path of the mount between two moments."""
        with self._lock:
            found = self._by_shown.get(shown, ())
            return [v for v in found if v.born <= ended and v.dead >= began]

    def of_file(self, name: str) -> list[Version]:
        """All versions of a record, by the kernel's name for it."""
        with self._lock:
            return list(self._by_file.get(name, ()))

    def release(self, versions: Iterable[Version]) -> None:
        """Somebody is about to remove these for good, in a way that need not save them."""
        for version in versions:
            version.required = False

    def forget(self, keep: Iterable[Version]) -> None:
        """Nobody reads, and nothing but these is there any more."""
        with self._lock:
            self._by_shown.clear()
            self._by_file.clear()
            for version in keep:
                self._by_shown[version.shown].append(version)
                self._by_file[version.content.name].append(version)

    def lost(self, source: Path, archive: Path) -> list[str]:
        """Records that stand whole neither in the source nor in the archive. Must be empty.

        They may be on their way, and folders renamed meanwhile: looked for three times.
        """
        missing = [version for version in self.versions() if version.required]
        for _ in range(_LOOKS):
            there = set(_standing(source)) | set(_archived(archive))
            missing = [v for v in missing if v.required and v.key not in there]
            if not missing:
                break
        return [version.path for version in missing]


def _standing(source: Path) -> Iterator[tuple[str, str]]:
    for path in source.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def _archived(archive: Path) -> Iterator[tuple[str, str]]:
    for path in saved(archive):
        with suppress(OSError):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            yield path.name.partition("~")[0], digest
