"""What summary.json must look like to be believed: an archive's content is hostile.

Each value is taken over only if it is of the type, the length and the kind that this program
writes. Keys that are not known are dropped; a text with a control character is none of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_LONGEST = 4096
_LARGEST = 1 << 64
_MOST = 20_000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RAW = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}(?:~[0-9a-f]{8})?", re.ASCII)
#: Keys of boots: a family and a number or a hash.
BOOT = re.compile(r"[A-Za-z0-9_]{1,64}-[0-9a-f]{1,20}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{16}")
_LOGS = ("console", "pmsg", "ftrace")

#: A checker gives the value, or raises ValueError.
Checker = Callable[[Any], Any]


def _text(value: object) -> str:
    if isinstance(value, str) and len(value) <= _LONGEST and value.isprintable():
        return value
    raise ValueError("no text")


def _number(value: object) -> int:
    if type(value) is int and -_LARGEST < value < _LARGEST:
        return value
    raise ValueError("no number")


def _seconds(value: object) -> float:
    if type(value) in (int, float) and 0 <= value < _LARGEST:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    raise ValueError("no seconds")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("neither true nor false")


def _like(pattern: re.Pattern[str]) -> Checker:
    def check(value: object) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise ValueError("not of the right form")

    return check


def _time(value: object) -> str:
    """RFC 3339 as this program writes it; ValueError also for what is no day of the calendar."""
    from datetime import datetime

    time = str(_like(_TIME)(value))
    datetime.fromisoformat(time.removesuffix("Z"))
    return time


def _or_null(check: Checker) -> Checker:
    return lambda value: None if value is None else check(value)


def _list(check: Checker) -> Checker:
    def checked(value: object) -> list[Any]:
        if isinstance(value, list) and len(value) <= _MOST:
            return [check(each) for each in value]
        raise ValueError("no list")

    return checked


def _object(shape: Mapping[str, Checker]) -> Checker:
    def checked(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("no object")
        return {key: check(value[key]) for key, check in shape.items()}

    return checked


def _map(key: Checker, check: Checker) -> Checker:
    def checked(value: object) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > _MOST:
            raise ValueError("no object")
        return {key(name): check(each) for name, each in value.items()}

    return checked


def _pair(value: object) -> list[int]:
    found: list[int] = _list(_number)(value)
    if len(found) == 2 and 0 <= found[0] <= found[1]:
        return found
    raise ValueError("no range")


_PLACE = {
    "function": _or_null(_text),
    "offset": _or_null(_number),
    "size": _or_null(_number),
    "module": _or_null(_text),
}
_OTHER = _object(
    {
        "title": _text,
        "class": _text,
        "signature": _or_null(_text),
        "seconds": _or_null(_seconds),
    }
)
_RECORD: dict[str, Checker] = {
    "name": _like(_RAW),
    "place": _text,
    "path": _text,
    "part": _or_null(_number),
    "use": _or_null(_text),
    "size": _number,
    "sha256": _like(_SHA256),
    "state": _text,
    "problem": _or_null(_text),
    "ecc": _or_null(_object({"corrected": _number, "unrecoverable": _number})),
}
_SUMMARY: dict[str, Checker] = {
    "schema": _number,
    "program": _text,
    "name": _text,
    "id": _like(_SHA256),
    "type": _text,
    "backend": _text,
    "reason": _or_null(_text),
    "count": _or_null(_number),
    "crash": _flag,
    "time": _or_null(_time),
    "time_source": _text,
    "title": _text,
    "class": _text,
    "signature": _or_null(_text),
    "stack": _or_null(_text),
    "panic": _or_null(_text),
    "kernel": _object(
        {"release": _or_null(_text), "build": _or_null(_text), "taint": _or_null(_text)}
    ),
    "reading_kernel": _or_null(_text),
    "machine": _object(
        {
            "machine_id": _or_null(_text),
            "hostname": _or_null(_text),
            "hardware": _or_null(_text),
        }
    ),
    "task": _object({"cpu": _or_null(_number), "pid": _or_null(_number), "comm": _or_null(_text)}),
    "ip": _or_null(_object(_PLACE)),
    "caller": _or_null(_object(_PLACE)),
    "interrupted": _or_null(_flag),
    "made_by": _or_null(_text),
    "cut": _or_null(_flag),
    "trace": _list(_object(_PLACE | {"reliable": _flag})),
    "modules": _list(_text),
    "report": _or_null(_pair),
    "earlier": _list(_OTHER),
    "later": _list(_OTHER),
    "boot": _or_null(_like(BOOT)),
    "boot_order": _or_null(_number),
    "boot_dumps": lambda _: [],
    "records": _list(_object(_RECORD)),
    "missing_parts": _list(_pair),
    "complete": _flag,
}
_SAVED: dict[str, Checker] = {
    "mtime_ns": _number,
    "mtimes": _map(_like(_RAW), _number),
    "texts": _map(_text, _like(_SHA256)),
    "key": _like(BOOT),
    "start": _or_null(_number),
    "tail": _or_null(_like(_HEX)),
}
#: What each part of a stored summary.json must look like.
_SHAPES = {"summary": _object(_SUMMARY), "saved": _object(_SAVED)}


#: All keys of a summary.json that this version shows.
KEYS = (*_SUMMARY, *_RECORD, *_PLACE)
#: Keys that a summary.json may lack: they came later.
ADDED = ("stack", "caller", "interrupted", "made_by", "cut")


def shaped(value: object, of: str = "summary") -> dict[str, Any]:
    """The known keys of a summary.json. ValueError or KeyError if it is not of its shape."""
    if of == "summary" and isinstance(value, dict):
        value = {**dict.fromkeys(ADDED), **value}
        value = _of_schema_1(value) if value.get("schema") == 1 else value
    found: dict[str, Any] = _SHAPES[of](value)
    return found


def _of_schema_1(value: dict[str, Any]) -> dict[str, Any]:
    """A summary of version 0.x with the keys that came later: what is not known is null."""
    records, parts = [], set()
    for record in value["records"]:
        name = str(record["name"])
        use = "copy" if record["part"] is not None and record["part"] in parts else "part"
        if value["type"] == "dmesg" and name.startswith(_LOGS):
            use = "log"
        parts.add(record["part"])
        records.append({**record, "use": use})
    return {**value, "records": records, "report": None}
