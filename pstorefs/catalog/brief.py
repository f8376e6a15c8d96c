"""The few words of a dump that a list or `status` shows."""

from __future__ import annotations

from dataclasses import dataclass

from pstorefs.archive.stored import Stored
from pstorefs.dump import Dump
from pstorefs.oops import Facts
from pstorefs.system.printable import printable


@dataclass(frozen=True, slots=True)
class Brief:
    """A few words of summary.json. The title is fit for a terminal."""

    title: str
    kernel: str | None
    signature: str
    #: Empty: the dump is not to be read at the moment.
    id: str = ""
    complete: bool = True
    #: Of its report: panic, oops, kasan...; empty: it has none.
    error_class: str = ""

    @classmethod
    def of_stored(cls, known: Stored) -> Brief:
        """Of an archived dump, as its summary.json says."""
        keys = known.keys
        return cls(
            printable(keys["title"]),
            keys["kernel"]["release"],
            keys["signature"] or "",
            keys["id"],
            keys["complete"],
            keys["class"] or "",
        )

    @classmethod
    def of_dump(cls, dump: Dump, facts: Facts) -> Brief:
        """Of a dump whose text says this."""
        return cls(
            printable(facts.title or dump.label),
            facts.kernel,
            facts.signature,
            dump.id,
            dump.is_complete and not facts.cut,
            facts.error_class,
        )
