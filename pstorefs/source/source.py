"""What a source of records is, to the rest of the program.

A directory is one (`directory.OpenDirectory`, or `timeout.TimeoutDirectory` where it may hang);
nothing here says that files lie in a file system.

All calls may come from any thread, and several at once. They raise OSError: FileNotFoundError for
what is gone, `ChangedError` for what is not what it was, TimeoutError for what does not answer.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pstorefs.source.directory import OpenDirectory
    from pstorefs.source.efivars import VariableDirectory
    from pstorefs.source.stamp import Stamp
    from pstorefs.source.timeout import TimeoutDirectory

#: A folder: the names on the way to it from the root. The root is the empty one.
Folder = tuple[str, ...]


class Source(Protocol):
    """A tree of folders with files, which others change at any moment."""

    #: How people call it: a path or a URL.
    path: str
    #: Whether a call may take seconds, as it is served by somebody else.
    may_hang: bool

    def refresh(self, *, now: bool = False) -> None:
        """Look whether it is still the same place. If not `now`, only once in a while."""
        ...

    def scan(self, folder: Folder) -> dict[str, Stamp]:
        """All names in a folder with their stamps. What vanishes meanwhile is left out."""
        ...

    def stamp(self, folder: Folder, name: str | None = None) -> Stamp:
        """The stamp of one name in a folder, or of the folder itself."""
        ...

    def read(self, folder: Folder, name: str, expected: Stamp) -> bytes:
        """A whole file, if it is the one that the stamp is of and stays that until it is read."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Erasable(Source, Protocol):
    """A source whose records can be erased. Only the archive wants one."""

    def held(self, folder: Folder) -> AbstractContextManager[Erasable]:
        """A folder as a source of its own: all calls within the block reach the same folder.

        Between a comparison and an erasure nobody can put another folder in its place.
        """
        ...

    def erase(self, folder: Folder, name: str) -> None:
        """Remove a record for good. OSError if the store refuses, or if it is still there."""
        ...


if TYPE_CHECKING:
    # mypy checks that each keeps all of it.
    _SOURCES: list[type[Erasable]] = [OpenDirectory, TimeoutDirectory, VariableDirectory]
