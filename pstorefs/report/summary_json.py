"""summary.json: the facts about a dump, for programs; report.txt is made from them.

Schema 2. Every key is always there; null: not known. Nothing depends on the moment of reading.

=================== ===========================================================================
key                 value
=================== ===========================================================================
schema              2; a higher number where a key changes its meaning or is added
program             the name and version of what wrote this
name, id            of the directory; SHA-256 over the sorted SHA-256 sums of the stored records
type, backend       dmesg, console...; erst, efi, ramoops, pstore_blk, nvram
reason, count       what the kernel says in the header: Panic, Oops...; dumps since boot
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
cut                 true: the text begins inside the report, whose first lines are lost
trace               a list of frames: function, offset, size, module, reliable (false: marked ?)
modules             modules linked in
report              first byte and end of the kernel's own report in dmesg.txt, [start, end]
earlier, later      other reports in the same text: title, class, signature, seconds since boot
boot, boot_order    a key that dumps of one boot share; which one this is
boot_dumps          the other known dumps of that boot: name, title, order
records             name, place, path, part, use, size, sha256, state, problem, ecc. The use: part
                    (it is shown in dmesg.txt), copy (of a part), log (it ends with this dump)
missing_parts       ranges of parts that are not there, [first, last]
complete            true if no part is known to be missing, damaged or unreadable, and not cut
=================== ===========================================================================

In an archive there are two more keys for this program, `saved` and `digest`: see
archive/saved_summary.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pstorefs import __version__
from pstorefs.dump import Dump
from pstorefs.dump.part import Part
from pstorefs.oops import Facts, Frame, Location, Other
from pstorefs.record.record import Record
from pstorefs.report.context import Context
from pstorefs.system.json_lines import laid_out, value_of
from pstorefs.system.printable import printable
from pstorefs.system.utc import rfc3339

SCHEMA = 2
_BEGIN = b'{\n "schema": %d,\n' % SCHEMA
# What `completed` changes, in the order of its lines.
_COMPLETED = ("program", "reading_kernel", "machine", "boot", "boot_order", "boot_dumps")
# All bytes of such a text: JSON in ASCII.
_PLAIN = b"\n" + bytes(range(0x20, 0x7F))
#: The use of a record in a dump.
PART, COPY, LOG = "part", "copy", "log"


def summary(keys: Mapping[str, Any]) -> bytes:
    """summary.json: a line for each key, and for each of a list. So it is laid out in no time."""
    return laid_out(keys)


def title_of(dump: Dump, facts: Facts) -> str:
    """The title of a dump, for people."""
    return printable(facts.title or dump.label)


def keys_of(dump: Dump, facts: Facts) -> dict[str, Any]:
    """The facts from the dump itself, without those from its context."""
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
        "reading_kernel": None,
        "machine": {"machine_id": None, "hostname": None, "hardware": facts.hardware},
        **_where(facts),
        "made_by": facts.made_by,
        "cut": facts.cut,
        "trace": [_frame(frame) for frame in facts.trace],
        "modules": list(facts.modules),
        "report": facts.span and [facts.span.start, facts.span.end],
        "earlier": [_other(other) for other in facts.others if other.before],
        "later": [_other(other) for other in facts.others if not other.before],
        "boot": dump.boot,
        "boot_order": dump.order,
        "boot_dumps": [],
        "records": [_record(record, part, use) for record, part, use in _records_of(dump)],
        "missing_parts": [list(gap) for gap in dump.missing],
        "complete": dump.is_complete and not facts.cut,
    }


def completed(keys: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The same with the facts from its context."""
    machine, own = context.machine, context.own
    return {
        **keys,
        "program": f"pstorefs {__version__}",
        "reading_kernel": machine.kernel,
        "machine": {
            "machine_id": machine.machine_id if own else None,
            "hostname": machine.hostname if own else None,
            "hardware": keys["machine"]["hardware"],
        },
        "boot": context.boot or keys["boot"],
        "boot_order": context.order if context.order is not None else keys["boot_order"],
        "boot_dumps": [
            {"name": sibling.name, "title": sibling.title, "order": sibling.order}
            for sibling in context.siblings
        ],
    }


def completed_text(text: bytes, context: Context) -> bytes | None:
    """`completed` of what `summary` made, without reading the rest; None: of another schema.

    Also None of what it cannot have made: an index can be forged, and then it is read in full.
    """
    if not text.startswith(_BEGIN) or text.translate(None, _PLAIN):
        return None
    try:
        places = {key: _place(text, key) for key in _COMPLETED}
        keys = {key: json.loads(text[places[key]]) for key in ("machine", "boot", "boot_order")}
        new = completed(keys, context)
        values = {key: value_of(new[key]).encode() for key in _COMPLETED}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    pieces: list[bytes] = []
    at = 0
    for key, place in places.items():
        pieces += text[at : place.start], values[key]
        at = place.stop
    return b"".join((*pieces, text[at:]))


def _place(text: bytes, key: str) -> slice:
    """Where the value of a key is: a line in quotes begins the next one."""
    head = b'\n "%s": ' % key.encode()
    begin = text.index(head) + len(head)
    return slice(begin, text.index(b',\n "', begin))


def _record(record: Record, part: int | None, use: str) -> dict[str, Any]:
    return {
        "name": record.file,
        "place": record.place,
        "path": record.path,
        "part": part,
        "use": use,
        "size": record.size,
        "sha256": record.sha256,
        "state": record.state,
        "problem": record.broken or None,
        "ecc": record.ecc and record.ecc._asdict(),
    }


def _records_of(dump: Dump) -> Iterator[tuple[Record, int | None, str]]:
    parts: list[tuple[Part, str]] = [(part, PART) for part in dump.parts]
    parts += [(part, LOG) for part in dump.others]
    for part, use in parts:
        for number, record in enumerate(part.records):
            yield record, part.number, COPY if use == PART and number else use


def _where(facts: Facts) -> dict[str, Any]:
    return {
        "task": {"cpu": facts.cpu, "pid": facts.pid, "comm": facts.comm},
        "ip": _location(facts.ip),
        "caller": _location(facts.caller),
        "interrupted": facts.interrupted,
    }


def _location(place: Location | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        "function": place.function,
        "offset": place.offset,
        "size": place.size,
        "module": place.module,
    }


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
