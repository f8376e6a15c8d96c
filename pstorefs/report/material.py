"""The input for the files of a dump, wherever its records are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pstorefs.archive.stored import Stored
from pstorefs.dump import Dump, join
from pstorefs.dump.boots import oops_before
from pstorefs.dump.joining import body
from pstorefs.oops import Facts, caused_by, parse_dump
from pstorefs.record import pmsg
from pstorefs.record.record import Record
from pstorefs.report import report_txt, summary_json
from pstorefs.report.context import Context, Sibling

if TYPE_CHECKING:
    from pstorefs.catalog.catalog import Catalog
    from pstorefs.catalog.view import Listed
    from pstorefs.system.machine import Machine

# Replaces the title of a dump that not everybody who reads this one may read.
_CLOSED = "see its own report"


class Material(Protocol):
    """The input for the files of one dump. Each method may take long and may raise OSError."""

    def keys(self) -> Mapping[str, Any]:
        """`summary_json.keys_of` it."""

    def text(self) -> bytes:
        """dmesg.txt."""

    def words(self) -> bytes | None:
        """The kernel's own report; None: the text has none."""

    def console(self) -> bytes | None:
        """The console log that ends with this dump, if there is one."""

    @property
    def has_console(self) -> bool:
        """Whether there is one."""

    def logcat(self) -> bytes | None:
        """The log of Android, if there is one, as logcat shows it."""

    @property
    def has_logcat(self) -> bool:
        """Whether there is one."""


def console_of(dump: Dump) -> Record | None:
    """The newest console log that ends with this dump."""
    consoles = [part.record for part in dump.others if part.record.name.type == "console"]
    return max(consoles, key=lambda record: record.path, default=None)


def logcat_of(dump: Dump, read: Callable[[Record], bytes]) -> bytes:
    """The content of a dump's newest pmsg record, which may be an Android log."""
    parts = [part.record for part in (*dump.parts, *dump.others) if part.record.name.type == "pmsg"]
    record = max(parts, key=lambda record: record.path, default=None)
    return body(record, read(record)) if record is not None else b""


class DecodedMaterial:
    """The material of a dump whose records can be read.

    `read` gives the text of a record; `boot` are the other dumps of its boot, which it reads, too.
    """

    def __init__(
        self, dump: Dump, read: Callable[[Record], bytes], boot: Iterable[Dump] = ()
    ) -> None:
        self.dump = dump
        self._boot = boot
        self._read = read
        self._text: bytes | None = None
        self._facts: Facts | None = None
        self._keys: Mapping[str, Any] | None = None

    def text(self) -> bytes:
        """See `Material`."""
        if self._text is None:
            self._text = join(self.dump, self._read)
        return self._text

    def facts(self) -> Facts:
        """The facts from the text."""
        if self._facts is None:
            facts = parse_dump(self.text(), self.dump.reason or "", self.dump.count)
            cause = oops_before(self.dump, self._boot) if facts.cause_missing else None
            if cause is not None:
                facts = caused_by(facts, DecodedMaterial(cause, self._read).facts())
            self._facts = facts
        return self._facts

    def keys(self) -> Mapping[str, Any]:
        """See `Material`."""
        if self._keys is None:
            self._keys = summary_json.keys_of(self.dump, self.facts())
        return self._keys

    def words(self) -> bytes | None:
        """See `Material`."""
        span = self.facts().span
        return self.text()[span.start : span.end] if span else None

    def console(self) -> bytes | None:
        """See `Material`."""
        record = console_of(self.dump)
        return self._read(record) if record is not None else None

    @property
    def has_console(self) -> bool:
        """See `Material`."""
        return console_of(self.dump) is not None

    def logcat(self) -> bytes | None:
        """See `Material`."""
        return pmsg.logcat(logcat_of(self.dump, self._read)) or None

    @property
    def has_logcat(self) -> bool:
        """See `Material`."""
        return pmsg.is_android(logcat_of(self.dump, self._read))


class KnownMaterial:
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

    @property
    def has_console(self) -> bool:
        """See `Material`."""
        return console_of(self._dump) is not None

    def _pmsg(self) -> bytes:
        return logcat_of(self._dump, lambda record: self._catalog.reading(record).text)

    def logcat(self) -> bytes | None:
        """See `Material`."""
        return pmsg.logcat(self._pmsg()) or None

    @property
    def has_logcat(self) -> bool:
        """See `Material`."""
        return pmsg.is_android(self._pmsg())


class SavedMaterial:
    """The material of an archived dump: what was composed when it was saved, where that is right.

    Nothing is decoded, unless an earlier version saved it and its text is wanted, or it is damaged.
    """

    def __init__(self, catalog: Catalog, known: Stored) -> None:
        self._catalog = catalog
        self._known = known

    def keys(self) -> Mapping[str, Any]:
        """See `Material`."""
        return {**self._known.keys, "schema": summary_json.SCHEMA}

    def _in_full(self) -> KnownMaterial:
        return KnownMaterial(self._catalog, self._catalog.of_records(self._known))

    def text(self) -> bytes:
        """See `Material`."""
        text = self._catalog.text_of(self._known, "dmesg.txt")
        return self._in_full().text() if text is None else text

    def words(self) -> bytes | None:
        """See `Material`."""
        text = self._catalog.text_of(self._known, "dmesg.txt")
        if text is None:
            words = report_txt.words_of(self._catalog.report_of(self._known) or b"")
            return self._in_full().words() if words is None else words or None
        span = self._known.keys["report"]
        return text[slice(*span)] if span else None

    def console(self) -> bytes | None:
        """See `Material`."""
        text = self._catalog.text_of(self._known, "console.txt")
        if text is not None or not self.has_console:
            return text
        return self._in_full().console()

    @property
    def has_console(self) -> bool:
        """Whether a console log ends with this dump."""
        logs = (each for each in self._known.records if each["use"] == summary_json.LOG)
        return any(each["name"].startswith("console") for each in logs)

    def logcat(self) -> bytes | None:
        """See `Material`."""
        text = self._catalog.text_of(self._known, "logcat.txt") if self.has_logcat else None
        return self._in_full().logcat() if text is None and self.has_logcat else text

    @property
    def has_logcat(self) -> bool:
        """Whether one was composed when it was saved."""
        return "logcat.txt" in self._known.texts


class NotAtHandError(Exception):
    """It would take more than a few small reads."""


class SavedAtHand(SavedMaterial):
    """The same for callers that must not wait: `NotAtHandError` if it would take long."""

    def text(self) -> bytes:
        """See `Material`."""
        text = self._catalog.text_at_hand(self._known, "dmesg.txt")
        if text is None:
            raise NotAtHandError
        return text

    def words(self) -> bytes | None:
        """See `Material`."""
        span = self._known.keys["report"]
        return self.text()[slice(*span)] if span else None

    def console(self) -> bytes | None:
        """See `Material`."""
        text = self._catalog.text_at_hand(self._known, "console.txt")
        if text is None and self.has_console:
            raise NotAtHandError
        return text

    def logcat(self) -> bytes | None:
        """See `Material`."""
        text = self._catalog.text_at_hand(self._known, "logcat.txt") if self.has_logcat else None
        if text is None and self.has_logcat:
            raise NotAtHandError
        return text


class RawFile(NamedTuple):
    """A record of a dump as it is stored."""

    file: str
    sha256: str
    mtime_ns: int


def raw_files(known: Dump | Stored) -> list[RawFile]:
    """The records of a dump, one for each part and each log: what raw/ holds."""
    if isinstance(known, Stored):
        return [
            RawFile(
                each["name"],
                each["sha256"],
                known.raw[each["path"].rpartition("/")[2]].mtime_ns,
            )
            for each in known.records
            if each["use"] != summary_json.COPY
        ]
    return [
        RawFile(part.record.file, part.record.sha256, part.record.mtime_ns)
        for part in (*known.parts, *known.others)
    ]


def material(catalog: Catalog, dump: Listed | Stored) -> Material:
    """The input for the files of a catalog's dump. OSError as from `Catalog.stored`."""
    known = dump if isinstance(dump, Stored) else catalog.resolved(dump)
    return (
        SavedMaterial(catalog, known)
        if isinstance(known, Stored)
        else KnownMaterial(catalog, known)
    )


def context_of(
    catalog: Catalog,
    dump: Listed,
    machine: Machine,
    *,
    own: bool,
    may_name: Callable[[Listed], bool] = lambda _: True,
) -> Context:
    """The context of a dump. `may_name`: whether it may say the title of another one."""
    order, siblings = None, []
    view = catalog.view()
    for number, other in enumerate(view.boot_of(dump), 1):
        if other.name == dump.name:
            order = number
            continue
        title = catalog.brief(other).title if may_name(other) else _CLOSED
        siblings.append(Sibling(other.name, title, number, other.reason or ""))
    return Context(machine, own, tuple(siblings), order, view.boot_key_of(dump))
