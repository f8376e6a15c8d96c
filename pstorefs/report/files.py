"""What is told of a dump: report.txt for people, summary.json for programs.

Both are made from the dump, from what its text says (`oops.Facts`) and from the other dumps of its
boot. Nothing in them depends on the moment at which they are read.

summary.json, schema 1. Every key is always there; null: not known.

=================== ===========================================================================
key                 value
=================== ===========================================================================
schema              1; a higher number where a key changes its meaning
program             the name and version of what wrote this
name, id            of the directory; SHA-256 over the sorted SHA-256 sums of the stored records
type, backend       dmesg, console...; erst, efi, ramoops, pstore_blk, nvram
reason, count       what the kernel says in the header: Panic, Oops...; oopses since boot
crash               true for Panic, Oops and Emergency, and for a log without a header (a console's)
                    that ends in a crash and belongs to no dump
time, time_source   RFC 3339 in UTC; id, mtime, boot-id (the boot's begin: the dump is later), none
title, class        as kernel developers call it; oops, bug, panic, warning, kasan, hung-task...
signature           the same for the same bug on any machine, boot and build; its version first;
                    null where what is known would be the same for different bugs
stack               in the same form, the same where the same functions led to it
panic               the message of the panic
kernel              release, build and taint letters of the kernel that crashed
reading_kernel      the release that runs on the machine that reads
machine             machine_id, hostname of the reading machine if the records are its own; hardware
task                cpu, pid and comm
ip                  the instruction pointer: function, offset, size, module
caller              who called what ip points at, in the same form: what jumped to nowhere
interrupted         true: ip and task are those of what an interrupt interrupted
made_by             sysrq or lkdtm: somebody made the crash on purpose
trace               a list of frames: function, offset, size, module, reliable (false: marked ?)
modules             modules linked in
earlier, later      other reports in the same text: title, class, signature, seconds since boot
boot, boot_order    a key that dumps of one boot share; which one this is
boot_dumps          the other known dumps of that boot: name, title, order
records             name, place, path, part, size, sha256, state, problem, ecc
missing_parts       ranges of parts that are not there, [first, last]
complete            true if no part is known to be missing, damaged or unreadable, and the text does
                    not begin inside the report
=================== ===========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pstorefs import __version__
from pstorefs.dump import Dump, join
from pstorefs.oops import Facts, Frame, Location, Other, parse_dump
from pstorefs.record import reading
from pstorefs.record.record import ARCHIVE, BOOT_ID, ID, MTIME, STORE, Record
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from pstorefs.archive.policy import Compose

SCHEMA = 1
_WIDTH = 12
_TIME_WORDS = {
    ID: "from the record's id",
    MTIME: "the record's time",
    BOOT_ID: "about: when that boot wrote its first record",
}
_PLACE_WORDS = {STORE: "in the store", ARCHIVE: "archived"}
_PLACE_DEFAULT = "moved away by systemd-pstore"
_WHOLE = (reading.PLAIN, reading.DECODED)


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another dump of the same boot."""

    name: str
    title: str
    order: int
    reason: str


@dataclass(frozen=True)
class Context:
    """What a report says beyond its dump: who reads, and what else happened in that boot.

    ``own``: the records are those of the reading machine.
    """

    machine: Machine = field(default_factory=Machine)
    own: bool = False
    siblings: tuple[Sibling, ...] = ()


def rfc3339(nanoseconds: int | None) -> str | None:
    """A time in UTC, to the second: 2026-06-01T01:15:01Z."""
    moment = calendar(nanoseconds)
    return None if moment is None else f"{moment.year:04}{moment:-%m-%dT%H:%M:%SZ}"


def calendar(nanoseconds: int | None) -> datetime | None:
    """A time as calendars have it; None if it is not known, or not of the years 1 to 9999."""
    if nanoseconds is None:
        return None
    try:
        return datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def title_of(dump: Dump, facts: Facts) -> str:
    """What a dump is called where people read it."""
    return printable(facts.title or dump.label)


def composer(machine: Machine, *, own: bool) -> Compose:
    """What the archive writes beside the records of a dump."""

    def compose(
        dump: Dump, read: Callable[[Record], bytes], facts: Mapping[str, object]
    ) -> Mapping[str, bytes]:
        del facts  # they stand in the archive's own records.json
        text = join(dump, read)
        said = parse_dump(text, dump.reason or "", dump.count)
        context = Context(machine, own)
        composed = {
            "dmesg.txt": text,
            "report.txt": report(dump, said, text, context),
            "summary.json": summary(dump, said, context),
        }
        console = console_of(dump)
        if console is not None:
            composed["console.txt"] = read(console)
        return composed

    return compose


def console_of(dump: Dump) -> Record | None:
    """The newest console log that ends with this dump."""
    consoles = [part.record for part in dump.others if part.record.name.type == "console"]
    return max(consoles, key=lambda record: record.path, default=None)


# summary.json


def summary(dump: Dump, facts: Facts, context: Context) -> bytes:
    """summary.json."""
    return json.dumps(summary_keys(dump, facts, context), indent=1).encode() + b"\n"


def summary_keys(dump: Dump, facts: Facts, context: Context) -> dict[str, Any]:
    """summary.json, before it is JSON."""
    machine, own = context.machine, context.own
    return {
        "schema": SCHEMA,
        "program": f"pstorefs {__version__}",
        "name": dump.name,
        "id": dump.id,
        "type": dump.type,
        "backend": dump.backend,
        "reason": dump.reason,
        "count": dump.count,
        "crash": dump.is_crash,
        "time": rfc3339(dump.time_ns),
        "time_source": dump.time_source,
        "title": title_of(dump, facts),
        "class": facts.error_class,
        "signature": facts.signature or None,
        "stack": facts.stack or None,
        "panic": facts.panic,
        "kernel": {"release": facts.kernel, "build": facts.build, "taint": facts.taint},
        "reading_kernel": machine.kernel,
        "machine": {
            "machine_id": machine.machine_id if own else None,
            "hostname": machine.hostname if own else None,
            "hardware": facts.hardware,
        },
        "task": {"cpu": facts.cpu, "pid": facts.pid, "comm": facts.comm},
        "ip": _location(facts.ip),
        "caller": _location(facts.caller),
        "interrupted": facts.interrupted,
        "made_by": facts.made_by,
        "trace": [_frame(frame) for frame in facts.trace],
        "modules": list(facts.modules),
        "earlier": [_other(other) for other in facts.others if other.before],
        "later": [_other(other) for other in facts.others if not other.before],
        "boot": dump.boot,
        "boot_order": dump.order,
        "boot_dumps": [
            {"name": sibling.name, "title": sibling.title, "order": sibling.order}
            for sibling in context.siblings
        ],
        "records": [record_keys(record, part) for record, part in _records_of(dump)],
        "missing_parts": [list(gap) for gap in dump.missing],
        "complete": _complete(dump, facts),
    }


def record_keys(record: Record, part: int | None) -> dict[str, Any]:
    """What is known of one record."""
    return {
        "name": record.file,
        "place": record.place,
        "path": record.path,
        "part": part,
        "size": record.size,
        "sha256": record.sha256,
        "state": record.state,
        "problem": record.broken or None,
        "ecc": record.ecc
        and {"corrected": record.ecc.corrected, "unrecoverable": record.ecc.unrecoverable},
    }


def _records_of(dump: Dump) -> list[tuple[Record, int | None]]:
    return [
        (record, part.number) for part in (*dump.parts, *dump.others) for record in part.records
    ]


def _location(place: Location | None) -> dict[str, Any] | None:
    return (
        None
        if place is None
        else {
            "function": place.function,
            "offset": place.offset,
            "size": place.size,
            "module": place.module,
        }
    )


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "function": frame.function,
        "offset": frame.offset,
        "size": frame.size,
        "module": frame.module,
        "reliable": frame.reliable,
    }


def _other(other: Other) -> dict[str, Any]:
    seconds = None if other.time is None else other.time / 1e6
    return {
        "title": printable(other.title),
        "class": other.error_class,
        "signature": other.signature or None,
        "seconds": seconds,
    }


def _complete(dump: Dump, facts: Facts) -> bool:
    return (
        not dump.missing
        and not facts.cut
        and all(part.record.state in _WHOLE for part in dump.parts)
    )


# report.txt


def report(dump: Dump, facts: Facts, text: bytes, context: Context) -> bytes:
    """report.txt. `text` is dmesg.txt, in which `facts` found the kernel's own report."""
    title = title_of(dump, facts)
    lines = [title, "=" * min(len(title), 100), ""]
    for label, value in _rows(dump, facts, context):
        if value:
            first, *more = value.split("\n")
            lines.append(f"{label + ':':{_WIDTH}}{first}")
            lines += [" " * _WIDTH + line for line in more]
    if facts.span is None:
        lines += ["", "The text holds no report of a crash; see dmesg.txt."]
        return _encode(lines)
    own_words = text[facts.span.start : facts.span.end]
    lines += ["", "The kernel's own report:", "", ""]
    return _encode(lines)[:-1] + own_words + b"\n"


def _encode(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode(errors="replace")


def _rows(dump: Dump, facts: Facts, context: Context) -> list[tuple[str, str]]:
    machine = context.machine
    return [
        ("What", _what(dump, facts)),
        ("When", _when(dump)),
        ("Kernel", _kernel(facts, machine)),
        ("Machine", _machine(facts, context)),
        ("Where", _where(facts)),
        ("Boot", _boot(dump, facts, context)),
        ("Missing", _missing(dump, facts)),
        ("Memory", _memory(dump)),
        ("Records", _records(dump)),
        ("Signature", facts.signature),
    ]


def _what(dump: Dump, facts: Facts) -> str:
    if dump.reason is None:
        return _what_log(dump, facts)
    words = f"{dump.reason}#{dump.count}"
    if facts.panic:
        words += f": {printable(facts.panic)}"
    elif not dump.is_crash:
        words += ", an orderly end of a boot, not a crash"
    return words + _made(facts)


def _what_log(dump: Dump, facts: Facts) -> str:
    """The same of a log without a header line: that of a console, mostly."""
    if not dump.backend:
        return printable(facts.panic or "") + _made(facts)
    words = printable(dump.label)
    if not dump.is_crash:
        return f"{words}, no dump"
    end = f": {printable(facts.panic)}" if facts.panic else ""
    return f"{words}, which ends in a crash{end}{_made(facts)}"


def _made(facts: Facts) -> str:
    by = {"sysrq": "SysRq", "lkdtm": "the kernel's crash test, lkdtm"}.get(facts.made_by or "")
    return f"\nmade on purpose, by {by}" if by else ""


def _when(dump: Dump) -> str:
    moment = calendar(dump.time_ns)
    if moment is None and not dump.parts:
        return ""  # a text alone
    if moment is None:
        return "not known: the backend keeps no time"
    words = _TIME_WORDS.get(dump.time_source, "")
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" + (f" ({words})" if words else "")


def _kernel(facts: Facts, machine: Machine) -> str:
    if facts.kernel is None:
        return ""
    words = printable(" ".join(filter(None, (facts.kernel, facts.build))))
    if facts.taint:
        words += f"\ntainted: {printable(facts.taint)}"
    if machine.kernel and machine.kernel != facts.kernel:
        words += f"\n(now running: {printable(machine.kernel)})"
    return words


def _machine(facts: Facts, context: Context) -> str:
    name = context.machine.hostname if context.own else None
    return printable(", ".join(filter(None, (name, facts.hardware))))


def _where(facts: Facts) -> str:
    words = []
    if facts.ip is not None:
        words.append(_place(facts.ip))
        if facts.ip.function is None and facts.caller is not None:
            words[-1] += f", called by {_place(facts.caller)}"
    if facts.pid is not None:
        words.append(f"PID {facts.pid}" + (f" ({facts.comm})" if facts.comm else ""))
    if facts.cpu is not None:
        words.insert(0 if facts.interrupted else len(words[:1]), f"CPU {facts.cpu}")
    if facts.interrupted:  # a CPU is what it is; what it did before is not the crash
        known = facts.cpu is not None
        words[known:] = [f"interrupted: {', '.join(words[known:])}"]
    return printable(", ".join(words))


def _place(place: Location) -> str:
    if place.function is None:
        return "an address without a function"
    offset = "" if place.offset is None else f"+{place.offset:#x}"
    module = f" [{place.module}]" if place.module else ""
    return f"{place.function}{offset}{module}"


def _boot(dump: Dump, facts: Facts, context: Context) -> str:
    earlier = [each for each in context.siblings if dump.order and each.order < dump.order]
    later = [each for each in context.siblings if dump.order and each.order > dump.order]
    lines = []
    if earlier:
        kind = "oops" if all(each.reason == "Oops" for each in earlier) else "dump"
        count = len(earlier)
        plural = "" if count == 1 else "es" if kind == "oops" else "s"
        first = min(earlier, key=lambda each: each.order)
        the = "" if count == 1 else "the first "
        lines.append(
            f"{count} earlier {kind}{plural} in this boot, {the}dumps/{first.name}: {first.title}"
        )
    if later:
        last = min(later, key=lambda each: each.order)
        the = "" if len(later) == 1 else "the next "
        lines.append(f"{len(later)} later in this boot, {the}dumps/{last.name}: {last.title}")
    told = {each.title for each in context.siblings}
    for other in facts.others[:5]:
        title = printable(other.title)
        if other.before and title not in told and not earlier:
            seconds = "" if other.time is None else f" at {other.time / 1e6:.6f} s"
            lines.append(f"before it in the same text{seconds}: {title}")
    return "\n".join(lines)


def _missing(dump: Dump, facts: Facts) -> str:
    lines = []
    for first, last in dump.missing:
        newest = ", the newest: what was printed last is lost" if first == 1 else ""
        lines.append((f"part {first}" if first == last else f"parts {first} to {last}") + newest)
    if facts.cut:
        lines.append("the first lines of the report: the text begins inside it")
    for part in dump.parts:
        if part.record.state not in _WHOLE:
            number = "" if part.number is None else f"part {part.number} "
            problem = f": {part.record.broken}" if part.record.broken else ""
            lines.append(f"{number}({part.record.file}) is {part.record.state}{problem}")
    return "\n".join(map(printable, lines))


def _memory(dump: Dump) -> str:
    corrected = sum(part.record.ecc.corrected for part in dump.parts if part.record.ecc)
    lost = sum(part.record.ecc.unrecoverable for part in dump.parts if part.record.ecc)
    if lost:
        return f"{lost} blocks damaged beyond correction: text may be wrong"
    return f"{corrected} bytes corrected by ECC" if corrected else ""


def _records(dump: Dump) -> str:
    counts: dict[str, int] = {}
    for record, _ in _records_of(dump):
        words = _PLACE_WORDS.get(record.place, _PLACE_DEFAULT)
        counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{count} {words}" for words, count in counts.items())
