"""What the files of a dump are made of, wherever its records lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pstorefs.dump import Dump, join
from pstorefs.oops import Facts, parse_dump
from pstorefs.record.record import Record
from pstorefs.report import summary_json

if TYPE_CHECKING:
    from pstorefs.catalog.catalog import Catalog


class Material(Protocol):
    """What the files of one dump are made of. Each may take long, and may raise OSError."""

    def keys(self) -> Mapping[str, Any]:
        """`summary_json.keys_of` it."""

    def text(self) -> bytes:
        """dmesg.txt."""

    def words(self) -> bytes | None:
        """The kernel's own report; None: the text holds none."""

    def console(self) -> bytes | None:
        """The console log that ends with this dump, if there is one."""


def console_of(dump: Dump) -> Record | None:
    """The newest console log that ends with this dump."""
    consoles = [part.record for part in dump.others if part.record.name.type == "console"]
    return max(consoles, key=lambda record: record.path, default=None)


class Decoded:
    """The material of a dump whose records can be read. `read` gives a record's text."""

    def __init__(self, dump: Dump, read: Callable[[Record], bytes]) -> None:
        self.dump = dump
        self._read = read
        self._text: bytes | None = None
        self._facts: Facts | None = None

    def text(self) -> bytes:
        """See `Material`."""
        if self._text is None:
            self._text = join(self.dump, self._read)
        return self._text

    def facts(self) -> Facts:
        """What the text says."""
        if self._facts is None:
            self._facts = parse_dump(self.text(), self.dump.reason or "", self.dump.count)
        return self._facts

    def keys(self) -> Mapping[str, Any]:
        """See `Material`."""
        return summary_json.keys_of(self.dump, self.facts())

    def words(self) -> bytes | None:
        """See `Material`."""
        span = self.facts().span
        return self.text()[span.start : span.end] if span else None

    def console(self) -> bytes | None:
        """See `Material`."""
        record = console_of(self.dump)
        return self._read(record) if record is not None else None


class Known:
    """The material of a dump of a catalog, which remembers texts and what they say."""

    def __init__(self, catalog: Catalog, dump: Dump) -> None:
        self._catalog = catalog
        self._dump = dump

    def text(self) -> bytes:
        """See `Material`."""
        return self._catalog.text(self._dump)

    def keys(self) -> Mapping[str, Any]:
        """See `Material`."""
        return summary_json.keys_of(self._dump, self._catalog.facts(self._dump))

    def words(self) -> bytes | None:
        """See `Material`."""
        span = self._catalog.facts(self._dump).span
        return self.text()[span.start : span.end] if span else None

    def console(self) -> bytes | None:
        """See `Material`."""
        record = console_of(self._dump)
        return self._catalog.reading(record).text if record is not None else None
