"""A dump as one line: what its summary.json says, in columns of fixed types. Pure.

A summary.json is hostile: it says what some machine wrote into a file. Each column has one type, or
is null, whatever is there, so that engines that read millions of these lines find one schema.

=============== ===============================================================================
column          value
=============== ===============================================================================
schema          1
machine, host   as in the key
dump, id        the dump's name; SHA-256 over the sorted SHA-256 of all its records
replaces        the id of what this dump was before it grew, or null
saved           when it was archived, RFC 3339
bundle          key, size and sha256 of the bundle; tar_sha256: of the tar in it
trace           the names of the functions, reliable ones only
others          as `COLUMNS` says, from summary.json
=============== ===============================================================================
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.fleet import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEMA = 1
_LONGEST, _MOST_FRAMES, _LARGEST = 1000, 64, 1 << 53


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if type(value) is int and -_LARGEST < value < _LARGEST else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return len(value) if isinstance(value, list) else None


def _functions(value: object) -> list[str]:
    frames = value if isinstance(value, list) else []
    return [
        frame["function"][:200]
        for frame in frames[:_MOST_FRAMES]
        if isinstance(frame, dict)
        and isinstance(frame.get("function"), str)
        and frame.get("reliable") is not False
    ]


#: Columns: where in summary.json they come from, and what they must be.
COLUMNS: dict[str, tuple[tuple[str, ...], Callable[[object], Any]]] = {
    "program": (("program",), _text),
    "type": (("type",), _text),
    "backend": (("backend",), _text),
    "reason": (("reason",), _text),
    "count": (("count",), _number),
    "crash": (("crash",), _flag),
    "time": (("time",), _text),
    "time_source": (("time_source",), _text),
    "title": (("title",), _text),
    "class": (("class",), _text),
    "signature": (("signature",), _text),
    "stack": (("stack",), _text),
    "panic": (("panic",), _text),
    "kernel": (("kernel", "release"), _text),
    "build": (("kernel", "build"), _text),
    "taint": (("kernel", "taint"), _text),
    "reading_kernel": (("reading_kernel",), _text),
    "hardware": (("machine", "hardware"), _text),
    "cpu": (("task", "cpu"), _number),
    "pid": (("task", "pid"), _number),
    "comm": (("task", "comm"), _text),
    "ip": (("ip", "function"), _text),
    "module": (("ip", "module"), _text),
    "trace": (("trace",), _functions),
    "boot": (("boot",), _text),
    "boot_order": (("boot_order",), _number),
    "records": (("records",), _count),
    "complete": (("complete",), _flag),
}


def parse(data: bytes) -> dict[str, Any]:
    """A summary.json; empty if it is none."""
    try:
        summary = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}


def columns(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a summary.json, all of them, each of its type or null."""
    return {name: column(summary, name) for name in COLUMNS}


def column(summary: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 (each has its type)
    """One column."""
    path, convert = COLUMNS[name]
    return convert(_at(summary, path))


def _at(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def function_of(row: Mapping[str, Any]) -> str:
    """The function that a title names; empty if it names none.

    Only what the signature is made of as well: one signature has one label, on any machine.
    """
    _, found, function = (row["title"] or "").rpartition(" in ")
    return function if found and " " not in function else ""


class Bundle(NamedTuple):
    """What an index entry says of its bundle."""

    key: str
    size: int
    sha256: str
    tar_sha256: str


def line(
    names: keys.Names,
    dump_id: str,
    replaces: str | None,
    saved: int,
    row: Mapping[str, Any],
    bundle: Bundle,
) -> bytes:
    """An index entry: one line of JSON."""
    host = None if names.host == keys.NONE else names.host
    whole = {
        "schema": SCHEMA,
        "machine": None if names.machine == keys.NONE else names.machine,
        "host": host,
        "dump": names.dump,
        "id": dump_id,
        "replaces": replaces,
        "date": names.date,
        "label": None if names.label == keys.NONE else names.label,
        **row,
        "saved": _rfc3339(saved),
        "bundle": bundle._asdict(),
    }
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def _rfc3339(seconds: int) -> str | None:
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return None
