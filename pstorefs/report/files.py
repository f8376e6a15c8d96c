"""The files of a dump, made in one place: for dumps/ in a mount, and for the archive.

A `Material` is the input from the dump, wherever its records are; a `Context` is what the files say
beyond it. All functions here are pure: they read what the material reads, and do nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from pstorefs.archive.policy import Compose
from pstorefs.archive.saved_summary import with_saved
from pstorefs.dump import Dump
from pstorefs.record.record import Record
from pstorefs.report import report_txt, summary_json
from pstorefs.report.context import Context, Sibling
from pstorefs.report.material import DecodedMaterial, Material
from pstorefs.system.machine import Machine

CONSOLE = "console.txt"
LOGCAT = "logcat.txt"
_SUMMARY = "summary.json"
# Titles of dumps that were composed lately: dumps of one boot name each other.
_TITLES_KEPT = 4096


def _report(material: Material, context: Context) -> bytes:
    keys = summary_json.completed(material.keys(), context)
    return report_txt.report(keys, material.words(), context)


def _summary(material: Material, context: Context) -> bytes:
    return summary_json.summary(summary_json.completed(material.keys(), context))


#: Each file and the function that makes it; None: this dump has no such file.
FILES: Mapping[str, Callable[[Material, Context], bytes | None]] = {
    "dmesg.txt": lambda material, _: material.text(),
    "report.txt": _report,
    "summary.json": _summary,
    CONSOLE: lambda material, _: material.console(),
    LOGCAT: lambda material, _: material.logcat(),
}
#: Files that not every dump has, and whether one has it.
OPTIONAL: Mapping[str, Callable[[Material], bool]] = {
    CONSOLE: lambda material: material.has_console,
    LOGCAT: lambda material: material.has_logcat,
}
#: Files that say nothing beyond their dump: the same for every reader.
PLAIN = ("dmesg.txt", CONSOLE, LOGCAT)


def composer(machine: Machine, *, own: bool) -> Compose:
    """The function that makes the files which the archive writes beside the records."""
    titles: OrderedDict[str, str] = OrderedDict()

    def title(dump: Dump, read: Callable[[Record], bytes], boot: Iterable[Dump]) -> str:
        known = titles.get(dump.id)
        if known is None:
            known = summary_json.title_of(dump, DecodedMaterial(dump, read, boot).facts())
            remember(dump, known)
        return known

    def remember(dump: Dump, said: str) -> None:
        titles[dump.id] = said
        while len(titles) > _TITLES_KEPT:
            titles.popitem(last=False)

    def compose(
        dump: Dump, read: Callable[[Record], bytes], siblings: Iterable[Dump] = ()
    ) -> Mapping[str, bytes]:
        boot = (dump, *siblings)
        material = DecodedMaterial(dump, read, boot)
        remember(dump, summary_json.title_of(dump, material.facts()))
        others = tuple(
            Sibling(other.name, title(other, read, boot), other.order or 0, other.reason or "")
            for other in siblings
        )
        context = Context(machine, own, others, dump.order, dump.boot)
        keys = summary_json.completed(material.keys(), context)
        made = {name: make(material, context) for name, make in FILES.items() if name != _SUMMARY}
        found = {name: data for name, data in made.items() if data is not None}
        texts = {name: data for name, data in found.items() if name in PLAIN}
        return found | {_SUMMARY: with_saved(dump, keys, texts)}

    return compose
