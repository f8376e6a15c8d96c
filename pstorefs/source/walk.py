"""All files below the root of a source: the only walk over one.

A folder that cannot be read stops nobody: it is reported, and the walk goes on. Symbolic links are
not followed. What is passed over by name is never looked at: it may hang.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pstorefs.source.source import Folder, Source
    from pstorefs.source.stamp import Stamp

# Folders so many levels below the root are looked into: a bound against a source made to hurt.
_DEPTH = 8


class Found(NamedTuple):
    """One regular file: where it is, its stamp, and the rights of the folders above it.

    ``above`` begins with the outermost folder; the root itself is left out.
    """

    folder: tuple[str, ...]
    name: str
    stamp: Stamp
    above: tuple[Stamp, ...]

    @property
    def path(self) -> str:
        """The path below the root."""
        return "/".join((*self.folder, self.name))


def walk(
    source: Source,
    unreadable: Callable[[Folder, OSError], None],
    *,
    enters: Callable[[str], bool] = lambda _name: True,
) -> Iterator[Found]:
    """All regular files of a source.

    ``enters`` is asked with the name of a directory whether to look into that one. ``unreadable``
    is given each folder that cannot be read, with the error, and may raise it. The root is the
    empty folder.
    """
    folders: list[tuple[Folder, tuple[Stamp, ...]]] = [((), ())]
    while folders:
        folder, above = folders.pop()
        try:
            entries = source.scan(folder)
        except OSError as error:
            unreadable(folder, error)
            continue
        for name, stamp in entries.items():
            if stamp.is_file:
                yield Found(folder, name, stamp, above)
            elif stamp.is_directory and len(folder) < _DEPTH and enters(name):
                folders.append(((*folder, name), (*above, stamp.rights)))
