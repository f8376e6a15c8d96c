"""What a command is about: the names that were given, looked up among the files of the source."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.archive import layout
from pstorefs.archive.outcome import KEPT, Outcome
from pstorefs.record.name import Name, parse_name
from pstorefs.record.shown import held
from pstorefs.source.directory import SNAPSHOT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pstorefs.source.stamp import Stamp


class Request(NamedTuple):
    """What an `archive` is about."""

    #: The names of all records of the source that can be archived, by path.
    names: Mapping[str, Name]
    #: Paths of records that were named; None: all are meant.
    clear: frozenset[str] | None
    #: Names that are not those of records: dumps, it is hoped.
    wanted: frozenset[str]
    #: What was named, or met, and is no record of a kernel.
    refused: tuple[Outcome, ...]


def ask(files: Mapping[str, Stamp], names: Sequence[str] | None) -> Request:
    """Look names up; None: all records."""
    records = {
        path: name
        for path, stamp in files.items()
        if stamp.size <= SNAPSHOT_LIMIT and (name := _name_of(path))
    }
    if names is None:
        return Request(records, None, frozenset(), tuple(_refuse(files, files, records)))
    paths = {name: held(name, files.__contains__) for name in names}
    found = dict.fromkeys(path for path in paths.values() if path)
    return Request(
        records,
        frozenset(found.keys() & records.keys()),
        frozenset(name for name, path in paths.items() if not path),
        tuple(_refuse(found, files, records)),
    )


def _name_of(path: str) -> Name | None:
    """The name of a record, taken apart; None if no kernel gives it, or the archive cannot."""
    file = path.rpartition("/")[2]
    return parse_name(file) if layout.raw_file(file) == file else None


def _refuse(
    paths: Mapping[str, object], files: Mapping[str, Stamp], records: Mapping[str, Name]
) -> Iterator[Outcome]:
    for path in paths:
        if path not in records:
            long = files[path].size > SNAPSHOT_LIMIT and _name_of(path)
            what = "longer than any kernel record" if long else "not a kernel record"
            words = f"{what}: not changed; to erase it: clear {path}"
            yield Outcome(path, KEPT, "", errno.EPERM, "name", words)
