"""Addresses of functions in an ELF file with symbols, vmlinux or a module: gabi's .symtab, no more.

The file is mapped, not read: a vmlinux with debug data has several hundred MiB. Its content may be
anything; `ElfError` says what it is not.
"""

from __future__ import annotations

import mmap
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_SYMTAB = 2
_FUNCTION = 2
_MOST_SECTIONS = 10_000
_MOST_SYMBOLS = 4_000_000
# A name may be behind others that end in it, as linkers merge strings.
_MOST_PLACES = 64
_RELEASE = b"Linux version "
_VERMAGIC = b"vermagic="
_RELOCATABLE = 1
_LONGEST_SECTION_NAME = 64


class ElfError(Exception):
    """The file is not what it should be."""


class Symbol(NamedTuple):
    """A function in the file, in bytes. In a module its address counts from its section's begin."""

    address: int
    size: int
    #: Of a module, such as .text; empty: the address is one of the whole file.
    section: str = ""


class _Section(NamedTuple):
    name: int
    type: int
    offset: int
    size: int
    link: int


class Elf:
    """An ELF file that is mapped. OSError, `ElfError`."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise ElfError("it is empty") from error
        try:
            head = self._map[:64]
            if head[:4] != b"\x7fELF" or len(head) < 64:
                raise ElfError("it is not an ELF file")
            self._wide, self._order = head[4] == 2, "<" if head[5] == 1 else ">"
            (kind,) = struct.unpack_from(f"{self._order}H", head, 16)
            self._relocatable = kind == _RELOCATABLE
            self._names_at = struct.unpack_from(f"{self._order}H", head, 62 if self._wide else 50)[
                0
            ]
            self._sections = self._read_sections(head)
        except BaseException:
            self._map.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def _read_sections(self, head: bytes) -> list[_Section]:
        # e_shoff, e_shentsize, e_shnum
        if self._wide:
            (start,) = struct.unpack_from(f"{self._order}Q", head, 40)
            size, count = struct.unpack_from(f"{self._order}HH", head, 58)
        else:
            (start,) = struct.unpack_from(f"{self._order}I", head, 32)
            size, count = struct.unpack_from(f"{self._order}HH", head, 46)
        row = struct.Struct(self._order + ("IIQQQQIIQQ" if self._wide else "IIIIIIIIII"))
        if size != row.size or count > _MOST_SECTIONS or start + size * count > len(self._map):
            raise ElfError("its sections cannot be read")
        found = []
        for number in range(count):
            fields = row.unpack_from(self._map, start + number * size)
            found.append(_Section(fields[0], fields[1], fields[4], fields[5], fields[6]))
        return found

    def functions(self, names: Iterable[str]) -> Mapping[str, list[Symbol]]:
        """All functions of these names: static ones of one name may be several."""
        found: dict[str, list[Symbol]] = defaultdict(list)
        tables = [section for section in self._sections if section.type == _SYMTAB]
        if not tables:
            raise ElfError("it has no symbols")
        for table in tables:
            if table.link >= len(self._sections):
                raise ElfError("its symbols have no names")
            strings = self._sections[table.link]
            wanted = self._places(strings, names)
            for name, symbol in self._symbols(table, wanted):
                if symbol not in found[name]:
                    found[name].append(symbol)
        return found

    def _places(self, strings: _Section, names: Iterable[str]) -> dict[int, str]:
        """Where in a table of strings the names are."""
        found: dict[int, str] = {}
        end = strings.offset + strings.size
        for name in names:
            word, at = name.encode() + b"\0", strings.offset - 1
            for _ in range(_MOST_PLACES):
                at = self._map.find(word, at + 1, end)
                if at < 0:
                    break
                found[at - strings.offset] = name
        return found

    def _symbols(self, table: _Section, wanted: Mapping[int, str]) -> Iterable[tuple[str, Symbol]]:
        # st_name, st_info, st_other, st_shndx, st_value, st_size; in 32 bits in another order.
        row = struct.Struct(self._order + ("IBBHQQ" if self._wide else "IIIBBH"))
        size = min(table.size // row.size, _MOST_SYMBOLS) * row.size
        data = self._map[table.offset : table.offset + size]
        for fields in row.iter_unpack(data[: len(data) // row.size * row.size]):
            name = wanted.get(fields[0])
            if name is None:
                continue
            if self._wide:
                _, info, _, section, address, length = fields
            else:
                _, address, length, info, _, section = fields
            if info & 15 == _FUNCTION:
                within = self._section_name(section) if self._relocatable else ""
                yield name, Symbol(address, length, within)

    def _section_name(self, number: int) -> str:
        if max(number, self._names_at) >= len(self._sections):
            raise ElfError("its sections have no names")
        at = self._sections[self._names_at].offset + self._sections[number].name
        return self._map[at : at + _LONGEST_SECTION_NAME].split(b"\0")[0].decode(errors="replace")

    def release(self) -> str | None:
        """The release of the kernel that this is, or is a module of; None: it does not say."""
        if self._relocatable:
            at = self._map.find(_VERMAGIC)
            words = self._map[at + len(_VERMAGIC) : at + 128] if at >= 0 else b""
            return words.split(b" ")[0].decode(errors="replace") or None
        at = self._map.find(_RELEASE)
        while at >= 0:
            words = self._map[at + len(_RELEASE) : at + len(_RELEASE) + 128]
            word = words.split(b" ")[0]
            if word[:1].isdigit():
                return word.decode("ascii", "replace")
            at = self._map.find(_RELEASE, at + 1)
        return None
