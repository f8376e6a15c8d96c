"""Archives as earlier versions of this program left them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any


def of_schema_1(keys: dict[str, Any]) -> None:
    """Make a summary.json what it was in schema 1."""
    for key in ("saved", "digest", "report"):
        keys.pop(key, None)
    for record in keys["records"]:
        record.pop("use", None)
    keys["schema"] = 1


def age_summary(dump: Path) -> None:
    path = dump / "summary.json"
    keys = json.loads(path.read_text())
    of_schema_1(keys)
    path.write_text(json.dumps(keys))


def without_mark(line: bytes) -> bytes:
    """A line of the index as it was before there were marks."""
    text = line.removesuffix(b"\n").partition(b"\t")[2].rsplit(b"\t", 4)[0]
    return b"%08x\t%s" % (zlib.crc32(text), text)


def age_index(archive: Path) -> None:
    path = archive / ".index"
    head, *lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([head, *(without_mark(each) for each in lines if each), b""]))
