"""`pstorecat --report`: what any kernel log says, without a mount.

A log is a record as stored or as decoded, a dump's dmesg.txt, the log of a console or of a serial
line, netconsole, `journalctl -k`, or kdump's vmcore-dmesg.txt. A record or dump whose header line
is there is read as what that line says; every other text as a console log. Pure functions on bytes,
but for `read_end`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pstorefs.dump import Dump
from pstorefs.oops import Facts, parse_console, parse_dump
from pstorefs.record import reading
from pstorefs.record.name import Name, parse_header, parse_name
from pstorefs.record.record import NO_TIME
from pstorefs.report import report_txt, summary_json
from pstorefs.report.context import Context
from pstorefs.system.machine import Machine
from pstorefs.system.printable import whole

if TYPE_CHECKING:
    from typing import BinaryIO

#: Of a longer log the end is read: more than any kernel's log buffer, and where a crash is.
LOG_MAX = 8 << 20
#: Number of bytes that decide whether a file is a text.
_SAMPLE = 4096
#: Bytes that no kernel or console prints, except a few where the line was interrupted.
_BINARY = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\a\033"))
_NOT_TEXT = 0.1  # the share of such bytes from which a file is not a text
#: Nothing says that a log is of the machine that reads it.
_NOTHING_KNOWN = Context(Machine(os.devnull))
#: Keys of summary.json that only a dump has, not its text.
_OF_A_DUMP = ("name", "id", "type", "backend", "time", "time_source", "boot", "boot_order")


def read_end(source: BinaryIO, limit: int = LOG_MAX) -> bytes:
    """Return the last bytes of a file or pipe, at most `limit`; memory stays below three times."""
    if source.seekable():
        size = source.seek(0, os.SEEK_END)
        source.seek(max(0, size - limit))
    blocks: list[bytes] = [b"", b""]
    while True:
        block = source.read(limit)
        if not block:
            return b"".join(blocks)[-limit:]
        blocks = [b"".join(blocks)[-limit:], block]


def text_of(file: str, data: bytes) -> reading.Reading:
    """Return the text in a file: decoded where it is a record that the kernel left compressed."""
    name = parse_name(os.path.basename(file))
    if name is None:
        name = Name("console", "unknown", None, not _is_text(data), file)
    elif not name.encoded:  # a text, whatever its type; no header line makes it a console log
        name = name._replace(type="console")
    return reading.read(name, data)


def _is_text(data: bytes) -> bool:
    sample = data[:_SAMPLE]
    return len(sample) - len(sample.translate(None, _BINARY)) <= _NOT_TEXT * len(sample)


def facts_of(text: bytes) -> Facts:
    """Return what a log says; with the header line of a dump as that dump, else as a console."""
    header = parse_header(text)
    if header is None:
        return parse_console(text)
    return parse_dump(text, header.reason, header.count)


def summary_line(file: str, text: bytes) -> bytes:
    """Return one line of JSON: `file` and the keys of summary.json; null: a text cannot say."""
    facts = facts_of(text)
    dump = _dump_of(text)
    keys: dict[str, Any] = {"file": whole(file), **_keys_of(dump, facts)}
    keys.update(dict.fromkeys(_OF_A_DUMP))
    if not facts.found and facts.span is None:
        keys["title"] = None
    keys["records"] = keys["missing_parts"] = keys["complete"] = None
    keys["crash"] = dump.is_crash if dump.reason else facts.crashed
    return json.dumps(keys).encode() + b"\n"


def report_text(text: bytes) -> bytes:
    """Return what report.txt says of a log."""
    facts = facts_of(text)
    words = text[facts.span.start : facts.span.end] if facts.span else None
    return report_txt.report(_keys_of(_dump_of(text), facts), words, _NOTHING_KNOWN)


def _keys_of(dump: Dump, facts: Facts) -> dict[str, Any]:
    return summary_json.completed(summary_json.keys_of(dump, facts), _NOTHING_KNOWN)


def _dump_of(text: bytes) -> Dump:
    """Return a dump without records: only the facts from its header line are known."""
    header = parse_header(text)
    reason, count = (header.reason, header.count) if header else (None, None)
    return Dump("", "", "log", "", reason, count, None, NO_TIME, (), ())
