"""A bundle taken apart. Pure. Bundles are hostile: anybody who may write can put anything there.

Only the form that bundle.py makes is accepted: a gzip of a tar with regular files only,
all in one directory with the name of the dump, under names that an archive has, each once. No link,
device or slash more, no size beyond the bounds. The records must be those whose id is in the key.

The tar is read here and not by tarfile, which takes much more than that: sparse files, PAX headers
that change sizes, and, in Debian 12's Python, headers that keep it busy (CVE-2024-6232,
CVE-2025-8194).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import TYPE_CHECKING

from pstorefs.archive import layout
from pstorefs.fleet import entry, keys
from pstorefs.fleet.bundle import MOST_BYTES, MOST_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Bytes of a tar, at most: each file has a header, perhaps a PAX header, and is filled up.
MOST_TAR = MOST_BYTES + MOST_FILES * 2048 + 10240
_BLOCK = 512
_FILE, _PAX = (b"0", b"\0"), b"x"
_OCTAL = re.compile(rb"[0-7]{1,11}[ \0]?")
_PAX_BYTES = 4096
_PLAIN = (*layout.COMPOSED, layout.SUMS)


class UnfitError(Exception):
    """A bundle that is none. The message says why."""


def unpack(data: bytes, dump: str, id16: str) -> Mapping[str, bytes]:
    """The files of a bundle, by path below the dump's directory. `dump`: its name in keys."""
    files: dict[str, bytes] = {}
    room = MOST_BYTES
    for path, content in _members(_inflate(data)):
        directory, _, name = path.partition("/")
        if not layout.is_dump_name(directory) or keys.dump_word(directory) != dump:
            raise UnfitError("it contains another dump than its key says")
        if not _is_ours(name) or name in files:
            raise UnfitError(f"it contains a file that no dump has: {name!r}")
        room -= len(content)
        if len(files) >= MOST_FILES or room < 0:
            raise UnfitError(f"it contains more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB")
        files[name] = content
    raw = f"{layout.RAW}/"
    hashes = [hashlib.sha256(files[name]).hexdigest() for name in files if name.startswith(raw)]
    whose = keys.id_of(hashes) if hashes or not dump.startswith(keys.REBOOT) else _reboot(files)
    if whose[:16] != id16:
        raise UnfitError("its records do not match the id in its key")
    return files


def _reboot(files: Mapping[str, bytes]) -> str:
    """The id of a reboot without a record (reboot.py), of what its summary says."""
    summary = entry.parse(files.get(layout.SUMMARY, b""))
    about = summary.get("machine")
    machine = about.get("machine_id") if isinstance(about, dict) else None
    return keys.reboot_id(str(machine), str(summary.get("boot")))


def _is_ours(name: str) -> bool:
    folder, slash, file = name.partition("/")
    if slash:
        return folder == layout.RAW and layout.raw_file(file) is not None
    return name in _PLAIN


def _inflate(data: bytes) -> bytes:
    """The whole tar in a gzip of one member (RFC 1952)."""
    engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        tar = engine.decompress(data, MOST_TAR + 1)
    except zlib.error as error:
        raise UnfitError(f"it is damaged: {error}") from None
    if len(tar) > MOST_TAR:
        raise UnfitError(f"it is longer than {MOST_TAR >> 20} MiB unpacked")
    if not engine.eof or engine.unused_data:
        raise UnfitError("it is cut off, or something follows it")
    return tar


def _members(tar: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file (POSIX.1-2008, pax: ustar interchange format)."""
    position, named = 0, None
    while header := tar[position : position + _BLOCK].rstrip(b"\0"):
        header = header.ljust(_BLOCK, b"\0")
        size = _number(header[124:136])
        start = position + _BLOCK
        content = tar[start : start + size]
        if header[257:262] != b"ustar" or len(content) != size or not _sums_up(header):
            raise UnfitError("its tar is damaged")
        position = start + -(-size // _BLOCK) * _BLOCK
        kind = header[156:157]
        if kind == _PAX:
            named = _pax_path(content)
        elif kind in _FILE:
            yield named or _path(header), content
            named = None
        else:
            raise UnfitError(f"it contains something that is not a file: {_path(header)!r}")


def _sums_up(header: bytes) -> bool:
    return _number(header[148:156]) == sum(header) - sum(header[148:156]) + 8 * ord(" ")


def _number(field: bytes) -> int:
    match = _OCTAL.match(field.lstrip(b" "))
    if match is None:
        raise UnfitError("its tar has an invalid number")
    return int(match[0].rstrip(b" \0"), 8)


def _path(header: bytes) -> str:
    name, prefix = (header[a:b].partition(b"\0")[0] for a, b in ((0, 100), (345, 500)))
    return (prefix + b"/" + name if prefix else name).decode("ascii", "replace")


def _pax_path(content: bytes) -> str | None:
    """The path in a PAX header; None if it has none. One that says more of the file is refused."""
    path = None
    rest = content[:_PAX_BYTES]
    while rest:
        length, _, _ = rest.partition(b" ")
        if not (length.isdigit() and len(length) < 5 and len(length) < int(length) <= len(rest)):
            raise UnfitError("its tar is damaged")
        record, rest = rest[len(length) + 1 : int(length)], rest[int(length) :]
        name, _, value = record.rstrip(b"\n").partition(b"=")
        if name == b"path":
            path = value.decode("ascii", "replace")
        elif name not in (b"mtime", b"atime", b"ctime"):
            raise UnfitError("its tar has headers that no bundle has")
    return path
