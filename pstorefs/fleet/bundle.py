"""A dump as one file: a tar, packed by gzip, the same bytes whenever and wherever it is made. Pure.

Names are sorted; owner, modes and times are fixed; records.json, which changes when the store is
cleared, is not in it. The bytes of the gzip depend on the version of zlib as well, those of the tar
do not: an index entry holds the SHA-256 of both.

machine-id(5) is confidential, so the one in summary.json becomes the name of the machine as the
fleet knows it. Where the host is not to be named, the report and the summary do not name it; the
kernel's log is what it is.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of all files of a bundle, at most.
MOST_BYTES = 64 << 20
MOST_FILES = 20_000
SUMMARY, REPORT = "summary.json", "report.txt"
# The best that costs little: 6 is zlib's own choice.
_LEVEL = 6
_MACHINE_ROW = b"Machine:"


class Packed(NamedTuple):
    """A bundle, and the SHA-256 of its tar in hex."""

    data: bytes
    sha256: str
    tar_sha256: str


def pack(directory: str, files: Mapping[str, bytes], moment: int) -> Packed:
    """The bundle of a dump's files, below a directory of its name. `moment`: Unix time of all."""
    tar = _tar(directory, files, moment)
    whole = io.BytesIO()
    # No name and no time in the header: RFC 1952.
    with gzip.GzipFile(filename="", fileobj=whole, mode="wb", compresslevel=_LEVEL, mtime=0) as out:
        out.write(tar)
    data = whole.getvalue()
    return Packed(data, hashlib.sha256(data).hexdigest(), hashlib.sha256(tar).hexdigest())


def _tar(directory: str, files: Mapping[str, bytes], moment: int) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(f"{directory}/{name}")
            member.size, member.mode, member.mtime = len(files[name]), 0o600, moment
            tar.addfile(member, io.BytesIO(files[name]))
    return whole.getvalue()


def without_machine(
    files: Mapping[str, bytes], summary: dict[str, Any], machine: str, host: str | None
) -> dict[str, bytes]:
    """The files as they may leave the machine. `summary`: summary.json, parsed; empty: none.

    ``host`` takes the place of the host's name; None: it stays as it is; empty: it is taken out.
    """
    kept = dict(files)
    if not summary:
        kept.pop(SUMMARY, None)  # nobody can tell what is in it
        return kept
    said = summary.get("machine")
    about = dict(said) if isinstance(said, dict) else {}
    old = about.get("hostname")
    about["machine_id"] = machine or None
    if host is not None:
        about["hostname"] = host or None
        if isinstance(old, str) and REPORT in kept:
            kept[REPORT] = _renamed(kept[REPORT], old, host)
    try:
        kept[SUMMARY] = json.dumps(summary | {"machine": about}, indent=1).encode() + b"\n"
    except RecursionError:  # to write it takes more of the stack than to read it
        del kept[SUMMARY]
    return kept


def _renamed(report: bytes, old: str, new: str) -> bytes:
    """A report.txt whose row of the machine begins with another host's name, or with none."""
    head, row, rest = report.partition(b"\n" + _MACHINE_ROW)
    line, newline, rest = rest.partition(b"\n")
    value = line.strip()
    if not row or not value.startswith(old.encode(errors="replace")):
        return report
    tail = value[len(old.encode(errors="replace")) :]
    padding = line[: len(line) - len(line.lstrip())]
    words = (new.encode() + tail) if new else tail.lstrip(b", ")
    return head + row + padding + words + newline + rest
