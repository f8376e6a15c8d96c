"""The corpus: records that real kernels wrote while they crashed (tests/corpus/README.md)."""

from __future__ import annotations

import json
import os
import re
import tarfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
ECC_NOTICE = re.compile(
    rb"\n(?:ECC: )?(?:No errors detected|\d+ Corrected bytes, \d+ unrecoverable blocks)\n\Z"
)


@dataclass(frozen=True)
class StoredFile:
    """One file as a kernel showed it."""

    data: bytes
    mtime_ns: int
    mode: int


@dataclass(frozen=True)
class Capture:
    """One store, as shown by a kernel that cannot decompress (enc) and by one that can (ref)."""

    name: str
    info: dict[str, Any]
    folders: dict[str, dict[str, StoredFile]] = field(repr=False)

    @property
    def enc(self) -> dict[str, StoredFile]:
        return self.folders["enc"]

    @property
    def ref(self) -> dict[str, StoredFile]:
        return self.folders["ref"]

    @property
    def truth(self) -> dict[str, StoredFile]:
        return self.folders.get("truth", {})

    def write(self, folder: str, where: Path) -> Path:
        """Put one folder's files into the directory `where`, with the kernel's modes and times."""
        where.mkdir(parents=True, exist_ok=True)
        for name, stored in self.folders[folder].items():
            path = where / name
            path.write_bytes(stored.data)
            path.chmod(stored.mode)
            os.utime(path, ns=(stored.mtime_ns, stored.mtime_ns))
        return where


@dataclass(frozen=True)
class Record:
    """One record of enc/ with its text, where some kernel could read it."""

    capture: str
    name: str
    stored: bytes = field(repr=False)
    reference: bytes | None = field(repr=False)
    truth: bytes | None = field(repr=False)


def captures() -> list[str]:
    """Names of all captures."""
    return sorted(path.name.removesuffix(".tar.xz") for path in CORPUS.glob("*.tar.xz"))


def _mtime_ns(member: tarfile.TarInfo) -> int:
    seconds, _, fraction = member.pax_headers.get("mtime", str(int(member.mtime))).partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


@cache
def capture(name: str) -> Capture:
    """One capture, unpacked into memory."""
    folders: dict[str, dict[str, StoredFile]] = {}
    info: dict[str, Any] = {}
    with tarfile.open(CORPUS / f"{name}.tar.xz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None:  # a directory
                continue
            path = member.name.removeprefix(f"{name.rpartition('/')[2]}/")
            folder, _, file = path.rpartition("/")
            if folder:
                folders.setdefault(folder, {})[file] = StoredFile(
                    content.read(), _mtime_ns(member), member.mode
                )
            else:
                info = json.load(content)
    return Capture(name, info, folders)


def plain_name(name: str) -> str:
    """The name without .enc.z; the backend efi is called efi_pstore since Linux 6.2."""
    return name.removesuffix(".enc.z").replace("-efi_pstore-", "-efi-")


def records(algorithm: str | None = None) -> list[Record]:
    """Compressed records of all captures, or of those whose algorithm is the one given."""
    found = []
    for one in map(capture, captures()):
        if algorithm not in (None, one.info["algorithm"]):
            continue
        ref = {plain_name(n): f.data for n, f in one.ref.items() if not n.endswith(".enc.z")}
        truth = {plain_name(n): f.data for n, f in one.truth.items()}
        found += [
            Record(
                one.name, name, file.data, ref.get(plain_name(name)), truth.get(plain_name(name))
            )
            for name, file in one.enc.items()
            if name.endswith(".enc.z")
        ]
    return found


def without_notice(data: bytes) -> bytes:
    """The data without the notice that ramoops appends where ECC is on."""
    return ECC_NOTICE.sub(b"", data)
