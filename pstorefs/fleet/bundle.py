"""A dump as one file: a tar, packed by gzip, the same bytes whenever and wherever it is made. Pure.

Names are sorted; owner, modes and times are fixed; records.json, which changes when the store is
cleared, is not in it. The bytes of the gzip depend on the version of zlib as well, those of the tar
do not: an index entry has the SHA-256 of both.

machine-id(5) is confidential, so the one in summary.json becomes the name of the machine as the
fleet knows it. Where the host is not to be named, the report and the summary do not name it; the
kernel's log is what it is.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.archive.layout import REPORT, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of all files of a bundle, at most.
MOST_BYTES = 64 << 20
MOST_FILES = 20_000
# The best that costs little: 6 is zlib's own choice.
_LEVEL = 6
# RFC 1952, by zlib: no name, no time.
_GZIP = 16 + zlib.MAX_WBITS
_MACHINE_ROW = b"Machine:"


class Packed(NamedTuple):
    """A bundle, and the SHA-256 of its tar in hex."""

    data: bytes
    sha256: str
    tar_sha256: str


def pack(directory: str, files: Mapping[str, bytes], moment: int) -> Packed:
    """The bundle of a dump's files, below a directory of its name. `moment`: Unix time of all."""
    tar = _tar(directory, files, moment)
    engine = zlib.compressobj(_LEVEL, wbits=_GZIP)
    data = engine.compress(tar) + engine.flush()
    return Packed(data, hashlib.sha256(data).hexdigest(), hashlib.sha256(tar).hexdigest())


def _tar(directory: str, files: Mapping[str, bytes], moment: int) -> bytes:
    """What tarfile makes of files that are in memory already, without a copy of each."""
    pieces = []
    for name in sorted(files):
        data = files[name]
        member = tarfile.TarInfo(f"{directory}/{name}")
        member.size, member.mode, member.mtime = len(data), 0o600, moment
        pieces += [member.tobuf(tarfile.PAX_FORMAT), data, bytes(-len(data) % tarfile.BLOCKSIZE)]
    pieces.append(bytes(2 * tarfile.BLOCKSIZE))  # the end
    pieces.append(bytes(-sum(map(len, pieces)) % tarfile.RECORDSIZE))
    return b"".join(pieces)


def without_machine(
    files: Mapping[str, bytes], summary: dict[str, Any], machine: str, host: str | None
) -> dict[str, bytes]:
    """The files as they may leave the machine. `summary`: summary.json, parsed; empty: none.

    ``host`` takes the place of the host's name; None: it stays as it is; empty: it is taken out.
    """
    kept = dict(files)
    if not summary:
        kept.pop(SUMMARY, None)  # its content is not known
        return kept
    said = summary.get("machine")
    about = dict(said) if isinstance(said, dict) else {}
    old = about.get("hostname")
    about["machine_id"] = machine or None
    if host is not None:
        about["hostname"] = host or None
        if isinstance(old, str) and REPORT in kept:
            kept[REPORT] = _renamed(kept[REPORT], old, host)
    whole = summary | {"machine": about}
    try:
        # A line for each key: with indent= it is ten times the work.
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in whole.items()]
    except RecursionError:  # to write it takes more of the stack than to read it
        del kept[SUMMARY]
    else:
        kept[SUMMARY] = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
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
